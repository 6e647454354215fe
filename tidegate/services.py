"""The relays of a process as services: built from settings, with how each says that it is ready, how it ends, what is
shown of it.

Called by `tidegate.serve`, which runs them.
"""

import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from core.core import Core
from edge.edge import Edge
from edge.handover import HandoverError
from fleet.address import Address
from fleet.discovery.discovery import Discovery
from fleet.records import Found
from tidegate.build import LOOPBACK_ANY_PORT, make_core, make_edge, start_core
from tidegate.certificates import credentials_of
from tidegate.discovering import core_addresses, discover_for_core, discover_for_edge
from tidegate.errors import StartError
from tidegate.ops.observed import Observed
from tidegate.rule_overrides_reload import RulesReload
from tidegate.settings import Settings
from tidegate.upgrade import Upgrade, taken_from_predecessor
from tidegate.worker_orders import WorkerUpgrade, own_orders

if TYPE_CHECKING:
    from fleet.tls.credentials import Credentials

_log = structlog.get_logger("tidegate")

FIRST_PROCESS = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A process's relays. ``status`` is one line for the service manager.

    ``drain_seconds`` is what `drain` takes at most, but for a moment. ``upgrade`` is for SIGUSR2, ``reload`` for
    SIGHUP, which otherwise counts as a first SIGTERM. The predecessor of what ``is_successor`` may have ports yet.
    """

    runs: tuple[Callable[[], Awaitable[None]], ...]
    ready: Callable[[], Awaitable[str]]
    drain: Callable[[], Awaitable[None]]
    log_stats: Callable[[], None]
    status: Callable[[], str]
    drain_seconds: float
    upgrade: Upgrade | WorkerUpgrade | None = None
    discovery: Discovery | None = None
    reload: Callable[[], None] | None = None
    observed: Observed = field(default_factory=Observed)
    worker: int = 1
    is_successor: bool = False


async def edge_service(settings: Settings, worker: int = 1) -> Service:
    """Build an edge, or one worker of it; raises StartError."""
    ours = settings.edge
    taken = taken_from_predecessor()
    credentials = credentials_of(settings, "edge")
    try:
        edge = make_edge(settings, core_addresses(settings), worker, taken, credentials)
    except HandoverError as error:
        raise StartError(str(error)) from error
    discovery = discover_for_edge(settings, edge, edge.set_cores, worker)
    edge.on_retire = _retire(worker, ours.workers)

    async def ready() -> str:
        policy = await edge.wait_ready()
        game = _game(policy.game, policy.dialect)
        core = f"{'core' if len(ours.core) == 1 else 'cores'} at {ours.core}"
        if settings.discovery.kind == "consul":
            core = f"cores from Consul at {settings.discovery.consul_address}"
        if edge.tunnel is None:
            core += " does not answer yet, so they are told to come back (policy from disk)"
        return f"tidegate edge: ready, players at {_players(edge)}, {core}, game {game}"

    upgrade: Upgrade | WorkerUpgrade | None = None
    if ours.workers > 1:
        orders = own_orders()
        upgrade = None if orders is None else WorkerUpgrade(edge, orders)
    elif os.getpid() != FIRST_PROCESS:  # when the first process of a container ends, all others do
        upgrade = Upgrade(edge)
    return Service(
        runs=(edge.run,),
        ready=ready,
        drain=edge.drain,
        log_stats=lambda: _log_edge_stats(edge),
        status=lambda: _status(edge),
        drain_seconds=ours.drain_seconds + ours.close_linger_seconds,
        upgrade=upgrade,
        discovery=discovery,
        observed=Observed(
            edge=edge,
            discovery=lambda: discovery.found,
            certificate_expiry_seconds=_expiry_of(credentials),
        ),
        worker=worker,
        is_successor=taken is not None,
    )


async def core_service(settings: Settings, worker: int = 1) -> Service:
    """Build a core, or one worker of it, and have it listen; raises StartError."""
    ours = settings.core
    credentials = credentials_of(settings, "core")
    core = make_core(settings, ours.listen, worker, credentials)
    rules = RulesReload(core, settings.game.rules_file)
    core.orders.retire = _retire(worker, ours.workers)
    await start_core(core, ours.listen)
    try:
        discovery = discover_for_core(settings, core, worker)
    except StartError:
        await core.stop()
        raise
    core.portrait.discovery = discovery

    async def ready() -> str:
        listen = Address(ours.listen.host, core.port)
        game = _game(settings.game.name, core.dialect)
        return f"tidegate core: ready, edges at {listen}, origin {ours.origin}, game {game}"

    return Service(
        runs=(core.run, rules.run),
        ready=ready,
        drain=core.drain,
        log_stats=lambda: _log_core_stats(core),
        status=lambda: _status(core),
        drain_seconds=ours.drain_seconds + ours.close_linger_seconds,
        discovery=discovery,
        reload=_reload_of(core),
        observed=Observed(
            core=core,
            discovery=lambda: discovery.found,
            certificate_expiry_seconds=_expiry_of(credentials),
            tls_refusals=lambda: {} if core.gate is None else core.gate.refused,
            fleet_edges=lambda: discovery.found.get("edge", Found()).records,
        ),
        worker=worker,
    )


async def up_service(settings: Settings) -> Service:
    """Build an edge and a core that share this process; raises StartError."""
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
        runs=(edge.run, core.run, rules.run),
        ready=ready,
        drain=drain,
        log_stats=log_stats,
        status=lambda: _status(edge),
        drain_seconds=sum(each.drain_seconds + each.close_linger_seconds for each in (settings.edge, settings.core)),
        reload=_reload_of(core),
        observed=Observed(edge=edge, core=core),
    )


def _status(relay: Edge | Core) -> str:
    """Say in one line how many play, and what is wrong."""
    health = relay.health
    if health.is_draining:
        return f"draining, {relay.running_sessions} sessions left"
    return "; ".join((f"{relay.running_sessions} sessions", *health.problems))


def _retire(worker: int = 1, workers: int = 1) -> Callable[[], None]:
    """Return what has this process, or the supervisor of its workers, drain and end: once, by the first worker."""
    if workers > 1:
        return (lambda: os.kill(os.getppid(), signal.SIGTERM)) if worker == 1 else (lambda: None)
    return lambda: os.kill(os.getpid(), signal.SIGTERM)


def _reload_of(core: Core) -> Callable[[], None] | None:
    """Return what loads a core's features anew, where it has any."""
    return None if core.features is None else core.features.reload.reload_soon


def _expiry_of(credentials: "Credentials | None") -> Callable[[], float]:
    """Return what says when the certificate expires, in seconds since 1970; 0 where there is none."""
    return lambda: 0.0 if credentials is None else credentials.expires_at_seconds


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


def _players(edge: Edge) -> Address:
    return Address(edge.address.host, edge.address.port)


def _game(name: str, dialect: str) -> str:
    return f"{name} ({dialect})" if dialect else name
