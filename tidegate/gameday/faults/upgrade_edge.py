"""The edge is upgraded in its stride, again and again: no player may notice, and nobody who connects is refused."""

import asyncio
import contextlib
from dataclasses import dataclass, field
from time import monotonic

from tidegate.gameday.day import DayOptions, GameDay, Outcome
from tidegate.gameday.login_probe import LoginProbe
from tidegate.gameday.musts import Must, at_least, none
from tidegate.gameday.network import Layout, Relay
from tidegate.gameday.process_figures import error_output_of, is_running, writers_to
from tidegate.gameday.relay_orders import UPGRADE
from tidegate.running import is_upgrading, workers_of

UPGRADE_SECONDS = 20.0
REST_SECONDS = 1.0
RECOVERY_SECONDS = 10.0
LOOK_SECONDS = 0.05
PROBE_SECONDS = 0.02


@dataclass(slots=True, kw_only=True)
class UpgradeEdge:
    """So many upgrades, one after the other."""

    times: int = 20
    workers: int = 1
    name: str = "upgrade-edge"
    _done: int = 0
    _probe: LoginProbe | None = None
    _takes_seconds: list[float] = field(default_factory=list)

    @property
    def title(self) -> str:
        """What it does, in a line."""
        whose = "the edge is" if self.workers == 1 else f"each of the edge's {self.workers} workers is"
        return f"{whose} replaced by a successor {self.times} times"

    def layout(self, options: DayOptions) -> Layout:
        """Return the network it needs."""
        return Layout(sessions=options.bots, seed=options.seed, edge_workers=self.workers)

    async def run(self, day: GameDay) -> None:
        """Upgrade, let the bots play, and upgrade again."""
        edge = day.network.edges[0]
        async with day.probe(PROBE_SECONDS) as self._probe:
            for number in range(1, self.times + 1):
                day.begin_window()
                began = monotonic()
                if not await (hand_over(edge) if self.workers == 1 else replace_workers(edge)):
                    day.say(f"upgrade {number}: no successor")
                    break
                self._done += 1
                self._takes_seconds.append(monotonic() - began)
                day.say(f"upgrade {number} of {self.times}: {self._takes_seconds[-1]:.2f} s, {_describe(edge)}")
                day.crowd.watch.healed()
                await asyncio.sleep(REST_SECONDS)
                await day.until_recovered(RECOVERY_SECONDS)
                day.end_window(f"upgrade {number}", self._takes_seconds[-1])

    def musts(self, day: GameDay, outcome: Outcome) -> list[Must]:
        """Return what must hold: all upgrades done, and nobody noticed."""
        failures = self._probe.failures if self._probe is not None else {}
        attempts = len(self._probe.attempts) if self._probe is not None else 0
        day.figures["logins meanwhile"] = f"{attempts}, {sum(failures.values())} failed"
        if self._takes_seconds:
            day.figures["longest upgrade"] = f"{max(self._takes_seconds):.2f} s"
        return [
            at_least("upgrades done", self._done, self.times),
            none("sessions ended", outcome.sessions_ended),
            none("logins refused or failed", sum(failures.values())),
            *outcome.ledger_musts(),
        ]


async def hand_over(edge: Relay) -> bool:
    """Tell the edge to hand over; return whether it has gone and a successor, which it is then, is there."""
    edge.is_meant_to_end = True
    old, error_output = edge.pid, error_output_of(edge.pid)
    with contextlib.suppress(TimeoutError, ProcessLookupError):
        edge.send_signal(UPGRADE)
        async with asyncio.timeout(UPGRADE_SECONDS):
            while is_running(old):  # noqa: ASYNC110 - it is another process
                await asyncio.sleep(LOOK_SECONDS)
    successors = writers_to(error_output) - {old}
    if not successors or is_running(old):
        return False
    edge.pid = max(successors)
    return True


async def replace_workers(edge: Relay) -> bool:
    """Tell an edge with workers to upgrade; return whether it has replaced all of them."""
    before = workers_of(edge.pid)
    with contextlib.suppress(TimeoutError, ProcessLookupError):
        edge.send_signal(UPGRADE)
        async with asyncio.timeout(UPGRADE_SECONDS * max(1, len(before))):
            while (is_running(edge.pid) and workers_of(edge.pid) & before) or is_upgrading(edge.pid):  # noqa: ASYNC110
                await asyncio.sleep(LOOK_SECONDS)
    after = workers_of(edge.pid)
    return len(after) == len(before) and not after & before


def _describe(edge: Relay) -> str:
    workers = workers_of(edge.pid)
    if not workers:
        return f"process {edge.pid}"
    return f"process {edge.pid} with workers {', '.join(map(str, sorted(workers)))}"
