"""The book of bans: who is in it, for how long, how a new set takes its place, and that it never holds too many."""

from dataclasses import dataclass
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import bans as bans_module
from edge.access_lists import AccessLists
from edge.admission import Admission, Limits
from edge.bans import BanBook, BanBooks
from edge.denied_names import DeniedNames
from edge.prefixes import PrefixSet, pack_address, parse_prefix
from edge.shared_counts import private_counts
from tunnel.bans import Ban, BanChanges, Banned, banned_network
from wire.errors import TunnelFault
from wire.reasons import Reason

NOTICE = b"\x00\x06bye!"
OTHER = b"\x00\x07other"


@dataclass
class Clock:
    """A clock that is set by hand."""

    seconds: float = 1000.0

    def __call__(self) -> float:
        return self.seconds


def network(text: str) -> Banned:
    return banned_network(ip_network(text))


def account(name: str) -> Banned:
    return Banned("account", name.encode())


def book(*bans: Ban, clock: Clock | None = None) -> BanBook:
    made = BanBook(clock or Clock())
    made.take(BanChanges(added=bans))
    return made


@pytest.mark.parametrize(
    ("address", "notice"),
    [
        ("203.0.113.0", NOTICE),
        ("203.0.113.255", NOTICE),
        ("::ffff:203.0.113.9", NOTICE),
        ("203.0.114.0", None),
        ("198.51.100.7", OTHER),
        ("198.51.100.8", None),
        ("2001:db8:1::5", b""),
        ("2001:db9::", None),
        ("::", None),
    ],
)
def test_an_address_is_banned_with_its_network(address: str, notice: bytes | None) -> None:
    found = book(
        Ban(network("203.0.113.0/24"), 0, NOTICE),
        Ban(network("198.51.100.7"), 0, OTHER),
        Ban(network("2001:db8::/32")),
    )
    assert len(found) == 3
    assert found.address_notice(pack_address(address)) == notice


def test_everybody_may_be_banned() -> None:
    everybody = book(Ban(network("0.0.0.0/0"), 0, NOTICE))
    assert everybody.address_notice(bytes(4)) == everybody.address_notice(b"\xff" * 4) == NOTICE
    assert everybody.address_notice(bytes(16)) is None


def test_a_name_is_banned_by_its_kind() -> None:
    found = book(Ban(account("BadGuy"), 0, NOTICE))
    assert found.name_notice("account", b"badguy") == NOTICE
    assert found.name_notice("account", b"badgu") is None
    assert found.name_notice("character", b"badguy") is None


def test_a_ban_is_over_by_the_edges_own_clock() -> None:
    clock = Clock()
    found = book(Ban(account("a"), 10, NOTICE), Ban(network("192.0.2.0/24"), 10, NOTICE), clock=clock)
    clock.seconds += 9.999
    assert found.name_notice("account", b"a") == found.address_notice(bytes([192, 0, 2, 1])) == NOTICE
    clock.seconds += 0.001
    assert found.name_notice("account", b"a") is found.address_notice(bytes([192, 0, 2, 1])) is None


def test_a_wider_ban_holds_when_a_narrower_one_is_over() -> None:
    clock = Clock()
    bans = Ban(network("192.0.2.1"), 10, NOTICE), Ban(network("192.0.2.0/24"), 0, OTHER)
    found = book(*bans, clock=clock)
    clock.seconds += 10
    assert found.address_notice(bytes([192, 0, 2, 1])) == OTHER


def test_who_is_removed_is_let_in_and_who_is_added_again_has_the_last_word() -> None:
    found = book(Ban(account("a"), 0, NOTICE), Ban(network("192.0.2.1"), 0, NOTICE), Ban(account("b"), 0, NOTICE))
    found.take(BanChanges(removed=(account("A"), network("192.0.2.1"), network("10.0.0.0/8"), account("nobody"))))
    assert len(found) == 1
    assert found.name_notice("account", b"a") is found.address_notice(bytes([192, 0, 2, 1])) is None
    found.take(BanChanges(added=(Ban(account("b"), 0, OTHER), Ban(account("c"))), removed=(account("b"),)))
    assert found.name_notice("account", b"b") == OTHER
    assert len(found) == 2


def test_a_set_in_several_messages_takes_the_place_of_the_old_one_when_it_is_whole() -> None:
    found = book(Ban(account("old")))
    told: list[int] = []
    found.on_change.append(lambda: told.append(len(found)))
    found.take(BanChanges(added=(Ban(account("a")),), resets=True))
    found.take(BanChanges(added=(Ban(account("b")),), removed=(account("old"),)))
    assert found.name_notice("account", b"old") == b"", "nobody slips through meanwhile"
    assert (len(found), told) == (1, [])
    found.take(BanChanges(added=(Ban(account("c")),), is_complete=True))
    assert (len(found), told) == (3, [3])
    assert found.name_notice("account", b"old") is None
    found.take(BanChanges(resets=True, is_complete=True))
    assert (len(found), told) == (0, [3, 0])


