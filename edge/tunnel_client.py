"""Keeps the edge attached to one core: connects, greets, carries messages, and attaches again when it breaks.

The only module of the edge that makes gRPC calls. While the tunnel is broken its players are held; when the core is
back in time, both go on where they were. It says once that the core is away and once that it is back, however long that
takes.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import cast
from uuid import uuid4

import structlog

from edge.edge_tunnel import EdgeTunnel
from fleet.backoff import Backoff
from fleet.road import Passage, PlainRoad, Road, RoadError
from protos.tidegate.tunnel.v1 import tunnel_pb2
from tunnel.attachment import Attachment, AttachmentLostError
from tunnel.calls.call import Call
from tunnel.calls.client import calling
from tunnel.calls.status import CallError, Status
from tunnel.counters import Counters
from tunnel.messages import MessageParser, problem_of_greeting
from tunnel.options import (
    ATTACH,
    DEFAULT_RING_BYTES,
    HELLO_TIMEOUT_SECONDS,
    MAX_MESSAGE_BYTES,
    MAX_NAME_BYTES,
    PROTOCOL_VERSION,
)
from tunnel.policy import decode_policy
from wire.credits import check_window
from wire.errors import LayoutError, TidegateError, TunnelFault
from wire.reasons import Reason

_log = structlog.get_logger("edge.tunnel")

STEADY_SECONDS = 5.0
"""An attachment that lasted this long was a good one: the next break is met with short waits again."""

LONGEST_WAIT_HELD_SECONDS = 0.25
"""The longest wait between two attempts while players are held: their pause is longer by that."""

RESUME_PATIENCE_SECONDS = 0.5
RESUME_ROUND_TRIPS = 8
"""An attempt to come back may take this long and so many round trips: a packet that got lost on a road that was dead is
repeated by the system only much later, and a new attempt is quicker."""

LEAVE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class TunnelSettings:
    """What the client needs to know; names and version are for people at the core.

    ``hold_seconds`` is how long players are kept while no core can be reached; the core may say less. ``place`` is this
    worker on this machine, whenever it is started: 16 bytes, or none where that is not known. ``process_id`` is another
    one at each start.
    """

    edge_name: str
    region: str
    software_version: str
    window_bytes: int
    flush_window_seconds: float
    half_close_seconds: float
    hold_seconds: float = 30.0
    ring_bytes: int = DEFAULT_RING_BYTES
    place: bytes = b""
    process_id: bytes = field(default_factory=lambda: uuid4().bytes)


class AnotherWorkerError(TidegateError):
    """A core of several workers answered, but not the one that has the tunnel."""

    code = "another_worker"


class TunnelClient:
    """One tunnel at a time to one core, for as long as `run` runs.

    ``on_tunnel`` is told of each new tunnel, ``on_policy`` of each policy that was checked and is obeyed from then on,
    ``on_away`` of each time that the core cannot be reached any more, or could not from the beginning. ``road`` is the
    way to the core, with certificates or without.
    """

    def __init__(
        self,
        core: str,
        settings: TunnelSettings,
        counters: Counters,
        *,
        on_tunnel: Callable[[EdgeTunnel], None],
        on_policy: Callable[[tunnel_pb2.Policy], None],
        on_away: Callable[[], None] = lambda: None,
        random: Random,
        road: Road | None = None,
    ) -> None:
        self.core = core
        self._road = road or PlainRoad()
        self._settings = settings
        self._counters = counters
        self._on_tunnel = on_tunnel
        self._on_policy = on_policy
        self._first_policy: tunnel_pb2.AttachResponse | None = None  # of a new tunnel that is not carried yet
        self._on_away = on_away
        self._random = random
        self._backoff = Backoff(random)
        self.is_away = False  # an attempt has failed, and none has worked since
        self._call: Call | None = None
        self._attempt: asyncio.Task[None] | None = None
        self._is_hurried = asyncio.Event()
        self._may_run = asyncio.Event()
        self._may_run.set()
        self._is_new_process = False  # the tunnel is another process's, and bans were not handed over
        self.tunnel: EdgeTunnel | None = None  # attached, or held; None while there is none

    async def run(self) -> None:
        """Attach, carry, and attach again, until cancelled; then the sessions end."""
        try:
            await self._keep_attached()
        finally:
            self._lose("this edge ends", Reason.EDGE_DRAINING, at_once=True)

    async def suspend(self) -> None:
        """Detach, and stay so until `go_on`: the tunnel and its sessions stand still."""
        self._may_run.clear()
        if self._attempt is not None:
            self._attempt.cancel()
            await asyncio.wait({self._attempt})

    def go_on(self) -> None:
        """Attach again."""
        self._may_run.set()

    def hurry(self) -> None:
        """The core is said to be there: try at once, and begin with short waits again."""
        self._backoff.reset()
        self._is_hurried.set()

    def take(self, tunnel: EdgeTunnel) -> None:
        """Go on with a tunnel that another process of this edge had."""
        self.tunnel = tunnel
        self._is_new_process = True

    def give_away(self) -> None:
        """Forget the tunnel: another process has it now."""
        tunnel, self.tunnel = self.tunnel, None
        if tunnel is not None:
            tunnel.forget()

    async def _keep_attached(self) -> None:
        while True:
            await self._may_run.wait()
            self._attempt = asyncio.create_task(self._try_once(), name=f"edge-attempt-{self.core}")
            try:
                await asyncio.wait({self._attempt})
            finally:
                if not self._attempt.done():
                    self._attempt.cancel()
                    await asyncio.wait({self._attempt})
            if not self._attempt.cancelled():
                self._attempt.result()
            elif self._may_run.is_set():  # by gRPC, whose call broke at the wrong moment
                self._complain("the call was cancelled")
                await self._wait()

    async def _try_once(self) -> None:
        """Attach once and carry, then wait before the next time."""
        began = time.monotonic()
        try:
            await self._attach_once()
        except AnotherWorkerError:
            self._backoff.reset()  # the next call may get the right one: they are dealt out by chance
        except (CallError, RoadError, TunnelFault, AttachmentLostError) as error:
            self._complain(str(error))
        except TimeoutError:
            self._complain("no welcome in time")
        else:
            self._complain("the core ended the attachment")
        if time.monotonic() - began > STEADY_SECONDS:
            self._backoff.reset()
        self._give_up_in_time()
        await self._wait()

    async def finish(self) -> None:
        """Hand everything queued to the core, tell it that nobody will come back, and do not attach again."""
        tunnel, call = self.tunnel, self._call
        if tunnel is None or call is None or not tunnel.is_attached:
            await self.suspend()
            return
        self._may_run.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LEAVE_SECONDS):
                await tunnel.queue.drained()
        tunnel.has_left = True
        self.is_away = True  # that is no news: it is this edge that leaves
        await _say_leave(call, tunnel, Reason.EDGE_DRAINING)

    def tick(self, now_seconds: float) -> None:
        """Keep time for the tunnel; called about once a second."""
        tunnel = self.tunnel
        if tunnel is None or not self._may_run.is_set():  # while it stands still, nothing may move
            return
        try:
            tunnel.tick(now_seconds)
        except TunnelFault as fault:
            self._lose(str(fault), Reason.TUNNEL_FULL)
        else:
            self._give_up_in_time()

    def _complain(self, reason: str) -> None:
        """Say that the core is away: once, however many attempts and reasons follow."""
        level = _log.debug if self.is_away else _log.warning
        tunnel = self.tunnel
        held = {} if tunnel is None else {"sessions_held": tunnel.running_sessions}
        level("core_away", core=self.core, reason=reason, action="trying again until it is back", **held)
        if not self.is_away:
            self.is_away = True
            self._on_away()

    async def _wait(self) -> None:
        """Wait until the next attempt, or until somebody knows better."""
        self._is_hurried.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._next_wait_seconds()):
                await self._is_hurried.wait()

    def _next_wait_seconds(self) -> float:
        wait = self._backoff.next_seconds()
        if self.tunnel is None:
            return wait
        left = self._hold_seconds() - self.tunnel.held_seconds(time.monotonic())
        return max(0.0, min(wait, left, LONGEST_WAIT_HELD_SECONDS * self._random.uniform(0.5, 1.0)))

    def _hold_seconds(self) -> float:
        if self.tunnel is None:
            return 0.0
        return min(self._settings.hold_seconds, self.tunnel.welcome.hold_milliseconds / 1000)

    def _give_up_in_time(self) -> None:
        """End a held tunnel whose time is over."""
        tunnel = self.tunnel
        if tunnel is not None and not tunnel.is_attached:
            held = tunnel.held_seconds(time.monotonic())
            if tunnel.has_left or held >= self._hold_seconds():
                self._lose(f"no core for {held:.1f} s", Reason.TUNNEL_LOST)

    def _lose(self, why: str, reason: Reason, *, at_once: bool = False) -> None:
        """The tunnel will not come back: its players are told to connect again."""
        tunnel, self.tunnel = self.tunnel, None
        if tunnel is not None:
            if tunnel.running_sessions:
                _log.error("tunnel_lost", core=self.core, reason=why, sessions_ended=tunnel.running_sessions)
            tunnel.gone(reason, at_once=at_once)

    async def _attach_once(self) -> None:
        async with contextlib.AsyncExitStack() as stack:
            async with asyncio.timeout(self._patience_seconds()):
                passage = await stack.enter_async_context(self._road.open(self.core))
                with _saying_why(passage):
                    call = await stack.enter_async_context(
                        calling(
                            passage.target,
                            ATTACH,
                            MessageParser(tunnel_pb2.AttachResponse).parse,
                            max_message_bytes=MAX_MESSAGE_BYTES,
                        )
                    )
                    stack.callback(self._forget_call)
                    tunnel = await (self._greet(call) if self.tunnel is None else self._greet_again(call, self.tunnel))
            self._call = call
            with _saying_why(passage):
                await self._carry(call, tunnel)

    def _forget_call(self) -> None:
        self._call = None

    def _patience_seconds(self) -> float:
        """How long an attempt may take: not long while players are held, because the road may be back by now."""
        if self.tunnel is None:
            return HELLO_TIMEOUT_SECONDS
        patience = RESUME_PATIENCE_SECONDS + RESUME_ROUND_TRIPS * self.tunnel.least_round_trip_seconds
        return min(patience, HELLO_TIMEOUT_SECONDS)  # what the core says goes into the round trip

    def _hello(self, tunnel_id: bytes) -> tunnel_pb2.Hello:
        settings = self._settings
        return tunnel_pb2.Hello(
            protocol_version=PROTOCOL_VERSION,
            tunnel_id=tunnel_id,
            edge_name=settings.edge_name,
            region=settings.region,
            software_version=settings.software_version,
            window_bytes=settings.window_bytes,
            place=settings.place,
            can_retire=True,
            process_id=settings.process_id,
        )

    async def _greet(self, call: Call) -> EdgeTunnel:
        """Make a new tunnel."""
        settings = self._settings
        tunnel_id = uuid4().bytes
        await call.write(tunnel_pb2.AttachRequest(hello=self._hello(tunnel_id)))
        welcome = (await _expect_welcome(call)).welcome
        if welcome.protocol_version != PROTOCOL_VERSION:
            raise TunnelFault(
                f"the core speaks protocol version {welcome.protocol_version}, this edge {PROTOCOL_VERSION}",
            )
        try:
            check_window(welcome.window_bytes)
        except LayoutError as error:
            raise TunnelFault(f"the core's welcome: {error}") from error
        message = await _expect(call, "policy")
        policy = decode_policy(message.policy)
        tunnel = EdgeTunnel(
            tunnel_id,
            welcome,
            policy,
            message.policy,
            self._counters,
            on_policy=self._on_policy,
            window_bytes=settings.window_bytes,
            flush_window_seconds=settings.flush_window_seconds,
            half_close_seconds=settings.half_close_seconds,
            ring_bytes=settings.ring_bytes,
        )
        tunnel.delivery.accept(message.sequence, message.acknowledged)
        self._first_policy = message
        self.tunnel = tunnel
        self._on_policy(message.policy)
        self.is_away = False
        _log.info("core_attached", core=self.core, name=tunnel.core_name, game=policy.game)
        return tunnel

    async def _greet_again(self, call: Call, tunnel: EdgeTunnel) -> EdgeTunnel:
        """Attach to a tunnel that was broken; raises TunnelFault when the core does not have it any more."""
        hello = self._hello(tunnel.tunnel_id)
        hello.resume = True
        hello.is_new_process = self._is_new_process
        hello.epoch = tunnel.welcome.epoch
        await call.write(tunnel_pb2.AttachRequest(acknowledged=tunnel.delivery.received, hello=hello))
        message = await _expect_welcome(call)
        if self.tunnel is not tunnel:
            await _say_leave(call, tunnel, Reason.TUNNEL_LOST)
            raise TunnelFault("the tunnel was given up meanwhile")
        if not message.welcome.resumed:
            if message.welcome.worker != tunnel.welcome.worker and message.welcome.workers > 1:
                raise AnotherWorkerError(f"worker {message.welcome.worker} answered")
            why = "the core does not know the tunnel any more: it was started anew, or was away for too long"
            self._lose(why, Reason.TUNNEL_LOST)
            self._backoff.reset()  # it is there, and takes a new tunnel
            raise TunnelFault(why)
        held = tunnel.held_seconds(time.monotonic())
        self._is_new_process = False
        try:
            tunnel.delivery.resume(message.acknowledged)
        except TunnelFault as fault:
            self._lose(str(fault), Reason.TUNNEL_LOST)
            raise
        self.is_away = False
        _log.info(
            "core_reattached",
            core=self.core,
            held_seconds=round(held, 3),
            sessions=tunnel.running_sessions,
            resending=len(tunnel.delivery.messages()),
        )
        return tunnel

    async def _carry(self, call: Call, tunnel: EdgeTunnel) -> None:
        attachment = Attachment(tunnel, "edge-tunnel")
        if tunnel.attachments == 0:
            self._on_tunnel(tunnel)
        try:
            first, self._first_policy = self._first_policy, None
            if first is not None:  # what came with it is for a tunnel that everybody knows of
                tunnel.handle_following(first)
            await attachment.carry(call)
            if call.status is Status.INVALID_ARGUMENT:  # our own fault: there is no tunnel any more
                raise TunnelFault(f"{call.status.name}: {call.details}")
            if call.status is not None and call.status is not Status.OK:
                raise AttachmentLostError(f"{call.status.name}: {call.details}")
        except TunnelFault as fault:
            self._counters.tunnel_faults += 1
            _log.error("tunnel_fault", core=self.core, reason=str(fault))
            self._lose(str(fault), Reason.TUNNEL_LOST)
            await _say_leave(call, tunnel, Reason.TUNNEL_LOST)
            raise


@contextlib.contextmanager
def _saying_why(passage: Passage) -> Iterator[None]:
    """Have the road's own reason stand for the call's, which is only that the connection is not there any more."""
    try:
        yield
    except (CallError, AttachmentLostError) as error:
        problem = passage.say_problem()
        if problem:
            raise RoadError(problem) from error
        raise


async def _say_leave(call: Call, tunnel: EdgeTunnel, reason: Reason) -> None:
    """Tell the core that nobody comes back; it finds out by itself when that does not reach it."""
    leave = tunnel_pb2.AttachRequest(acknowledged=tunnel.delivery.received, leave=tunnel_pb2.Leave(reason=reason))
    with contextlib.suppress(CallError, TimeoutError):
        async with asyncio.timeout(LEAVE_SECONDS):
            await call.write(leave)
            call.done_writing()


async def _expect_welcome(call: Call) -> tunnel_pb2.AttachResponse:
    """Read a welcome; raises as `_expect` does, also for one that says more than it may."""
    message = await _expect(call, "welcome")
    problem = problem_of_greeting(message)
    if problem:
        raise TunnelFault(problem)
    welcome = message.welcome
    names = (welcome.core_name, welcome.region, welcome.software_version)
    if max(len(each.encode()) for each in names) > MAX_NAME_BYTES:
        raise TunnelFault(f"a name in the welcome has more than {MAX_NAME_BYTES} bytes")
    return message


async def _expect(call: Call, kind: str) -> tunnel_pb2.AttachResponse:
    """Read the next message, which must be of a kind; raises TunnelFault, or CallError when the call has failed."""
    message = await call.read()
    if message is None:
        if call.status is not None and call.status is not Status.OK:
            raise CallError(call.status, call.details)
        raise TunnelFault("the core ended the call")
    if message.WhichOneof("message") != kind:
        raise TunnelFault(f"the core sent something else where its {kind} belongs")
    return cast("tunnel_pb2.AttachResponse", message)
