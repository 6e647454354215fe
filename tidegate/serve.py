"""Runs relays as processes: builds them from settings, says when they are ready, and ends them on signals.

The first SIGTERM or SIGINT drains: no new sessions, running ones finish up to the deadline, exit status 0. A
second one exits at once. Imported only by the commands that serve: it loads gRPC.
"""

import asyncio
import gc
import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

# gRPC reads this once, when it is imported: its own lines would stand between ours.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

import structlog

from core.core import Core
from core.store.address import MEMORY
from edge.edge import Edge
from edge.handover import HandoverError
from fleet.address import MAX_PORT, Address, parse_address
from fleet.discovery.discovery import Discovery
from tidegate.build import LOOPBACK_ANY_PORT, make_core, make_edge, start_core
from tidegate.certificates import credentials_of, prepare
from tidegate.discovering import core_addresses, discover_for_core, discover_for_edge
from tidegate.errors import StartError, cannot_listen
from tidegate.logs import announce
from tidegate.ops.observed import Observed
from tidegate.process import run_until_signal, schedule_in_batches
from tidegate.rule_overrides_apply import compile_game, override_policy
from tidegate.rule_overrides_reload import RulesReload
from tidegate.settings import Settings
from tidegate.supervisor import supervise
from tidegate.upgrade import Upgrade, refuse_upgrade, taken_from_predecessor

if TYPE_CHECKING:
    from tidegate.ops.server import HttpServer

_log = structlog.get_logger("tidegate")


COLLECT_AFTER = (10_000, 20, 1000)
"""Allocations before a look at the youngest objects, and how many looks before one at the next older ones."""


@dataclass(frozen=True, slots=True)
class Service:
    """A process's relays: what runs, how it says that it is ready, how it ends, what it counts."""

    runs: tuple[Callable[[], Awaitable[None]], ...]
    ready: Callable[[], Awaitable[str]]
    drain: Callable[[], Awaitable[None]]
    log_stats: Callable[[], None]
    upgrade: Upgrade | None = None  # for SIGUSR2
    discovery: Discovery | None = None
    reload: Callable[[], None] | None = None  # for SIGHUP, which otherwise counts as a first SIGTERM
    observed: Observed = field(default_factory=Observed)  # for metrics and health
    worker: int = 1
    is_successor: bool = False  # whose predecessor may have ports yet


def serve_edge(settings: Settings) -> int:
    """Run an edge until it is told to stop; return the exit status. Raises StartError."""
    settings = prepare(settings, "edge")
    if settings.edge.workers > 1:
        return supervise("edge", settings, settings.edge.listen, settings.edge.workers)
    return _run_alone(settings, _edge_service)


def serve_core(settings: Settings) -> int:
    """Run a core until it is told to stop; return the exit status. Raises StartError."""
    settings = prepare(settings, "core")
    if settings.core.workers > 1:
        override_policy(compile_game(settings), settings.game.rules_file)  # once here, not by each worker
        _warn_of_separate_stores(settings)
        return supervise("core", settings, settings.core.listen, settings.core.workers)
    return _run_alone(settings, _core_service)


def serve_up(settings: Settings) -> int:
    """Run edge and core in one process until it is told to stop; return the exit status. Raises StartError."""
    return run_until_signal(lambda stopping: _serve(settings, stopping, _up_service))


def serve_worker(settings: Settings, relay: str, number: int) -> int:
    """Run one worker of an edge or a core; return the exit status. Raises StartError."""
    structlog.contextvars.bind_contextvars(worker=number)

    async def make(settings: Settings) -> Service:
        return await (_edge_service(settings, number) if relay == "edge" else _core_service(settings, number))

    return _run_alone(settings, make, say_ready=_tell_supervisor)


def _warn_of_separate_stores(settings: Settings) -> None:
    if settings.store.url == MEMORY:
        _log.warning("store_not_shared", workers=settings.core.workers, why="each remembers by itself; set store.url")


def _tell_supervisor(text: str) -> None:
    print(text, flush=True)


def _run_alone(
    settings: Settings,
    make: Callable[[Settings], Awaitable[Service]],
    *,
    say_ready: Callable[[str], None] = announce,
) -> int:
    """Run one relay until the signal. `up` is not run so: it shares its machine, most often with the game server."""
    schedule_in_batches()
    return run_until_signal(lambda stopping: _serve(settings, stopping, make, say_ready=say_ready))


