"""A histogram in plain integers: how often a figure was at most so large.

Used where a batch is sent, a flush is due or the loop is looked at; read when somebody scrapes the metrics. Pure: it
knows no clock. It is for batches and looks, never for packets.
"""

from collections.abc import Iterable, Sequence

BYTES_BOUNDS = (256.0, 1024.0, 4096.0, 16384.0, 65536.0, 131072.0, 524288.0)
"""Of a batch: from a few frames to the most that is gathered while a tunnel has no attachment."""

DELAY_BOUNDS = (0.0005, 0.001, 0.002, 0.005, 0.02, 0.05, 0.1, 0.25, 1.0)
"""Of what should take no time: seconds."""


class Histogram:
    """``bounds`` ascend; a figure belongs to the first that is not smaller, or beyond them all."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.total: float = 0  # the sum of all figures

    def note(self, figure: float) -> None:
        """Count one figure."""
        place = 0
        for bound in self.bounds:
            if figure <= bound:
                break
            place += 1
        self.counts[place] += 1
        self.total += figure

    @property
    def count(self) -> int:
        """How many figures were noted."""
        return sum(self.counts)

    def add(self, others: "Iterable[Histogram]") -> "Histogram":
        """Count what others of the same bounds have counted, too; return this one."""
        for other in others:
            for place, count in enumerate(other.counts):
                self.counts[place] += count
            self.total += other.total
        return self
