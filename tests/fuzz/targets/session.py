"""Sessions behind a tunnel: whatever the other end, the player and the game server do, nothing but a tunnel fault."""

from collections.abc import Iterable

from tests.fuzz.source import Source
from tests.fuzz.targets.guard import LAYOUT
from tests.tunnel.fakes import FakeEnd, FakeLink
from tests.wire.explained_rules import CLASSIC, frame, text
from tunnel.inbox import deliver_chunks
from tunnel.owner import CORE_SIDE, EDGE_SIDE
from tunnel.session import Session
from wire.chunks import ChunkKind, append_chunk
from wire.errors import TunnelFault
from wire.events import pack_event
from wire.guard import Guard
from wire.tables import Tables
from wire.watcher import Watcher

MAX_BYTES = 600
MODULES = ("tunnel.session", "wire.chunks", "wire.credits", "wire.guard", "wire.watcher", "wire.events")

WINDOW = 900
LINK_BYTES = 100
NOTICE_BYTES = 64
READ_BYTES = 50 * 13
"""The most that a link brings at once."""

SLOTS = (1, 2)

_TABLES = Tables(CLASSIC)
_WATCHER = Watcher(CLASSIC)
_SAY = frame(1, b"\x01" + text(b"hi"))
_EVENTS = tuple(pack_event(each, b"stamp" if each.memory >= 0 else b"") for each in CLASSIC.triggers)


def fuzz_one(data: bytes) -> None:
    """Do what the bytes say to the two sessions of one end, until the tunnel would be closed."""
    source = Source(data)
    end = FakeEnd(EDGE_SIDE if source.flag() else CORE_SIDE, notice=b"bye" if source.flag() else b"")
    links = [_open(end, slot) for slot in SLOTS]
    try:
        while source.left:
            slot = source.pick(SLOTS)
            _step(source, end, end.sessions[slot], links[slot - 1])
            end.buffer.take()
            for session in end.sessions.values():
                assert session.held_bytes <= WINDOW + LAYOUT.max_frame_bytes + READ_BYTES
            for link in links:
                assert len(link.sent) - link.taken <= WINDOW + LINK_BYTES + NOTICE_BYTES
    except TunnelFault as fault:
        assert len(str(fault)) < 300


def _open(end: FakeEnd, slot: int) -> FakeLink:
    is_edge = end.side.is_edge
    session = Session(
        end,
        slot,
        bytes(16),
        LAYOUT,
        send_window_bytes=WINDOW,
        receive_window_bytes=WINDOW,
        recheck=None if is_edge else LAYOUT,
        guard=Guard(_TABLES, end.counters.frames_refused, end.counters.frames_audited) if is_edge else None,
        watcher=None if is_edge else _WATCHER,
    )
    end.sessions[slot] = session
    link = FakeLink(capacity=LINK_BYTES, session=session)
    session.connect(link)
    return link


def _step(source: Source, end: FakeEnd, session: Session, link: FakeLink) -> None:
    match source.below(12):
        case 0:
            session.link_end()
        case 1:
            session.tunnel_credit(source.number(2))
        case 2:
            session.tunnel_close("client_closed" if source.flag() else "x" * 64)
        case 3:
            session.link_lost(OSError() if source.flag() else None)
        case 4:
            link.read_all()
        case 5:
            session.end("drain_deadline")
        case 6 | 7 if not link.is_paused:
            session.link_data(_SAY * (1 + source.below(50)))
        case 8 if not link.is_paused:
            session.link_data(source.take(source.below(100)) or b"\0")
        case 9:
            deliver_chunks(source.take(source.below(100)), end.sessions)
        case _:
            deliver_chunks(_take_batch(source), end.sessions)


def _take_batch(source: Source) -> bytes:
    """Return a batch that is well made; what it says may be wrong all the same."""
    batch = bytearray()
    for _ in range(1 + source.below(4)):
        slot = source.below(len(SLOTS) + 2) or 1
        match source.below(5):
            case 0:
                append_chunk(batch, slot, ChunkKind.END, b"")
            case 1:
                append_chunk(batch, slot, ChunkKind.EVENT, source.pick(_EVENTS))
            case 2:
                append_chunk(batch, slot, ChunkKind.DATA, source.take(source.below(60)) or b"\0")
            case _:
                append_chunk(batch, slot, ChunkKind.DATA, _SAY * (1 + source.below(20)))
    return bytes(batch)


def seeds() -> Iterable[bytes]:
    """Sessions that play and end in order, at either end."""
    for side in (0, 1):
        talk = bytes([0, 6, 9, 1, 7, 200, 0, 10, 1, 1, 3, 2, 0, 1, 4, 0])
        yield bytes([side, 1]) + talk + bytes([0, 1, 3, 132]) + bytes([0, 0, 0, 10, 0, 1, 0]) + bytes([0, 2, 1])
        yield bytes([side, 0]) + talk + bytes([0, 8, 20, 0, 9]) + bytes(30) + bytes([1, 3, 1, 1, 2, 0])
        yield bytes([side, 0]) + bytes([0, 9, 8, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9, 11, 0, 0, 0, 1, 1, 0, 0, 3, 65, 66, 67])
