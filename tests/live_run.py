"""What runs of real processes have in common: what a relay logs, bots that play until they are stopped, and waiting.

Used by the fleets beside it (`tests.live_features`, `tests.fleet_features`, `tests.live_fleet`, `tests.admin_fleet`).
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from fleet.address import Address
from games.pko.sim.options import PlayerOptions
from tidegate.sim.bots import BotFleet, FleetOptions
from tidegate.sim.fleet_result import FleetResult

LOOPBACK = "127.0.0.1"
ANY_PORT = f"{LOOPBACK}:0"

PLAYER = PlayerOptions(account=b"bot", play_seconds=7200.0)
"""Bots play until they are stopped."""


class RelayLog:
    """The lines a relay logs, in their order and by their name, and what waits for them."""

    def __init__(self) -> None:
        self.lines: list[Mapping[str, Any]] = []
        self._named: dict[str, list[Mapping[str, Any]]] = {}
        self._news = asyncio.Event()

    def note(self, line: Mapping[str, Any]) -> None:
        """Take a line."""
        self.lines.append(line)
        self._named.setdefault(str(line["event"]), []).append(line)
        self._news.set()

    def named(self, name: str) -> Sequence[Mapping[str, Any]]:
        """The lines of a name."""
        return self._named.get(name, ())

    def count(self, name: str) -> int:
        """How many lines of a name there were."""
        return len(self.named(name))

    @property
    def sessions_lost(self) -> int:
        """The sessions that were lost with tunnels, by an edge's own count."""
        return sum(int(line["sessions_ended"]) for line in self.named("tunnel_lost"))

    async def wait_for(self, name: str, count: int) -> None:
        """Wait until there are so many lines of a name."""
        while self.count(name) < count:
            self._news.clear()
            await self._news.wait()


class Bots:
    """Bots that play at some edges until they are stopped; numbers tell their accounts apart."""

    def __init__(
        self, players: Sequence[Address], bots: int, first_number: int, player: PlayerOptions = PLAYER
    ) -> None:
        self._bots = bots
        self._fleet = BotFleet(list(players), FleetOptions(bots=bots, first_number=first_number, player=player))
        self._playing = asyncio.create_task(self._fleet.run())

    @property
    def playing(self) -> int:
        """How many are in the world."""
        return sum(target.playing for target in self._fleet.statistics())

    async def all_play(self) -> None:
        """Wait until all are in the world."""
        await until(self._do_all_play, 60, "all bots are in the world")

    async def stop(self) -> FleetResult:
        """Have them log out, and return what they noticed."""
        self._fleet.stop()
        return await self._playing

    async def _do_all_play(self) -> bool:
        return self.playing == self._bots


async def until(holds: Callable[[], Awaitable[bool]], seconds: float, what: str) -> float:
    """Wait until something holds; returns after how many seconds, and fails after too many."""
    begin = time.monotonic()
    while not await holds():
        if time.monotonic() - begin > seconds:
            raise AssertionError(f"{what}: not after {seconds:g} s")
        await asyncio.sleep(0.01)
    return time.monotonic() - begin
