"""The core's book of bans over a store in memory: what holds, what ends, what is told, and what strangers write."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from ipaddress import ip_address

import pytest
from structlog.testing import capture_logs

from core import bans as bans_module
from core.ban_entries import field_of
from core.bans import GRACE_SECONDS, TABLE, BanBook, BanChange
from core.features.ports import BanEntry, BanKind, Bans
from core.store.memory import MemoryStore
from core.store.protocol import StoreStatus, TableChange
from tunnel.bans import Banned
from wire.errors import MisuseError

ADDRESS, ACCOUNT, CHARACTER = BanKind.ADDRESS, BanKind.ACCOUNT, BanKind.CHARACTER


@dataclass
class Clock:
    """A clock that is set by hand."""

    seconds: float = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def changes() -> list[BanChange]:
    return []


@pytest.fixture
def book(store: MemoryStore, clock: Clock, changes: list[BanChange]) -> BanBook:
    made = BanBook(store, clock, changes.append)
    as_features_see_it: Bans = made
    assert as_features_see_it.all == []
    return made


def named(kind: str, name: bytes) -> Banned:
    return Banned(kind, name)


def test_a_ban_holds_at_all_books_and_is_told_once(
    store: MemoryStore, clock: Clock, book: BanBook, changes: list[BanChange]
) -> None:
    other = BanBook(store, clock)
    book.add(ACCOUNT, "Anna", reason="spam", seconds=60, by="root")
    entry = BanEntry(ACCOUNT, "anna", "spam", "root", 1000.0, 1060.0)
    assert book.all == other.all == [entry]
    assert other.find(ACCOUNT, b"ANNA") == entry
    assert other.find(CHARACTER, b"anna") is None
    assert changes == [BanChange(is_whole=True), BanChange({named("account", b"anna"): entry})]


def test_a_ban_is_lifted_by_any_book(store: MemoryStore, clock: Clock, book: BanBook, changes: list[BanChange]) -> None:
    book.add(ACCOUNT, "anna")
    assert BanBook(store, clock).remove(ACCOUNT, "ANNA")
    assert not book.remove(ACCOUNT, "anna")
    assert (book.all, book.find(ACCOUNT, b"anna")) == ([], None)
    assert changes[-1] == BanChange(removed=(named("account", b"anna"),))


def test_the_narrowest_prefix_counts(book: BanBook) -> None:
    book.add(ADDRESS, "203.0.0.0/16", reason="wide")
    book.add(ADDRESS, "203.0.113.0/24", reason="narrow")
    book.add(ADDRESS, "2001:db8::/32", reason="six")

    def why(address: str) -> str | None:
        found = book.find_address(ip_address(address))
        return None if found is None else found.reason

    assert [why(each) for each in ("203.0.113.1", "::ffff:203.0.113.1", "203.0.1.1")] == ["narrow", "narrow", "wide"]
    assert [why(each) for each in ("203.1.0.0", "2001:db8::5", "cb00:7101::")] == [None, "six", None]
    book.remove(ADDRESS, "203.0.113.0/24")
    assert why("203.0.113.1") == "wide"
    book.remove(ADDRESS, "203.0.0.0/16")
    assert why("203.0.113.1") is None
    assert list(book._prefixes[4]) == [], "each length of prefix costs every look-up a look"


@pytest.mark.parametrize("name", [b"", b"x" * 300])
def test_a_name_that_cannot_be_banned_is_not(book: BanBook, name: bytes) -> None:
    assert book.find(ACCOUNT, name) is None


def test_a_ban_ends_at_once_and_leaves_the_table_later(
    store: MemoryStore, clock: Clock, book: BanBook, changes: list[BanChange]
) -> None:
    seen: list[TableChange] = []
    book.add(ADDRESS, "203.0.113.7", seconds=60)
    store.watch_table(TABLE, seen.append)
    clock.seconds += 60
    assert (book.all, book.find_address(ip_address("203.0.113.7"))) == ([], None)
    book.tick()
    assert changes[-1].removed == (book.whom(ADDRESS, "203.0.113.7"),)
    assert len(book) == 0
    clock.seconds += GRACE_SECONDS - 1
    book.tick()
    assert len(seen) == 1
    clock.seconds += 1
    book.tick()
    assert seen[-1].removed == ("address:203.0.113.7/32",)


def test_a_ban_that_is_made_longer_lasts_longer(clock: Clock, book: BanBook) -> None:
    book.add(ACCOUNT, "anna", seconds=60)
    book.add(ACCOUNT, "anna", seconds=600)
    clock.seconds += 599
    book.tick()
    assert book.find(ACCOUNT, b"anna") is not None
    clock.seconds += 1
    book.tick()
    assert len(book) == 0


def test_bans_changed_again_and_again_do_not_pile_up(clock: Clock, book: BanBook) -> None:
    for seconds in range(1500):
        book.add(ACCOUNT, "anna", seconds=60 + seconds)
    assert len(book._due) < 1100
    clock.seconds += 1560
    book.tick()
    assert len(book) == 0


def test_a_book_that_is_opened_later_knows_what_is_over(store: MemoryStore, clock: Clock, book: BanBook) -> None:
    book.add(ACCOUNT, "anna", seconds=60)
    book.add(ACCOUNT, "bert")
    clock.seconds += 61
    later: list[BanChange] = []
    other = BanBook(store, clock, later.append)
    assert [entry.value for entry in other.all] == ["bert"]
    assert [list(change.added) for change in later] == [[named("account", b"bert")]]
    clock.seconds += 60
    other.tick()
    assert BanBook(store, clock)._fields.keys() == {"account:bert"}


def test_who_listens_later_is_told_what_is_known(book: BanBook) -> None:
    book.add(ACCOUNT, "anna")
    later: list[BanChange] = []
    stop = book.listen(later.append)
    stop()
    book.add(ACCOUNT, "bert")
    assert [(list(change.added), change.is_whole) for change in later] == [([named("account", b"anna")], True)]


class AbsentStore(MemoryStore):
    """A store whose tables are known only when it is there."""

    on_change: Callable[[TableChange], None]

    def watch_table(self, table: str, on_change: Callable[[TableChange], None]) -> Callable[[], None]:
        self.on_change = on_change
        return lambda: None


def test_before_the_table_is_known_nothing_is_said_of_all_bans() -> None:
    store = AbsentStore()
    changes: list[BanChange] = []
    book = BanBook(store, Clock(), changes.append)
    book.listen(changes.append)
    assert changes == []
    fields = {"account:anna": b"{}", "account:bert": b'{"reason":"x"}'}
    store.on_change(TableChange(fields, is_whole=True))
    assert [(len(change.added), change.is_whole) for change in changes] == [(2, True), (2, True)]
    store.on_change(TableChange({"account:bert": b"{}", "account:carl": b"{}"}, is_whole=True))
    assert list(changes[-1].added) == [named("account", b"bert"), named("account", b"carl")]
    assert (changes[-1].removed, changes[-1].is_whole) == ((named("account", b"anna"),), False)
    count = len(changes)
    store.on_change(TableChange({"account:bert": b"{}", "account:carl": b"{}"}, is_whole=True))
    assert len(changes) == count, "nothing new"


def test_a_ban_made_before_the_table_is_known_lifts_no_other() -> None:
    store = AbsentStore()
    changes: list[BanChange] = []
    book = BanBook(store, Clock(), changes.append)
    store.on_change(TableChange({"account:anna": b"{}"}))
    assert [(list(change.added), change.is_whole) for change in changes] == [([named("account", b"anna")], False)]
    later: list[BanChange] = []
    book.listen(later.append)
    assert [(list(change.added), change.is_whole) for change in later] == [([named("account", b"anna")], False)]
    store.on_change(TableChange({"account:anna": b"{}", "account:bert": b"{}"}, is_whole=True))
    assert changes[-1].is_whole
    assert set(changes[-1].added) == {named("account", b"anna"), named("account", b"bert")}


class AwayStore(MemoryStore):
    """A store that can be out of reach."""

    is_away = False

    @property
    def status(self) -> StoreStatus:
        return replace(super().status, is_away=self.is_away)


def test_a_core_that_is_cut_off_deletes_no_ban_that_another_may_have_renewed(clock: Clock) -> None:
    store, seen = AwayStore(), list[TableChange]()
    book = BanBook(store, clock)
    book.add(ACCOUNT, "anna", seconds=60)
    store.watch_table(TABLE, seen.append)
    store.is_away = True
    clock.seconds += 60 + 2 * GRACE_SECONDS
    book.tick()
    book.tick()
    assert len(book) == 0
    assert not any(change.removed for change in seen)
    store.is_away = False
    clock.seconds += GRACE_SECONDS
    book.tick()
    assert seen[-1].removed == ("account:anna",)


def test_what_strangers_write_is_skipped_counted_and_said_once(store: MemoryStore, book: BanBook) -> None:
    with capture_logs() as lines:
        for value in (b"junk", b"more junk"):
            store.put_field(TABLE, "account:eve", value)
        store.put_field(TABLE, "nonsense", b"{}")
    assert [line["event"] for line in lines] == ["ban_skipped"]
    assert (book.skipped_entries, book.all) == (2, [])
    store.delete_field(TABLE, "nonsense")
    book.add(ACCOUNT, "eve")
    assert len(book) == 1


def test_garbage_over_a_ban_leaves_it_in_force(store: MemoryStore, book: BanBook) -> None:
    book.add(ACCOUNT, "anna")
    store.put_field(TABLE, "account:anna", b"junk")
    assert book.find(ACCOUNT, b"anna") is not None


def test_a_full_book_refuses_and_skips(store: MemoryStore, book: BanBook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bans_module, "MAX_BANS", 2)
    book.add(ACCOUNT, "anna")
    book.add(ACCOUNT, "bert")
    with pytest.raises(MisuseError, match="2 bans are all"):
        book.add(ACCOUNT, "carl")
    store.put_field(TABLE, "account:carl", b"{}")
    assert (len(book), book.skipped_entries) == (2, 1)
    book.add(ACCOUNT, "bert", reason="again")
    assert len(book) == 2


def test_a_closed_book_hears_nothing(store: MemoryStore, book: BanBook) -> None:
    book.close()
    store.put_field(TABLE, field_of(named("account", b"anna")), b"{}")
    assert len(book) == 0
