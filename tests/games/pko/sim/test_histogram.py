import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from games.pko.sim.histogram import Histogram

DURATIONS = st.floats(min_value=2e-5, max_value=60)


def of(*values: float) -> Histogram:
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    return histogram


@given(st.lists(DURATIONS, min_size=1, max_size=200), st.sampled_from([0.1, 50, 99, 99.9, 100]))
def test_percentiles_are_within_one_percent(values: list[float], percent: float) -> None:
    exact = sorted(values)[max(1, math.ceil(len(values) * percent / 100)) - 1]
    assert of(*values).percentile(percent) == pytest.approx(exact, rel=0.011)


def test_an_empty_histogram_says_zero() -> None:
    assert Histogram().percentile(99) == 0
    assert Histogram().mean_seconds == 0


@pytest.mark.parametrize("value", [-1.0, 0.0, 1e-9, 1e9])
def test_values_outside_the_buckets_are_kept(value: float) -> None:
    histogram = of(value)
    assert histogram.count == 1
    assert histogram.percentile(50) == pytest.approx(max(value, 0))


@given(st.lists(DURATIONS, max_size=50), st.lists(DURATIONS, max_size=50))
def test_merging_is_recording_both(first: list[float], second: list[float]) -> None:
    merged = of(*first)
    merged.merge(of(*second))
    together = of(*first, *second)
    assert merged.count == together.count
    assert merged.percentile(50) == together.percentile(50)
    assert merged.largest_seconds == together.largest_seconds


def test_since_shows_an_interval() -> None:
    histogram = of(0.001, 0.001, 0.001)
    earlier = histogram.copy()
    histogram.record(0.1)
    later = histogram.since(earlier)
    assert later.count == 1
    assert later.percentile(50) == pytest.approx(0.1, rel=0.011)
    assert later.mean_seconds == pytest.approx(0.1)
    assert earlier.count == 3


def test_the_summary_is_in_milliseconds() -> None:
    assert of(0.25).summary() == {
        "count": 1,
        "mean_milliseconds": 250.0,
        "p50_milliseconds": 250.0,
        "p99_milliseconds": 250.0,
        "p99_9_milliseconds": 250.0,
        "largest_milliseconds": 250.0,
    }
