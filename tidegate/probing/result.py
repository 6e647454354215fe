"""What measuring an edge gave, and the order in which edges are recommended. Pure."""

import itertools
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fleet.probe import ProbeState
from tidegate.probing.targets import Target


@dataclass(frozen=True, slots=True)
class Result:
    """One edge: round trips in seconds of the probes that came back, how many were ``sent``, how the edge is.

    ``by`` is UDP or HTTP, empty where nothing came back; ``problem`` says why then.
    """

    target: Target
    sent: int
    round_trips: tuple[float, ...] = ()
    state: ProbeState | None = None
    by: str = ""
    problem: str = ""

    @property
    def answers(self) -> bool:
        """Whether anything came back."""
        return bool(self.round_trips)

    @property
    def median_seconds(self) -> float:
        """The middle of the round trips."""
        return statistics.median(self.round_trips)

    @property
    def p95_seconds(self) -> float:
        """The round trip that 95 in 100 do not exceed; the longest where there are few."""
        ordered = sorted(self.round_trips)
        return ordered[math.ceil(0.95 * len(ordered)) - 1]

    @property
    def jitter_seconds(self) -> float:
        """How much one round trip differs from the next, in the mean; 0 where there is only one."""
        trips = self.round_trips
        steps = [abs(one - other) for one, other in itertools.pairwise(trips)]
        return statistics.fmean(steps) if steps else 0.0

    @property
    def loss(self) -> float:
        """The share of probes that did not come back, 0.0 to 1.0."""
        return 1 - len(self.round_trips) / self.sent if self.sent else 1.0

    def as_fields(self) -> dict[str, object]:
        """Return it for JSON; times in milliseconds."""
        fields: dict[str, object] = {
            "name": self.target.name,
            "region": self.target.region,
            "probe": str(self.target.place),
            "answers": self.answers,
        }
        if not self.answers or self.state is None:
            return {**fields, "problem": self.problem}
        return {
            **fields,
            "by": self.by,
            "state": self.state.word,
            "load": round(self.state.load / 255, 2),
            "median_ms": round(self.median_seconds * 1000, 2),
            "p95_ms": round(self.p95_seconds * 1000, 2),
            "jitter_ms": round(self.jitter_seconds * 1000, 2),
            "loss": round(self.loss, 2),
        }


def rank(results: Iterable[Result]) -> Sequence[Result]:
    """Return edges in the order of recommendation: those that take players, then the nearest; silent ones last."""
    return sorted(results, key=_key)


def _key(result: Result) -> tuple[bool, bool, float, str]:
    if not result.answers or result.state is None:
        return (True, True, math.inf, result.target.name)
    takes_players = result.state.is_serving and not result.state.is_draining
    return (False, not takes_players, result.median_seconds, result.target.name)
