"""The arithmetic of pauses."""

import pytest

from tidegate.gameday.pauses import Longest, PauseLog, percentile


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [([], 99, 0.0), ([5.0], 1, 5.0), ([3.0, 1.0, 2.0], 50, 2.0), ([float(n) for n in range(1, 101)], 99, 99.0)],
)
def test_percentile(values: list[float], percent: float, expected: float) -> None:
    assert percentile(values, percent) == expected


def test_a_log_of_faults() -> None:
    log = PauseLog()
    assert (log.p50_seconds, log.p99_seconds, log.worst_p99_after_seconds, log.worst_after) == (0, 0, 0, None)

    first = log.add("cut 1", 1.0, [Longest(1_100_000_000, 100_000_000), Longest(1_300_000_000, 300_000_000), None])
    log.add("cut 2", 2.0, [Longest(2_200_000_000, 200_000_000), Longest(), None])

    assert first.pauses == [1.1, 1.3]
    assert first.p99_after_seconds == 0.3
    assert first.without == 1
    assert log.faults[1].pauses == [2.2], "who had no answer counts over a later fault"
    assert log.without == 2
    assert log.p50_seconds == 1.3
    assert log.p99_seconds == 2.2
    assert log.worst_after is first


def test_a_window_begins_with_nothing() -> None:
    longest = Longest(5, 3)
    longest.begin()
    assert longest == Longest(0, 0)
