"""Who may try a handshake, by what failed before; time is an argument."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.tls.attempts import (
    FAILURES_BURST,
    FAILURES_PER_SECOND,
    MAX_ADDRESSES,
    STRANGERS_FAILURES_BURST,
    Attempts,
    source_of,
)


def fail_until_refused(attempts: Attempts, host: str, now: float) -> int:
    count = 0
    while attempts.may_try(host, now):
        attempts.failed(host, now)
        count += 1
    return count


@pytest.mark.parametrize("is_known", [False, True])
def test_an_address_that_keeps_failing_may_try_a_few_times_a_second(is_known: bool) -> None:
    attempts = Attempts()
    if is_known:
        attempts.succeeded("192.0.2.1", 0)
    assert fail_until_refused(attempts, "192.0.2.1", 1.0) == FAILURES_BURST
    assert fail_until_refused(attempts, "192.0.2.1", 2.0) == FAILURES_PER_SECOND
    assert attempts.may_try("192.0.2.2", 2.0)


def test_success_does_not_wipe_out_failures() -> None:
    attempts = Attempts()
    fail_until_refused(attempts, "192.0.2.1", 0)
    attempts.succeeded("192.0.2.1", 0)
    assert not attempts.may_try("192.0.2.1", 0)
    assert attempts.is_known("192.0.2.1")


def test_when_strangers_together_fail_too_often_only_those_known_may_try() -> None:
    attempts = Attempts()
    attempts.succeeded("198.51.100.7", 0)
    failures = 0
    for number in range(1000):
        host = f"203.0.{number // 250}.{number % 250}"
        if attempts.may_try(host, 0.0):
            attempts.failed(host, 0.0)
            failures += 1
    assert failures == STRANGERS_FAILURES_BURST
    assert not attempts.may_try("192.0.2.99", 0.0)
    assert attempts.may_try("198.51.100.7", 0.0)
    assert attempts.may_try("192.0.2.99", 1.0)


def test_memory_is_bounded_and_those_known_are_not_driven_out_by_strangers() -> None:
    attempts = Attempts()
    attempts.succeeded("198.51.100.7", 0)
    for number in range(3 * MAX_ADDRESSES):
        attempts.failed(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", number)
    assert len(attempts) == MAX_ADDRESSES + 1
    assert attempts.is_known("198.51.100.7")


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans(), st.floats(-10, 10)), max_size=60))
def test_time_that_jumps_breaks_nothing(steps: list[tuple[str, bool, float]]) -> None:
    attempts, now = Attempts(), 100.0
    for host, is_good, jump in steps:
        now += jump
        (attempts.succeeded if is_good else attempts.failed)(host, now)
    assert all(attempts.may_try(host, now + 1000) for host in "abc")


@pytest.mark.parametrize(
    ("one", "other", "are_one"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("fe80::1%eth0", "fe80::2%eth1", True),
    ],
)
def test_what_counts_as_one_address(one: str, other: str, are_one: bool) -> None:
    assert (source_of(one) == source_of(other)) is are_one
