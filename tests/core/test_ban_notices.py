"""Bans on their way from the book to the edges: time left, and the frames that say why."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from structlog.testing import capture_logs

from core.ban_notices import BanNotices, BanTaker
from core.bans import BanBook
from core.features.ports import BanKind
from core.store.memory import MemoryStore
from core.tunnel_service import TunnelService
from games.packet import Direction
from games.pko.chat import PopupNotice
from games.registry import load_pack
from tunnel.bans import MAX_NOTICE_BYTES, Ban, Banned
from wire.errors import MisuseError

PKO = load_pack("pko")
ANNA, BERT = Banned("account", b"anna"), Banned("account", b"bert")


@dataclass
class Taker:
    """Keeps what the edges would be told."""

    told: list[tuple[str, list[Ban], list[Banned]]] = field(default_factory=list)
    error: str = ""

    def set_bans(self, bans: Sequence[Ban]) -> None:
        self.told.append(("set", list(bans), []))

    def change_bans(self, added: Sequence[Ban], removed: Sequence[Banned]) -> None:
        if self.error:
            raise MisuseError(self.error)
        self.told.append(("change", list(added), list(removed)))


@dataclass
class Clock:
    """A clock that is set by hand."""

    seconds: float = 1_790_000_000.0

    def __call__(self) -> float:
        return self.seconds


def text_of(notice: bytes) -> bytes:
    codec = PKO.codec("classic")
    packet = codec.decode(Direction.CLIENTBOUND, codec.open(Direction.CLIENTBOUND, notice))
    assert isinstance(packet, PopupNotice)
    return packet.text


def test_the_tunnel_service_takes_bans() -> None:
    assert issubclass(TunnelService, BanTaker)


def test_edges_hear_who_is_banned_how_long_and_why() -> None:
    clock, taker, store = Clock(), Taker(), MemoryStore()
    book = BanBook(store, clock)
    book.add(BanKind.ACCOUNT, "anna", reason="b\xf6ts", seconds=600)
    clock.seconds += 60
    book.listen(BanNotices(PKO, taker, clock).tell)
    book.add(BanKind.ACCOUNT, "bert")
    book.remove(BanKind.ACCOUNT, "anna")
    (first, [anna], _), (second, [bert], _), (third, [], lifted) = taker.told
    assert (first, anna.whom, anna.seconds_left) == ("set", ANNA, 540.0)
    assert text_of(anna.notice) == b"You are banned until 2026-09-21 14:24 UTC: b\xf6ts"
    assert (second, bert.whom, bert.seconds_left) == ("change", BERT, 0.0)
    assert text_of(bert.notice) == b"You are banned."
    assert (third, lifted) == ("change", [ANNA])


def test_equal_notices_are_one() -> None:
    book = BanBook(MemoryStore(), Clock())
    for number in range(50):
        book.add(BanKind.ACCOUNT, f"bot{number}", reason="bots", seconds=60)
    bans = BanNotices(PKO, Taker(), Clock()).bans_of(book._bans)
    assert len({id(ban.notice) for ban in bans}) == 1


def test_a_ban_that_is_over_is_not_told() -> None:
    book = BanBook(MemoryStore(), Clock())
    book.add(BanKind.ACCOUNT, "anna", seconds=60)
    assert BanNotices(PKO, Taker(), Clock(Clock().seconds + 60)).bans_of(book._bans) == []


@pytest.mark.parametrize("game", ["pko", "echo", "raw"])
def test_the_longest_reason_fits_everywhere(game: str) -> None:
    pack = load_pack(game)
    book = BanBook(MemoryStore(), Clock())
    book.add(BanKind.ACCOUNT, "anna", reason="\u4e2d" * 200, seconds=60)
    [ban] = BanNotices(pack, Taker(), Clock(), charset="utf-8").bans_of(book._bans)
    assert len(ban.notice) <= MAX_NOTICE_BYTES


def test_what_the_edges_cannot_have_is_said() -> None:
    book = BanBook(MemoryStore(), Clock())
    book.listen(BanNotices(PKO, Taker(error="too many"), Clock()).tell)
    with capture_logs() as lines:
        book.add(BanKind.ACCOUNT, "anna")
    assert "bans_untold" in [line["event"] for line in lines]
