"""Runs relays as processes: builds them from settings, says when they are ready, and ends them on signals.

The first SIGTERM or SIGINT drains: no new sessions, running ones finish up to the deadline, exit status 0. A
second one exits at once. Imported only by the commands that serve: it loads gRPC.
"""

import asyncio
import gc
import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

# gRPC reads this once, when it is imported: its own lines would stand between ours.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

import structlog

from core.core import Core
from core.store.address import MEMORY
from edge.edge import Edge
from edge.handover import HandoverError
from fleet.address import Address
from tidegate.build import LOOPBACK_ANY_PORT, make_core, make_edge, start_core
from tidegate.errors import StartError
from tidegate.logs import announce
from tidegate.process import run_until_signal, schedule_in_batches
from tidegate.rule_overrides_apply import compile_game, override_policy
from tidegate.rule_overrides_reload import RulesReload
from tidegate.service_notify import ServiceNotifier
from tidegate.settings import Settings
from tidegate.supervisor import supervise
from tidegate.upgrade import Upgrade, refuse_reload, refuse_upgrade, taken_from_predecessor

_log = structlog.get_logger("tidegate")


COLLECT_AFTER = (10_000, 20, 1000)
"""Allocations before a look at the youngest objects, and how many looks before one at the next older ones."""


FIRST_PROCESS = 1


@dataclass(frozen=True, slots=True)
class Service:
    """A process's relays: what runs, how it says that it is ready, how it ends, what it counts."""

    runs: tuple[Callable[[], Awaitable[None]], ...]
    ready: Callable[[], Awaitable[str]]
    drain: Callable[[], Awaitable[None]]
    log_stats: Callable[[], None]
    status: Callable[[], str]  # one line for the service manager
    drain_seconds: float  # what `drain` takes at most, but for a moment
    upgrade: Upgrade | None = None  # for SIGUSR2
    is_successor: bool = False
    reload: Callable[[], None] | None = None  # for SIGHUP, which otherwise counts as a first SIGTERM


def serve_edge(settings: Settings) -> int:
    """Run an edge until it is told to stop; return the exit status. Raises StartError."""
    if settings.edge.workers > 1:
        return supervise("edge", settings, settings.edge.listen, settings.edge.workers)
    return _run_alone(settings, _edge_service)


def serve_core(settings: Settings) -> int:
    """Run a core until it is told to stop; return the exit status. Raises StartError."""
    if settings.core.workers > 1:
        override_policy(compile_game(settings), settings.game.rules_file)  # once here, not by each worker
        _warn_of_separate_stores(settings)
        return supervise("core", settings, settings.core.listen, settings.core.workers)
    return _run_alone(settings, _core_service)


def serve_up(settings: Settings) -> int:
    """Run edge and core in one process until it is told to stop; return the exit status. Raises StartError."""

    async def serve(stopping: asyncio.Event) -> int:
        return await _serve(settings, stopping, _up_service, ServiceNotifier.of_process())

    return run_until_signal(serve)


def serve_worker(settings: Settings, relay: str, number: int) -> int:
    """Run one worker of an edge or a core; return the exit status. Raises StartError."""
    structlog.contextvars.bind_contextvars(worker=number)

    async def make(settings: Settings) -> Service:
        return await (_edge_service(settings, number) if relay == "edge" else _core_service(settings, number))

    return _run_alone(settings, make, say_ready=_tell_supervisor, make_notifier=ServiceNotifier.of_worker)


def _warn_of_separate_stores(settings: Settings) -> None:
    if settings.features.folder and settings.store.url == MEMORY:
        _log.warning("store_not_shared", workers=settings.core.workers, why="each remembers by itself; set store.url")


def _tell_supervisor(text: str) -> None:
    print(text, flush=True)


def _run_alone(
    settings: Settings,
    make: Callable[[Settings], Awaitable[Service]],
    *,
    say_ready: Callable[[str], None] = announce,
    make_notifier: Callable[[], ServiceNotifier] = ServiceNotifier.of_process,
) -> int:
    """Run one relay until the signal. `up` is not run so: it shares its machine, most often with the game server."""
    schedule_in_batches()

    async def serve(stopping: asyncio.Event) -> int:
        return await _serve(settings, stopping, make, make_notifier(), say_ready=say_ready)

    return run_until_signal(serve)


