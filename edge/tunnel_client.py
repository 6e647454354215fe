"""Keeps the edge attached to its core: connects, greets, carries messages, and tries again when it breaks.

The only module of the edge that knows gRPC. It says once that the core is away and once that it is back,
however long that takes.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any
from uuid import uuid4

import grpc
import structlog

from edge.backoff import Backoff
from edge.edge_tunnel import EdgeTunnel
from protos.tidegate.tunnel.v1 import tunnel_pb2, tunnel_pb2_grpc
from tunnel.counters import Counters
from tunnel.options import CHANNEL_OPTIONS, HELLO_TIMEOUT_SECONDS, PROTOCOL_VERSION
from tunnel.policy import decode_policy
from wire.credits import check_window
from wire.errors import LayoutError, TunnelFault
from wire.reasons import Reason

_log = structlog.get_logger("edge.tunnel")

STEADY_SECONDS = 5.0
"""An attachment that lasted this long was a good one: the next break is met with short waits again."""

_Call = Any  # grpc.aio.StreamStreamCall; its stubs do not follow the reader and writer form


@dataclass(frozen=True, slots=True)
class TunnelSettings:
    """What the client needs to know; names and version are for people at the core."""

    core: str
    edge_name: str
    region: str
    software_version: str
    window_bytes: int
    flush_window_seconds: float
    half_close_seconds: float


class TunnelClient:
    """One tunnel at a time to one core, for as long as `run` runs.

    ``on_policy`` is told of each policy that was checked and is obeyed from then on.
    """

    def __init__(
        self,
        settings: TunnelSettings,
        counters: Counters,
        *,
        on_attached: Callable[[EdgeTunnel], None],
        on_policy: Callable[[tunnel_pb2.Policy], None],
        random: Random,
    ) -> None:
        self._settings = settings
        self._counters = counters
        self._on_attached = on_attached
        self._on_policy = on_policy
        self._backoff = Backoff(random)
        self._is_away = False
        self.tunnel: EdgeTunnel | None = None  # the attached one; None while there is none

    async def run(self) -> None:
        """Attach, serve, and attach again, until cancelled."""
        while True:
            began = asyncio.get_running_loop().time()
            try:
                await self._attach_once()
            except (grpc.RpcError, grpc.aio.UsageError, grpc.aio.InternalError) as error:
                self._complain(_describe(error))
            except (TunnelFault, TimeoutError, asyncio.InvalidStateError) as error:
                self._complain(_describe(error))
            else:
                self._complain("the core ended the attachment")
            if asyncio.get_running_loop().time() - began > STEADY_SECONDS:
                self._backoff.reset()
            await asyncio.sleep(self._backoff.next_seconds())

    async def finish(self) -> None:
        """Wait until everything queued has been handed to the core."""
        if self.tunnel is not None:
            await self.tunnel.queue.drained()

    def _complain(self, reason: str) -> None:
        """Say that the core is away: once, however many attempts and reasons follow."""
        level = _log.debug if self._is_away else _log.warning
        level("core_away", core=self._settings.core, reason=reason, action="trying again until it is back")
        self._is_away = True

    async def _attach_once(self) -> None:
        settings = self._settings
        async with grpc.aio.insecure_channel(settings.core, options=CHANNEL_OPTIONS) as channel:
            call: _Call = tunnel_pb2_grpc.TunnelServiceStub(channel).Attach()
            try:
                async with asyncio.timeout(HELLO_TIMEOUT_SECONDS):
                    tunnel = await self._greet(call)
                await self._serve(call, tunnel)
            finally:
                call.cancel()

    async def _greet(self, call: _Call) -> EdgeTunnel:
        settings = self._settings
        hello = tunnel_pb2.Hello(
            protocol_version=PROTOCOL_VERSION,
            tunnel_id=uuid4().bytes,
            edge_name=settings.edge_name,
            region=settings.region,
            software_version=settings.software_version,
            window_bytes=settings.window_bytes,
        )
        await call.write(tunnel_pb2.AttachRequest(hello=hello))
        welcome = await _expect(call, "welcome")
        if welcome.welcome.protocol_version != PROTOCOL_VERSION:
            raise TunnelFault(
                f"the core speaks protocol version {welcome.welcome.protocol_version}, this edge {PROTOCOL_VERSION}",
            )
        try:
            check_window(welcome.welcome.window_bytes)
        except LayoutError as error:
            raise TunnelFault(f"the core's welcome: {error}") from error
        message = (await _expect(call, "policy")).policy
        policy = decode_policy(message)
        self._on_policy(message)
        return EdgeTunnel(
            welcome.welcome,
            policy,
            self._counters,
            on_policy=self._on_policy,
            window_bytes=settings.window_bytes,
            flush_window_seconds=settings.flush_window_seconds,
            half_close_seconds=settings.half_close_seconds,
        )

    async def _serve(self, call: _Call, tunnel: EdgeTunnel) -> None:
        self.tunnel = tunnel
        _log.info("core_attached", core=self._settings.core, name=tunnel.core_name, game=tunnel.policy.game)
        self._is_away = False
        self._on_attached(tunnel)
        try:
            async with tunnel.queue.writing(call.write, "edge-tunnel-writer"):
                while (message := await call.read()) is not grpc.aio.EOF:
                    tunnel.handle(message)
            code = await call.code()
            if code is not grpc.StatusCode.OK:
                raise TunnelFault(f"{code.name}: {await call.details()}")
        except TunnelFault as error:
            _log.error("tunnel_fault", core=self._settings.core, reason=str(error))
            raise
        finally:
            self.tunnel = None
            tunnel.gone(Reason.TUNNEL_LOST)


async def _expect(call: _Call, kind: str) -> tunnel_pb2.AttachResponse:
    """Read the next message, which must be of a kind; raises TunnelFault or the call's own error."""
    message = await call.read()
    if message is grpc.aio.EOF:
        code = await call.code()
        raise TunnelFault(f"{code.name}: {await call.details() or 'the core ended the call'}")
    if not isinstance(message, tunnel_pb2.AttachResponse) or message.WhichOneof("message") != kind:
        raise TunnelFault(f"the core sent something else where its {kind} belongs")
    return message


def _describe(error: Exception) -> str:
    if isinstance(error, grpc.aio.AioRpcError):
        return f"{error.code().name}: {error.details()}"
    if isinstance(error, TimeoutError):
        return f"no welcome within {HELLO_TIMEOUT_SECONDS:g} s"
    return str(error)
