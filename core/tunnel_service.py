"""The gRPC service that edges attach to: greets them, carries messages, and refuses what breaks the contract.

The only module of the core that knows of the tunnels' gRPC calls. Every refusal is a gRPC status with a sentence.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import structlog

from core.ban_road import BanRoad
from core.core_tunnel import CoreLimits, CoreTunnel, Places
from core.features.host import FeatureHost
from core.origin import Origin
from core.origin_watch import OriginWatch
from core.roster import Roster
from fleet.health import Health
from protos.tidegate.tunnel.v1 import tunnel_pb2
from tunnel.attachment import Attachment, AttachmentLostError
from tunnel.bans import Ban, Banned
from tunnel.calls.call import Call
from tunnel.calls.server import Server
from tunnel.calls.status import Status
from tunnel.counters import Counters
from tunnel.flow import Flow, flow_of
from tunnel.messages import MessageParser, problem_of_greeting
from tunnel.options import (
    ATTACH,
    HELLO_TIMEOUT_SECONDS,
    MAX_MESSAGE_BYTES,
    MAX_NAME_BYTES,
    PROTOCOL_VERSION,
)
from tunnel.policy import EdgePolicy, encode_policy
from tunnel.problems import bounded
from wire.credits import check_window
from wire.errors import LayoutError, TunnelFault
from wire.reasons import Reason

if TYPE_CHECKING:
    from fleet.tls.credentials import Peer  # it loads what reads certificates, which not every core needs

_log = structlog.get_logger("core.tunnel")

MAX_TUNNELS = 1024
"""Bound on attached tunnels of one core: a thousand edge workers are far more than a fleet has."""

DRAIN_HOLD_SECONDS = 2.0
"""How long a tunnel without an attachment may keep a core that is to end."""

LEAVE_SECONDS = 1.0


class RefusedError(Exception):
    """An attachment that is not accepted, with the status to say so."""

    def __init__(self, status: Status, text: str) -> None:
        super().__init__(text)
        self.status = status


class TunnelService:
    """All tunnels of one core.

    ``find_peer`` says who calls, by what the call says of its peer; where it is set, nobody else is served, and an edge
    is who its certificate says. Without it anybody is.
    """

    def __init__(
        self,
        name: str,
        region: str,
        software_version: str,
        policy: EdgePolicy,
        origin: Origin,
        limits: CoreLimits,
        features: FeatureHost | None = None,
        roster: Roster | None = None,
    ) -> None:
        self.roster = Roster() if roster is None else roster
        self.on_edges: Callable[[], None] = lambda: None  # told when an edge comes, comes back or goes
        self.counters: dict[str, Counters] = {}  # by edge name, so that they outlive an attachment
        self.flows: dict[str, Flow] = {}  # by edge name, too
        self.tunnels: dict[bytes, CoreTunnel] = {}
        self.is_draining = False
        self.find_peer: Callable[[str], Peer | None] | None = None
        self.epoch = time.time_ns() // 1000
        self._welcome = tunnel_pb2.Welcome(
            protocol_version=PROTOCOL_VERSION,
            core_name=name,
            region=region,
            software_version=software_version,
            window_bytes=limits.window_bytes,
            epoch=self.epoch,
            hold_milliseconds=int(limits.hold_seconds * 1000),
            worker=limits.worker,
            workers=limits.workers,
            wants_players=features is None,  # which look for themselves
        )
        self._welcome_again = tunnel_pb2.Welcome()
        self._welcome_again.CopyFrom(self._welcome)
        self._welcome_again.resumed = True
        self.policy = policy
        self._policy_message = encode_policy(policy)
        self._origin = origin
        self.origin_watch = OriginWatch(time.monotonic)
        self._places = Places(limits.max_sessions)
        self._limits = limits
        self._features = features
        self._bans = BanRoad(time.monotonic)

    def begin_epoch(self, epoch: int) -> None:
        """Take another number for this start of the core; only before any edge has attached."""
        self.epoch = self._welcome.epoch = self._welcome_again.epoch = epoch

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

    @property
    def running_sessions(self) -> int:
        """Players connected through this core now."""
        return sum(tunnel.running_sessions for tunnel in self.tunnels.values())

    @property
    def limits(self) -> CoreLimits:
        """What this core grants its edges."""
        return self._limits

    @property
    def health(self) -> Health:
        """Whether new players can be let in, and why not."""
        problems = (self.origin_watch.problem,) if self.origin_watch.problem else ()
        return Health(problems, self.is_draining)

    def load(self) -> tunnel_pb2.Load:
        """Say how busy this core is, for edges that choose among several."""
        return tunnel_pb2.Load(
            sessions=self.running_sessions,
            max_sessions=self._limits.max_sessions,
            problems=bounded(self.health.problems),
        )

    def tick(self, now_seconds: float) -> None:
        """Keep time for all tunnels; called about once a second."""
        hold_seconds = self._limits.hold_seconds
        if self.is_draining:
            hold_seconds = min(hold_seconds, DRAIN_HOLD_SECONDS)
        for tunnel in list(self.tunnels.values()):
            if tunnel.held_seconds(time.monotonic()) >= hold_seconds:  # first: then the game server gets nothing more
                _log.warning("hold_ended", edge=tunnel.edge_name, sessions_ended=tunnel.running_sessions)
                self._end(tunnel, Reason.TUNNEL_LOST)
                continue
            try:
                tunnel.tick(now_seconds)
            except TunnelFault as fault:
                tunnel.counters.tunnel_faults += 1
                _log.error("tunnel_fault", edge=tunnel.edge_name, reason=str(fault))
                self._end(tunnel, Reason.TUNNEL_FULL)

    async def leave(self) -> None:
        """Tell all edges that nothing will come back here, so that nobody is held for it."""
        attached = [tunnel for tunnel in self.tunnels.values() if tunnel.is_attached]
        for tunnel in attached:
            leave = tunnel_pb2.AttachResponse(leave=tunnel_pb2.Leave(reason=Reason.CORE_DRAINING))
            tunnel.queue.add_urgent(leave)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LEAVE_SECONDS):
                await asyncio.gather(*(tunnel.queue.drained() for tunnel in attached))

    def close(self) -> None:
        """End all tunnels: the core ends."""
        for tunnel in list(self.tunnels.values()):
            self._end(tunnel, Reason.CORE_DRAINING, at_once=True)

    def server(self) -> Server:
        """Return what serves the connections of edges."""
        parser = MessageParser(tunnel_pb2.AttachRequest)
        return Server({ATTACH: self.attach}, parser.parse, max_message_bytes=MAX_MESSAGE_BYTES)

    async def attach(self, call: Call) -> None:
        """Serve one attachment from hello to its end."""
        try:
            self._identity(call)
            await self._serve(call, await self._read_hello(call))
        except RefusedError as error:
            _log.warning("attachment_refused", peer=self._address(call), status=error.status.name, reason=str(error))
            call.finish(error.status, str(error))
        except TunnelFault as error:
            _log.error("tunnel_fault", peer=self._address(call), reason=str(error))
            call.finish(Status.INVALID_ARGUMENT, str(error))
        except AttachmentLostError as error:
            call.finish(Status.ABORTED, str(error))

    async def _read_hello(self, call: Call) -> tunnel_pb2.AttachRequest:
        try:
            async with asyncio.timeout(HELLO_TIMEOUT_SECONDS):
                message = await call.read()
        except TimeoutError as error:
            raise RefusedError(Status.DEADLINE_EXCEEDED, f"no hello within {HELLO_TIMEOUT_SECONDS:g} s") from error
        if message is None or message.WhichOneof("message") != "hello":
            raise RefusedError(Status.INVALID_ARGUMENT, "the first message must be a hello")
        request: tunnel_pb2.AttachRequest = message
        problem = problem_of_greeting(request)
        if problem:
            raise RefusedError(Status.INVALID_ARGUMENT, problem)
        self._check_hello(request.hello)
        self._check_name(call, request.hello)
        return request

    def _check_hello(self, hello: tunnel_pb2.Hello) -> None:
        invalid = Status.INVALID_ARGUMENT
        if hello.protocol_version != PROTOCOL_VERSION:
            raise RefusedError(
                Status.FAILED_PRECONDITION,
                f"protocol version {hello.protocol_version}: this core speaks version {PROTOCOL_VERSION}",
            )
        if len(hello.tunnel_id) != 16:
            raise RefusedError(invalid, f"tunnel id of {len(hello.tunnel_id)} bytes where 16 belong")
        if not 1 <= len(hello.edge_name.encode()) <= MAX_NAME_BYTES:
            raise RefusedError(invalid, f"edge name: 1 to {MAX_NAME_BYTES} bytes are allowed")
        for what, value in (("place", hello.place), ("process id", hello.process_id)):
            if len(value) not in (0, 16):
                raise RefusedError(invalid, f"{what} of {len(value)} bytes where 0 or 16 belong")
        if max(len(hello.region.encode()), len(hello.software_version.encode())) > MAX_NAME_BYTES:
            raise RefusedError(invalid, f"region and software version: at most {MAX_NAME_BYTES} bytes are allowed")
        try:
            check_window(hello.window_bytes)
        except LayoutError as error:
            raise RefusedError(invalid, str(error)) from error

    def _check_name(self, call: Call, hello: tunnel_pb2.Hello) -> None:
        """See that an edge calls itself what its certificate says; raises RefusedError."""
        peer = self._peer(call)
        if peer is not None and (peer.identity.name, peer.identity.region) != (hello.edge_name, hello.region):
            raise RefusedError(
                Status.PERMISSION_DENIED,
                f"it calls itself edge {hello.edge_name} in {hello.region}, and its certificate is of {peer.identity}",
            )

    def _peer(self, call: Call) -> "Peer | None":
        return None if self.find_peer is None else self.find_peer(call.peer())

    def _address(self, call: Call) -> str:
        """Return where a caller is, as far as it is known."""
        peer = self._peer(call)
        return peer.address if peer is not None else str(call.peer())

    def _identity(self, call: Call) -> str:
        """Return who the edge is by its certificate; empty where there are none. Raises RefusedError for a stranger."""
        if self.find_peer is None:
            return ""
        peer = self.find_peer(call.peer())
        if peer is None:
            raise RefusedError(Status.UNAUTHENTICATED, "the connection is over, or did not come by the gate")
        return peer.identity.uri

    async def _serve(self, call: Call, request: tunnel_pb2.AttachRequest) -> None:
        tunnel = await (self._find(call, request) if request.hello.resume else self._make(call, request.hello))
        welcome = self._welcome_again if request.hello.resume else self._welcome
        if tunnel is None:
            try:
                async with asyncio.timeout(HELLO_TIMEOUT_SECONDS):
                    await call.write(tunnel_pb2.AttachResponse(welcome=self._welcome))
            except TimeoutError as error:
                raise RefusedError(Status.DEADLINE_EXCEEDED, "nobody takes the welcome") from error
            return
        self.on_edges()
        first = tunnel_pb2.AttachResponse(acknowledged=tunnel.delivery.received, welcome=welcome)

        try:
            attachment = Attachment(tunnel, f"core-tunnel-{tunnel.edge_name}")
            await attachment.carry(call, first)
        except TunnelFault:
            tunnel.counters.tunnel_faults += 1
            self._end(tunnel, Reason.TUNNEL_LOST)
            raise
        finally:
            if tunnel.has_left:
                self._end(tunnel, Reason.TUNNEL_LOST)
            self.on_edges()
            _log.info(
                "edge_detached",
                edge=tunnel.edge_name,
                sessions_held=tunnel.running_sessions,
                hold_seconds=0 if tunnel.is_over else self._limits.hold_seconds,
            )

    async def _make(self, call: Call, hello: tunnel_pb2.Hello) -> CoreTunnel:
        """Make a new tunnel; raises RefusedError."""
        if self.is_draining:
            raise RefusedError(Status.UNAVAILABLE, "this core is draining")
        self._end_predecessor(call, hello)
        if hello.tunnel_id in self.tunnels:
            raise RefusedError(Status.ALREADY_EXISTS, "a tunnel with this id exists already")
        if len(self.tunnels) >= MAX_TUNNELS:
            raise RefusedError(Status.RESOURCE_EXHAUSTED, f"{MAX_TUNNELS} tunnels exist already")
        tunnel = CoreTunnel(
            hello,
            self.policy,
            self._origin,
            self.origin_watch,
            self._places,
            self._counters_of(hello.edge_name),
            self._limits,
            self._features,
            self.roster,
        )
        tunnel.peer_identity = self._identity(call)
        tunnel.make_load = self.load
        tunnel.flow = flow_of(self.flows, hello.edge_name)
        self.tunnels[hello.tunnel_id] = tunnel
        tunnel.queue.add(tunnel_pb2.AttachResponse(policy=self._policy_message))
        self._bans.lead_to(tunnel.queue)
        _log.info("edge_attached", edge=hello.edge_name, region=hello.region, peer=self._address(call))
        return tunnel

    def _end_predecessor(self, call: Call, hello: tunnel_pb2.Hello) -> None:
        """End the held tunnel of an edge worker that has been started anew: nobody will come back for that one."""
        whose = (hello.edge_name, self._identity(call), hello.place)
        for tunnel in list(self.tunnels.values()):
            is_the_same = (tunnel.edge_name, tunnel.peer_identity, tunnel.place) == whose
            if hello.place and is_the_same and not tunnel.is_attached:
                _log.info("edge_restarted", edge=hello.edge_name, sessions_ended=tunnel.running_sessions)
                self._end(tunnel, Reason.TUNNEL_LOST)

    async def _find(self, call: Call, request: tunnel_pb2.AttachRequest) -> CoreTunnel | None:
        """Find the tunnel that an edge comes back for, and take it from an attachment that is not over yet.

        None where there is none; raises RefusedError where it is another edge's, and TunnelFault, which ends the
        tunnel, when the edge goes on from where it cannot be.
        """
        hello = request.hello
        tunnel = self.tunnels.get(hello.tunnel_id)
        if tunnel is None or hello.epoch != self.epoch:
            return None
        if (tunnel.edge_name, tunnel.peer_identity) != (hello.edge_name, self._identity(call)):
            raise RefusedError(Status.PERMISSION_DENIED, "the tunnel belongs to another edge")
        while tunnel.attachment is not None:
            attachment = tunnel.attachment
            attachment.give_up("the edge has attached anew")
            await attachment.over.wait()
        if tunnel.is_over:
            return None
        held = tunnel.held_seconds(time.monotonic())
        tunnel.can_retire = hello.can_retire
        tunnel.process_id = hello.process_id
        tunnel.software_version = hello.software_version
        try:
            tunnel.delivery.resume(request.acknowledged)
        except TunnelFault:
            self._end(tunnel, Reason.TUNNEL_LOST)
            raise
        if hello.is_new_process:
            self._bans.leave(tunnel.queue)
            self._bans.lead_to(tunnel.queue)
        _log.info(
            "edge_reattached",
            edge=hello.edge_name,
            peer=self._address(call),
            held_seconds=round(held, 3),
            sessions=tunnel.running_sessions,
            resending=len(tunnel.delivery.messages()),
        )
        return tunnel

    def _end(self, tunnel: CoreTunnel, reason: Reason, *, at_once: bool = False) -> None:
        """The tunnel will not come back; harmless when done twice."""
        if self.tunnels.pop(tunnel.tunnel_id, None) is not None:
            self._bans.leave(tunnel.queue)
            tunnel.gone(reason, at_once=at_once)

    def _counters_of(self, edge_name: str) -> Counters:
        if edge_name not in self.counters and len(self.counters) >= MAX_TUNNELS:
            edge_name = "other"  # names come from outside: they may not fill the memory
        return self.counters.setdefault(edge_name, Counters())
