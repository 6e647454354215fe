"""One end of a tunnel: its sessions, its outbox, and what the other end's messages do.

Edge and core add what only they do (open a session; connect to the game server). A message that breaks the
contract raises TunnelFault, and whoever reads the stream ends the tunnel with that text.

The tunnel outlives its attachments (`tunnel.attachment`). While there is none it is *held*: sessions go on as far as
they can without the other end, and players and game server get the game's keep-alives. Whoever owns the tunnel ends it
when the hold time is over.
"""

import asyncio
import contextlib
import re
import time
from itertools import islice
from typing import Any, Generic, TypeVar

import structlog

from protos.tidegate.tunnel.v1 import tunnel_pb2
from tunnel.attachment import Attachment, now_ns
from tunnel.counters import Counters
from tunnel.flow import Flow
from tunnel.inbox import Inbox
from tunnel.options import DEFAULT_RING_BYTES, MAX_FOLLOWING, MAX_FOLLOWING_BYTES
from tunnel.outbox import Outbox, first_of
from tunnel.owner import Side
from tunnel.session import Session
from wire.delivery import Delivery
from wire.errors import TunnelFault
from wire.liveness import Liveness
from wire.reasons import MAX_REASON_BYTES, Reason

_REASON = re.compile(rf"[a-z0-9_]{{1,{MAX_REASON_BYTES}}}")

ENDS_PER_SECOND = 100
"""How many players are sent away in a second at the end of a drain, so that they come back elsewhere one by one."""

END_STEP_SECONDS = 0.05

GONE_AT_ONCE = 20
"""Sessions of a tunnel that is gone which are ended before the loop turns to those who play: about 4 ms."""

_UNCOUNTED = ("hello", "welcome", "heartbeat", "leave")
"""Messages that belong to one attachment: they are not sent again on the next."""

Message = TypeVar("Message", tunnel_pb2.AttachRequest, tunnel_pb2.AttachResponse)

_log = structlog.get_logger("tunnel")


