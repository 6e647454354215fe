"""The road between edge and core is cut again and again; no player may notice more than a pause."""

import asyncio
import math
from dataclasses import dataclass

from tidegate.gameday.conditions import CutKind
from tidegate.gameday.day import DayOptions, GameDay, Outcome
from tidegate.gameday.musts import Must, at_most, none
from tidegate.gameday.network import Layout

AFTER_SECONDS = 1.5
"""What a cut may cost beyond its own length, for 99 % of the bots."""

SHORTEST_REST_SECONDS = 0.2
LONGEST_REST_SECONDS = 2.0
RECOVERY_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CutTunnel:
    """``times`` cuts with lengths between the bounds, evenly spread over their logarithms."""

    times: int = 100
    shortest_seconds: float = 0.05
    longest_seconds: float = 10.0
    kinds: tuple[CutKind, ...] = tuple(CutKind)
    edges: int = 1
    name: str = "cut-tunnel"

    @property
    def title(self) -> str:
        """What it does, in a line."""
        kinds = " and ".join(self.kinds)
        return f"{self.times} cuts ({kinds}) of {self.shortest_seconds:g} to {self.longest_seconds:g} s"

    def layout(self, options: DayOptions) -> Layout:
        """Return the network it needs."""
        return Layout(edges=self.edges, sessions=options.bots, seed=options.seed)

    async def run(self, day: GameDay) -> None:
        """Cut, heal, rest, and cut again."""
        last = ""
        seconds = 0.0
        for number in range(1, self.times + 1):
            await asyncio.sleep(day.random.uniform(SHORTEST_REST_SECONDS, LONGEST_REST_SECONDS))
            if last:
                day.end_window(last, seconds)
            kind = day.random.choice(self.kinds)
            seconds = self._length(day)
            day.begin_window()
            day.say(f"cut {number} of {self.times}: {kind}, {seconds:.2f} s")
            await day.cut(kind, seconds)
            last = f"cut {number}, {kind}"
        await day.until_recovered(RECOVERY_SECONDS)
        day.end_window(last, seconds)

    def musts(self, day: GameDay, outcome: Outcome) -> list[Must]:
        """Return what must hold: no session ends, nothing is lost, and no pause is much longer than its cut."""
        worst = day.pauses.worst_after
        if worst is not None:
            day.figures["worst fault"] = f"{worst.what} of {worst.fault_seconds:.2f} s"
        return [
            none("sessions ended", outcome.sessions_ended),
            *outcome.ledger_musts(),
            at_most("p99 of pauses beyond the cut", day.pauses.worst_p99_after_seconds, AFTER_SECONDS, "s"),
        ]

    def _length(self, day: GameDay) -> float:
        return math.exp(day.random.uniform(math.log(self.shortest_seconds), math.log(self.longest_seconds)))
