"""Delivery: nothing lost, doubled or reordered over any breaks, and no number accepted that cannot be."""

from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.wire.delivery_model import Direction
from wire.delivery import Delivery
from wire.errors import TunnelFault


def written(delivery: Delivery) -> list[int]:
    """Write everything there is; return the numbers."""
    numbers = []
    while (numbered := delivery.take()) is not None:
        numbers.append(numbered.number)
    return numbers


def test_counts_from_one_and_keeps_until_acknowledged() -> None:
    delivery = Delivery()
    assert [delivery.add("a", 10), delivery.add("b", 20), delivery.add("c", 30)] == [1, 2, 3]
    assert (delivery.unwritten_bytes, delivery.unacknowledged_bytes) == (60, 0)
    assert written(delivery) == [1, 2, 3]
    assert (delivery.unwritten_bytes, delivery.unacknowledged_bytes) == (0, 60)
    delivery.accept(0, 2)
    assert (delivery.held_bytes, delivery.acknowledged, delivery.is_settled) == (30, 2, False)
    delivery.accept(1, 3)
    assert (delivery.held_bytes, delivery.received, delivery.is_settled) == (0, 1, True)


@pytest.mark.parametrize("number", [1, 3])
def test_a_repetition_or_a_gap_is_a_fault(number: int) -> None:
    delivery = Delivery()
    delivery.accept(1, 0)
    with pytest.raises(TunnelFault, match=f"sequence {number} after 1"):
        delivery.accept(number, 0)
    assert delivery.received == 1


@pytest.mark.parametrize("acknowledged", [0, 3])
def test_acknowledgements_neither_go_back_nor_ahead_of_what_was_written(acknowledged: int) -> None:
    delivery = Delivery()
    for message in "abc":
        delivery.add(message, 1)
    delivery.take()
    delivery.take()
    delivery.accept(0, 1)
    with pytest.raises(TunnelFault, match=f"acknowledgement of {acknowledged}: 1 to 2 are possible"):
        delivery.accept(0, acknowledged)
    assert delivery.held_bytes == 2


def test_what_was_not_acknowledged_is_written_again_before_anything_newer() -> None:
    delivery = Delivery()
    for message in "abcd":
        delivery.add(message, 1)
    for _ in range(3):
        delivery.take()
    delivery.accept(0, 1)
    delivery.rewind()
    assert (delivery.unwritten_bytes, delivery.unacknowledged_bytes) == (3, 0)
    delivery.add("e", 1)
    delivery.resume(2)  # it had handled b, too, but nobody could say so any more
    assert written(delivery) == [3, 4, 5]
    assert delivery.resent == 1


@pytest.mark.parametrize("acknowledged", [1, 5])
def test_an_end_that_goes_on_where_it_cannot_be_is_refused(acknowledged: int) -> None:
    delivery = Delivery()
    for message in "abcd":
        delivery.add(message, 1)
    written(delivery)
    delivery.accept(0, 2)
    with pytest.raises(TunnelFault, match=f"goes on behind {acknowledged}: 2 to 4 are possible"):
        delivery.resume(acknowledged)


class TwoEnds(RuleBasedStateMachine):
    """Two ends joined by roads that lose their end when they break, beside the model."""

    def __init__(self) -> None:
        super().__init__()
        self.ends: tuple[Delivery, Delivery] = (Delivery(), Delivery())
        self.models = (Direction(), Direction())
        self.roads: tuple[deque[tuple[int, int, int]], ...] = (deque(), deque())  # number, acknowledgement, message
        self.handled: tuple[list[int], list[int]] = ([], [])

    @rule(side=st.sampled_from((0, 1)), size=st.integers(1, 1000))
    def say(self, side: int, size: int) -> None:
        message = len(self.models[side].said)
        self.models[side].said.append(message)
        assert self.ends[side].add(message, size) == message + 1

    @rule(side=st.sampled_from((0, 1)))
    def write(self, side: int) -> None:
        numbered = self.ends[side].take()
        if numbered is None:
            assert self.models[side].written == len(self.models[side].said)
        else:
            self.models[side].write()
            self.roads[side].append((numbered.number, self.ends[side].received, numbered.message))

    @rule(side=st.sampled_from((0, 1)))
    def beat(self, side: int) -> None:
        self.roads[side].append((0, self.ends[side].received, 0))

    @precondition(lambda self: any(self.roads))
    @rule(side=st.sampled_from((0, 1)))
    def arrive(self, side: int) -> None:
        if not self.roads[side]:
            return
        number, acknowledged, message = self.roads[side].popleft()
        self.ends[1 - side].accept(number, acknowledged)
        self.models[1 - side].acknowledged = acknowledged
        if number:
            assert self.models[side].handle() == message
            self.handled[side].append(message)

    @rule(tells_first=st.booleans(), breaks_again=st.booleans())
    def break_and_attach(self, tells_first: bool, breaks_again: bool) -> None:
        """The road loses what is on it; both say where they are, and that may break off half way, too."""
        for end, road in zip(self.ends, self.roads, strict=True):
            road.clear()
            end.rewind()
        first = 0 if tells_first else 1
        self.ends[1 - first].resume(self.ends[first].received)
        if breaks_again:
            self.ends[1 - first].rewind()
            self.ends[1 - first].resume(self.ends[first].received)
        self.ends[first].resume(self.ends[1 - first].received)
        for model in self.models:
            model.attach_anew()

    @invariant()
    def each_end_keeps_what_it_must_and_nothing_else(self) -> None:
        for side in (0, 1):
            kept = [numbered.message for numbered in self.ends[side].messages()]
            assert kept == self.models[side].kept
            assert self.ends[side].held_bytes == sum(each.size_bytes for each in self.ends[side].messages())

    @invariant()
    def nothing_is_lost_doubled_or_reordered(self) -> None:
        for side in (0, 1):
            assert self.handled[side] == list(range(len(self.handled[side])))
            assert len(self.handled[side]) == self.ends[1 - side].received


TestTwoEnds = TwoEnds.TestCase
TestTwoEnds.settings = settings(max_examples=300, stateful_step_count=60, deadline=None)


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=30))
def test_whatever_a_stranger_says_is_a_number_in_turn_or_a_fault(messages: list[tuple[int, int]]) -> None:
    delivery = Delivery()
    for message in "abc":
        delivery.add(message, 1)
    written(delivery)
    for number, acknowledged in messages:
        before = (delivery.received, delivery.acknowledged, delivery.held_bytes)
        try:
            delivery.accept(number, acknowledged)
        except TunnelFault:
            assert (delivery.received, delivery.acknowledged, delivery.held_bytes) == before
        else:
            assert delivery.received in (before[0], before[0] + 1)
            assert before[1] <= delivery.acknowledged <= 3
