"""Back-off: grows, is bounded, is jittered, begins anew."""

from random import Random

from fleet.backoff import FIRST_SECONDS, LONGEST_SECONDS, Backoff


def test_waits_grow_up_to_a_bound_and_begin_anew() -> None:
    backoff = Backoff(Random(1))
    waits = [backoff.next_seconds() for _ in range(50)]
    assert FIRST_SECONDS / 2 <= waits[0] <= FIRST_SECONDS
    assert max(waits) <= LONGEST_SECONDS
    assert min(waits[10:]) >= LONGEST_SECONDS / 2
    assert len(set(waits[10:])) > 30
    backoff.reset()
    assert backoff.next_seconds() <= FIRST_SECONDS


def test_the_bounds_can_be_others() -> None:
    backoff = Backoff(Random(1), first_seconds=0.25, longest_seconds=5.0)
    waits = [backoff.next_seconds() for _ in range(50)]
    assert 0.125 <= waits[0] <= 0.25
    assert 2.5 <= min(waits[10:]) <= max(waits) <= 5.0
