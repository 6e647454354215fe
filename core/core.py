"""The core as a whole: the tunnel service on its port, the origin behind it, what it shares with the other cores, the
admin service beside it, and an orderly start and end.
"""

import asyncio
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import structlog

from core.admin.orders import Orders
from core.admin.portrait import Identity, Portrait
from core.admin.registry import Registry
from core.admin.server import AdminServer
from core.admin.service import AdminService
from core.core_tunnel import CoreLimits
from core.feature_service import FeatureConfig, FeatureService
from core.origin import DirectOrigin
from core.origin_check import OriginCheck
from core.policy import compile_policy
from core.roster import Roster
from core.shared_state import SharedState, StoreConfig
from core.tunnel_service import TunnelService
from fleet.address import Address
from fleet.admin_place import AdminPlace
from fleet.health import Health
from fleet.loop_delay import LoopDelay
from fleet.port import Port, bind_socket
from games.pack import Pack
from tunnel.policy import EdgePolicy
from wire.errors import MisuseError

if TYPE_CHECKING:  # they load what reads certificates, which not every core needs
    from fleet.tls.credentials import Credentials
    from fleet.tls.gate import Gate

_log = structlog.get_logger("core")

TICK_SECONDS = 1.0
NO_ADMIN = AdminPlace(is_off=True)


@dataclass(frozen=True, slots=True)
class CoreConfig:
    """What a core needs to run; times in seconds. ``dialect`` is empty for a game without any.

    ``shares_port``: other workers listen on the same port. Without ``features`` nothing looks into the packets.
    With ``origin_check_seconds`` the core finds out by itself whether the game server is there. With ``credentials``
    only edges with a certificate are let in. ``environment`` says where a socket for operators may be, where ``admin``
    names none.
    """

    name: str
    region: str
    software_version: str
    listen_host: str
    listen_port: int
    origin_host: str
    origin_port: int
    shares_port: bool
    dialect: str
    limits: CoreLimits
    connect_timeout_seconds: float
    drain_seconds: float
    linger_seconds: float
    features: FeatureConfig | None = None
    origin_check_seconds: float = 0.0
    credentials: "Credentials | None" = None
    store: StoreConfig = field(default_factory=StoreConfig)
    admin: AdminPlace = NO_ADMIN
    environment: Mapping[str, str] = field(default_factory=dict)


