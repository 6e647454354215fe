"""The contestants: what stands between load and origin, how it is started and what it needs installed.

Each is a pair of relays in processes of their own, as on two machines; `DIRECT` has none. `bench.run` starts
one contestant at a time.
"""

import os
import re
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.game import ALL_CHECKS, DIALECT, FRAMING_ONLY, write_features, write_rules
from bench.processes import LOOPBACK, Process, free_port, running
from bench.proxies import SPARE_SESSIONS, find_program, nginx_has_stream, start_haproxy, start_nginx

SPARE_FILES = 64
"""What a process has open beside its sessions."""

Next = tuple[Process, int]
"""A running relay and the port where it accepts."""


@dataclass(frozen=True, slots=True)
class Chain:
    """What is running: where the load connects, and whose CPU time and memory count."""

    port: int
    relays: tuple[Process, ...] = ()


@dataclass(frozen=True, slots=True)
class Order:
    """What a contestant is started for; ``folder`` is a temporary one for its files."""

    origin_port: int
    sessions: int
    folder: Path


@dataclass(frozen=True, slots=True)
class Contestant:
    """One of those who are measured. ``sockets_per_session`` is how many each of its processes holds."""

    name: str
    title: str
    start: Callable[[AsyncExitStack, Order], Awaitable[Chain]]
    missing_packages: Callable[[], str] = lambda: ""
    sockets_per_session: int = 1
    is_quick: bool = False

    def sessions_possible(self, open_files: int) -> int:
        """Return how many sessions it can hold when each process may have so many open files."""
        return (open_files - SPARE_FILES) // self.sockets_per_session - SPARE_SESSIONS


def kernel_environment(*, is_pure: bool) -> dict[str, str]:
    """Return the environment of a relay of ours: nothing of the caller's settings, and which kernel it uses."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TIDEGATE_")}
    return environment | ({"TIDEGATE_PURE": "1"} if is_pure else {})


async def _start_tidegate(
    stack: AsyncExitStack,
    order: Order,
    *,
    is_pure: bool = False,
    rules: str = ALL_CHECKS,
    features: Path | None = None,
) -> Chain:
    environment = kernel_environment(is_pure=is_pure)
    limit = order.sessions + SPARE_SESSIONS

    async def start(role: str, *arguments: str) -> Next:
        port = free_port()
        command = (sys.executable, "-m", "tidegate", role, "--listen", f"{LOOPBACK}:{port}", *arguments)
        process = await stack.enter_async_context(running(f"tidegate {role}", *command, environment=environment))
        await process.wait_for(rf"^tidegate {role}: ready")
        return process, port

    origin = ("--game", "pko", "--dialect", DIALECT, "--origin", f"{LOOPBACK}:{order.origin_port}")
    rules_file = ("--set", f"game.rules_file={write_rules(order.folder, rules)}")
    folder = () if features is None else ("--set", f"features.folder={features}")
    core, core_port = await start("core", *origin, *rules_file, *folder, "--set", f"core.max_sessions={limit}")
    tunnel = ("--core", f"{LOOPBACK}:{core_port}")
    edge, edge_port = await start("edge", *tunnel, "--set", f"edge.max_sessions={limit}")
    return Chain(edge_port, (edge, core))


async def _start_compiled(stack: AsyncExitStack, order: Order) -> Chain:
    return await _start_tidegate(stack, order)


async def _start_framing(stack: AsyncExitStack, order: Order) -> Chain:
    return await _start_tidegate(stack, order, rules=FRAMING_ONLY)


async def _start_features(stack: AsyncExitStack, order: Order) -> Chain:
    return await _start_tidegate(stack, order, features=write_features(order.folder))


async def _start_pure(stack: AsyncExitStack, order: Order) -> Chain:
    return await _start_tidegate(stack, order, is_pure=True)


async def _start_haproxies(stack: AsyncExitStack, order: Order) -> Chain:
    back, back_port = await start_haproxy(stack, order.origin_port, order.sessions, order.folder)
    front, front_port = await start_haproxy(stack, back_port, order.sessions, order.folder)
    return Chain(front_port, (front, back))


async def _start_nginxes(stack: AsyncExitStack, order: Order) -> Chain:
    back, back_port = await start_nginx(stack, order.origin_port, order.sessions, order.folder)
    front, front_port = await start_nginx(stack, back_port, order.sessions, order.folder)
    return Chain(front_port, (front, back))


async def _start_naive(stack: AsyncExitStack, order: Order) -> Chain:
    async def start(role: str, next_port: int) -> Next:
        port = free_port()
        command = (sys.executable, "-m", "bench.naive", role, str(port), str(next_port))
        process = await stack.enter_async_context(running(f"naive {role}", *command))
        await process.wait_for(re.escape(f"naive {role}: ready"))
        return process, port

    core, core_port = await start("core", order.origin_port)
    edge, edge_port = await start("edge", core_port)
    return Chain(edge_port, (edge, core))


async def _start_nothing(_stack: AsyncExitStack, order: Order) -> Chain:
    return Chain(order.origin_port)


def _missing_haproxy() -> str:
    return "" if find_program("haproxy") else "haproxy"


def _missing_nginx() -> str:
    nginx = () if find_program("nginx") else ("nginx",)
    return " ".join((*nginx, *(() if nginx_has_stream() else ("libnginx-mod-stream",))))


CONTESTANTS = (
    Contestant("tidegate", "tidegate", _start_compiled, is_quick=True),
    Contestant("tidegate-framing", "tidegate, no checks", _start_framing),
    Contestant("tidegate-features", "tidegate, all features", _start_features, is_quick=True),
    Contestant("tidegate-pure", "tidegate, pure", _start_pure),
    Contestant("haproxy", "HAProxy → HAProxy", _start_haproxies, _missing_haproxy, 2, is_quick=True),
    Contestant("nginx", "nginx → nginx", _start_nginxes, _missing_nginx, 2),
    Contestant("naive", "gRPC message per frame", _start_naive),
    Contestant("direct", "direct", _start_nothing, is_quick=True),
)

CONTESTANTS_BY_NAME = {contestant.name: contestant for contestant in CONTESTANTS}