async def _edge_service(settings: Settings, worker: int = 1) -> Service:
    taken = taken_from_predecessor()
    try:
        edge = make_edge(settings, settings.edge.core, worker, taken)
    except HandoverError as error:
        raise StartError(str(error)) from error

    async def ready() -> str:
        policy = await edge.wait_ready()
        game = _game(policy.game, policy.dialect)
        core = f"{'core' if len(settings.edge.core) == 1 else 'cores'} at {settings.edge.core}"
        if edge.tunnel is None:
            core += " does not answer yet, so they are told to come back (policy from disk)"
        return f"tidegate edge: ready, players at {_players(edge)}, {core}, game {game}"

    ours = settings.edge
    # When the first process of a container ends, all others do.
    upgrade = Upgrade(edge) if ours.workers == 1 and os.getpid() != FIRST_PROCESS else None
    return Service(
        (edge.run,),
        ready,
        edge.drain,
        lambda: _log_edge_stats(edge),
        lambda: _status(edge),
        ours.drain_seconds + ours.close_linger_seconds,
        upgrade,
        is_successor=taken is not None,
    )


async def _core_service(settings: Settings, worker: int = 1) -> Service:
    core = make_core(settings, settings.core.listen, worker)
    rules = RulesReload(core, settings.game.rules_file)
    await start_core(core, settings.core.listen)

    async def ready() -> str:
        listen = Address(settings.core.listen.host, core.port)
        game = _game(settings.game.name, core.dialect)
        return f"tidegate core: ready, edges at {listen}, origin {settings.core.origin}, game {game}"

    ours = settings.core
    return Service(
        (core.run, rules.run),
        ready,
        core.drain,
        lambda: _log_core_stats(core),
        lambda: _status(core),
        ours.drain_seconds + ours.close_linger_seconds,
        reload=_reload_of(core),
    )


async def _up_service(settings: Settings) -> Service:
    core = make_core(settings, LOOPBACK_ANY_PORT)
    rules = RulesReload(core, settings.game.rules_file)
    await start_core(core, LOOPBACK_ANY_PORT)
    try:
        edge = make_edge(settings, (Address(LOOPBACK_ANY_PORT.host, core.port),))
    except StartError:
        await core.stop()
        raise

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

    drain_seconds = sum(each.drain_seconds + each.close_linger_seconds for each in (settings.edge, settings.core))
    runs = (edge.run, core.run, rules.run)
    return Service(runs, ready, drain, log_stats, lambda: _status(edge), drain_seconds, reload=_reload_of(core))


async def _serve(
    settings: Settings,
    stopping: asyncio.Event,
    make: Callable[[Settings], Awaitable[Service]],
    notifier: ServiceNotifier,
    *,
    say_ready: Callable[[str], None] = announce,
) -> int:
    """Run a service until the signal, then drain it; a part that fails ends the process with its reason."""
    try:
        return await _serve_telling(settings, stopping, await make(settings), notifier, say_ready)
    finally:
        notifier.close()


async def _serve_telling(
    settings: Settings,
    stopping: asyncio.Event,
    service: Service,
    notifier: ServiceNotifier,
    say_ready: Callable[[str], None],
) -> int:
    _spare_the_collector()
    on_hangup = service.reload or (refuse_reload if notifier.is_service else None)
    if on_hangup is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, on_hangup)
    running = [asyncio.ensure_future(run()) for run in service.runs]
    told = asyncio.ensure_future(stopping.wait())
    ends = [*running, told]
    on_upgrade = refuse_upgrade if service.upgrade is None else service.upgrade.start
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR2, on_upgrade)
    if service.upgrade is not None:
        service.upgrade.notifier = notifier
        ends.append(asyncio.ensure_future(service.upgrade.done.wait()))
    side = [
        asyncio.ensure_future(_say_when_ready(service, say_ready, notifier)),
        asyncio.ensure_future(notifier.run(service.status)),
        asyncio.ensure_future(_log_stats_regularly(service, settings.log.stats_seconds)),
    ]
    try:
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for each in running:
            if each.done():
                each.result()
        if service.upgrade is None or not service.upgrade.done.is_set():
            notifier.stopping(service.drain_seconds)
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


async def _say_when_ready(service: Service, say_ready: Callable[[str], None], notifier: ServiceNotifier) -> None:
    say_ready(await service.ready())
    notifier.ready(is_successor=service.is_successor)


def _status(relay: Edge | Core) -> str:
    """Say in one line how many play, and what is wrong."""
    health = relay.health
    if health.is_draining:
        return f"draining, {relay.running_sessions} sessions left"
    return "; ".join((f"{relay.running_sessions} sessions", *health.problems))


async def _log_stats_regularly(service: Service, interval_seconds: float) -> None:
    while interval_seconds:
        await asyncio.sleep(interval_seconds)
        service.log_stats()


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
