"""Pings, row by row, and their numbers by dialect."""

import pytest

from games.packet import Direction, Packet
from games.pko import ping
from games.registry import load_pack
from tests.games.rows import run_row

WORDS = (1, 2, 3, 4, 0xFFFFFFFF)
WORDS_BYTES = b"\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\x04\xff\xff\xff\xff"

EXACT: list[tuple[Packet, bytes, int]] = [
    (ping.CheckPing(), b"", 8),
    (ping.CheckPingReply(), b"", 8),
    (ping.Ping(words=WORDS), WORDS_BYTES, 28),
    (ping.PingReply(words=WORDS), WORDS_BYTES, 28),
    (ping.GmPingTg(), b"", 8),
    (ping.GmPingReplyTg(), b"", 8),
    (ping.GmPingReplyRussian(), b"", 8),
]


@pytest.mark.parametrize(("packet", "body", "frame_bytes"), EXACT, ids=lambda value: type(value).__name__)
def test_row(packet: Packet, body: bytes, frame_bytes: int) -> None:
    run_row(packet, body)
    assert 8 + len(body) == frame_bytes


@pytest.mark.parametrize("cls", [ping.GmPing, ping.GmPingReply])
def test_a_number_shared_with_moving_friends_among_groups(cls: type[ping.GmPing | ping.GmPingReply]) -> None:
    run_row(cls(), b"", open_ended=True)
    run_row(cls(rest=b"group"), b"group", open_ended=True)


@pytest.mark.parametrize(("dialect", "to_client", "to_server"), [("classic", 5020, 6020), ("tg", 5022, 6022)])
def test_gm_ping_by_dialect(dialect: str, to_client: int, to_server: int) -> None:
    codec = load_pack("pko").codec(dialect)
    assert codec.classes(Direction.CLIENTBOUND, to_client)
    assert codec.classes(Direction.SERVERBOUND, to_server)
    assert not codec.classes(Direction.CLIENTBOUND, 5020 + 5022 - to_client)
