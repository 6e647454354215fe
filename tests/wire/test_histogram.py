"""The histogram: which place a figure has, and that sums of several are sums."""

import pytest

from wire.histogram import BYTES_BOUNDS, DELAY_BOUNDS, Histogram


@pytest.mark.parametrize(
    ("figure", "place"), [(0, 0), (-1, 0), (1, 0), (1.5, 1), (2, 1), (5, 2), (5.01, 3), (float("inf"), 3)]
)
def test_a_figure_belongs_to_the_first_bound_that_is_not_smaller(figure: float, place: int) -> None:
    histogram = Histogram((1, 2, 5))
    histogram.note(figure)
    assert histogram.counts == [int(each == place) for each in range(4)]
    assert (histogram.count, histogram.total) == (1, figure)


def test_several_together() -> None:
    parts = [Histogram((1, 2)) for _ in range(3)]
    for part, figure in zip(parts, (0.5, 1.5, 9), strict=True):
        part.note(figure)
    whole = Histogram((1, 2)).add(parts)
    assert (whole.counts, whole.count, whole.total) == ([1, 1, 1], 3, 11.0)
    assert parts[0].counts == [1, 0, 0]


@pytest.mark.parametrize("bounds", [BYTES_BOUNDS, DELAY_BOUNDS])
def test_bounds_ascend(bounds: tuple[float, ...]) -> None:
    assert list(bounds) == sorted(set(bounds))