async def _edge_service(settings: Settings, worker: int = 1) -> Service:
    taken = taken_from_predecessor()
    try:
        edge = make_edge(settings, core_addresses(settings), worker, taken, credentials_of(settings, "edge"))
    except HandoverError as error:
        raise StartError(str(error)) from error
    discovery = discover_for_edge(settings, edge, edge.set_cores, worker)
    edge.on_retire = _retire(worker, settings.edge.workers)

    async def ready() -> str:
        policy = await edge.wait_ready()
        game = _game(policy.game, policy.dialect)
        core = f"{'core' if len(settings.edge.core) == 1 else 'cores'} at {settings.edge.core}"
        if settings.discovery.kind == "consul":
            core = f"cores from Consul at {settings.discovery.consul_address}"
        if edge.tunnel is None:
            core += " does not answer yet, so they are told to come back (policy from disk)"
        return f"tidegate edge: ready, players at {_players(edge)}, {core}, game {game}"

    upgrade = Upgrade(edge) if settings.edge.workers == 1 else None
    return Service(
        (edge.run,),
        ready,
        edge.drain,
        lambda: _log_edge_stats(edge),
        upgrade,
        discovery,
        observed=Observed(edge=edge),
        worker=worker,
        is_successor=taken is not None,
    )


async def _core_service(settings: Settings, worker: int = 1) -> Service:
    core = make_core(settings, settings.core.listen, worker, credentials_of(settings, "core"))
    rules = RulesReload(core, settings.game.rules_file)
    core.orders.retire = _retire(worker, settings.core.workers)
    await start_core(core, settings.core.listen)
    try:
        discovery = discover_for_core(settings, core, worker)
    except StartError:
        await core.stop()
        raise

    async def ready() -> str:
        listen = Address(settings.core.listen.host, core.port)
        game = _game(settings.game.name, core.dialect)
        return f"tidegate core: ready, edges at {listen}, origin {settings.core.origin}, game {game}"

    return Service(
        (core.run, rules.run),
        ready,
        core.drain,
        lambda: _log_core_stats(core),
        discovery=discovery,
        reload=_reload_of(core),
        observed=Observed(core=core),
        worker=worker,
    )


async def _up_service(settings: Settings) -> Service:
    core = make_core(settings, LOOPBACK_ANY_PORT)
    rules = RulesReload(core, settings.game.rules_file)
    core.orders.retire = _retire()
    await start_core(core, LOOPBACK_ANY_PORT)
    try:
        edge = make_edge(settings, (Address(LOOPBACK_ANY_PORT.host, core.port),))
    except StartError:
        await core.stop()
        raise
    edge.on_retire = _retire()

    edge.loop_delay = core.loop_delay  # there is one loop, and one look at it

    async def ready() -> str:
        await edge.wait_ready()
        game = _game(settings.game.name, core.dialect)
        return f"tidegate up: ready, players at {_players(edge)}, origin {settings.core.origin}, game {game}"

    async def drain() -> None:
        await edge.drain()
        await core.drain()

    def log_stats() -> None:
        _log_edge_stats(edge)
        _log_core_stats(core)

    return Service(
        (edge.run, core.run, rules.run),
        ready,
        drain,
        log_stats,
        reload=_reload_of(core),
        observed=Observed(edge=edge, core=core),
    )


