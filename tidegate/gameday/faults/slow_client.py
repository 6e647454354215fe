"""Half of the players stop reading while the server sends them all it can: what that costs in memory and time."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from tidegate.gameday.bot import Bot
from tidegate.gameday.day import DayOptions, GameDay, Outcome
from tidegate.gameday.musts import Must, at_most, none
from tidegate.gameday.network import Layout
from tidegate.gameday.process_figures import read_figures, socket_memory_bytes

MOST_BYTES = 300 * 1024
"""Edge and core together, for one player that does not read: a window, and what it takes to hold it."""

MOST_P99_RISE = 1.10

FILL_SECONDS = 120.0
LOOK_SECONDS = 0.5
WARM_UP_SECONDS = 3.0
SETTLE_SECONDS = 2.0
READ_ON_SECONDS = 60.0


@dataclass(slots=True, kw_only=True)
class SlowClient:
    """Every second bot stops reading, up to ``slow`` of them. Each phase is measured for ``seconds``."""

    slow: int = 1000
    seconds: float = 20.0
    name: str = "slow-client"
    _slow_bots: int = 0
    _blocked: int = 0
    _bytes_each: float = 0.0
    _p99_before: float = 0.0
    _p99_with: float = 0.0

    @property
    def title(self) -> str:
        """What it does, in a line."""
        return f"up to {self.slow} bots, half of all, stop reading"

    def layout(self, options: DayOptions) -> Layout:
        """Return the network it needs."""
        return Layout(sessions=options.bots, seed=options.seed)

    async def run(self, day: GameDay) -> None:
        """Measure the others, stop the slow ones, fill their windows, and measure the others again."""
        slow = list(day.crowd.bots)[1::2][: self.slow]
        others = [bot for bot in day.crowd.bots if bot not in set(slow)]
        self._slow_bots = len(slow)
        self._p99_before = await self._measure(day, others)
        await self._warm_up(day, slow)
        memory_before, sockets_before = await _memory(day), socket_memory_bytes()
        sessions = [bot.session for bot in slow if bot.session is not None]
        for session in sessions:
            session.stop_reading()
        await day.network.origin.flood(session.number for session in sessions)
        day.say(f"{len(sessions)} bots have stopped reading")
        await self._fill(day)
        held = {name: size - memory_before[name] for name, size in (await _memory(day)).items()}
        self._bytes_each = max(0, sum(held.values())) / max(1, len(sessions))
        day.figures["of that"] = ", ".join(
            f"{size / 1024 / max(1, len(sessions)):.0f} KiB in {name}" for name, size in held.items()
        )
        day.figures["the system's memory for sockets, each"] = (
            f"{(socket_memory_bytes() - sockets_before) / max(1, len(sessions)) / 1024:.0f} KiB"
        )
        self._p99_with = await self._measure(day, others)
        await day.network.origin.calm()
        for session in sessions:
            session.read_on()
        day.say("they read again")
        await day.crowd.answered(slow, READ_ON_SECONDS)

    def musts(self, day: GameDay, outcome: Outcome) -> list[Must]:
        """Return what must hold: bounded memory, and nobody else waits."""
        day.figures["slow readers"] = f"{self._slow_bots}, of which {self._blocked} had all windows full"
        day.figures["others' p99"] = f"{self._p99_before * 1e3:.2f} ms before, {self._p99_with * 1e3:.2f} ms with"
        rise = self._p99_with / self._p99_before if self._p99_before else 0.0
        return [
            none("slow readers whose windows were not full", self._slow_bots - self._blocked),
            at_most("memory of edge and core per slow reader", self._bytes_each / 1024, MOST_BYTES / 1024, "KiB"),
            at_most("others' p99, times that of before", rise, MOST_P99_RISE, ""),
            none("sessions ended", outcome.sessions_ended),
            *outcome.ledger_musts(),
        ]

    async def _warm_up(self, day: GameDay, slow: Iterable[Bot]) -> None:
        """Flood them while they read, so that what the relays need for so much traffic is not counted as held."""
        await day.network.origin.flood(bot.session.number for bot in slow if bot.session is not None)
        await asyncio.sleep(WARM_UP_SECONDS)
        await day.network.origin.calm()
        await day.until_recovered(READ_ON_SECONDS)

    async def _fill(self, day: GameDay) -> None:
        """Wait until the origin can send the slow ones nothing more, and has not been able to for a while."""
        deadline = asyncio.get_running_loop().time() + FILL_SECONDS
        steady = 0
        while steady < 4 and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(LOOK_SECONDS)
            blocked = await day.network.origin.blocked()
            steady = steady + 1 if blocked == self._slow_bots else 0
        self._blocked = blocked

    async def _measure(self, day: GameDay, bots: Iterable[Bot]) -> float:
        await asyncio.sleep(SETTLE_SECONDS)  # what a look at the relays' memory held up is not theirs
        with day.crowd.watching_only(bots) as watch:
            await asyncio.sleep(self.seconds)
        return watch.round_trips.percentile(99)


async def _memory(day: GameDay) -> dict[str, int]:
    """Return what each relay holds, in bytes; the system takes its time to count it, in which the bots go on."""
    return {relay.name: (await asyncio.to_thread(read_figures, relay.pid)).own_bytes for relay in day.network.relays}
