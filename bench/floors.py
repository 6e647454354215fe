"""The floors: what the relay must reach, as data, and whether it does.

Ratios and differences are to a contestant of the same run on the same machine. A floor whose peer did not
run has no figure, and says which package to install; it never passes silently.
"""

from dataclasses import dataclass
from enum import Enum

from bench.figures import PEER, RELAY, Figure, Results

DIRECT = "direct"
FRAMING = "tidegate-framing"
FEATURES = "tidegate-features"


class Against(Enum):
    """What a figure is held against."""

    NOTHING = "the figure itself"
    PEER = "the ratio to the HAProxy pair's"
    FRAMING = "the ratio to our own without any check"
    DIRECT = "how much more than over a direct connection"
    PLAIN = "the ratio of our own with all features to that with none"


@dataclass(frozen=True, slots=True)
class Floor:
    """One requirement: ``limit`` is the most allowed or, with ``is_minimum``, the least."""

    title: str
    load: str
    figure: Figure
    limit: float
    against: Against = Against.NOTHING
    is_minimum: bool = False
    unit: str = ""
    per_unit: float = 1.0  # how much of the figure's own unit is one of ``unit``

    @property
    def contestants(self) -> tuple[str, ...]:
        """Whose figures it takes: ours, then the one it is held against."""
        if self.against is Against.PLAIN:
            return FEATURES, RELAY
        others = {Against.PEER: (PEER,), Against.FRAMING: (FRAMING,), Against.DIRECT: (DIRECT,)}
        return RELAY, *others.get(self.against, ())


FLOORS = (
    Floor("4000 × 5/s, CPU per packet ÷ HAProxy pair", "4000x5", Figure.CPU_US_PER_PACKET, 0.80, Against.PEER),
    Floor("1000 × 20/s, CPU per packet ÷ HAProxy pair", "1000x20", Figure.CPU_US_PER_PACKET, 0.85, Against.PEER),
    Floor(
        "500 × 8 in flight, packets/s ÷ HAProxy pair",
        "flight",
        Figure.PACKETS_PER_SECOND,
        1.5,
        Against.PEER,
        is_minimum=True,
    ),
    Floor(
        "1000 × 20/s, CPU per packet ÷ the same without checks",
        "1000x20",
        Figure.CPU_US_PER_PACKET,
        1.15,
        Against.FRAMING,
    ),
    Floor(
        "500 × 8 in flight, CPU per packet ÷ the same without checks",
        "flight",
        Figure.CPU_US_PER_PACKET,
        1.15,
        Against.FRAMING,
    ),
    Floor(
        "1000 × 10/s mixed, CPU per packet with all features ÷ with none",
        "mix-1000x10",
        Figure.CPU_US_PER_PACKET,
        1.3,
        Against.PLAIN,
    ),
    Floor(
        "1000 × 3/s mixed, round trip p99 with all features ÷ with none",
        "mix-1000x3",
        Figure.P99_US,
        1.5,
        Against.PLAIN,
    ),
    Floor(
        "10 × 10/s, round trip p50 over direct",
        "quiet",
        Figure.P50_US,
        0.6,
        Against.DIRECT,
        unit="ms",
        per_unit=1000,
    ),
    Floor("1000 × 20/s, round trip p50", "1000x20", Figure.P50_US, 2.5, unit="ms", per_unit=1000),
    Floor("1000 × 20/s, round trip p99", "1000x20", Figure.P99_US, 6.0, unit="ms", per_unit=1000),
    Floor("10,000 idle, memory per session", "idle", Figure.MEMORY_BYTES_PER_SESSION, 8, unit="KiB", per_unit=1024),
    Floor("10,000 × 1/s, lost", "10000x1", Figure.LOST, 0),
    Floor("10,000 × 1/s, refused", "10000x1", Figure.REFUSED, 0),
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a floor fared: ``value`` in the floor's unit, or None and the reason why there is none."""

    floor: Floor
    value: float | None
    reason: str = ""

    @property
    def needed(self) -> frozenset[str]:
        """Who must have run for it."""
        return frozenset(self.floor.contestants)

    @property
    def is_met(self) -> bool:
        """Whether the floor was reached; without a value it was not."""
        if self.value is None:
            return False
        return self.value >= self.floor.limit if self.floor.is_minimum else self.value <= self.floor.limit

    def describe(self) -> str:
        """Say in a line how it fared."""
        floor = self.floor
        bound = f"{'≥' if floor.is_minimum else '≤'} {floor.limit:g}"
        unit = f" {floor.unit}" if floor.unit else ""
        if self.value is None:
            return f"unknown  {floor.title}: {bound}{unit} is asked; {self.reason}"
        word = "met     " if self.is_met else "MISSED  "
        return f"{word} {floor.title}: {self.value:.3g}{unit} ({bound}{unit} is asked)"


def judge(floor: Floor, results: Results) -> Verdict:
    """Hold the results against one floor."""
    values = []
    for contestant in floor.contestants:
        value = results.figure(floor.load, contestant, floor.figure)
        if value is None:
            return Verdict(floor, None, results.why_not(floor.load, contestant))
        values.append(value)
    if floor.against in (Against.PEER, Against.FRAMING, Against.PLAIN):
        return Verdict(floor, values[0] / values[1] if values[1] else None, "the peer's figure is 0")
    return Verdict(floor, (values[0] - sum(values[1:])) / floor.per_unit)


def judge_all(results: Results, loads: set[str]) -> list[Verdict]:
    """Hold the results against every floor of these loads."""
    return [judge(floor, results) for floor in FLOORS if floor.load in loads]
