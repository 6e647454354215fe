"""The gRPC service that edges attach to: greets them, carries messages, and refuses what breaks the contract.

The only module of the core that knows gRPC. Every refusal is a gRPC status with a sentence.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import grpc
import structlog

from core.ban_road import BanRoad
from core.core_tunnel import CoreLimits, CoreTunnel, Places
from core.features.host import FeatureHost
from core.origin import Origin
from core.origin_watch import OriginWatch
from protos.tidegate.tunnel.v1 import tunnel_pb2, tunnel_pb2_grpc
from tunnel.bans import Ban, Banned
from tunnel.counters import Counters
from tunnel.options import HELLO_TIMEOUT_SECONDS, MAX_NAME_BYTES, PROTOCOL_VERSION
from tunnel.policy import EdgePolicy, encode_policy
from wire.credits import check_window
from wire.errors import LayoutError, TunnelFault
from wire.reasons import Reason

_log = structlog.get_logger("core.tunnel")

MAX_TUNNELS = 1024
"""Bound on attached tunnels of one core: a thousand edge workers are far more than a fleet has."""

_Context = Any  # grpc.aio.ServicerContext; its stubs do not follow the reader and writer form


class RefusedError(Exception):
    """An attachment that is not accepted, with the status to say so."""

    def __init__(self, code: grpc.StatusCode, text: str) -> None:
        super().__init__(text)
        self.code = code


class TunnelService(tunnel_pb2_grpc.TunnelServiceServicer):
    """All tunnels of one core."""

    def __init__(
        self,
        name: str,
        region: str,
        software_version: str,
        policy: EdgePolicy,
        origin: Origin,
        limits: CoreLimits,
        features: FeatureHost | None = None,
    ) -> None:
        self.counters: dict[str, Counters] = {}  # by edge name, so that they outlive an attachment
        self.tunnels: dict[bytes, CoreTunnel] = {}
        self.is_draining = False
        self._welcome = tunnel_pb2.Welcome(
            protocol_version=PROTOCOL_VERSION,
            core_name=name,
            region=region,
            software_version=software_version,
            window_bytes=limits.window_bytes,
        )
        self.policy = policy
        self._policy_message = encode_policy(policy)
        self._origin = origin
        self._watch = OriginWatch(time.monotonic)
        self._places = Places(limits.max_sessions)
        self._limits = limits
        self._features = features
        self._bans = BanRoad(time.monotonic)

    def set_policy(self, policy: EdgePolicy) -> None:
        """Have all edges obey another policy, those of today and those to come.

        Raises MisuseError for a policy that no edge would accept; nothing has changed then.
        """
        self._policy_message = encode_policy(policy)
        self.policy = policy
        for tunnel in self.tunnels.values():
            tunnel.set_policy(policy, self._policy_message)

    def set_bans(self, bans: Sequence[Ban]) -> None:
        """Have all edges, those of today and those to come, keep out these and nobody else.

        Of bans of the same, the last counts. Until this is called, an edge keeps what another core told it. Raises
        MisuseError for more than MAX_BANS and for notices that are no frames of the game; nothing has changed then.
        """
        self._bans.set(bans, self.policy.clientbound)

    def change_bans(self, added: Sequence[Ban], removed: Sequence[Banned]) -> None:
        """Lift some bans, then put up others or give them another time or notice; raises as `set_bans` does."""
        self._bans.change(added, removed, self.policy.clientbound)

    async def Attach(self, request_iterator: object, context: _Context) -> None:  # noqa: N802 - named by the contract
        """Serve one attachment from hello to its end."""
        del request_iterator  # read() is used instead, so that reads and writes go on side by side
        try:
            hello = await self._read_hello(context)
            await self._serve(context, hello)
        except RefusedError as error:
            _log.warning("attachment_refused", peer=context.peer(), status=error.code.name, reason=str(error))
            await context.abort(error.code, str(error))
        except TunnelFault as error:
            _log.error("tunnel_fault", peer=context.peer(), reason=str(error))
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))

    async def _read_hello(self, context: _Context) -> tunnel_pb2.Hello:
        # Not a timeout around the read: to cancel a read cancels the call, and then no status reaches the edge.
        reading = asyncio.ensure_future(context.read())
        done, _ = await asyncio.wait({reading}, timeout=HELLO_TIMEOUT_SECONDS)
        if not done:
            reading.add_done_callback(_forget)  # it fails when the call is refused, which is said there
            raise RefusedError(grpc.StatusCode.DEADLINE_EXCEEDED, f"no hello within {HELLO_TIMEOUT_SECONDS:g} s")
        message = reading.result()
        if message is grpc.aio.EOF or message.WhichOneof("message") != "hello":
            raise RefusedError(grpc.StatusCode.INVALID_ARGUMENT, "the first message must be a hello")
        hello: tunnel_pb2.Hello = message.hello
        self._check_hello(hello)
        return hello

    def _check_hello(self, hello: tunnel_pb2.Hello) -> None:
        invalid = grpc.StatusCode.INVALID_ARGUMENT
        if hello.protocol_version != PROTOCOL_VERSION:
            raise RefusedError(
                grpc.StatusCode.FAILED_PRECONDITION,
                f"protocol version {hello.protocol_version}: this core speaks version {PROTOCOL_VERSION}",
            )
        if len(hello.tunnel_id) != 16:
            raise RefusedError(invalid, f"tunnel id of {len(hello.tunnel_id)} bytes where 16 belong")
        if not 1 <= len(hello.edge_name.encode()) <= MAX_NAME_BYTES:
            raise RefusedError(invalid, f"edge name: 1 to {MAX_NAME_BYTES} bytes are allowed")
        if max(len(hello.region.encode()), len(hello.software_version.encode())) > MAX_NAME_BYTES:
            raise RefusedError(invalid, f"region and software version: at most {MAX_NAME_BYTES} bytes are allowed")
        try:
            check_window(hello.window_bytes)
        except LayoutError as error:
            raise RefusedError(invalid, str(error)) from error
        if self.is_draining:
            raise RefusedError(grpc.StatusCode.UNAVAILABLE, "this core is draining")
        if hello.tunnel_id in self.tunnels:
            raise RefusedError(grpc.StatusCode.ALREADY_EXISTS, f"tunnel {hello.tunnel_id.hex()} is attached already")
        if len(self.tunnels) >= MAX_TUNNELS:
            raise RefusedError(grpc.StatusCode.RESOURCE_EXHAUSTED, f"{MAX_TUNNELS} tunnels are attached already")

    async def _serve(self, context: _Context, hello: tunnel_pb2.Hello) -> None:
        counters = self._counters_of(hello.edge_name)
        tunnel = CoreTunnel(
            hello, self.policy, self._origin, self._watch, self._places, counters, self._limits, self._features
        )
        self.tunnels[hello.tunnel_id] = tunnel
        tunnel.queue.add(tunnel_pb2.AttachResponse(welcome=self._welcome), sequenced=False)
        tunnel.queue.add(tunnel_pb2.AttachResponse(policy=self._policy_message), sequenced=False)
        self._bans.lead_to(tunnel.queue)
        _log.info("edge_attached", edge=hello.edge_name, region=hello.region, peer=context.peer())
        try:
            async with tunnel.queue.writing(context.write, f"core-tunnel-writer-{hello.edge_name}"):
                while (message := await context.read()) is not grpc.aio.EOF:
                    tunnel.handle(message)
        finally:
            del self.tunnels[hello.tunnel_id]
            self._bans.leave(tunnel.queue)
            ended = tunnel.running_sessions
            tunnel.gone(Reason.TUNNEL_LOST)
            _log.info("edge_detached", edge=hello.edge_name, sessions_ended=ended)

    def _counters_of(self, edge_name: str) -> Counters:
        if edge_name not in self.counters and len(self.counters) >= MAX_TUNNELS:
            edge_name = "other"  # names come from outside: they may not fill the memory
        return self.counters.setdefault(edge_name, Counters())


def _forget(task: asyncio.Future[Any]) -> None:
    """Take note of a task's failure, so that nobody reports it as unseen."""
    if not task.cancelled():
        task.exception()
