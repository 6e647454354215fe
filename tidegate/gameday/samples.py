"""Samples of processes over a long run, and the straight line through them: does anything grow?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Sample:
    """One process at one moment."""

    seconds: float
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Growth:
    """The straight line through samples: what it starts with, and what it gains over the whole span."""

    start: float
    gained: float

    @property
    def share(self) -> float:
        """The gain as a share of the start."""
        return self.gained / self.start if self.start else 0.0


@dataclass(slots=True)
class Samples:
    """The samples of one process."""

    rows: list[Sample] = field(default_factory=list)

    def add(self, seconds: float, values: Mapping[str, float]) -> None:
        """Take one."""
        self.rows.append(Sample(seconds, values))

    def growth(self, name: str, since_seconds: float = 0.0) -> Growth:
        """Return how a value grew from a moment on; nothing where there are fewer than three samples."""
        rows = [row for row in self.rows if row.seconds >= since_seconds and name in row.values]
        if len(rows) < 3:
            return Growth(rows[0].values[name] if rows else 0.0, 0.0)
        times = [row.seconds for row in rows]
        values = [row.values[name] for row in rows]
        slope, at_zero = fit_line(times, values)
        return Growth(at_zero + slope * times[0], slope * (times[-1] - times[0]))


def fit_line(xs: Sequence[float], ys: Sequence[float]) -> tuple[float, float]:
    """Return slope and intercept of the line with the least squares."""
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    spread = sum((x - mean_x) ** 2 for x in xs)
    if not spread:
        return 0.0, mean_y
    slope = sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True)) / spread
    return slope, mean_y - slope * mean_x
