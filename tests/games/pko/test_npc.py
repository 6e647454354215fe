"""Packets to people and things of the map, row by row."""

import pytest

from games.packet import Packet
from games.pko import npc
from games.registry import load_pack
from tests.games.rows import run_row, string

# packet, body, whole frame as the notes give it
ROWS: list[tuple[Packet, bytes, int]] = [
    (npc.LifeSkillAnswer(kind=1, npc_id=2), b"\0\0\0\x01\0\0\0\x02", 16),
    (npc.TalkPage(npc_id=1, page=2), b"\0\0\0\x01\x01\x2e\x02", 15),
    (npc.TalkFunction(npc_id=1, page=2, item=3), b"\0\0\0\x01\x01\x2f\x02\x03", 16),
    (npc.NpcExchange(npc_id=1, words=(1, 2, 3, 4, 5, 6)), b"\0\0\0\x01\0\x33\0\x01\0\x02\0\x03\0\x04\0\x05\0\x06", 26),
    (npc.MissionLog(), b"", 8),
    (npc.MissionLogInfo(mission_id=1), b"\0\x01", 10),
    (npc.MissionLogClear(mission_id=1), b"\0\x01", 10),
    (npc.BoatCreate(name=b"A", parts=(1, 2, 3, 4)), string(b"A") + b"\x01\x02\x03\x04", 16),
    (npc.BoatUpdateParts(parts=(1, 2, 3, 4)), b"\x01\x02\x03\x04", 12),
    (npc.BoatCancel(), b"", 8),
    (npc.BoatLaunch(npc_id=1, index=2), b"\0\0\0\x01\x02", 13),
    (npc.BoatSelectBag(npc_id=1, index=2), b"\0\0\0\x01\x02", 13),
    (npc.BoatSelect(npc_id=1, kind=2, index=3), b"\0\0\0\x01\x02\x03", 14),
    (npc.BoatGetInfo(), b"", 8),
]

OPEN_ENDED: list[tuple[Packet, bytes, int]] = [
    (npc.LifeSkillAsk(kind=1, npc_id=2, rest=b"\0\x03"), b"\0\0\0\x01\0\0\0\x02\0\x03", 18),
    (npc.TalkMission(npc_id=1, kind=2, rest=b"\0\x03\x04"), b"\0\0\0\x01\x01\x42\x02\0\x03\x04", 18),
    (npc.OtherTalk(npc_id=1, second=400), b"\0\0\0\x01\x01\x90", 14),
    (npc.NpcTrade(npc_id=1, kind=2, rest=b"\x03\x04"), b"\0\0\0\x01\x01\x35\x02\x03\x04", 17),
    (npc.OtherNpcTrade(npc_id=1, second=2, rest=b"?"), b"\0\0\0\x01\0\x02?", 15),
]


@pytest.mark.parametrize(("packet", "body", "frame_bytes"), ROWS, ids=lambda value: type(value).__name__)
def test_row(packet: Packet, body: bytes, frame_bytes: int) -> None:
    run_row(packet, body)
    assert 8 + len(body) == frame_bytes


@pytest.mark.parametrize(("packet", "body", "frame_bytes"), OPEN_ENDED, ids=lambda value: type(value).__name__)
def test_open_ended_row(packet: Packet, body: bytes, frame_bytes: int) -> None:
    run_row(packet, body, open_ended=True)
    assert 8 + len(body) == frame_bytes


@pytest.mark.parametrize("packet", [row[0] for row in (*ROWS, *OPEN_ENDED)], ids=lambda value: type(value).__name__)
def test_the_second_opcode_chooses_the_class(packet: Packet) -> None:
    codec = load_pack("pko").codec()
    assert codec.decode(packet.DIRECTION, codec.open(packet.DIRECTION, codec.seal(packet))) == packet
