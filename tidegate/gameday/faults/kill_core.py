"""The core that carries the sessions dies while another stands by: players are told, and log in through the other."""

from dataclasses import dataclass
from time import monotonic

from tidegate.gameday.day import DayOptions, GameDay, Outcome
from tidegate.gameday.faults.recovery import LOGIN_SECONDS, back_in_play_musts, never, told_musts
from tidegate.gameday.musts import Must, at_most
from tidegate.gameday.network import Layout
from tidegate.gameday.relay_orders import KILL, SHORT_HOLD_SECONDS

RECOVERY_SECONDS = 10.0


@dataclass(slots=True, kw_only=True)
class KillCore:
    """SIGKILL."""

    name: str = "kill-core"
    _logins_work_after: float | None = None

    @property
    def title(self) -> str:
        """What it does, in a line."""
        return "the core with the sessions is killed, another stands by"

    def layout(self, options: DayOptions) -> Layout:
        """Return the network it needs."""
        return Layout(cores=2, sessions=options.bots, seed=options.seed, hold_seconds=SHORT_HOLD_SECONDS)

    async def run(self, day: GameDay) -> None:
        """Kill the core and wait until everybody plays again."""
        core = day.network.cores[await day.busiest_core()]
        killed = monotonic()
        async with day.probe() as probe:
            day.kill_meant(core, KILL)
            day.say(f"{core.name} was killed")
            await day.until_recovered(RECOVERY_SECONDS)
        self._logins_work_after = probe.works_after_seconds(killed)

    def musts(self, day: GameDay, outcome: Outcome) -> list[Must]:
        """Return what must hold: everybody was told, and plays again soon."""
        return [
            at_most("new logins worked after", never(self._logins_work_after), LOGIN_SECONDS, "s"),
            *told_musts(outcome),
            *back_in_play_musts(day),
            *outcome.ledger_musts(),
        ]
