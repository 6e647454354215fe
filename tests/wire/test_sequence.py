"""Sequence numbers: gaps, repetitions and impossible acknowledgements are faults."""

import pytest

from wire.errors import TunnelFault
from wire.sequence import Sequence


def test_counts_from_one() -> None:
    sequence = Sequence()
    assert [sequence.next(), sequence.next()] == [1, 2]
    sequence.accept(1, 0)
    sequence.accept(0, 2)
    sequence.accept(2, 2)
    assert (sequence.received, sequence.acknowledged) == (2, 2)


@pytest.mark.parametrize("number", [1, 3])
def test_a_repetition_or_a_gap_is_a_fault(number: int) -> None:
    sequence = Sequence()
    sequence.accept(1, 0)
    with pytest.raises(TunnelFault, match=f"sequence {number} after 1"):
        sequence.accept(number, 0)


@pytest.mark.parametrize("acknowledged", [0, 3])
def test_acknowledgements_neither_go_back_nor_ahead(acknowledged: int) -> None:
    sequence = Sequence()
    sequence.next()
    sequence.next()
    sequence.accept(0, 1)
    with pytest.raises(TunnelFault, match=f"acknowledgement of {acknowledged}"):
        sequence.accept(0, acknowledged)
