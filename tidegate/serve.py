"""Runs relays as processes: builds them from settings, says when they are ready, and ends them on signals.

The first SIGTERM or SIGINT drains: no new sessions, running ones finish up to the deadline, exit status 0. A
second one exits at once. Imported only by the commands that serve: it loads gRPC.
"""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

# gRPC reads this once, when it is imported: its own lines would stand between ours.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

import structlog

from core.store.address import MEMORY
from edge.handover import HandoverError
from fleet.address import MAX_PORT, Address, parse_address
from tidegate.certificates import prepare
from tidegate.errors import StartError, cannot_listen
from tidegate.logs import announce
from tidegate.process import check_processors, run_on, run_until_signal, schedule_in_batches, spare_the_collector
from tidegate.rule_overrides_apply import compile_game, override_policy
from tidegate.service_notify import ServiceNotifier
from tidegate.services import Service, core_service, edge_service, up_service
from tidegate.settings import Settings
from tidegate.supervision import is_kept
from tidegate.supervisor import supervise
from tidegate.upgrade import refuse_predecessor, refuse_reload, refuse_upgrade

if TYPE_CHECKING:
    from tidegate.ops.server import HttpServer

_log = structlog.get_logger("tidegate")


def serve_edge(settings: Settings) -> int:
    """Run an edge until it is told to stop; return the exit status. Raises StartError."""
    settings = prepare(settings, "edge")
    if settings.edge.workers > 1 or is_kept():
        refuse_predecessor()
        check_processors(settings.edge.processors, settings.edge.workers, "edge.processors")
        return supervise("edge", settings, settings.edge.listen, settings.edge.workers)
    run_on(settings.edge.processors, 1, "edge.processors")
    return _run_alone(settings, edge_service)


def serve_core(settings: Settings) -> int:
    """Run a core until it is told to stop; return the exit status. Raises StartError."""
    settings = prepare(settings, "core")
    if settings.core.workers > 1:
        override_policy(compile_game(settings), settings.game.rules_file)  # once here, not by each worker
        check_processors(settings.core.processors, settings.core.workers, "core.processors")
        _warn_of_separate_stores(settings)
        return supervise("core", settings, settings.core.listen, settings.core.workers)
    run_on(settings.core.processors, 1, "core.processors")
    return _run_alone(settings, core_service)


def serve_up(settings: Settings) -> int:
    """Run edge and core in one process until it is told to stop; return the exit status. Raises StartError."""

    async def serve(stopping: asyncio.Event) -> int:
        return await _serve(settings, stopping, up_service, ServiceNotifier.of_process())

    return run_until_signal(serve)


def serve_worker(settings: Settings, relay: str, number: int) -> int:
    """Run one worker of an edge or a core; return the exit status. Raises StartError."""
    structlog.contextvars.bind_contextvars(worker=number)

    async def make(settings: Settings) -> Service:
        return await (edge_service(settings, number) if relay == "edge" else core_service(settings, number))

    processors = settings.edge.processors if relay == "edge" else settings.core.processors
    run_on(processors, number, f"{relay}.processors")
    return _run_alone(settings, make, say_ready=_tell_supervisor, make_notifier=ServiceNotifier.of_worker)


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
    make_notifier: Callable[[], ServiceNotifier] = ServiceNotifier.of_process,
) -> int:
    """Run one relay until the signal. `up` is not run so: it shares its machine, most often with the game server."""
    schedule_in_batches()

    async def serve(stopping: asyncio.Event) -> int:
        return await _serve(settings, stopping, make, make_notifier(), say_ready=say_ready)

    return run_until_signal(serve)


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
    http = _open_http(settings, service)
    spare_the_collector()
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
    discovering = [] if service.discovery is None else [service.discovery.run()]
    side = [
        *map(asyncio.ensure_future, discovering),
        asyncio.ensure_future(_say_when_ready(service, say_ready, notifier)),
        asyncio.ensure_future(notifier.run(service.status)),
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


async def _say_when_ready(service: Service, say_ready: Callable[[str], None], notifier: ServiceNotifier) -> None:
    say_ready(await service.ready())
    notifier.ready(is_successor=service.is_successor)


async def _log_stats_regularly(service: Service, interval_seconds: float) -> None:
    while interval_seconds:
        await asyncio.sleep(interval_seconds)
        service.log_stats()


def _first_leaf(group: BaseExceptionGroup[Exception]) -> str:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error.strerror or error) if isinstance(error, OSError) else str(error)
