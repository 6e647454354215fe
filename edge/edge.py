"""The edge as a whole: a players' port, a tunnel client, and an orderly start and end."""

import asyncio
from dataclasses import dataclass
from random import SystemRandom

import structlog

from edge.edge_tunnel import EdgeTunnel, SocketAddress
from edge.listener import Listener, bind_socket
from edge.tunnel_client import TunnelClient, TunnelSettings
from tunnel.counters import Counters
from tunnel.policy import EdgePolicy
from wire.reasons import Reason

_log = structlog.get_logger("edge")

TICK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class EdgeConfig:
    """What an edge needs to run; times in seconds. ``shares_port``: other workers listen on the same one."""

    listen_host: str
    listen_port: int
    tunnel: TunnelSettings
    max_sessions: int
    shares_port: bool
    drain_seconds: float
    linger_seconds: float
    backlog: int


class Edge:
    """One edge. `run` carries its tasks and fails if one does; `drain` before cancelling it for an orderly end."""

    def __init__(self, config: EdgeConfig) -> None:
        self.counters = Counters()
        self._config = config
        self._listener = Listener(
            bind_socket(config.listen_host, config.listen_port, shared=config.shares_port),
            self.counters,
            self._pick,
            self._notice,
            linger_seconds=config.linger_seconds,
            backlog=config.backlog,
        )
        self._client = TunnelClient(config.tunnel, self.counters, on_attached=self._attached, random=SystemRandom())
        self._attachments: asyncio.Queue[EdgeTunnel] = asyncio.Queue()
        self._last_policy: EdgePolicy | None = None  # for players who come while there is no core
        self._is_draining = False
        self._ready: asyncio.Future[EdgePolicy] = asyncio.get_running_loop().create_future()

    @property
    def address(self) -> SocketAddress:
        """Where players connect to; known as soon as the edge exists."""
        return self._listener.address

    @property
    def tunnel(self) -> EdgeTunnel | None:
        """The attached tunnel, if there is one."""
        return self._client.tunnel

    @property
    def running_sessions(self) -> int:
        """Players connected through this edge now."""
        tunnel = self._client.tunnel
        return tunnel.running_sessions if tunnel is not None else 0

    async def run(self) -> None:
        """Carry the edge's tasks until cancelled; raises OSError when the port cannot be opened."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._client.run(), name="edge-tunnel-client")
                tasks.create_task(self._open_when_attached(), name="edge-listener")
                tasks.create_task(self._tick(), name="edge-tick")
        finally:
            self._listener.close()

    async def wait_ready(self) -> EdgePolicy:
        """Wait until players are let in; return the policy that holds then."""
        return await asyncio.shield(self._ready)

    async def drain(self) -> None:
        """Let no new players in, wait for the others to leave, and end the rest at the deadline."""
        self._is_draining = True
        self._listener.close()
        tunnel = self._client.tunnel
        if tunnel is None:
            return
        _log.info("draining", sessions=tunnel.running_sessions, deadline_seconds=self._config.drain_seconds)
        await tunnel.drain(self._config.drain_seconds, self._config.linger_seconds)

    def _attached(self, tunnel: EdgeTunnel) -> None:
        self._last_policy = tunnel.policy
        self._attachments.put_nowait(tunnel)

    async def _open_when_attached(self) -> None:
        while True:
            tunnel = await self._attachments.get()
            if not self._listener.is_open and not self._is_draining:
                await self._listener.open()
                self._ready.set_result(tunnel.policy)

    def _notice(self, reason: Reason) -> bytes:
        tunnel = self._client.tunnel
        policy = tunnel.policy if tunnel is not None else self._last_policy
        return policy.notice_for(reason) if policy is not None else b""

    def _pick(self) -> EdgeTunnel | Reason:
        tunnel = self._client.tunnel
        if self._is_draining:
            return Reason.EDGE_DRAINING
        if tunnel is None:
            return Reason.NO_CORE
        if tunnel.is_draining:
            return Reason.CORE_DRAINING
        if tunnel.running_sessions >= self._config.max_sessions:
            return Reason.SESSION_LIMIT
        return tunnel

    async def _tick(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(TICK_SECONDS)
            if self._client.tunnel is not None:
                self._client.tunnel.tick(clock())