async def _serve(
    settings: Settings,
    stopping: asyncio.Event,
    make: Callable[[Settings], Awaitable[Service]],
    *,
    say_ready: Callable[[str], None] = announce,
) -> int:
    """Run a service until the signal, then drain it; a part that fails ends the process with its reason."""
    service = await make(settings)
    http = _open_http(settings, service)
    _spare_the_collector()
    if service.reload is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, service.reload)
    running = [asyncio.ensure_future(run()) for run in service.runs]
    told = asyncio.ensure_future(stopping.wait())
    ends = [*running, told]
    on_upgrade = refuse_upgrade if service.upgrade is None else service.upgrade.start
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR2, on_upgrade)
    if service.upgrade is not None:
        ends.append(asyncio.ensure_future(service.upgrade.done.wait()))
    discovering = [] if service.discovery is None else [service.discovery.run()]
    side = [
        *map(asyncio.ensure_future, discovering),
        asyncio.ensure_future(_say_when_ready(service, say_ready)),
        asyncio.ensure_future(_log_stats_regularly(service, settings.log.stats_seconds)),
    ]
    if http is not None:
        side.append(asyncio.ensure_future(http.run()))
    try:
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for each in running:
            if each.done():
                each.result()
        if service.upgrade is None or not service.upgrade.done.is_set():
            await service.drain()
        if settings.log.stats_seconds:
            service.log_stats()
    except* (OSError, HandoverError) as group:
        raise StartError(_first_leaf(group)) from None
    finally:
        tasks = (*side, *ends)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return 0


def _spare_the_collector() -> None:
    """Have the garbage collector pass over what is loaded by now, and rarely walk what has lived for long.

    A walk over fifteen hundred sessions stopped all traffic for 50 ms and found nothing: what a session is made of is
    freed when it ends. Young garbage is collected as ever.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)


def _open_http(settings: Settings, service: Service) -> "HttpServer | None":
    """Return what answers for metrics and health, bound; None where that is not wanted. Raises StartError.

    A port that cannot be had keeps no worker and no successor from relaying: they wait for it.
    """
    if not settings.http.listen:
        return None
    from tidegate.ops.server import HttpServer

    first = parse_address(settings.http.listen)
    place = Address(first.host, first.port + service.worker - 1 if first.port else 0)
    if place.port > MAX_PORT:
        raise StartError(f"http.listen: {first} leaves worker {service.worker} without a port")
    server = HttpServer(place, service.observed)
    if service.observed.edge is not None:
        service.observed.edge.on_handed_over.append(server.close)
    relay = settings.edge if service.observed.edge is not None else settings.core
    if not service.is_successor and relay.workers == 1:
        try:
            server.bind()
        except OSError as error:
            raise cannot_listen(place, error, "http.listen") from error
    return server


async def _say_when_ready(service: Service, say_ready: Callable[[str], None]) -> None:
    say_ready(await service.ready())


async def _log_stats_regularly(service: Service, interval_seconds: float) -> None:
    while interval_seconds:
        await asyncio.sleep(interval_seconds)
        service.log_stats()


def _retire(worker: int = 1, workers: int = 1) -> Callable[[], None]:
    """Return what has this process, or the supervisor of its workers, drain and end: once, by the first worker."""
    if workers > 1:
        return (lambda: os.kill(os.getppid(), signal.SIGTERM)) if worker == 1 else (lambda: None)
    return lambda: os.kill(os.getpid(), signal.SIGTERM)


def _reload_of(core: Core) -> Callable[[], None] | None:
    """Return what loads a core's features anew, where it has any."""
    return None if core.features is None else core.features.reload.reload_soon


def _log_edge_stats(edge: Edge) -> None:
    _log.info("edge_stats", sessions=edge.running_sessions, **edge.counters.as_fields())
    for tunnel in edge.tunnels:
        _log.info("tunnel_stats", core=tunnel.core_name, sessions=tunnel.running_sessions, **tunnel.figures())


def _log_core_stats(core: Core) -> None:
    sessions = {tunnel.edge_name: tunnel.running_sessions for tunnel in core.service.tunnels.values()}
    for name, counters in core.service.counters.items():
        _log.info("core_stats", edge=name, sessions=sessions.get(name, 0), **counters.as_fields())
    for tunnel in core.service.tunnels.values():
        _log.info("tunnel_stats", edge=tunnel.edge_name, sessions=tunnel.running_sessions, **tunnel.figures())
    _log.info("loop_stats", **core.loop_delay.take())
    core.shared.log_stats()
    if core.features is not None:
        core.features.log_stats()


def _first_leaf(group: BaseExceptionGroup[Exception]) -> str:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error.strerror or error) if isinstance(error, OSError) else str(error)


def _players(edge: Edge) -> Address:
    return Address(edge.address.host, edge.address.port)


def _game(name: str, dialect: str) -> str:
    return f"{name} ({dialect})" if dialect else name
