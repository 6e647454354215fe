"""Token buckets kept sparsely do what one number for each bucket does."""

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.buckets import charge, restore, save

LIMITS = [3, 10, 10, 50]
LONG = 1 << 61

steps = st.lists(
    st.tuples(st.integers(0, len(LIMITS) - 1), st.integers(1, 12), st.integers(0, 8)), max_size=60
)  # which bucket, the cost, how much later


class Dense:
    """The rule as it is written: a time for each bucket, from the beginning."""

    def __init__(self) -> None:
        self.full = [0] * len(LIMITS)

    def charge(self, place: int, cost: int, now: int) -> bool:
        full = max(self.full[place], now) + cost
        if full - now > LIMITS[place]:
            return False
        self.full[place] = full
        return True


@given(steps, st.integers(0, LONG))
def test_every_charge_is_decided_as_with_a_number_for_each(found: list[tuple[int, int, int]], now: int) -> None:
    dense = Dense()
    buckets = array("q")
    for place, cost, later in found:
        now += later
        assert charge(buckets, place, cost, LIMITS[place], now) == dense.charge(place, cost, now)
        assert save(buckets, now) == {each: full for each, full in enumerate(dense.full) if full > now}
        assert len(buckets) <= 2 * len(LIMITS)


@given(steps, steps)
def test_saved_buckets_go_on(before: list[tuple[int, int, int]], after: list[tuple[int, int, int]]) -> None:
    one, now = array("q"), 0
    for place, cost, later in before:
        now += later
        charge(one, place, cost, LIMITS[place], now)
    other = restore(save(one, now))
    for place, cost, later in after:
        now += later
        assert charge(one, place, cost, LIMITS[place], now) == charge(other, place, cost, LIMITS[place], now)


def test_a_bucket_that_is_full_again_makes_room() -> None:
    buckets = array("q")
    for place in range(1000):
        assert charge(buckets, place, 5, 10, 5 * place)
    assert len(buckets) == 2


def test_the_largest_numbers_there_may_be() -> None:
    buckets = array("q")
    assert charge(buckets, 0, LONG, LONG, LONG)
    assert not charge(buckets, 0, 1, LONG, LONG)
    assert charge(buckets, 0, 1, LONG, LONG + 1)


@pytest.mark.parametrize("wrong", [array("i", [0, 0]), array("q", [0])])
def test_numbers_that_are_no_buckets(wrong: "array[int]") -> None:
    with pytest.raises(IndexError):
        charge(wrong, 7, 1, 1, 0)
