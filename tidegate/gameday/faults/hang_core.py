"""The core that carries the sessions hangs while another stands by; later it wakes up and must not speak for them."""

import asyncio
from dataclasses import dataclass, field
from time import monotonic

from tidegate.gameday.data_meter import DataMeter
from tidegate.gameday.day import DayOptions, GameDay, Outcome
from tidegate.gameday.faults.recovery import LOGIN_SECONDS, back_in_play_musts, never
from tidegate.gameday.musts import Must, at_most, none
from tidegate.gameday.network import Layout
from tidegate.gameday.relay_orders import CORE_AWAY, HANG, SHORT_HOLD_SECONDS, WAKE

FOUND_DEAD_SECONDS = 1.5
AFTER_WAKING_SECONDS = 3.0
"""How long what the woken core says is counted: it has long looked at its connections by then."""

RECOVERY_SECONDS = 10.0


@dataclass(slots=True, kw_only=True)
class HangCore:
    """SIGSTOP for so long, then SIGCONT."""

    seconds: float = 5.0
    name: str = "hang-core"
    _meter: DataMeter = field(default_factory=DataMeter)
    _logins_work_after: float | None = None
    _found_dead_after: float | None = None
    _bytes_to_edge: int = 0
    _bytes_to_origin: int = 0

    @property
    def title(self) -> str:
        """What it does, in a line."""
        return f"the core with the sessions hangs for {self.seconds:g} s, another stands by"

    def layout(self, options: DayOptions) -> Layout:
        """Return the network it needs."""
        return Layout(
            cores=2, sessions=options.bots, seed=options.seed, on_bytes=self._meter, hold_seconds=SHORT_HOLD_SECONDS
        )

    async def run(self, day: GameDay) -> None:
        """Stop the core, see who notices, wake it, and count what it says."""
        network = day.network
        index = await day.busiest_core()
        core, proxy = network.cores[index], network.proxies[index]
        old = proxy.connections
        await network.origin.mark()
        day.begin_window()
        hung = monotonic()
        core.send_signal(HANG)
        day.say(f"{core.name} hangs")
        async with day.probe() as probe:
            await asyncio.sleep(self.seconds)
            before = {connection: self._meter.data_bytes(connection) for connection in old}
            await network.origin.recount()
            day.say(f"{core.name} wakes up")
            core.send_signal(WAKE)
            day.crowd.watch.healed()
            await asyncio.sleep(AFTER_WAKING_SECONDS)
        self._bytes_to_edge = sum(self._meter.data_bytes(each) - count for each, count in before.items())
        self._bytes_to_origin = await network.origin.bytes_since_mark()
        self._logins_work_after = probe.works_after_seconds(hung)
        events = [edge.log.first(CORE_AWAY, hung) for edge in network.edges]
        self._found_dead_after = max((event.seconds - hung for event in events if event is not None), default=None)
        await day.until_recovered(RECOVERY_SECONDS)
        day.end_window(f"{core.name} hung", self.seconds)
        day.figures["slowest login meanwhile"] = f"{probe.longest_seconds():.2f} s"

    def musts(self, day: GameDay, outcome: Outcome) -> list[Must]:
        """Return what must hold: found dead soon, logins work soon, and the woken core says nothing for the others."""
        return [
            at_most("an edge found the core dead after", never(self._found_dead_after), FOUND_DEAD_SECONDS, "s"),
            at_most("new logins worked after", never(self._logins_work_after), LOGIN_SECONDS, "s"),
            none("bytes of the woken core to the edge on its old tunnel", self._bytes_to_edge),
            none("bytes of the woken core to the game server on old sessions", self._bytes_to_origin),
            *back_in_play_musts(day),
            *outcome.ledger_musts(),
        ]
