"""The cores of an edge: a client for each, which come and go while it runs, and which one a new player gets.

The edge (`edge.edge`) owns it, discovery says by `set` which cores there are, and the door asks it for each player.
What is chosen is decided in `edge.core_choice`; here is what is known of each core, and who is still needed. A core
that is not named any more keeps its players as long as its tunnel does, and gets no new ones.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import count
from random import Random

import structlog

from edge.core_choice import LOAD_MARGIN, MAX_CORES, CoreChoice, SeenCore
from edge.door import WAIT_SECONDS, Hope
from edge.edge_tunnel import EdgeTunnel
from edge.known_core import KnownCore, foreign_game
from edge.tunnel_client import TunnelClient
from fleet.records import Record
from tunnel.options import PROTOCOL_VERSION
from wire.reasons import Reason

_log = structlog.get_logger("edge.cores")

MAX_TOLD = 1000
"""What is remembered to have been said of cores that are ignored."""

LOOK_SECONDS = 0.1
"""How long a favourite that can be used is asked for nothing else: connections may come in thousands a second."""


class Cores:
    """The clients there are. ``run`` carries them.

    ``addresses`` come from the settings, the preferred one first; where there are none, `set` brings them. ``region``
    is the edge's own: of too many cores those are taken that are in it. ``make_client`` makes one for an address.
    """

    def __init__(
        self, addresses: Sequence[str], region: str, make_client: Callable[[str], TunnelClient], random: Random
    ) -> None:
        self._region = region
        self._make_client = make_client
        self._random = random
        self._choice = CoreChoice(random)
        self._places = count()
        self._cores: dict[str, KnownCore] = {address: self._make(address, next(self._places)) for address in addresses}
        self._records: Sequence[Record] | None = None  # the last that were set
        self._is_still = False
        self._is_static = bool(addresses)
        self._began = time.monotonic()
        self._favourite: KnownCore | None = None  # who is good enough to be asked for nothing until `_look_at`
        self._look_at = 0.0
        self._game = ""  # of the tunnels that are used
        self._told: set[tuple[str, str]] = set()  # what was said of which core
        self._tasks: asyncio.TaskGroup | None = None

    # Which there are.

    @property
    def clients(self) -> tuple[TunnelClient, ...]:
        """All clients, of cores that are still needed or not any more."""
        return tuple(core.client for core in self._cores.values())

    @property
    def tunnels(self) -> tuple[EdgeTunnel, ...]:
        """The tunnels there are, attached or held."""
        return tuple(core.client.tunnel for core in self._cores.values() if core.client.tunnel is not None)

    def has_tunnel(self, address: str) -> bool:
        """Whether there is a tunnel to a core, attached or held."""
        core = self._cores.get(address)
        return core is not None and core.client.tunnel is not None

    def is_ours(self, address: str) -> bool:
        """Whether there is a tunnel to a core, and it carries the game of this edge."""
        core = self._cores.get(address)
        return (
            core is not None and core.client.tunnel is not None and core.client.tunnel.policy.game == self._game_now()
        )

    def set(self, records: Sequence[Record]) -> None:
        """Use these cores from now on, those in front first where they are equally good; cheap if nothing changed."""
        if self._records is not None and list(records) == list(self._records):
            return
        self._records = tuple(records)
        self._settle()

    def take(self, address: str, tunnel: EdgeTunnel) -> None:
        """Go on with a tunnel that another process of this edge had; before `run`."""
        core = self._cores.get(address)
        if core is None:  # named by nobody here: its players may stay, and it is used until discovery has spoken
            core = self._cores[address] = self._make(address, self._random.random())
            core.is_wanted = not self._is_static
        core.client.take(tunnel)

    async def run(self) -> None:
        """Carry the clients until cancelled, those that are still to come, too."""
        try:
            async with asyncio.TaskGroup() as self._tasks:
                for core in self._cores.values():
                    self._start(core)
                await asyncio.Event().wait()
        finally:
            self._tasks = None

    def tick(self, now_seconds: float) -> None:
        """Keep time for the tunnels, and look for who is needed no more; called about once a second."""
        for core in list(self._cores.values()):
            core.client.tick(now_seconds)
        self._end_unneeded()
        if self._records is not None and self._game_now() != self._game:
            self._settle()  # who was left out for another game may be the right one by now
        self._look(time.monotonic())

    async def stand_still(self) -> None:
        """Detach all tunnels, and stay so until `go_on`; nobody comes or goes meanwhile."""
        self._is_still = True
        await asyncio.gather(*(client.suspend() for client in self.clients))

    def go_on(self) -> None:
        """Attach again, and do what was set meanwhile."""
        self._is_still = False
        for client in self.clients:
            client.go_on()
        self._settle()

    # Which one a new player gets.

    def pick(self, now_seconds: float) -> EdgeTunnel | Hope | Reason:
        """Return the tunnel for a new player, the hope for one, or why there is none."""
        core = self._choose(now_seconds)
        if core is not None and core.client.tunnel is not None:
            return core.client.tunnel
        return self._hope(now_seconds)

    @property
    def tunnel(self) -> EdgeTunnel | None:
        """The tunnel that a new player would get; where nobody takes any, one that may do so again."""
        core = self._choose(time.monotonic())
        if core is not None:
            return core.client.tunnel
        tunnels = [tunnel for tunnel in self.tunnels if not tunnel.is_draining] or self.tunnels
        return next((tunnel for tunnel in tunnels if tunnel.is_attached), next(iter(tunnels), None))

    def look_again(self) -> None:
        """Something has changed: choose anew for the next player."""
        self._look_at = 0.0

    def seen(self) -> tuple[SeenCore, ...]:
        """Return what the choice sees, for people and their metrics."""
        favourite = self._choice.favourite
        return tuple(replace(each, is_favourite=each.address == favourite) for each in self._see_all())

    def _choose(self, now_seconds: float) -> KnownCore | None:
        core = self._favourite
        if core is not None and now_seconds < self._look_at and core.is_good:
            return core
        return self._look(now_seconds)

    def _look(self, now_seconds: float) -> KnownCore | None:
        self._game = self._game_now()
        before = self._choice.favourite
        chosen = self._choice.choose(self._see_all(), now_seconds)
        if self._choice.favourite != before:
            _log.info("core_chosen", **{"from": before, "to": self._choice.favourite, "why": self._choice.why})
        core = None if chosen is None else self._cores[chosen.address]
        self._favourite = core if core is not None and core.is_good else None
        self._look_at = now_seconds + LOOK_SECONDS
        return core

    def _hope(self, now_seconds: float) -> Hope | Reason:
        """Nobody takes players now: say whether somebody will do so soon."""
        wanted = [core for core in self._cores.values() if core.is_wanted]
        if any(core.is_awaited(now_seconds, WAIT_SECONDS) for core in wanted):
            return Hope.SOON
        if not self._is_static and self._records is None and now_seconds - self._began < WAIT_SECONDS:
            return Hope.SOON  # discovery has not answered yet
        return Reason.CORE_DRAINING if any(core.is_draining for core in wanted) else Reason.NO_CORE

    def _see_all(self) -> Sequence[SeenCore]:
        game = self._game_now()  # also before the first look
        seen = [core.see(game) for core in self._cores.values()]
        for each in seen:
            if each.is_foreign:
                self._ignore(each.address, each.problems[-1])
        return seen

    # Who is needed.

    def _settle(self) -> None:
        """Have a client for each core that is wanted, and no players for others."""
        if self._is_still:
            return
        self._game = self._game_now()
        self._look_at = 0.0
        if self._records is None:
            return
        wanted = self._wanted(self._records)
        for number, (address, record) in enumerate(wanted.items()):
            core = self._cores.get(address)
            is_new = core is None or not core.is_wanted
            if core is None:
                core = self._cores[address] = self._make(address, self._random.random())
                self._start(core)
            if is_new:
                _log.info("core_added", core=address, name=record.name, region=record.region)
            if core.record != record and record.health.is_serving and core.client.is_away:
                core.client.hurry()
            core.record, core.is_wanted = record, True
            if self._is_static:
                core.place = number
        for address, core in self._cores.items():
            if core.is_wanted and address not in wanted:
                core.record, core.is_wanted = None, False
                tunnel = core.client.tunnel
                sessions = 0 if tunnel is None else tunnel.running_sessions
                _log.info("core_removed", core=address, sessions=sessions, action="no new players go there")
        self._cores = dict(sorted(self._cores.items(), key=lambda item: item[1].place))
        self._end_unneeded()

    def _wanted(self, records: Iterable[Record]) -> dict[str, Record]:
        """Return the cores to use, the best ones of too many, by address."""
        usable: dict[str, Record] = {}
        for record in records:
            reason = self._why_not(record)
            if reason:
                self._ignore(str(record.address), reason)
            else:
                usable.setdefault(str(record.address), record)
        if len(usable) <= MAX_CORES:
            return usable
        best = sorted(usable, key=lambda address: self._rank(usable[address]))[:MAX_CORES]
        return {address: record for address, record in usable.items() if address in best}

    def _why_not(self, record: Record) -> str:
        if record.role != "core":
            return f"it is an {record.role}, not a core"
        if record.protocol_version not in (0, PROTOCOL_VERSION):
            return f"it speaks protocol version {record.protocol_version}, this edge {PROTOCOL_VERSION}"
        if record.game and self._game and record.game != self._game:
            return foreign_game(record.game, self._game)
        return ""

    def _rank(self, record: Record) -> tuple[bool, bool, bool, int, float]:
        """Return what sorts the better one of two records first; a tunnel that stands is worth something."""
        core = self._cores.get(str(record.address))
        return (
            not record.health.is_serving,
            record.region != self._region,
            core is None or core.client.tunnel is None,
            int(record.load / LOAD_MARGIN),
            self._random.random() if core is None else core.place,
        )

    def _game_now(self) -> str:
        """Return the game of the tunnels that are used: the one that was there first, as long as anybody has it."""
        games = [tunnel.policy.game for tunnel in self.tunnels]
        if games:
            return self._game if self._game in games else games[0]
        is_known = self._records is None or any(record.game in ("", self._game) for record in self._records)
        return self._game if is_known else ""

    def _ignore(self, address: str, reason: str) -> None:
        """Say of a core that it is not used, and why: once."""
        if (address, reason) not in self._told:
            if len(self._told) >= MAX_TOLD:
                self._told.clear()
            self._told.add((address, reason))
            _log.warning("core_ignored", core=address, reason=reason)

    def _make(self, address: str, place: float) -> KnownCore:
        return KnownCore(self._make_client(address), place)

    def _start(self, core: KnownCore) -> None:
        if self._tasks is not None:
            core.task = self._tasks.create_task(core.client.run(), name=f"edge-tunnel-client-{core.address}")

    def _end_unneeded(self) -> None:
        """End the clients of cores that are not wanted and have no players any more."""
        if self._is_still:
            return
        for core in [each for each in self._cores.values() if not each.is_wanted]:
            tunnel = core.client.tunnel
            if tunnel is None or not tunnel.sessions:
                del self._cores[core.address]
                if self._tasks is not None:
                    self._tasks.create_task(_finish(core), name=f"edge-leaves-{core.address}")


async def _finish(core: KnownCore) -> None:
    """Tell a core that nobody comes back, and end its client."""
    await core.client.finish()
    if core.task is not None:
        core.task.cancel()