def test_of_a_set_that_was_broken_off_nothing_is_left() -> None:
    found = book(Ban(account("old")))
    found.take(BanChanges(added=(Ban(account("a")),), resets=True))
    found.abandon()
    found.take(BanChanges(added=(Ban(account("b")),), is_complete=True))
    assert [found.name_notice("account", name) for name in (b"old", b"a", b"b")] == [b"", None, b""]


def many(count: int, first: int = 0) -> tuple[Ban, ...]:
    return tuple(Ban(account(str(number))) for number in range(first, first + count))


def test_a_message_of_too_many_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bans_module, "MAX_BANS", 10)
    clock = Clock()
    found = book(*many(9), clock=clock)
    found.take(BanChanges(added=(Ban(account("short"), 5),)))
    with pytest.raises(TunnelFault, match="12 bans in all: at most 10"):
        found.take(BanChanges(added=many(3, first=20), removed=(account("0"),)))
    assert len(found) == 10
    assert found.name_notice("account", b"0") == b""
    found.take(BanChanges(added=(*many(1, first=20), *many(1, first=1)), removed=(account("0"), account("1"))))
    assert len(found) == 10, "as many as were removed, one of them put back"
    clock.seconds += 5
    found.take(BanChanges(added=many(1, first=30)))
    assert len(found) == 10, "what is over makes room"
    with pytest.raises(TunnelFault, match="11 bans in all"):
        found.take(BanChanges(added=many(11), resets=True))


whoms = st.sampled_from([account(name) for name in "abc"] + [Banned("character", b"a")]) | st.builds(
    lambda number, bits: Banned("address", (number >> 8 - bits << 8 - bits).to_bytes(1) + bytes(3), bits),
    st.integers(0, 255),
    st.integers(0, 8),
)
steps = st.tuples(st.lists(st.tuples(whoms, st.integers(0, 5))), st.lists(whoms), st.integers(0, 3))


Step = tuple[list[tuple[Banned, int]], list[Banned], int]


@given(st.lists(steps), st.integers(0, 255))
def test_the_book_agrees_with_a_list_of_bans(history: list[Step], low: int) -> None:
    clock = Clock()
    found = BanBook(clock)
    model: dict[Banned, float] = {}
    for added, removed, wait in history:
        found.take(BanChanges(tuple(Ban(whom, seconds) for whom, seconds in added), tuple(removed)))
        for whom in removed:
            model.pop(whom, None)
        model.update({whom: clock.seconds + seconds if seconds else float("inf") for whom, seconds in added})
        clock.seconds += wait
        live = {whom for whom, until in model.items() if until > clock.seconds}
        address = bytes([low, 1, 2, 3])
        banned = any(each.kind == "address" and covers(each, address) for each in live)
        assert (found.address_notice(address) is not None) == banned
        for name in (b"a", b"b", b"c"):
            assert (found.name_notice("account", name) is not None) == (Banned("account", name) in live)
        assert len(found) == len(model)


def covers(whom: Banned, address: bytes) -> bool:
    return ip_address(address) in ip_network((whom.value, whom.bits))


# Several cores: a book for each.


class Shelf:
    """The books of two cores, "a" and "b"."""

    def __init__(self) -> None:
        self.attached = {"a", "b"}
        self.clock = Clock()
        self.books = BanBooks(self.clock, has_tunnel=self.attached.__contains__)
        self.told = 0
        self.books.on_change.append(self._tell)

    def _tell(self) -> None:
        self.told += 1

    def says(self, core: str, *names: str, is_complete: bool = True) -> None:
        """A core tells all of its bans."""
        bans = tuple(Ban(account(name), 0, name.encode()) for name in names)
        self.books.book(core).take(BanChanges(added=bans, resets=True, is_complete=is_complete))

    def banned(self, *names: str) -> str:
        return "".join(name for name in names if self.books.name_notice("account", name.encode()) is not None)


def test_whom_any_core_has_banned_is_banned() -> None:
    shelf = Shelf()
    assert len(shelf.books) == 0
    shelf.says("a", "x")
    shelf.says("b", "x", "y")
    shelf.books.book("b").take(BanChanges(added=(Ban(network("192.0.2.0/24"), 0, NOTICE),)))
    assert shelf.banned("x", "y", "z") == "xy"
    assert shelf.books.address_notice(bytes([192, 0, 2, 1])) == NOTICE
    assert shelf.books.address_notice(bytes([192, 0, 3, 1])) is None
    assert (len(shelf.books), shelf.told) == (3, 3)
    assert shelf.books.book("a") is shelf.books.book("a")