class TunnelEnd(Generic[Message]):
    """Sessions of one tunnel, at one end; ``message`` is the type this end sends."""

    def __init__(
        self,
        message: type[Message],
        side: Side,
        counters: Counters,
        *,
        flush_window_seconds: float,
        half_close_seconds: float,
        ring_bytes: int = DEFAULT_RING_BYTES,
    ) -> None:
        self.side = side
        self.counters = counters
        self.message_type: type[Message] = message
        self.delivery = Delivery()
        self.queue = Outbox(
            message, self.delivery, counters, flush_window_seconds=flush_window_seconds, ring_bytes=ring_bytes
        )
        self.attachment: Attachment | None = None
        self._over = asyncio.Event()
        self.attachments = 0  # how many there were
        self._liveness: Liveness | None = None  # of the last one
        self.held_since_seconds = time.monotonic()  # since when there is none
        self.buffer = self.queue.buffer
        self.sessions: dict[int, Session] = {}  # until both ends have closed the slot
        self.inbox = Inbox(self.delivery, self.queue, counters, self.sessions)
        self.quiet = asyncio.Event()  # set while no slot is in use
        self.quiet.set()
        self._half_close_seconds = half_close_seconds
        self._kept_alive_seconds = 0.0
        self._running = 0
        self._waiting: dict[int, tuple[float, object]] = {}  # slot: since when without progress, and where it was
        self._fresh: set[int] = set()  # slots that began to wait since the last tick

    @property
    def running_sessions(self) -> int:
        """Sessions whose link is still there."""
        return self._running

    @property
    def flow(self) -> Flow:
        """What is counted of this tunnel's messages."""
        return self.queue.flow

    @flow.setter
    def flow(self, flow: Flow) -> None:
        self.queue.flow = flow

    @property
    def is_over(self) -> bool:
        """Whether it was given up: nothing comes back to it."""
        return self._over.is_set()

    @property
    def is_attached(self) -> bool:
        """Whether the other end can be reached now, as far as is known."""
        return self.attachment is not None

    @property
    def is_doubtful(self) -> bool:
        """Whether the other end is attached, but has been silent for so long that it may be dead."""
        return self.attachment is not None and self.attachment.liveness.is_doubtful

    @property
    def round_trip_seconds(self) -> float:
        """The way to the other end and back, smoothed; of the last attachment while there is none, 0 if unknown."""
        liveness = self._liveness if self.attachment is None else self.attachment.liveness
        return 0.0 if liveness is None else liveness.round_trip_ns / 1e9

    @property
    def least_round_trip_seconds(self) -> float:
        """The shortest of all round trips on the present attachment, or the last one; 0 if unknown."""
        liveness = self._liveness if self.attachment is None else self.attachment.liveness
        return 0.0 if liveness is None else liveness.least_round_trip_ns / 1e9

    @property
    def jitter_seconds(self) -> float:
        """How much the time from the other end varies, smoothed."""
        liveness = self._liveness if self.attachment is None else self.attachment.liveness
        return 0.0 if liveness is None else liveness.jitter_ns / 1e9

    def figures(self) -> dict[str, object]:
        """Return how the tunnel fares, for a log line; times in milliseconds."""
        return {
            "attached": self.is_attached,
            "attachments": self.attachments,
            "resent": self.delivery.resent,
            "unacknowledged_bytes": self.delivery.held_bytes,
            "round_trip_ms": round(self.round_trip_seconds * 1000, 2),
            "jitter_ms": round(self.jitter_seconds * 1000, 2),
        }

    def held_seconds(self, now_seconds: float) -> float:
        """How long there has been no attachment; 0 while there is one."""
        return 0.0 if self.is_attached else now_seconds - self.held_since_seconds

    # What the attachment calls.

    def attach(self, attachment: Attachment) -> None:
        """Go on with a new attachment; both ends have said what they have handled, and that was resumed from."""
        self.attachment = attachment
        self.attachments += 1
        self.flow.reattachments += self.attachments > 1
        self.queue.attached()

    def detach(self, attachment: Attachment) -> None:
        """The attachment is over: keep what it may not have delivered, and hold."""
        if self.attachment is attachment:
            self.attachment = None
            self._liveness = attachment.liveness
            self.held_since_seconds = time.monotonic() - attachment.liveness.idle_seconds(now_ns())
            self.queue.detached()

    def handle(self, message: Any) -> None:
        """Do what a message of protobuf's says, and those that follow it; raises TunnelFault for what may not be.

        Those before one that breaks the contract have been handled then.
        """
        self._handle_one(message)
        self.handle_following(message)

    def handle_following(self, message: Any) -> None:
        """Do what the messages say that follow one, which was handled; raises TunnelFault."""
        following = message.following
        if not following:  # as nearly always
            return
        if len(following) > MAX_FOLLOWING:
            raise TunnelFault(f"{len(following)} messages follow one: at most {MAX_FOLLOWING} may")
        size = sum(len(each.batch.chunks) for each in following)
        if size > MAX_FOLLOWING_BYTES:
            raise TunnelFault(f"{size} bytes of chunks follow a message: at most {MAX_FOLLOWING_BYTES} may")
        for each in following:
            if each.following or not each.sequence:
                raise TunnelFault("a message that follows another is not sequenced, or has some following it")
            self._handle_one(each)

    def _handle_one(self, message: Any) -> None:
        kind = message.WhichOneof("message") or "empty message"
        self.inbox.accept(message.sequence, message.acknowledged)
        if (message.sequence == 0) != (kind in _UNCOUNTED):
            raise TunnelFault(f"{kind} with sequence {message.sequence}")
        match kind:
            case "batch":
                self.inbox.deliver(message.batch.chunks)
            case "close":
                self.handle_close(message.close)
            case "credit":
                self.handle_credit(message.credit)
            case "heartbeat":
                self._handle_heartbeat(message.heartbeat)
            case _:
                self.handle_other(kind, message)

    def handle_other(self, kind: str, message: Any) -> None:
        """Do what only one of the two ends is told; raises TunnelFault for what it is not."""
        raise NotImplementedError

    def add_session(self, session: Session) -> None:
        """Take a new session in."""
        self.sessions[session.slot] = session
        self._running += 1
        self.quiet.clear()
        self.counters.sessions_opened += 1

    def handle_close(self, close: tunnel_pb2.Close) -> None:
        """The other end has done with a slot; raises TunnelFault."""
        if not _REASON.fullmatch(close.reason):
            raise TunnelFault(f"close of slot {close.slot} without a proper reason code")
        self._session(close.slot, "close").tunnel_close(close.reason)

    def handle_credit(self, credit: tunnel_pb2.Credit) -> None:
        """The other end took bytes; raises TunnelFault."""
        self._session(credit.slot, "credit").tunnel_credit(credit.bytes)

    def tick(self, now_seconds: float) -> None:
        """Give up on sessions that have waited too long without any progress; called about once a second.

        Raises TunnelFault when so much waits for the other end that the ring is full.
        """
        self.queue.check()
        self._keep_links_alive(now_seconds)
        for slot in self._fresh:
            self._waiting[slot] = (now_seconds, None)
        self._fresh.clear()
        if not self.is_attached:  # nobody can move on now: no wait counts
            self._waiting = {slot: (now_seconds, progress) for slot, (_, progress) in self._waiting.items()}
        for slot, (since, progress) in list(self._waiting.items()):
            session = self.sessions.get(slot)
            if session is None:
                del self._waiting[slot]
            elif session.progress != progress:
                self._waiting[slot] = (now_seconds, session.progress)
            elif now_seconds - since >= self._half_close_seconds:
                del self._waiting[slot]
                session.give_up()

    @property
    def keep_alive(self) -> bytes:
        """The frame that a link's other side gets while the tunnel is broken; empty where there is none."""
        return b""

    @property
    def keep_alive_seconds(self) -> float:
        """How often it gets one."""
        return 0.0

    def _keep_links_alive(self, now_seconds: float) -> None:
        """Speak for the other end while it cannot be reached: nobody may take the connection for dead."""
        if self.is_attached or not self.keep_alive:
            self._kept_alive_seconds = now_seconds
        elif now_seconds - self._kept_alive_seconds >= self.keep_alive_seconds:
            self._kept_alive_seconds = now_seconds
            for session in self.sessions.values():
                session.keep_alive(self.keep_alive)

    def end_all(self, reason: str) -> None:
        """End every session from this side, and tell the other end."""
        for session in list(self.sessions.values()):
            session.end(reason)

    def gone(self, reason: str, *, at_once: bool = False) -> None:
        """The tunnel is gone: end every session, with nobody left to tell.

        Some at a time, so that those of other tunnels play on meanwhile; all at once with ``at_once``, where the
        process itself ends.
        """
        self._over.set()
        if self.attachment is not None:
            self.attachment.give_up(f"the tunnel has ended: {reason}")
        self._waiting.clear()
        self._end_gone(reason, len(self.sessions) if at_once else GONE_AT_ONCE)

    def _end_gone(self, reason: str, amount: int) -> None:
        for slot in list(islice(self.sessions, amount)):
            self.sessions.pop(slot).tunnel_gone(reason)
        if self.sessions:
            asyncio.get_running_loop().call_soon(self._end_gone, reason, amount)
        else:
            self.quiet.set()

    def forget(self) -> None:
        """Another process has the tunnel now: forget its sessions, and touch none of them."""
        self._over.set()
        self.sessions.clear()
        self._waiting.clear()
        self._fresh.clear()
        self.quiet.set()

    def add_word(self, heartbeat: tunnel_pb2.Heartbeat) -> None:
        """Say with a heartbeat how this end is; nothing unless a subclass knows."""

    def take_word(self, heartbeat: tunnel_pb2.Heartbeat) -> None:
        """Take note of how the other end is; raises TunnelFault for what it may not say, or too much of it."""

    def _handle_heartbeat(self, heartbeat: tunnel_pb2.Heartbeat) -> None:
        self.take_word(heartbeat)
        if self.attachment is not None:
            self.attachment.liveness.take(
                heartbeat.sent_nanoseconds, heartbeat.echoed_nanoseconds, heartbeat.waited_nanoseconds, now_ns()
            )

    # What sessions call.

    def wait_for_relief(self, session: Session) -> None:
        """Tell the session once the tunnel has room again."""
        self.queue.wait_for_relief(session)

    def send_credit(self, slot: int, size: int) -> None:
        """Return window to the other end."""
        self.queue.add(self.message_type(credit=tunnel_pb2.Credit(slot=slot, bytes=size)))

    def send_close(self, slot: int, reason: str) -> None:
        """Tell the other end that this one has done with the slot."""
        self.queue.add(self.message_type(close=tunnel_pb2.Close(slot=slot, reason=reason)), can_wait=True)

    def closing_notice(self, reason: str) -> bytes:
        """Return what the link's other side is told; nothing unless a subclass knows how."""
        del reason
        return b""

    now_ns = staticmethod(time.monotonic_ns)  # asked for each packet, and nothing interpreted may be

    def session_refused(self, session: Session) -> None:
        """Forget what was refused, unless a subclass has somebody to tell."""
        session.take_refusals()

    def session_waits(self, session: Session) -> None:
        """Watch a session that only the other side can move on."""
        if session.slot not in self._waiting:
            self._fresh.add(session.slot)

    def session_ended(self, session: Session, reason: str) -> None:
        """Count a session whose link is over."""
        self._running -= 1
        self.counters.count_closed(reason)
        if reason == self.side.frame_length and session.fault_text:  # not where the other end only claims it
            self.report_frame_fault(session, reason)
        else:
            _log.debug("session_closed", session=session.session_id.hex(), reason=reason)

    def report_frame_fault(self, session: Session, reason: str) -> None:
        """Say that the link's other side broke the frame layout: a player's garbage, unless a subclass knows better."""
        _log.debug("session_closed", session=session.session_id.hex(), reason=reason, detail=session.fault_text)

    def slot_freed(self, session: Session) -> None:
        """Forget a slot both ends have closed."""
        del self.sessions[session.slot]
        if not self.sessions:
            self.quiet.set()

    async def drain(self, deadline_seconds: float, last_words_seconds: float) -> None:
        """Wait until all sessions have ended, end the rest by the deadline, and see the last messages off.

        The rest is ended one after another, at `ENDS_PER_SECOND` as far as there is time for that: players who are
        told to connect again do so, and a game server that gets all logins at once is as good as down.
        """
        began = time.monotonic()
        spread_seconds = min(deadline_seconds / 2, self._running / ENDS_PER_SECOND)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(deadline_seconds - spread_seconds):
                await self.quiet.wait()
        await self._end_one_by_one(began + deadline_seconds)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(last_words_seconds):
                await self.quiet.wait()
                if self.is_attached:  # the other end may leave while its last messages wait: nobody reads them then
                    await first_of(self.queue.drained(), self._over.wait())

    async def _end_one_by_one(self, deadline: float) -> None:
        """End all sessions, spread evenly until the deadline, a time of ``time.monotonic``."""
        left = list(self.sessions.values())
        while left:
            steps = max(1, int((deadline - time.monotonic()) / END_STEP_SECONDS))
            for _ in range(-(-len(left) // steps)):
                left.pop().end(Reason.DRAIN_DEADLINE)
            if left:
                await asyncio.sleep(END_STEP_SECONDS)

    def _session(self, slot: int, what: str) -> Session:
        session = self.sessions.get(slot)
        if session is None:
            raise TunnelFault(f"{what} for unknown slot {slot}")
        return session
