"""One of two edges dies: its players log in through the other, whose own players notice nothing."""

from dataclasses import dataclass

from tidegate.gameday.day import DayOptions, GameDay, Outcome
from tidegate.gameday.faults.recovery import back_in_play_musts
from tidegate.gameday.musts import Must, at_most
from tidegate.gameday.network import Layout
from tidegate.gameday.relay_orders import KILL

RECOVERY_SECONDS = 10.0


@dataclass(slots=True, kw_only=True)
class KillEdge:
    """SIGKILL."""

    name: str = "kill-edge"
    _had: int = 0

    @property
    def title(self) -> str:
        """What it does, in a line."""
        return "one of two edges is killed"

    def layout(self, options: DayOptions) -> Layout:
        """Return the network it needs."""
        return Layout(edges=2, sessions=options.bots, seed=options.seed)

    async def run(self, day: GameDay) -> None:
        """Kill the first edge and wait until everybody plays again."""
        edge = day.network.edges[0]
        self._had = sum(bot.target == day.network.players_at[0] for bot in day.crowd.bots)
        day.kill_meant(edge, KILL)
        day.say(f"{edge.name} was killed, with {self._had} bots")
        await day.until_recovered(RECOVERY_SECONDS)

    def musts(self, day: GameDay, outcome: Outcome) -> list[Must]:
        """Return what must hold: only its own players were hit, and they play again soon."""
        return [
            at_most("sessions ended, of those the edge had", outcome.sessions_ended, self._had, ""),
            *back_in_play_musts(day),
            *outcome.ledger_musts(),
        ]
