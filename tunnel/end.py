"""One end of a tunnel: its sessions, its outbox, and what the other end's messages do.

Edge and core add what only they do (open a session; connect to the game server). A message that breaks the
contract raises TunnelFault, and whoever reads the stream ends it with that text.
"""

import asyncio
import contextlib
import re
import time
from typing import Generic

import structlog

from protos.tidegate.tunnel.v1 import tunnel_pb2
from tunnel.counters import Counters
from tunnel.options import MAX_BATCH_BYTES
from tunnel.outbox import Message, Outbox
from tunnel.owner import Side
from tunnel.session import Session, deliver_chunks
from wire.errors import TunnelFault
from wire.reasons import MAX_REASON_BYTES, Reason
from wire.sequence import Sequence

_REASON = re.compile(rf"[a-z0-9_]{{1,{MAX_REASON_BYTES}}}")

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
    ) -> None:
        self.side = side
        self.counters = counters
        self.sequence = Sequence()
        self.queue: Outbox[Message] = Outbox(
            message, self.sequence, counters, flush_window_seconds=flush_window_seconds
        )
        self.buffer = self.queue.buffer
        self.sessions: dict[int, Session] = {}  # until both ends have closed the slot
        self.quiet = asyncio.Event()  # set while no slot is in use
        self.quiet.set()
        self._message: type[Message] = message
        self._half_close_seconds = half_close_seconds
        self._running = 0
        self._waiting: dict[int, tuple[float, object]] = {}  # slot: since when without progress, and where it was
        self._fresh: set[int] = set()  # slots that began to wait since the last tick

    @property
    def running_sessions(self) -> int:
        """Sessions whose link is still there."""
        return self._running

    def add_session(self, session: Session) -> None:
        """Take a new session in."""
        self.sessions[session.slot] = session
        self._running += 1
        self.quiet.clear()
        self.counters.sessions_opened += 1

    def handle_batch(self, batch: tunnel_pb2.Batch) -> None:
        """Hand the chunks of a batch to their sessions; raises TunnelFault."""
        self.counters.batches_received += 1
        if not 1 <= len(batch.chunks) <= MAX_BATCH_BYTES:
            raise TunnelFault(f"batch of {len(batch.chunks)} bytes: 1 to {MAX_BATCH_BYTES} are allowed")
        self.queue.check()
        deliver_chunks(batch.chunks, self.sessions)

    def handle_close(self, close: tunnel_pb2.Close) -> None:
        """The other end has done with a slot; raises TunnelFault."""
        if not _REASON.fullmatch(close.reason):
            raise TunnelFault(f"close of slot {close.slot} without a proper reason code")
        self._session(close.slot, "close").tunnel_close(close.reason)

    def handle_credit(self, credit: tunnel_pb2.Credit) -> None:
        """The other end took bytes; raises TunnelFault."""
        self._session(credit.slot, "credit").tunnel_credit(credit.bytes)

    def tick(self, now_seconds: float) -> None:
        """Give up on sessions that have waited too long without any progress; called about once a second."""
        for slot in self._fresh:
            self._waiting[slot] = (now_seconds, None)
        self._fresh.clear()
        for slot, (since, progress) in list(self._waiting.items()):
            session = self.sessions.get(slot)
            if session is None:
                del self._waiting[slot]
            elif session.progress != progress:
                self._waiting[slot] = (now_seconds, session.progress)
            elif now_seconds - since >= self._half_close_seconds:
                del self._waiting[slot]
                session.give_up()

    def end_all(self, reason: str) -> None:
        """End every session from this side, and tell the other end."""
        for session in list(self.sessions.values()):
            session.end(reason)

    def gone(self, reason: str) -> None:
        """The stream is gone: end every session, with nobody left to tell."""
        for session in list(self.sessions.values()):
            session.tunnel_gone(reason)
        self.sessions.clear()
        self._waiting.clear()
        self.quiet.set()

    # What sessions call.

    def wait_for_relief(self, session: Session) -> None:
        """Tell the session once the tunnel has room again."""
        self.queue.wait_for_relief(session)

    def send_credit(self, slot: int, size: int) -> None:
        """Return window to the other end."""
        self.queue.add(self._message(credit=tunnel_pb2.Credit(slot=slot, bytes=size)))

    def send_close(self, slot: int, reason: str) -> None:
        """Tell the other end that this one has done with the slot."""
        self.queue.add(self._message(close=tunnel_pb2.Close(slot=slot, reason=reason)))

    def closing_notice(self, reason: str) -> bytes:
        """Return what the link's other side is told; nothing unless a subclass knows how."""
        del reason
        return b""

    def now_ns(self) -> int:
        """Return the time, in nanoseconds from any beginning."""
        return time.monotonic_ns()

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
        """Wait until all sessions have ended, end the rest at the deadline, and see the last messages off."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(deadline_seconds):
                await self.quiet.wait()
        self.end_all(Reason.DRAIN_DEADLINE)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(last_words_seconds):
                await self.quiet.wait()
                await self.queue.drained()

    def _session(self, slot: int, what: str) -> Session:
        session = self.sessions.get(slot)
        if session is None:
            raise TunnelFault(f"{what} for unknown slot {slot}")
        return session
