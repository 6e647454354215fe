"""Chat packets, row by row."""

import pytest

from games.packet import Packet
from games.pko import chat
from tests.games.rows import run_row, string
from wire.errors import EncodeError, PacketFault

HI = string(b"hi")
ANN = string(b"Ann")
ID = b"\0\0\x01\0"
WHITE = b"\xff\xff\xff\xff"

EXACT: list[tuple[Packet, bytes]] = [
    (chat.Say(text=b"hi"), HI),
    (chat.Said(speaker_id=256, text=b"hi"), ID + HI + WHITE),
    (chat.SayToCamp(text=b"hi"), HI),
    (chat.SayToTrade(text=b"hi"), HI),
    (chat.SayToAll(text=b"hi"), HI),
    (chat.Whisper(to=b"Ann", text=b"hi"), ANN + HI),
    (chat.SayToTeam(text=b"hi"), HI),
    (chat.SayToGuild(text=b"hi"), HI),
    (chat.GmSaid(name=b"Ann", text=b"hi"), ANN + HI),
    (chat.SaidToTrade(name=b"Ann", text=b"hi"), ANN + HI + WHITE),
    (chat.SaidToAll(name=b"Ann", text=b"hi", colour=256), ANN + HI + ID),
    (chat.Whispered(name=b"Ann", to=b"hi", text=b""), ANN + HI + string(b"") + WHITE),
    (chat.SystemInfo(text=b"hi"), HI),
    (chat.PopupNotice(text=b"hi"), HI),
    (chat.ColourNotice(rgb=256, text=b"hi"), ID + HI),
]

STYLE = chat.GmSayStyle(word=256, colour=0xFFFFFFFF)

OPEN_ENDED: list[tuple[Packet, bytes]] = [
    (chat.GmSay(text=b"hi"), HI),
    (chat.GmSay(text=b"hi", style=STYLE), HI + ID + WHITE),
    (chat.GmSayScrolling(text=b"hi"), HI),
    (chat.GmSayScrolling(text=b"hi", style=STYLE), HI + ID + WHITE),
]


@pytest.mark.parametrize(("packet", "body"), EXACT, ids=lambda value: type(value).__name__)
def test_row(packet: Packet, body: bytes) -> None:
    run_row(packet, body)


@pytest.mark.parametrize(("packet", "body"), OPEN_ENDED, ids=lambda value: type(value).__name__)
def test_open_ended_row(packet: Packet, body: bytes) -> None:
    run_row(packet, body, open_ended=True)


def test_text_keeps_its_bytes_whatever_the_charset() -> None:
    for charset in ("gbk", "cp1251", "utf-8"):
        text = {"gbk": "你好", "cp1251": "привет", "utf-8": "né"}[charset].encode(charset)
        assert chat.Say.decode(string(text)) == chat.Say(text=text)


def test_text_over_its_bound_is_refused_both_ways() -> None:
    with pytest.raises(EncodeError, match="257 bytes"):
        chat.Say(text=b"x" * 257).encode()
    with pytest.raises(PacketFault, match=r"Say\.text"):
        chat.Say.decode(string(b"x" * 257))
