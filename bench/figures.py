"""From measurements to figures: what is shown, compared and held against the floors.

Pure: `bench.run` fills it, `bench.floors`, `bench.report`, `bench.results` and `bench.plot` read it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from statistics import median

from bench.generator import LoadResult

RELAY = "tidegate"
PEER = "haproxy"
"""The contestant that ratios are to."""


class Figure(StrEnum):
    """What is measured, by the names it has in the results."""

    PACKETS_PER_SECOND = "packets_per_second"
    CPU_US_PER_PACKET = "cpu_us_per_packet"
    P50_US = "p50_us"
    P99_US = "p99_us"
    P999_US = "p999_us"
    MEMORY_BYTES_PER_SESSION = "memory_bytes_per_session"
    LOST = "lost"
    REFUSED = "refused"


WORST_COUNTS = (Figure.LOST, Figure.REFUSED)
"""Of these the worst round counts, of the others the median: an error must not be voted away."""

Figures = Mapping[Figure, float]
"""A figure that makes no sense for a load or a contestant is absent."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One contestant under one load, once."""

    result: LoadResult
    relay_cpu_seconds: float | None
    origin_cpu_seconds: float
    memory_bytes: float | None

    def figures(self) -> Figures:
        """Return the figures that can be had from it."""
        result = self.result
        figures: dict[Figure, float] = {
            Figure.LOST: result.lost + result.doubled + result.reordered + result.corrupt + result.unanswered,
            Figure.REFUSED: result.refused + result.broken,
        }
        if result.received:
            figures[Figure.PACKETS_PER_SECOND] = result.received / result.seconds
            figures[Figure.P50_US] = result.p50_us
            figures[Figure.P99_US] = result.p99_us
            figures[Figure.P999_US] = result.p999_us
            if self.relay_cpu_seconds is not None:
                figures[Figure.CPU_US_PER_PACKET] = self.relay_cpu_seconds * 1e6 / result.received
        if self.memory_bytes is not None:
            figures[Figure.MEMORY_BYTES_PER_SESSION] = self.memory_bytes / result.sessions
        return figures


def figures_of(samples: Iterable[Sample]) -> Figures:
    """Return the figures of several rounds: the median, or the worst where errors are counted."""
    rounds = [sample.figures() for sample in samples]
    return {
        name: (max if name in WORST_COUNTS else median)(values)
        for name in Figure
        if (values := [figures[name] for figures in rounds if name in figures])
    }


@dataclass(slots=True)
class Results:
    """All that was measured: samples by load and contestant, and why somebody was not measured."""

    samples: dict[tuple[str, str], list[Sample]] = field(default_factory=dict)
    not_run: dict[tuple[str, str], str] = field(default_factory=dict)

    def add(self, load: str, contestant: str, sample: Sample) -> None:
        """Keep one more round."""
        self.samples.setdefault((load, contestant), []).append(sample)

    def figures(self, load: str, contestant: str) -> Figures:
        """Return a contestant's figures under a load: none if it did not run, or failed in any round."""
        if (load, contestant) in self.not_run:
            return {}
        return figures_of(self.samples.get((load, contestant), ()))

    def figure(self, load: str, contestant: str, figure: Figure) -> float | None:
        """Return one figure, or None if there is none."""
        return self.figures(load, contestant).get(figure)

    def ratio(self, load: str, contestant: str, figure: Figure, peer: str = PEER) -> float | None:
        """Return a figure ÷ the peer's, or None if either did not run."""
        mine, theirs = self.figure(load, contestant, figure), self.figure(load, peer, figure)
        return mine / theirs if mine is not None and theirs else None

    def why_not(self, load: str, contestant: str) -> str:
        """Say why a contestant has no figures under a load."""
        return self.not_run.get((load, contestant), f"{contestant} was not asked for")
