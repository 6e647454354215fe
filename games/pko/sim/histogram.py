"""A histogram of durations with fixed buckets: what a round trip costs, in bounded memory.

Buckets grow by 2 %, and a bucket is reported by its geometric middle, so a reported value is at most 1 %
off. Who uses it: players (move to own echo) and the server (537 to 17). It knows nothing of clocks.
"""

from __future__ import annotations

import math

LOWEST_SECONDS = 10e-6
"""Everything below falls into the first bucket: no echo crosses a loopback socket faster."""

GROWTH = 1.02
BUCKETS = 820
"""Up to 10 µs · 1.02⁸²⁰ = 112 s; everything above falls into the last bucket."""

_LOG_GROWTH = math.log(GROWTH)


class Histogram:
    """Counts per bucket, with the exact count, sum, smallest and largest value beside them."""

    __slots__ = ("_buckets", "count", "largest_seconds", "smallest_seconds", "sum_seconds")

    def __init__(self) -> None:
        self._buckets = [0] * BUCKETS
        self.count = 0
        self.sum_seconds = 0.0
        self.smallest_seconds = math.inf
        self.largest_seconds = 0.0

    def record(self, seconds: float) -> None:
        """Count one duration."""
        index = int(math.log(seconds / LOWEST_SECONDS) / _LOG_GROWTH) if seconds > LOWEST_SECONDS else 0
        self._buckets[min(index, BUCKETS - 1)] += 1
        self.count += 1
        self.sum_seconds += seconds
        self.smallest_seconds = min(self.smallest_seconds, seconds)
        self.largest_seconds = max(self.largest_seconds, seconds)

    def percentile(self, percent: float) -> float:
        """Return the duration in seconds that ``percent`` of all values do not exceed; 0 when there are none."""
        if not self.count:
            return 0.0
        rank = max(1, math.ceil(self.count * percent / 100))
        for index, count in enumerate(self._buckets):
            rank -= count
            if rank <= 0:
                middle: float = LOWEST_SECONDS * GROWTH ** (index + 0.5)
                return min(max(middle, self.smallest_seconds), self.largest_seconds)
        return self.largest_seconds

    @property
    def mean_seconds(self) -> float:
        """The exact mean; 0 when there are no values."""
        return self.sum_seconds / self.count if self.count else 0.0

    def merge(self, other: Histogram) -> None:
        """Add all values of another histogram."""
        self._buckets = [mine + theirs for mine, theirs in zip(self._buckets, other._buckets, strict=True)]
        self.count += other.count
        self.sum_seconds += other.sum_seconds
        self.smallest_seconds = min(self.smallest_seconds, other.smallest_seconds)
        self.largest_seconds = max(self.largest_seconds, other.largest_seconds)

    def copy(self) -> Histogram:
        """Return a histogram of the same values."""
        twin = Histogram()
        twin.merge(self)
        return twin

    def since(self, earlier: Histogram) -> Histogram:
        """Return what was recorded after ``earlier`` was copied from this one.

        The smallest and largest value are this one's: buckets do not remember when.
        """
        later = self.copy()
        later._buckets = [now - then for now, then in zip(self._buckets, earlier._buckets, strict=True)]
        later.count -= earlier.count
        later.sum_seconds -= earlier.sum_seconds
        return later

    def summary(self) -> dict[str, float]:
        """Return count and the usual percentiles in milliseconds, for JSON."""
        return {
            "count": self.count,
            "mean_milliseconds": round(self.mean_seconds * 1e3, 3),
            "p50_milliseconds": round(self.percentile(50) * 1e3, 3),
            "p99_milliseconds": round(self.percentile(99) * 1e3, 3),
            "p99_9_milliseconds": round(self.percentile(99.9) * 1e3, 3),
            "largest_milliseconds": round(self.largest_seconds * 1e3, 3),
        }
