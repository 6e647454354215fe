"""What a fault costs a player in time: the arithmetic of pauses.

For each frame that is answered:

- its *silence* is from the answer before it to its own: how long the bot heard nothing;
- its *silence after* is the part of that since the road was healed;
- it is *late* by the time from when it was sent, or from when the road was healed if that was afterwards, to when the
  answer came: how long what had piled up took to be carried.

A bot's *pause* over a fault is its longest silence among the answers from the fault's beginning to the beginning of
the next, its *delay after* the longest silence after, its *backlog* the largest lateness. What is answered only over a
later fault counts there. Bots whose session ended have no pause, and are counted.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

NANOSECONDS = 1e9


@dataclass(slots=True)
class Longest:
    """One bot's largest values since the window began, in nanoseconds."""

    silent_ns: int = 0
    silent_after_ns: int = 0
    late_ns: int = 0

    def begin(self) -> None:
        """Begin a new window."""
        self.silent_ns = self.silent_after_ns = self.late_ns = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultPauses:
    """All bots' pauses over one fault, in seconds; ``without`` bots had none, as their session ended."""

    what: str
    fault_seconds: float
    pauses: Sequence[float]
    delays_after: Sequence[float]
    backlogs: Sequence[float] = ()
    without: int = 0

    @property
    def p99_after_seconds(self) -> float:
        """What 99 % of the bots do not exceed beyond the fault itself."""
        return percentile(self.delays_after, 99)


@dataclass(slots=True)
class PauseLog:
    """The pauses of a day, fault after fault."""

    faults: list[FaultPauses] = field(default_factory=list)

    def add(self, what: str, fault_seconds: float, bots: Iterable[Longest | None]) -> FaultPauses:
        """Write down a fault that is over, with each bot's values, None for one whose session ended."""
        values = list(bots)
        living = [each for each in values if each is not None]
        answered = [each for each in living if each.silent_ns]
        pauses = FaultPauses(
            what=what,
            fault_seconds=fault_seconds,
            pauses=[each.silent_ns / NANOSECONDS for each in answered],
            delays_after=[each.silent_after_ns / NANOSECONDS for each in answered],
            backlogs=[each.late_ns / NANOSECONDS for each in answered],
            without=len(values) - len(living),
        )
        self.faults.append(pauses)
        return pauses

    @property
    def p50_seconds(self) -> float:
        """The median pause over all bots and faults."""
        return percentile([pause for fault in self.faults for pause in fault.pauses], 50)

    @property
    def p99_seconds(self) -> float:
        """The pause that 99 % over all bots and faults do not exceed."""
        return percentile([pause for fault in self.faults for pause in fault.pauses], 99)

    @property
    def worst_p99_after_seconds(self) -> float:
        """The largest 99th percentile of delays after a fault, over the faults."""
        return max((fault.p99_after_seconds for fault in self.faults), default=0.0)

    @property
    def worst_p99_backlog_seconds(self) -> float:
        """The largest 99th percentile of backlogs, over the faults."""
        return max((percentile(fault.backlogs, 99) for fault in self.faults), default=0.0)

    @property
    def worst_after(self) -> FaultPauses | None:
        """The fault with that percentile."""
        return max(self.faults, key=lambda fault: fault.p99_after_seconds, default=None)

    @property
    def without(self) -> int:
        """Over all faults, how many bots had no pause because their session ended."""
        return sum(fault.without for fault in self.faults)


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that ``percent`` of all do not exceed; 0 when there are none."""
    if not values:
        return 0.0
    return sorted(values)[max(1, math.ceil(len(values) * percent / 100)) - 1]
