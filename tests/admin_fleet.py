"""A fleet for operators: cores and edges as processes, a real Redis, bots, and the admin commands as people run them.

Without features, unless a folder is given.
"""

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from fleet.address import Address
from protos.tidegate.admin.v1 import admin_pb2
from tests.live_run import ANY_PORT, LOOPBACK, Bots, RelayLog
from tests.redis_server import RedisServer, redis_server
from tidegate.admin.client import AdminClient
from tidegate.children import Child
from tidegate.cli import EXIT_WRONG_USE
from tidegate.commands import app
from tidegate.errors import StartError
from tidegate.gameday.conditions import Conditions
from tidegate.gameday.fault_proxy import FaultProxy
from tidegate.sim.server import SimServer

FAR = Conditions(delay_seconds=0.1)

TIMEOUT_SECONDS = 20.0
"""A command's own; the machine may be busy."""


@dataclass
class Relay:
    """A core or an edge, and where it listens."""

    name: str
    child: Child
    address: Address
    log: RelayLog


@dataclass
class AdminFleet:
    """Everything that runs."""

    redis: RedisServer | None
    origin: Address
    folder: Path
    cores: list[Relay] = field(default_factory=list)
    edges: list[Relay] = field(default_factory=list)
    _one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)

    def admin(self, core: int) -> str:
        """Return where a core's admin service is."""
        return f"unix:{self.folder}/{core}.sock"

    async def ask(self, core: int, call: Callable[[AdminClient], Any]) -> Any:
        """Have a core asked something."""

        def carry_out() -> Any:
            with AdminClient(self.admin(core), TIMEOUT_SECONDS) as client:
                return call(client)

        return await asyncio.to_thread(carry_out)

    async def run(self, core: int, *arguments: str) -> tuple[int, str, str]:
        """Run ``tidegate ARGUMENTS`` against a core, in this process; returns its exit status and what it says."""
        command = [*arguments, "--admin", self.admin(core), "--timeout", str(TIMEOUT_SECONDS)]
        async with self._one_at_a_time:  # it has this process's standard output
            result = await asyncio.to_thread(CliRunner().invoke, app, command)
        if isinstance(result.exception, StartError):  # as `tidegate.cli` does
            return EXIT_WRONG_USE, result.stdout, str(result.exception)
        assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
        return result.exit_code, result.stdout, result.stderr

    async def run_json(self, core: int, *arguments: str) -> Any:
        """Run a command that is to succeed, and return what it says."""
        status, out, err = await self.run(core, *arguments, "--json")
        assert status == 0, (arguments, out, err)
        return json.loads(out)

    async def sessions(self, core: int, **conditions: str) -> int:
        """Return how many sessions a core knows of."""
        which = admin_pb2.Selection(**conditions)
        parts = await self.ask(core, lambda client: client.sessions(admin_pb2.ListSessionsRequest(which=which)))
        return int(parts[-1].total)

    async def start_core(self, number: int, listen: str = ANY_PORT) -> Relay:
        """Start a core."""
        log = RelayLog()
        name = f"core-{number}"
        child = Child(name, log.note)
        store = () if self.redis is None else ("--set", f"store.url={self.redis.url}")
        address = await child.start(
            *("core", "--listen", listen, "--game", "pko", "--origin", str(self.origin), "--name", name),
            *("--log-format", "json", "--set", f"core.admin={self.admin(number)}", *store),
        )
        return Relay(name, child, address, log)


@asynccontextmanager
async def running_admin_fleet(cores: int = 2, edges: int = 2, *, has_redis: bool = True) -> AsyncIterator[AdminFleet]:
    """Start it all, and end it all; each edge has a tunnel to each core, and the one of its own number is near.

    So its players are there, however busy the machine is.
    """
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tidegate-")))
        redis = stack.enter_context(redis_server()) if has_redis else None
        server = SimServer(Address(LOOPBACK, 0))
        origin = await server.start()
        stack.push_async_callback(server.stop)
        fleet = AdminFleet(redis, origin, folder)
        for number in range(cores):
            relay = await fleet.start_core(number)
            stack.push_async_callback(relay.child.stop)
            fleet.cores.append(relay)
        for number in range(edges):
            log = RelayLog()
            name = f"edge-{number}"
            child = Child(name, log.note)
            order = [fleet.cores[number % cores].address]
            for each in range(1, cores):
                road = FaultProxy(fleet.cores[(number + each) % cores].address)
                order.append(await road.start())
                road.set_conditions(FAR)
                stack.push_async_callback(road.stop)
            address = await child.start(
                *("edge", "--listen", ANY_PORT, "--name", name, "--region", f"region-{number}"),
                *(part for each in order for part in ("--core", str(each))),
                *("--log-format", "json", "--set", "edge.hold_seconds=1", "--set", "edge.drain_seconds=1"),
            )
            stack.push_async_callback(child.stop)
            fleet.edges.append(Relay(name, child, address, log))
        yield fleet


def bots_at(fleet: AdminFleet, count: int) -> list[Bots]:
    """Have bots play at each edge: bot00001… at the first, bot01001… at the second."""
    return [Bots([edge.address], count, 1 + 1000 * number) for number, edge in enumerate(fleet.edges)]
