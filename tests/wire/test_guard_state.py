"""A guard that goes on in another process: whatever it was told before, it decides as the one it took over from."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire.small_game import (
    ACCEPTED,
    ACT,
    ECHO,
    ENCRYPTED,
    KEEP_ALIVE,
    LAYOUT,
    LOGIN,
    LOGOUT,
    OFF,
    OPENED,
    PING,
    REFUSED,
    SAY,
    SHOP,
    frame,
    rule_set,
    text,
)
from wire.guard import Guard
from wire.scanner import Scanner
from wire.tables import Tables
from wire.watcher import Watcher

SECOND = 1_000_000_000
RULES = rule_set()

PLAYER = [
    KEEP_ALIVE,
    frame(LOGIN, text(b"admin")),
    frame(LOGIN, text(b"other")),
    frame(LOGOUT, word=1),
    frame(SAY, text(b"hello")),
    frame(ACT, b"\x01\x00\x00\x00\x05"),
    frame(PING, bytes(range(8))),
    frame(PING, b"wrong"),
    frame(SHOP),
    frame(OFF),
    frame(499),
]
SERVER = [
    frame(ACCEPTED, b"\0\0"),
    frame(REFUSED, b"\0\1"),
    frame(ENCRYPTED, b"\0\0\0\1"),
    frame(ECHO, bytes(range(8))),
    frame(OPENED),
]
# The player, the server, or time in tenths of a second.
said = st.tuples(st.just("player"), st.sampled_from(PLAYER))
heard = st.tuples(st.just("server"), st.sampled_from(SERVER))
passed = st.tuples(st.just("time"), st.integers(0, 40))
stories = st.lists(st.one_of(said, said, heard, passed), max_size=40)


class Run:
    """A guard and its clock."""

    def __init__(self, now: int = 100 * SECOND) -> None:
        self.refused: Counter[str] = Counter()
        self.guard = Guard(Tables(RULES), self.refused, Counter())
        self.scanner = Scanner(LAYOUT)
        self.now = now

    def play(self, story: list[tuple[str, object]]) -> list[object]:
        """What comes of a story: what goes on, what is told, and where the session is then."""
        results: list[object] = []
        for who, what in story:
            if isinstance(what, int):
                self.now += what * SECOND // 10
            elif isinstance(what, bytes) and who == "player":
                results.append(self.guard.check(self.scanner.feed(what), self.scanner, self.now))
            elif isinstance(what, bytes):
                for event in Watcher(RULES).find(what, Scanner(LAYOUT)):
                    self.guard.apply(event, self.now)
            refusals = [(each.reason, each.rule, each.offset_bytes) for each in self.guard.take_refusals()]
            guard = self.guard
            results += [refusals, guard.take_replies(), guard.closing, guard.state, guard.flags, guard.identity]
            results.append(guard.is_logged_in)
        return results

    def successor(self, *, names_all: bool) -> "Run":
        """The same in another process; one that ``names_all`` its buckets says also of those that are full when."""
        other = Run(self.now)
        numbers, buckets, memories, identity = self.guard.save()
        if names_all:
            buckets = {**dict.fromkeys((each.name for each in RULES.buckets), self.guard.checked_ns), **buckets}
        other.guard.restore(numbers, buckets, memories, identity)
        other.scanner.restore(*self.scanner.save())
        return other


@given(stories, stories, st.booleans())
def test_a_successor_decides_as_its_predecessor_would(
    before: list[tuple[str, object]], after: list[tuple[str, object]], names_all: bool
) -> None:
    one = Run()
    one.play(before)
    if one.guard.closing:
        return  # such a session has ended, and is handed over without a guard to ask
    other = one.successor(names_all=names_all)
    assert other.guard.save() == one.guard.save()
    one.refused.clear()
    assert other.play(after) == one.play(after)
    assert other.refused == one.refused
    assert other.guard.save() == one.guard.save()


def test_a_guard_of_other_rules_is_refused() -> None:
    numbers, buckets, memories, identity = Run().guard.save()
    for wrong, kept in ((numbers[:-1], memories), ((99, *numbers[1:]), memories), (numbers, memories[:-1])):
        with pytest.raises(ValueError, match=r"guard of other rules|unpack"):
            Run().guard.restore(wrong, buckets, kept, identity)
