"""A tunnel's bytes: any give frames or a fault, and messages or a fault, and how they were cut changes nothing."""

from collections.abc import Iterable

from tests.fuzz.source import Source, cut
from tunnel.calls.message_cutter import MessageCutter, wrap_message
from tunnel.calls.status import CallError
from wire.data_frames import DATA, HEADER_BYTES, OTHER, FrameCutter, pack_data, pack_message, pack_window_update
from wire.errors import PeerFault

MAX_BYTES = 600
MODULES = ("wire.data_frames", "tunnel.calls.message_cutter")

MAX_FRAME_BYTES = 300
MAX_MESSAGE_BYTES = 200
PREFACE_BYTES = 24

Frame = tuple[int, int, int, bytes]


def fuzz_one(data: bytes) -> None:
    """Cut a stream into frames, and what is in them into messages, whole and in pieces."""
    source = Source(data)
    preface_bytes = PREFACE_BYTES * (source.number() & 1)
    seed = source.number()
    stream = source.rest()
    whole = _frames([stream], preface_bytes)
    pieces = _frames(cut(stream, seed), preface_bytes)
    if whole is None or pieces is None:
        assert whole is pieces
        return
    assert joined(whole) == joined(pieces)
    assert sum(len(body) for kind, _, _, body in whole if kind == DATA) <= len(stream)
    body = b"".join(body for kind, _, _, body in whole if kind == DATA)
    assert _messages([body]) == _messages(cut(body, seed))


def _frames(pieces: Iterable[bytes], preface_bytes: int) -> list[Frame] | None:
    cutter = FrameCutter(MAX_FRAME_BYTES, preface_bytes=preface_bytes)
    found: list[Frame] = []
    try:
        for piece in pieces:
            for kind, stream, size, body in cutter.feed(piece):
                assert 0 <= stream < 1 << 31
                assert kind != DATA or len(body) <= size <= MAX_FRAME_BYTES
                found.append((kind, stream, size, body))
        cutter.check()
    except PeerFault as fault:
        assert len(str(fault)) < 200
        return None
    return found


def joined(found: list[Frame]) -> list[Frame]:
    """Frames that are handed on come alone or together, as the stream was cut."""
    result: list[Frame] = []
    for each in found:
        if each[0] == OTHER and result and result[-1][0] == OTHER:
            result[-1] = (OTHER, 0, 0, result[-1][3] + each[3])
        else:
            result.append(each)
    return result


def _messages(pieces: Iterable[bytes]) -> list[bytes] | None:
    cutter = MessageCutter(MAX_MESSAGE_BYTES)
    found: list[bytes] = []
    try:
        for piece in pieces:
            found += cutter.feed(piece)
        cutter.check()
    except CallError:
        return None
    assert all(len(message) <= MAX_MESSAGE_BYTES for message in found)
    return found


def seeds() -> Iterable[bytes]:
    """A client's beginning, messages, padding, windows."""
    settings = b"\0\0\6\4\0\0\0\0\0\0\4\0\1\0\0"
    yield b"\1\0PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + settings + pack_message(b"hello", 1)
    yield b"\0\7" + pack_message(b"one", 1) + pack_window_update(1000, 0) + pack_data(wrap_message(b"two")[:4], 1)
    yield b"\0\3\0\0\x08\0\x08\0\0\0\1\2abcde\0\0" + pack_data(b"", 1)
    yield b"\0\0\0\0\3\1\0\0\0\0\1abc" + pack_data(bytes(HEADER_BYTES), 3)