class Core:
    """One core. `start`, then `run` until cancelled; `drain` before that for an orderly end."""

    def __init__(self, config: CoreConfig, pack: Pack) -> None:
        self._config = config
        origin = DirectOrigin(
            config.origin_host,
            config.origin_port,
            connect_timeout_seconds=config.connect_timeout_seconds,
            linger_seconds=config.linger_seconds,
        )
        policy = compile_policy(pack, config.dialect)
        self._pack = pack
        self.shared = SharedState(config.store)
        self.roster = Roster(config.store.charset)
        self.features: FeatureService | None = None
        if config.features is not None:
            self.features = FeatureService(config.features, pack, config.dialect, lambda: self.policy, self.shared)
            self.features.host.on_step = self.roster.changed
        self.service = TunnelService(
            config.name,
            config.region,
            config.software_version,
            policy,
            origin,
            config.limits,
            None if self.features is None else self.features.host,
            self.roster,
        )
        self.loop_delay = LoopDelay()
        self._origin_check: OriginCheck | None = None
        if config.origin_check_seconds:
            watch, interval_seconds = self.service.origin_watch, config.origin_check_seconds
            self._origin_check = OriginCheck(config.origin_host, config.origin_port, watch, interval_seconds)
        store, bans, charset = self.shared.store, self.shared.bans, config.store.charset
        self.portrait = Portrait(
            _identity(config, pack), self.service, store, bans, self.loop_delay, lambda: self.health
        )
        self.registry = Registry(store, self.roster, self.portrait.core, self.portrait.edges)
        self.service.on_edges = self.registry.refresh_soon
        self.orders = Orders(config.name, self.roster, self.service, pack, charset)
        self._admin_service = AdminService(config.name, store, bans, self.orders, charset, self.registry.scan)
        self.admin = AdminServer(
            config.admin, config.limits.worker, config.environment, self._admin_service, config.credentials
        )
        self.dialect = config.dialect
        self._server = self.service.server()
        self._listening: Port | asyncio.Server | None = None
        self._has_stopped = False
        self.gate: Gate | None = None  # where there are certificates
        self.port = 0

    @property
    def running_sessions(self) -> int:
        """Players connected through this core now."""
        return self.service.running_sessions

    @property
    def max_sessions(self) -> int:
        """Players this core takes at most."""
        return self._config.limits.max_sessions

    @property
    def health(self) -> Health:
        """Whether new players can be let in, and why not."""
        health = self.service.health
        credentials = self._config.credentials
        ours = (self.loop_delay.problem, credentials.problem if credentials is not None else "")
        return Health((*health.problems, *filter(None, ours)), health.is_draining)

    @property
    def policy(self) -> EdgePolicy:
        """What the edges obey now."""
        return self.service.policy

    def set_policy(self, policy: EdgePolicy) -> None:
        """Have all edges obey another policy at once, players undisturbed; raises MisuseError, and changes nothing."""
        self.service.set_policy(policy)

    async def start(self) -> None:
        """Connect to the store, load the features, bind the port and begin to serve.

        Raises OSError when the port is in use, FeatureError for features that cannot be loaded, and PlaceError where
        the admin service cannot be where it is to be. A store that is away keeps nothing from starting.
        """
        await self.shared.start(self._pack, self.service)
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def _start(self) -> None:
        if self.features is not None:
            await self.features.start()
        await self._listen()
        listen = Address(self._config.listen_host, self.port)
        await self.admin.start(listen)
        self.portrait.identity = replace(
            self.portrait.identity, address=str(listen), admin=str(self.admin.path or "")[:256]
        )
        self.registry.publish()

    async def _listen(self) -> None:
        """Bind the edges' port and serve; raises OSError."""
        if self._has_stopped:
            raise MisuseError("this core has been stopped")
        config = self._config
        bound = bind_socket(config.listen_host, config.listen_port, shared=config.shares_port)
        if config.credentials is not None:
            await self._listen_behind_gate(bound, config.credentials)
            return
        port = Port(bound, self._server.take)
        try:
            port.open()
        except OSError:
            bound.close()
            raise
        self._listening, self.port = port, port.number

    async def _listen_behind_gate(self, bound: socket.socket, credentials: "Credentials") -> None:
        """Serve where only the gate reaches us; raises OSError when the port cannot be had."""
        from fleet.tls.gate import Gate

        try:
            gate = Gate("core", credentials, roles=("edge",))
        except OSError:
            bound.close()
            raise
        try:
            place = gate.target.removeprefix("unix:")
            self._listening = await asyncio.get_running_loop().create_unix_server(self._server.protocol, place)
            self.service.find_peer = gate.peer
            self.port = gate.open(bound)
        except BaseException:
            bound.close()
            await gate.close()
            raise
        self.gate = gate

    async def run(self) -> None:
        """Keep time for the tunnels until cancelled, then give up the port and end what is left."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._tick(), name="core-ticks")
                tasks.create_task(self.loop_delay.run(), name="loop-delay")
                if self._config.credentials is not None:
                    tasks.create_task(self._config.credentials.run(), name="certificates")
                tasks.create_task(self.shared.run(), name="shared-state")
                tasks.create_task(self.registry.run(), name="registry")
                if self.features is not None:
                    tasks.create_task(self.features.run(), name="features")
                if self._origin_check is not None:
                    tasks.create_task(self._origin_check.run(), name="origin-check")
        finally:
            await self.stop()

    async def stop(self) -> None:
        """Give up the port and end what is left; harmless when done twice."""
        if self.gate is not None:
            self.gate.stop_accepting()
        await self.admin.stop()
        await self.service.leave()
        self._has_stopped = True
        if self._listening is not None:
            self._listening.close()
        await self._server.stop()
        self.service.close()
        if self.gate is not None:
            await self.gate.close()
        if self.features is not None:
            await self.features.stop()
        self._admin_service.close()
        await self.shared.stop()

    async def _tick(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(TICK_SECONDS)
            self.service.tick(clock())

    async def drain(self) -> None:
        """Take no new sessions, wait for the others to end, and end the rest at the deadline."""
        service = self.service
        service.is_draining = True
        self.registry.refresh_soon()
        tunnels = list(service.tunnels.values())
        _log.info("draining", sessions=self.running_sessions, deadline_seconds=self._config.drain_seconds)
        for tunnel in tunnels:
            tunnel.announce_drain(self._config.drain_seconds)
        async with asyncio.TaskGroup() as tasks:
            for tunnel in tunnels:
                tasks.create_task(tunnel.drain(self._config.drain_seconds, self._config.linger_seconds))


def _identity(config: CoreConfig, pack: Pack) -> Identity:
    game = f"{pack.name} ({config.dialect})" if config.dialect else pack.name
    limits = config.limits
    return Identity(
        config.name, config.region, config.software_version, game, limits.worker, limits.workers, limits.max_sessions
    )