def test_what_a_lost_core_said_holds_until_another_has_said_all() -> None:
    shelf = Shelf()
    shelf.says("a", "x")
    shelf.attached.discard("a")
    assert shelf.banned("x") == "x"
    shelf.says("b", "y", is_complete=False)
    assert shelf.banned("x", "y") == "x", "nobody slips through meanwhile"
    shelf.books.book("b").take(BanChanges(is_complete=True))
    assert shelf.banned("x", "y") == "y"


def test_a_change_of_a_core_that_has_never_said_all_takes_nothing_away() -> None:
    shelf = Shelf()
    shelf.says("a", "x")
    shelf.attached.discard("a")
    shelf.books.book("b").take(BanChanges(added=(Ban(account("y")),)))
    assert shelf.banned("x", "y") == "xy"


def test_a_core_that_is_there_keeps_its_word() -> None:
    shelf = Shelf()
    shelf.says("a", "x")
    shelf.says("b")
    assert shelf.banned("x") == "x"
    shelf.says("a")
    assert shelf.banned("x") == ""


# With the lists of the edge: the allow list wins.


def door(*bans: Ban, lists: AccessLists | None = None) -> Admission:
    return Admission(Limits(), PrefixSet(), lists or AccessLists(), private_counts(10), book(*bans))


LISTS = AccessLists(
    denied=PrefixSet((parse_prefix("192.0.2.0/24"),)),
    allowed=PrefixSet((parse_prefix("203.0.113.7"), parse_prefix("192.0.2.7"))),
    denied_names={"account": frozenset({b"listed"})},
    allowed_names={"account": frozenset({b"friend"})},
)
BANS = (
    Ban(network("203.0.113.0/24"), 0, NOTICE),
    Ban(account("friend"), 0, NOTICE),
    Ban(account("foe"), 0, NOTICE),
    Ban(Banned("hardware", b"00-11"), 0, OTHER),
)


@pytest.mark.parametrize(
    ("address", "is_denied"),
    [("203.0.113.6", True), ("203.0.113.7", False), ("192.0.2.6", True), ("192.0.2.7", False), ("10.0.0.1", False)],
)
def test_the_allow_list_wins_over_lists_and_bans(address: str, is_denied: bool) -> None:
    guard = door(*BANS, lists=LISTS)
    packed = pack_address(address)
    assert guard.is_denied(packed) == is_denied
    assert (guard.admit(packed, 0) is Reason.CLIENT_ADDRESS_DENIED) == is_denied


@pytest.mark.parametrize(("name", "is_denied"), [("listed", True), ("foe", True), ("friend", False), ("who", False)])
def test_an_allowed_name_plays_though_it_is_banned(name: str, is_denied: bool) -> None:
    names = DeniedNames(door(*BANS, lists=LISTS)).by_kind["account"]
    assert (name.encode() in names) == is_denied


@pytest.mark.parametrize(
    ("address", "identity", "reason"),
    [
        ("203.0.113.6", {}, Reason.CLIENT_ADDRESS_DENIED),
        ("203.0.113.7", {}, None),
        ("10.0.0.1", {"account": b"Foe"}, Reason.CLIENT_ACCOUNT_DENIED),
        ("10.0.0.1", {"account": b"Friend", "hardware": b"00-11"}, Reason.CLIENT_HARDWARE_DENIED),
        ("10.0.0.1", {"account": b"who", "character": b"foe"}, None),
        ("10.0.0.1", {"account": b"listed"}, None),
    ],
)
def test_a_player_who_is_in_is_found_by_address_and_identity(
    address: str, identity: dict[str, bytes], reason: Reason | None
) -> None:
    guard = door(*BANS, lists=LISTS)
    assert guard.find_against(pack_address(address), identity) == reason
    notice = DeniedNames(guard).closing_notice(reason or "", pack_address(address), identity)
    expected = OTHER if reason is Reason.CLIENT_HARDWARE_DENIED else NOTICE
    assert notice == (expected if reason else b"")


def test_whom_a_guard_found_is_told_about_that_name() -> None:
    """He may have played under another name before, with a ban of its own by now."""
    lists = AccessLists(denied_names={"account": frozenset({b"listed"})})
    names = DeniedNames(door(Ban(account("before"), 0, OTHER), Ban(account("now"), 0, NOTICE), lists=lists))
    identity = {"account": b"before"}
    assert b"now" in names.by_kind["account"]
    assert names.closing_notice(Reason.CLIENT_ACCOUNT_DENIED, bytes(4), identity) == NOTICE
    assert b"listed" in names.by_kind["account"]
    assert names.closing_notice(Reason.CLIENT_ACCOUNT_DENIED, bytes(4), identity) == b"", "the policy's words"
    assert names.closing_notice(Reason.CLIENT_ACCOUNT_DENIED, bytes(4), identity) == OTHER
    assert names.closing_notice(Reason.CLIENT_CLOSED, bytes(4), identity) == b""
