"""The network of a game day: an origin, cores behind fault proxies, edges; processes of their own on this machine.

Each core has one proxy before it, and every edge reaches it through that. The proxies run in this process.
"""

import asyncio
import contextlib
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fleet.address import Address
from tidegate.children import Child, ChildError
from tidegate.gameday.fault_proxy import FaultProxy
from tidegate.gameday.frames import RULES
from tidegate.gameday.origin_control import OriginControl
from tidegate.gameday.proxy_connection import OnBytes
from tidegate.gameday.relay_log import RelayLog
from tidegate.gameday.relay_orders import DRAIN, HOLD_SECONDS, WAKE, core_arguments, edge_arguments


@dataclass(slots=True)
class Relay:
    """A running edge or core. ``pid`` changes when an edge has handed over to its successor."""

    name: str
    child: Child
    log: RelayLog = field(default_factory=RelayLog)
    pid: int = 0
    is_meant_to_end: bool = False

    def send_signal(self, number: int) -> None:
        """Send the process a signal; raises ProcessLookupError when it is gone."""
        os.kill(self.pid, number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How many relays there are and how they are set up; ``on_bytes`` is shown what goes through the proxies."""

    edges: int = 1
    cores: int = 1
    edge_workers: int = 1
    sessions: int = 1000
    drain_seconds: float = 2.0
    hold_seconds: float = HOLD_SECONDS
    seed: int = 0
    on_bytes: OnBytes | None = None


class Network:
    """Starts everything, knows everything, ends everything. Raises ChildError when a process does not start."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.edges: list[Relay] = []
        self.cores: list[Relay] = []
        self.proxies: list[FaultProxy] = []
        self.players_at: list[Address] = []
        self._origin: Child | None = None
        self._control: OriginControl | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="tidegate-gameday-")

    @property
    def origin(self) -> OriginControl:
        """What asks the origin."""
        if self._control is None:
            raise ChildError("the origin was never started")
        return self._control

    @property
    def origin_pid(self) -> int:
        """The origin's process."""
        return 0 if self._origin is None else self._origin.pid

    @property
    def relays(self) -> Sequence[Relay]:
        """Edges and cores."""
        return (*self.edges, *self.cores)

    async def start(self) -> None:
        """Start origin, cores, proxies and edges, in this order."""
        layout = self.layout
        rules = Path(self._folder.name) / "rules.toml"
        rules.write_text(RULES)
        self._origin = Child("origin")
        origin = await self._origin.start("gameday", "origin")
        self._control = await OriginControl.connect(origin)
        roads: list[Address] = []
        for number in range(1, layout.cores + 1):
            name = f"core-{number}"
            at = await self._start(
                self.cores,
                name,
                core_arguments(
                    name=name,
                    origin=origin,
                    rules_file=rules,
                    sessions=layout.sessions,
                    drain_seconds=layout.drain_seconds,
                    hold_seconds=layout.hold_seconds,
                ),
            )
            proxy = FaultProxy(at, seed=layout.seed + number, on_bytes=layout.on_bytes)
            self.proxies.append(proxy)
            roads.append(await proxy.start())
        for number in range(1, layout.edges + 1):
            name = f"edge-{number}"
            arguments = edge_arguments(
                name=name,
                cores=roads,
                workers=layout.edge_workers,
                sessions=layout.sessions,
                drain_seconds=layout.drain_seconds,
                hold_seconds=layout.hold_seconds,
            )
            self.players_at.append(await self._start(self.edges, name, arguments))

    async def _start(self, group: list[Relay], name: str, arguments: Sequence[str]) -> Address:
        log = RelayLog()
        relay = Relay(name, Child(name, log.take), log)
        group.append(relay)
        address = await relay.child.start(*arguments)
        relay.pid = relay.child.pid
        return address

    def check(self) -> None:
        """Raise ChildError if a process has ended that was not meant to."""
        for relay in self.relays:
            if not relay.is_meant_to_end:
                relay.child.check()
        if self._origin is not None:
            self._origin.check()

    def busiest_core(self) -> int:
        """Return the index of the core that said it carries the most sessions."""
        return max(range(len(self.cores)), key=lambda index: self.cores[index].log.sessions)

    async def stop(self) -> None:
        """End every process in order, edges first, and the proxies."""
        for relay in self.relays:
            relay.is_meant_to_end = True
        for group in (self.edges, self.cores):
            await asyncio.gather(*(_stop(relay) for relay in group))
        for proxy in self.proxies:
            await proxy.stop()
        if self._control is not None:
            await self._control.close()
        if self._origin is not None:
            await self._origin.stop()
        self._folder.cleanup()


async def _stop(relay: Relay) -> None:
    if relay.pid:
        with contextlib.suppress(ProcessLookupError):
            relay.send_signal(WAKE)  # one that hangs could not end in order
            if relay.pid != relay.child.pid:
                relay.send_signal(DRAIN)  # a successor, which is no child of ours
    await relay.child.stop()
