"""Packets to those who run the game, row by row."""

import pytest

from games.packet import Packet
from games.pko import service
from tests.games.rows import run_row, string

# packet, body, whole frame as the notes give it
ROWS: list[tuple[Packet, bytes, int]] = [
    (service.CheatAnswer(answer=b"42"), string(b"42"), 13),
    (service.LetterSend(npc_id=1, title=b"A", text=b"B"), b"\0\0\0\x01" + string(b"A") + string(b"B"), 20),
    (service.LetterFetch(npc_id=1), b"\0\0\0\x01", 12),
    (service.AskDropRate(), b"", 8),
    (service.AskExperienceRate(), b"", 8),
    (service.GoOffline(), b"", 8),
    (service.AntiIndulgence(), b"", 8),
]


@pytest.mark.parametrize(("packet", "body", "frame_bytes"), ROWS, ids=lambda value: type(value).__name__)
def test_row(packet: Packet, body: bytes, frame_bytes: int) -> None:
    run_row(packet, body)
    assert 8 + len(body) == frame_bytes
