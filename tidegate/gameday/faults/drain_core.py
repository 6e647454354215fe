"""The core that carries the sessions is drained: new ones go to the other, old ones go on, and then end at a pace."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from time import monotonic

from tidegate.gameday.day import DayOptions, GameDay, Outcome
from tidegate.gameday.faults.recovery import back_in_play_musts, told_musts
from tidegate.gameday.musts import Must, at_least, none
from tidegate.gameday.network import Layout
from tidegate.gameday.relay_orders import DRAIN

RECOVERY_SECONDS = 10.0
SLACK_SECONDS = 10.0
"""How much later than its deadline a core may be gone."""

PACE_SECONDS = 0.1


@dataclass(slots=True, kw_only=True)
class DrainCore:
    """SIGTERM, with so long until the deadline."""

    drain_seconds: float = 10.0
    name: str = "drain-core"
    _ended_early: int = 0
    _failed_logins: int = 0
    _has_ended_in_order: bool = False

    @property
    def title(self) -> str:
        """What it does, in a line."""
        return f"the core with the sessions is drained for {self.drain_seconds:g} s, another stands by"

    def layout(self, options: DayOptions) -> Layout:
        """Return the network it needs."""
        return Layout(cores=2, sessions=options.bots, seed=options.seed, drain_seconds=self.drain_seconds)

    async def run(self, day: GameDay) -> None:
        """Drain the core, log in meanwhile, and see when the old sessions end."""
        core = day.network.cores[await day.busiest_core()]
        told = monotonic()
        async with day.probe() as probe:
            day.kill_meant(core, DRAIN)
            day.say(f"{core.name} drains")
            await asyncio.sleep(self.drain_seconds / 2)
            self._ended_early = sum(day.crowd.ended.values())
            try:
                async with asyncio.timeout(self.drain_seconds / 2 + SLACK_SECONDS):
                    self._has_ended_in_order = await core.child.wait() == 0
            except TimeoutError:
                day.say(f"{core.name} is still there")
            day.figures["core gone after"] = f"{monotonic() - told:.1f} s"
            await day.until_recovered(RECOVERY_SECONDS)
        self._failed_logins = sum(probe.failures.values())
        day.figures["logins meanwhile"] = f"{len(probe.attempts)}, {self._failed_logins} failed"
        day.figures["sessions ended at once"] = f"at most {_most_at_once(day)} within {PACE_SECONDS:g} s"

    def musts(self, day: GameDay, outcome: Outcome) -> list[Must]:
        """Return what must hold: logins work all the time, old sessions go on for a while, and all are told."""
        return [
            none("logins that failed", self._failed_logins),
            none("sessions ended in the first half of the drain", self._ended_early),
            at_least("cores that ended in order", int(self._has_ended_in_order), 1),
            *told_musts(outcome),
            *back_in_play_musts(day),
            *outcome.ledger_musts(),
        ]


def _most_at_once(day: GameDay) -> int:
    moments = Counter(int(seconds / PACE_SECONDS) for bot in day.crowd.bots for seconds, _ in bot.ended)
    return max(moments.values(), default=0)
