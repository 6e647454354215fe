"""The road of bans without a network: what each edge is told, in how many messages, and never too much at once."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import ban_road
from core.ban_road import BanRoad
from edge import bans as edge_bans
from edge.bans import BanBook
from protos.tidegate.tunnel.v1 import tunnel_pb2
from tunnel.bans import Ban, BanChanges, Banned
from tunnel.bans_codec import ENTRIES_SENT, decode_bans
from tunnel.outbox import Outbox, Pausable
from wire.errors import MisuseError
from wire.layout import FrameLayout

LAYOUT = FrameLayout(min_frame_bytes=3, max_frame_bytes=1024)
NOTICE = b"\x00\x05bye"


@dataclass(eq=False)
class FakeOutbox:
    """Keeps what is sent until `deliver`; then there is room again."""

    waiting: list[BanChanges] = field(default_factory=list)
    relief: list[Pausable] = field(default_factory=list)

    def add(self, message: tunnel_pb2.AttachResponse) -> None:
        self.waiting.append(decode_bans(message.bans, LAYOUT))

    def wait_for_relief(self, who: Pausable) -> None:
        self.relief.append(who)

    def deliver(self, limit: int = 1000) -> list[BanChanges]:
        """Have so many messages written, and those that follow from that; return them."""
        written: list[BanChanges] = []
        while self.waiting and len(written) < limit:
            assert len(self.waiting) == 1, "one at a time"
            written.append(self.waiting.pop())
            relief, self.relief = self.relief, []
            for each in relief:
                each.tunnel_relieved()
        return written


@dataclass
class Clock:
    """A clock that is set by hand."""

    seconds: float = 50.0

    def __call__(self) -> float:
        return self.seconds


def lead(road: BanRoad) -> FakeOutbox:
    outbox = FakeOutbox()
    road.lead_to(cast("Outbox", outbox))
    return outbox


def account(number: int) -> Banned:
    return Banned("account", b"%d" % number)


def bans(*numbers: int, seconds: float = 0.0) -> list[Ban]:
    return [Ban(account(number), seconds, NOTICE) for number in numbers]


def added(messages: Sequence[BanChanges]) -> set[Ban]:
    return {ban for message in messages for ban in message.added}


def test_a_core_that_knows_of_no_bans_says_nothing() -> None:
    assert lead(BanRoad(Clock())).deliver() == []


def test_a_set_goes_to_those_attached_and_to_those_who_come_later() -> None:
    clock = Clock()
    road = BanRoad(clock)
    first = lead(road)
    road.set(bans(1, 2, seconds=10), LAYOUT)
    (message,) = first.deliver()
    assert set(message.added) == set(bans(1, 2, seconds=10))
    assert message.resets
    assert message.is_complete
    clock.seconds += 4
    (message,) = lead(road).deliver()
    assert set(message.added) == set(bans(1, 2, seconds=6)), "with what is left of their time"
    clock.seconds += 6
    (message,) = lead(road).deliver()
    assert not message.added
    assert message.resets


def test_an_empty_set_lifts_all_bans() -> None:
    road = BanRoad(Clock())
    road.set([], LAYOUT)
    assert lead(road).deliver() == [BanChanges(resets=True, is_complete=True)]


def test_changes_go_out_alone() -> None:
    road = BanRoad(Clock())
    outbox = lead(road)
    road.set(bans(*range(100)), LAYOUT)
    outbox.deliver()
    road.change(bans(7, 200), [account(5), account(7), account(999)], LAYOUT)
    (message,) = outbox.deliver()
    assert set(message.added) == set(bans(7, 200))
    assert set(message.removed) == {account(5), account(999)}
    assert not message.resets
    assert len(road) == 100


def test_changes_before_any_set_do_not_lift_what_another_core_said() -> None:
    road = BanRoad(Clock())
    outbox = lead(road)
    road.change(bans(1), [], LAYOUT)
    for messages in (outbox.deliver(), lead(road).deliver()):
        assert messages == [BanChanges(added=tuple(bans(1)), is_complete=True)]


def test_many_go_in_several_messages_of_which_the_first_resets_and_the_last_completes() -> None:
    road = BanRoad(Clock())
    outbox = lead(road)
    road.set(bans(*range(2 * ENTRIES_SENT + 1)), LAYOUT)
    messages = outbox.deliver()
    assert [len(message.added) for message in messages] == [ENTRIES_SENT, ENTRIES_SENT, 1]
    assert [message.resets for message in messages] == [True, False, False]
    assert [message.is_complete for message in messages] == [False, False, True]
    assert added(messages) == set(bans(*range(2 * ENTRIES_SENT + 1)))


def test_an_edge_that_does_not_read_gets_one_message_and_then_what_holds_by_then() -> None:
    road = BanRoad(Clock())
    outbox = lead(road)
    road.set([], LAYOUT)
    for number in range(500):
        road.change(bans(number % 7), [account(number % 5)], LAYOUT)
    assert len(outbox.waiting) == 1
    _, message = outbox.deliver()
    assert set(message.added) == set(bans(*range(7))) & {ban for ban in bans(*range(7)) if ban.whom in road.everybody()}
    assert set(message.removed) == {account(number) for number in range(7)} - set(road.everybody())


def test_a_set_in_the_middle_of_a_set_begins_anew() -> None:
    road = BanRoad(Clock())
    outbox = lead(road)
    road.set(bans(*range(4 * ENTRIES_SENT)), LAYOUT)
    outbox.deliver(2)
    road.set(bans(1, 2), LAYOUT)
    *_, last = outbox.deliver()
    assert (last.resets, last.is_complete, set(last.added)) == (True, True, set(bans(1, 2)))


def test_who_left_is_told_nothing() -> None:
    road = BanRoad(Clock())
    outbox = lead(road)
    road.leave(cast("Outbox", outbox))
    road.set(bans(1), LAYOUT)
    assert not outbox.deliver()


def test_a_ban_that_is_over_is_taken_back_when_its_turn_comes() -> None:
    """The edge may have it from before, with more time."""
    clock = Clock()
    road = BanRoad(clock)
    outbox = lead(road)
    road.set(bans(*range(1500)), LAYOUT)
    road.change(bans(0, seconds=5), [], LAYOUT)
    clock.seconds += 5
    messages = outbox.deliver()
    assert added(messages) == set(bans(*range(1, 1500)))
    assert account(0) in {whom for message in messages for whom in message.removed}


@pytest.mark.parametrize("notice", [b"\x00\x05by", b"\x00\x02", b"junk"])
def test_a_notice_that_is_no_frame_changes_nothing(notice: bytes) -> None:
    road = BanRoad(Clock())
    road.set(bans(1), LAYOUT)
    bad = Ban(account(2), notice=notice)
    with pytest.raises(MisuseError, match=r"no edge would accept these bans: .* in a ban's notice"):
        road.set([bad], LAYOUT)
    with pytest.raises(MisuseError, match="no edge would accept these bans"):
        road.change([bad], [account(1)], LAYOUT)
    assert set(road.everybody()) == {account(1)}


def test_too_many_change_nothing_and_what_is_over_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ban_road, "MAX_BANS", 10)
    clock = Clock()
    road = BanRoad(clock)
    outbox = lead(road)
    with pytest.raises(MisuseError, match="11 bans: at most 10"):
        road.set(bans(*range(11)), LAYOUT)
    road.set(bans(*range(8)) + bans(8, 9, seconds=5), LAYOUT)
    with pytest.raises(MisuseError, match="11 bans: at most 10"):
        road.change(bans(20, 21), [account(0)], LAYOUT)
    road.change(bans(20), [account(0)], LAYOUT)
    clock.seconds += 5
    outbox.deliver()
    road.change(bans(30, 8), [], LAYOUT)
    assert set(road.everybody()) == {account(number) for number in (*range(1, 9), 20, 30)}
    (message,) = outbox.deliver()
    assert message.removed == (account(9),), "the edge's clock may be behind: it needs the room, too"


numbers = st.lists(st.integers(0, 12), max_size=8)
steps: st.SearchStrategy[tuple[str, list[int], list[int]]] = st.one_of(
    st.tuples(st.just("set"), numbers, st.just([])),
    st.tuples(st.just("change"), numbers, numbers),
    st.tuples(st.just("deliver"), st.lists(st.just(0), max_size=2), st.just([])),
)


@given(st.lists(steps, max_size=30))
def test_an_edge_comes_to_hold_what_the_core_does_and_never_more_than_it_may(
    history: list[tuple[str, list[int], list[int]]],
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ban_road, "MAX_BANS", 8)
        patch.setattr(edge_bans, "MAX_BANS", 8)
        patch.setattr("tunnel.bans_codec.ENTRIES_SENT", 2)
        clock = Clock()
        road, book = BanRoad(clock), BanBook(clock)
        outbox = lead(road)
        road.set([], LAYOUT)
        for step, some, others in history:
            if step == "deliver":
                for message in outbox.deliver(len(some)):
                    book.take(message)
                continue
            try:
                if step == "set":
                    road.set(bans(*some), LAYOUT)
                else:
                    road.change(bans(*some), [account(each) for each in others], LAYOUT)
            except MisuseError:
                continue
        for message in outbox.deliver():
            book.take(message)
        held = {number for number in range(13) if book.name_notice("account", b"%d" % number) is not None}
        assert {account(number) for number in held} == set(road.everybody())
        assert len(book) == len(held)


def test_an_edge_that_begins_anew_is_not_told_by_two() -> None:
    """The rest of what was on its way would be the end of the new set, too early."""
    road = BanRoad(Clock())
    road.set([Ban(account(number)) for number in range(3 * ENTRIES_SENT)], LAYOUT)
    outbox = lead(road)
    outbox.deliver(1)
    outbox.waiting.clear()  # it is in the ring of the tunnel, and comes before all others
    road.leave(cast("Outbox", outbox))
    road.lead_to(cast("Outbox", outbox))
    told = outbox.deliver()
    assert [changes.resets for changes in told] == [True, False, False]
    assert [changes.is_complete for changes in told] == [False, False, True]
