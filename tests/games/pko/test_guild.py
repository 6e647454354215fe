"""Guild packets, row by row."""

import pytest

from games.packet import Packet
from games.pko import guild
from tests.games.rows import run_row, string

# packet, body, whole frame as the notes give it
ROWS: list[tuple[Packet, bytes, int]] = [
    (guild.GuildCreate(confirm=1, name=b"A", password=b"B"), b"\x01" + string(b"A") + string(b"B"), 17),
    (guild.GuildApply(guild_id=1), b"\0\0\0\x01", 12),
    (guild.GuildConfirmApply(confirm=1), b"\x01", 9),
    (guild.GuildListApplicants(), b"", 8),
    (guild.GuildApprove(character_id=1), b"\0\0\0\x01", 12),
    (guild.GuildReject(character_id=1), b"\0\0\0\x01", 12),
    (guild.GuildKick(character_id=1), b"\0\0\0\x01", 12),
    (guild.GuildLeave(), b"", 8),
    (guild.GuildDisband(password=b"B"), string(b"B"), 12),
    (guild.GuildSetMotto(motto=b"B"), string(b"B"), 12),
    (guild.GuildChallenge(level=1, money=2), b"\x01\0\0\0\x02", 13),
    (guild.GuildBid(level=1, money=2), b"\x01\0\0\0\x02", 13),
    (guild.GuildSetPermissions(character_id=1, permissions=2), b"\0\0\0\x01\0\0\0\x02", 16),
    (
        guild.GuildBankItem(from_kind=1, from_grid=2, number=3, to_kind=4, to_grid=-1),
        b"\0\x01\0\x02\0\x03\x04\xff\xff",
        17,
    ),
    (guild.GuildBankGold(direction=1, gold=2), b"\x01\x01\0\0\0\x02", 14),
]


@pytest.mark.parametrize(("packet", "body", "frame_bytes"), ROWS, ids=lambda value: type(value).__name__)
def test_row(packet: Packet, body: bytes, frame_bytes: int) -> None:
    run_row(packet, body)
    assert 8 + len(body) == frame_bytes
