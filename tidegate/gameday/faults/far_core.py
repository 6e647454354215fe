"""The core is far away: with delay and jitter on the road, as many frames must come through as without."""

import asyncio
from dataclasses import dataclass
from time import monotonic

from tidegate.gameday.conditions import Conditions
from tidegate.gameday.day import DayOptions, GameDay, Outcome
from tidegate.gameday.musts import Must, at_least, none
from tidegate.gameday.network import Layout

LEAST_SHARE = 0.95
SETTLE_SECONDS = 1.0


@dataclass(slots=True, kw_only=True)
class FarCore:
    """The delay is that of each direction."""

    delay_seconds: float = 0.08
    jitter_seconds: float = 0.02
    seconds: float = 20.0
    name: str = "far-core"
    _near: float = 0.0
    _far: float = 0.0

    @property
    def title(self) -> str:
        """What it does, in a line."""
        return f"{self.delay_seconds * 1e3:g} ms ± {self.jitter_seconds * 1e3:g} ms each way, for {self.seconds:g} s"

    def layout(self, options: DayOptions) -> Layout:
        """Return the network it needs."""
        return Layout(sessions=options.bots, seed=options.seed)

    async def run(self, day: GameDay) -> None:
        """Measure near, then far."""
        self._near = await self._measure(day, "near")
        day.set_conditions(Conditions(delay_seconds=self.delay_seconds, jitter_seconds=self.jitter_seconds))
        day.say("the core is far away")
        await asyncio.sleep(SETTLE_SECONDS)
        self._far = await self._measure(day, "far")

    def musts(self, day: GameDay, outcome: Outcome) -> list[Must]:  # noqa: ARG002
        """Return what must hold: nearly all comes through, and nobody is lost."""
        share = self._far / self._near if self._near else 0.0
        return [
            at_least("share of the throughput without delay", share, LEAST_SHARE),
            none("sessions ended", outcome.sessions_ended),
            *outcome.ledger_musts(),
        ]

    async def _measure(self, day: GameDay, name: str) -> float:
        crowd = day.crowd
        before, began = crowd.watch.round_trips.copy(), monotonic()
        await asyncio.sleep(self.seconds)
        trips = crowd.watch.round_trips.since(before)
        rate = trips.count / (monotonic() - began)
        day.figures[name] = (
            f"{rate:.0f} frames/s answered, round trip p50 {trips.percentile(50) * 1e3:.1f} ms, "
            f"p99 {trips.percentile(99) * 1e3:.1f} ms"
        )
        return rate
