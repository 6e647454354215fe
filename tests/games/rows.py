"""Codec tests as rows: one packet, its bytes as they stand on the wire, run four ways."""

import pytest

from games.packet import Packet
from wire.errors import PacketFault


def run_row(packet: Packet, body: bytes, *, open_ended: bool = False) -> None:
    """Encode, decode whole, decode every truncation, decode with junk behind.

    ``open_ended`` is for packets whose last field takes the rest or may be left out: there a cut or junk may
    make another packet, but never one that is equal, and never one that does not encode to its bytes.
    """
    cls = type(packet)
    assert packet.encode() == body
    assert cls.decode(body) == packet
    assert cls.MIN_BYTES <= len(body) <= cls.MAX_BYTES
    changed = [*(body[:size] for size in range(len(body))), body + b"\0", body + b"junk"]
    for other in changed:
        if open_ended:
            _refused_or_different(packet, other)
        else:
            with pytest.raises(PacketFault) as caught:
                cls.decode(other)
            assert caught.value.field  # a reason names its place, in the packet or in a record inside it


def _refused_or_different(packet: Packet, body: bytes) -> None:
    try:
        decoded = type(packet).decode(body)
    except PacketFault:
        return
    assert decoded != packet
    assert decoded.encode() == body


def string(text: bytes) -> bytes:
    """Write a ``str`` by hand: length with NUL, text, NUL."""
    return (len(text) + 1).to_bytes(2, "big") + text + b"\0"


def sequence(content: bytes) -> bytes:
    """Write a ``seq`` by hand: length, content."""
    return len(content).to_bytes(2, "big") + content
