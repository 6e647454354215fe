"""The book: what is loaded when, for whom, and that nothing old, foreign or left over is ever read."""

import asyncio
import base64
import json
from collections.abc import Callable, Sequence

import pytest

from core.features.book import FLEET_TABLE, TOPIC, KeptBook
from core.store.memory import MemoryStore

ACCOUNT, OWN, ALL = "mute.account", "mute.own", "mute.all"
SCOPES = {ACCOUNT: "account", OWN: "session", ALL: "fleet"}


class SlowStore(MemoryStore):
    """Answers when the test says so, with what was there when it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.gates: list[asyncio.Event] = []
        self.is_slow = False

    async def get(self, keys: Sequence[str]) -> dict[str, bytes]:
        found = await super().get(keys)
        if self.is_slow:
            gate = asyncio.Event()
            self.gates.append(gate)
            await gate.wait()
        return found

    async def answer(self) -> None:
        """Let all questions that were asked be answered."""
        await asyncio.sleep(0)
        for gate in self.gates:
            gate.set()
        await asyncio.sleep(0)
        await asyncio.sleep(0)


def book_of(store: MemoryStore) -> KeptBook:
    book = KeptBook(store)
    assert set(book.declare(SCOPES)) == set(SCOPES)
    return book


def key_of(cell: str, scope: str, key: str) -> str:
    return f"state:{cell}:{scope}:{key}"


def rest_of(book: KeptBook) -> tuple[int, int, int]:
    """What is held for keys; nothing may be left when all sessions are over."""
    own = [key for key in book._values if key[0] != ALL]
    return len(own), len([each for each in book._users.values() if each]), len(book._accounts)


async def test_what_was_kept_is_there_again() -> None:
    store = MemoryStore()
    book = book_of(store)
    await book.use("account", "anna")
    assert book.read(ACCOUNT, "anna") is None
    book.write(ACCOUNT, "anna", b"1", 60)
    assert book.read(ACCOUNT, "anna") == b"1"
    assert book.leave("account", "anna")
    assert rest_of(book) == (0, 0, 0)
    other = book_of(store)
    await other.use("account", "anna")
    assert other.read(ACCOUNT, "anna") == b"1"
    assert other.read(ACCOUNT, "bert") is None


async def test_what_is_forgotten_is_gone_everywhere() -> None:
    store = MemoryStore()
    book = book_of(store)
    await book.use("account", "anna")
    book.write(ACCOUNT, "anna", b"1", 60)
    book.write(ACCOUNT, "anna", None, 0)
    assert book.read(ACCOUNT, "anna") is None
    assert await store.get([key_of(ACCOUNT, "account", "anna")]) == {}
    assert await book.load_one(ACCOUNT, "anna") is None


async def test_values_stay_as_long_as_any_session_needs_them() -> None:
    book = book_of(MemoryStore())
    await book.use("account", "anna")
    await book.use("account", "anna")
    book.write(ACCOUNT, "anna", b"1", 60)
    assert not book.leave("account", "anna")
    assert book.read(ACCOUNT, "anna") == b"1"
    assert book.leave("account", "anna")
    assert book.read(ACCOUNT, "anna") is None


async def test_a_second_session_waits_for_what_is_being_loaded_for_the_first() -> None:
    """Otherwise it sees the default, and what it writes from that is kept in place of the real one."""
    store = SlowStore()
    store.put(key_of(ACCOUNT, "account", "anna"), b"muted", expiry_seconds=60)
    book = book_of(store)
    store.is_slow = True
    first = asyncio.create_task(book.use("account", "anna"))
    await asyncio.sleep(0)
    second = asyncio.create_task(book.use("account", "anna"))
    await asyncio.sleep(0)
    assert book.read(ACCOUNT, "anna") is None
    assert not second.done()
    await store.answer()
    await store.answer()
    await asyncio.gather(first, second)
    assert book.read(ACCOUNT, "anna") == b"muted"


async def test_a_session_that_is_over_before_its_values_came_leaves_nothing() -> None:
    """What is left behind would be read at the next login, when it is long out of date."""
    store = SlowStore()
    store.put(key_of(ACCOUNT, "account", "anna"), b"old", expiry_seconds=60)
    book = book_of(store)
    store.is_slow = True
    loading = asyncio.create_task(book.use("account", "anna"))
    await asyncio.sleep(0)
    book.leave("account", "anna")
    await store.answer()
    await asyncio.gather(loading, return_exceptions=True)
    assert rest_of(book) == (0, 0, 0)
    store.is_slow = False
    store.put(key_of(ACCOUNT, "account", "anna"), b"new", expiry_seconds=60)  # by another core
    await book.use("account", "anna")
    assert book.read(ACCOUNT, "anna") == b"new"


async def test_a_session_that_is_over_before_its_own_state_came_leaves_nothing() -> None:
    store = SlowStore()
    store.put(key_of(OWN, "session", "anna"), b"crashed", expiry_seconds=60)
    book = book_of(store)
    store.is_slow = True
    book.begin_session("s1")
    loading = asyncio.create_task(book.use_session("s1", "anna"))
    await asyncio.sleep(0)
    book.leave_session("s1", is_orderly=True)
    await store.answer()
    await asyncio.gather(loading, return_exceptions=True)
    assert rest_of(book) == (0, 0, 0)


async def test_what_is_written_while_it_is_loaded_is_newer() -> None:
    store = SlowStore()
    store.put(key_of(ACCOUNT, "account", "anna"), b"old", expiry_seconds=60)
    book = book_of(store)
    store.is_slow = True
    loading = asyncio.create_task(book.use("account", "anna"))
    await asyncio.sleep(0)
    book.write(ACCOUNT, "anna", b"new", 60)
    await store.answer()
    await loading
    assert book.read(ACCOUNT, "anna") == b"new"


async def test_what_is_forgotten_while_it_is_loaded_stays_forgotten() -> None:
    store = SlowStore()
    store.put(key_of(ACCOUNT, "account", "anna"), b"muted", expiry_seconds=60)
    book = book_of(store)
    store.is_slow = True
    loading = asyncio.create_task(book.use("account", "anna"))
    await asyncio.sleep(0)
    book.write(ACCOUNT, "anna", None, 0)
    await store.answer()
    await loading
    assert book.read(ACCOUNT, "anna") is None


# A session's own.


async def test_a_sessions_state_is_its_own() -> None:
    book = book_of(MemoryStore())
    for session in ("s1", "s2"):
        book.begin_session(session)
    book.write(OWN, "s1", b"1", 600)
    assert (book.read(OWN, "s1"), book.read(OWN, "s2")) == (b"1", None)
    for session in ("s1", "s2"):
        book.leave_session(session, is_orderly=True)
    assert rest_of(book) == (0, 0, 0)


async def test_a_sessions_state_waits_for_the_player_after_a_crash_only() -> None:
    store = MemoryStore()
    for is_orderly, expected in ((False, b"1"), (True, None)):
        book = book_of(store)
        book.begin_session("s1")
        await book.use_session("s1", "anna")
        book.write(OWN, "s1", b"1", 600)
        book.leave_session("s1", is_orderly=is_orderly)
        assert rest_of(book) == (0, 0, 0)
        again = book_of(store)
        again.begin_session("s2")
        await again.use_session("s2", "anna")
        assert again.read(OWN, "s2") == expected


async def test_of_two_sessions_of_an_account_neither_sees_the_others_state() -> None:
    book = book_of(MemoryStore())
    for session in ("s1", "s2"):
        book.begin_session(session)
    await book.use_session("s1", "anna")
    book.write(OWN, "s1", b"of the first", 600)
    await book.use_session("s2", "anna")
    assert book.read(OWN, "s2") is None


async def test_what_is_written_for_a_session_that_is_over_takes_no_room() -> None:
    book = book_of(MemoryStore())
    book.begin_session("s1")
    book.leave_session("s1", is_orderly=True)
    book.write(OWN, "s1", b"late", 600)
    assert book.read(OWN, "s1") is None
    assert rest_of(book) == (0, 0, 0)


# The fleet's, and other cores.


async def test_the_fleets_values_are_everybodys() -> None:
    store = MemoryStore()
    one, two = book_of(store), book_of(store)
    one.write(ALL, "*", b"1", 0)
    assert two.read(ALL, "*") == b"1"
    three = book_of(store)
    assert three.read(ALL, "*") == b"1"
    two.write(ALL, "*", None, 0)
    assert one.read(ALL, "*") is None
    store.put_field(FLEET_TABLE, "nobody.knows", b"x")
    one.close()
    two.write(ALL, "*", b"2", 0)
    assert one.read(ALL, "*") is None


async def test_what_is_kept_for_somebody_at_another_core_arrives_there() -> None:
    store = MemoryStore()
    here, there = book_of(store), book_of(store)
    await there.use("account", "anna")
    here.write(ACCOUNT, "anna", b"muted", 60)
    assert there.read(ACCOUNT, "anna") == b"muted"
    assert here.read(ACCOUNT, "anna") is None
    here.write(ACCOUNT, "anna", None, 0)
    assert there.read(ACCOUNT, "anna") is None


async def test_what_is_kept_for_somebody_at_this_core_and_another_arrives_at_both() -> None:
    store = MemoryStore()
    here, there = book_of(store), book_of(store)
    await here.use("account", "anna")
    await there.use("account", "anna")
    here.write(ACCOUNT, "anna", b"muted", 60)
    assert (here.read(ACCOUNT, "anna"), there.read(ACCOUNT, "anna")) == (b"muted", b"muted")


JUNK = [
    b"",
    b"\xff",
    b"5",
    b"null",
    b"{}",
    b"[]",
    b"[1,2,3]",
    b'["mute.account","anna"]',
    b'["mute.account","anna",5]',
    b'["mute.account","anna","x"]',
    b'["mute.account",["anna"],null]',
    b'[["mute.account"],"anna",null]',
    b'["nobody.knows","anna","MQ=="]',
    b'["mute.all","*","MQ=="]',
    b'["mute.own","s1","MQ=="]',
    b"[" * 60_000,
]


@pytest.mark.parametrize("message", JUNK, ids=lambda message: message[:30])
async def test_junk_from_other_cores_is_told_and_changes_nothing(message: bytes) -> None:
    store = MemoryStore()
    book = book_of(store)
    await book.use("account", "anna")
    book.write(ACCOUNT, "anna", b"1", 60)
    store.publish(TOPIC, message)
    assert book.read(ACCOUNT, "anna") == b"1"
    assert book.read(ALL, "*") is None
    store.publish(TOPIC, json.dumps([ACCOUNT, "anna", base64.b64encode(b"2").decode()]).encode())
    assert book.read(ACCOUNT, "anna") == b"2"


async def test_cells_that_are_new_are_loaded_for_who_is_there() -> None:
    store = MemoryStore()
    store.put(key_of("late.account", "account", "anna"), b"a", expiry_seconds=60)
    store.put(key_of("late.own", "session", "anna"), b"b", expiry_seconds=60)
    book = book_of(store)
    book.begin_session("s1")
    await book.use("account", "anna")
    await book.use_session("s1", "anna")
    new = book.declare({"late.account": "account", "late.own": "session", ACCOUNT: "account"})
    assert new == ["late.account", "late.own"]
    await book.load_new(new)
    assert (book.read("late.account", "anna"), book.read("late.own", "s1")) == (b"a", b"b")


def test_which_scopes_there_are() -> None:
    book = KeptBook(MemoryStore())
    assert not book.has_scope("account", "session", "fleet")
    book.declare({OWN: "session"})
    assert book.has_scope("account", "session")
    assert not book.has_scope("account")


class GivingStore(MemoryStore):
    """One whose values can turn out to have been there before."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[Callable[[str, bytes], None]] = []

    def on_value_found(self, on_found: Callable[[str, bytes], None]) -> None:
        self.told.append(on_found)

    def keep(self, name: str, value: bytes) -> None:
        for tell in self.told:
            tell(name, value)


async def test_what_gave_way_to_a_value_that_was_there_is_that_value_from_then_on() -> None:
    store = GivingStore()
    book = book_of(store)
    await book.use("account", "ann")
    book.begin_session("s1")
    await book.use_session("s1", "ann")
    book.write(ACCOUNT, "ann", b"1", 60)
    book.write(OWN, "s1", b"1", 60)
    store.keep(key_of(ACCOUNT, "account", "ann"), b"100")
    store.keep(key_of(OWN, "session", "ann"), b"of the crash")
    assert (book.read(ACCOUNT, "ann"), book.read(OWN, "s1")) == (b"100", b"of the crash")
    store.keep(key_of(ACCOUNT, "account", "bob"), b"nobody needs it")
    store.keep(key_of(ACCOUNT, "session", "ann"), b"no such cell")
    store.keep("something", b"else")
    assert book.read(ACCOUNT, "bob") is None
    assert book.read(ACCOUNT, "ann") == b"100"
    book.leave_session("s1", is_orderly=True)
    book.leave("account", "ann")
    assert rest_of(book) == (0, 0, 0)
