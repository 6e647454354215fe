"""Growth over samples."""

import pytest

from tidegate.gameday.samples import Samples, fit_line


def test_a_line_through_points() -> None:
    assert fit_line([0, 1, 2], [1, 3, 5]) == (2, 1)
    assert fit_line([4, 4], [1, 3]) == (0, 2)


def test_growth_is_that_of_the_line_after_the_warm_up() -> None:
    samples = Samples()
    for second, value in enumerate([0, 50, 100, 101, 102, 103]):
        samples.add(second, {"bytes": value})
    grown = samples.growth("bytes", since_seconds=2)
    assert grown.start == pytest.approx(100)
    assert grown.gained == pytest.approx(3)
    assert grown.share == pytest.approx(0.03)


def test_too_few_samples_show_nothing() -> None:
    samples = Samples()
    assert samples.growth("bytes").gained == 0
    samples.add(0, {"bytes": 5})
    assert (samples.growth("bytes").start, samples.growth("bytes").gained) == (5, 0)
