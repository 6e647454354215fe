"""One session at one end of a tunnel: bytes between its link and its slot, credits, and an orderly end.

The same state machine serves a player at the edge and a game server at the core; the two differ in the words
of `Side`. It has no clock and no socket: links and tunnel end call it, and the tunnel end tells it when a wait
has been long enough.

How a session ends, seen from either end::

    link says end ──▶ END chunk ──▶ the other link sends FIN        each direction by itself
    both directions ended, link lost, a fault ──▶ Close             what was accepted goes first
    Close arrives ──▶ answered with Close, link closed              what waits for the tunnel is discarded
    Close sent and received ──▶ the slot is free
"""

from typing import Any

from tunnel.inspector import Inspector
from tunnel.link import LINK_BYTES, Link, LinkEvents
from tunnel.owner import SessionOwner
from wire import memory, packing
from wire.chunks import DATA, END, EVENT
from wire.credits import ReceiveCredit, SendCredit
from wire.errors import TunnelFault
from wire.guard import Guard, Refusal
from wire.layout import FrameLayout
from wire.reasons import TOLD_BEFORE, Reason
from wire.scanner import Scanner
from wire.tables import Tables
from wire.watcher import Watcher

PATIENT_READS = 2
"""After so many reads without a whole frame in a row, a player's socket is read when the frame may be whole."""

IDLE_FRAMES = 8
"""So many keep-alives at a time reach a player who has said nothing: a client that is about to log in gives a server
half a minute, one every two seconds is what servers send, and who only holds a connection open is to cost no more.
"""

MAX_INJECTED_BYTES = 64 * 1024
"""What may wait, beside the player's or the server's own bytes, for a reader that is slow."""

SESSION_BYTES = 320
"""Of a session, what is touched per packet (`wire.memory`)."""

# Of each, what is touched per packet, for this module as C has it.
_SESSION_BYTES, _GUARD_BYTES, _SCANNER_BYTES, _CREDIT_BYTES, _LINK_BYTES = SESSION_BYTES, 256, 128, 64, LINK_BYTES

_NOTHING = bytearray()
"""Shared by all sessions that keep nothing, which is nearly all of them: never changed."""


class Session(LinkEvents):
    """One player's connection, at the edge or at the core.

    ``recheck`` has what comes out of the tunnel scanned again with that layout: the core's distrust of an edge.
    ``guard`` holds what comes from the link against the game's rules (edge); ``watcher`` finds in it what changes
    them (core). Either may be missing: games without rules have neither. An inspector (core) is shown every span.
    """

    __slots__ = (
        "_buffer",
        "_close_received",
        "_close_sent",
        "_counters",
        "_delivered",
        "_dry_reads",
        "_end_received",
        "_end_sent",
        "_ended_first",
        "_guard",
        "_inspector",
        "_is_edge",
        "_is_split",
        "_link",
        "_link_ended",
        "_owner",
        "_pending",
        "_receive",
        "_rechecker",
        "_scanner",
        "_send",
        "_unsent",
        "_untaken",
        "_watcher",
        "_withheld",
        "_writable",
        "reason",
        "session_id",
        "slot",
    )

    def __init__(
        self,
        owner: SessionOwner,
        slot: int,
        session_id: bytes,
        layout: FrameLayout,
        *,
        send_window_bytes: int,
        receive_window_bytes: int,
        recheck: FrameLayout | None = None,
        guard: Guard | None = None,
        watcher: Watcher | None = None,
    ) -> None:
        self.slot = slot
        self.session_id = session_id
        self.reason = ""  # why the link's side is over; empty while it is not
        self._owner = owner
        self._buffer = owner.buffer
        self._counters = owner.counters
        self._is_edge = owner.side.is_edge
        self._scanner = Scanner(layout)
        self._rechecker = None if recheck is None else Scanner(recheck)
        self._guard = guard
        self._watcher = watcher
        self._inspector: Inspector | None = None
        self._withheld = 0  # of the window, held by the inspector
        self._send = SendCredit(send_window_bytes)
        self._receive = ReceiveCredit(receive_window_bytes)
        self._link: Link | None = None
        self._pending = b""  # accepted from the link, waiting for credit: at most one read
        self._is_split = False  # a frame went out in two parts, so frame boundaries are not known any more
        self._unsent = _NOTHING  # from the tunnel, waiting for the link to open: at most the window
        self._delivered = 0  # bytes that ever came from the tunnel
        self._untaken = 0  # of the window, held by a link that is full or not open
        self._writable = True
        self._link_ended = False
        self._end_sent = False
        self._end_received = False
        self._ended_first: str = owner.side.closed
        self._close_sent = False
        self._close_received = False
        self._dry_reads = 0  # reads in a row that made no frame whole, up to `PATIENT_READS`

    @property
    def progress(self) -> tuple[int, int, int]:
        """A value that changes whenever the session moves, so that a wait can tell slow from stuck."""
        return self._scanner.frames, self._delivered, len(self._pending)

    @property
    def is_half_closed(self) -> bool:
        """Whether one side is over, and only the other can move the session on."""
        return bool(self.reason) or self._link_ended or self._end_received

    @property
    def heard_ns(self) -> int | None:
        """When the guard last got a whole frame, by the owner's clock; 0 for never, None without a guard."""
        return None if self._guard is None else self._guard.checked_ns

    @property
    def held_bytes(self) -> int:
        """Bytes held here, apart from the link's own send buffer."""
        return len(self._pending) + len(self._unsent) + self._scanner.carried_bytes

    @property
    def is_logged_in(self) -> bool:
        """Whether the player is let in by the game server; without rules: has sent a whole frame."""
        return self._scanner.frames > 0 if self._guard is None else self._guard.is_logged_in

    @property
    def is_opaque(self) -> bool:
        """Whether the player's frames are encrypted, so that only their lengths and rates can be checked."""
        return self._guard is not None and self._guard.is_opaque

    @property
    def unkept_refusals(self) -> int:
        """How many refused frames `take_refusals` has nothing of."""
        return 0 if self._guard is None else self._guard.unkept_refusals

    @property
    def identity(self) -> dict[str, bytes]:
        """By kind (`wire.steps.CAPTURES`), what the client has said about who is playing."""
        return {} if self._guard is None else self._guard.identity

    @property
    def awaits_link(self) -> bool:
        """Whether there are bytes for a link that is not open yet; they go out even when the session has ended."""
        return bool(self._unsent)

    @property
    def fault_text(self) -> str:
        """What was wrong with the frame that ended the session; empty where none did."""
        faults = (self._scanner.fault, self._rechecker.fault if self._rechecker else None)
        return next((str(fault) for fault in faults if fault is not None), "")

    def inspect(self, inspector: Inspector, preface: bytes) -> None:
        """Show an inspector every span from now on; ``preface`` is what the link gets before anything else."""
        self._inspector = inspector
        self._keep(preface)

    def connect(self, link: Link) -> None:
        """Give the session its open link; what the tunnel brought meanwhile goes out first."""
        if self._unsent:
            link.send(bytes(self._unsent))
            self._unsent = _NOTHING
        if self.reason:
            notice = self._owner.closing_notice(self.reason)
            if notice:
                link.send(notice)
            link.close(linger=bool(notice))
            return
        self._link = link
        if self._pending or self._send.is_low():
            link.pause()
        self.link_writable(writable=self._writable)
        if self._end_received and not self._is_holding():
            link.send_end()
        if not self._buffer.has_room(0):
            link.pause()
            self._owner.wait_for_relief(self)

    def connect_failed(self, reason: str) -> None:
        """The link could not be opened, for ``reason``."""
        self._counters.bytes_discarded += len(self._unsent)
        self._unsent = _NOTHING
        self.end(reason)

    # What the link tells.

    def link_data(self, data: bytes) -> None:
        """Bytes came in: scan them, and send what is whole."""
        if self.reason:
            return
        scanner = self._scanner
        guard = self._guard
        before = scanner.frames
        span = scanner.feed(data)
        self._count(scanner.frames - before, len(span), self._is_edge)
        if not span:
            self._wait_for_more(scanner)
        else:
            if self._dry_reads:
                self._wait_no_more()
            if self._delivered == 0 and not self._is_edge and span == self._buffer.idle_frame:
                self._wait_for_player(len(span))
            if guard is not None:
                span = self._checked(guard, span)
            elif self._watcher is not None:
                self._tell_events(self._watcher, span)
            inspector = self._inspector
            if inspector is not None:
                span = inspector.clientbound(span)
                if self._is_over():  # a feature ended it meanwhile, and nothing may follow the close
                    self._counters.bytes_discarded += len(span)
                    return
            if span:
                self._to_tunnel(span)
            if inspector is not None and inspector.closing:
                self.end(inspector.closing)
                return
        if guard is not None and guard.closing:
            self.end(guard.closing)
        elif scanner.fault is not None:
            self.end(self._owner.side.frame_length)

    def prefetch(self, depth: int) -> None:
        """Have that fetched which `link_data` needs."""
        guard = self._guard
        if depth == 0:
            memory.prefetch(self, _SESSION_BYTES)
        elif depth == 1:
            memory.prefetch(self._scanner, _SCANNER_BYTES)
            memory.prefetch(self._send, _CREDIT_BYTES)
            if guard is not None:
                memory.prefetch(guard, _GUARD_BYTES)
        elif guard is not None:
            guard.prefetch(depth - 2)

    def prefetch_delivery(self) -> None:
        """Have that fetched which `tunnel_part` needs, beside the session itself."""
        memory.prefetch(self._link, _LINK_BYTES)
        memory.prefetch(self._receive, _CREDIT_BYTES)
        if self._rechecker is not None:
            memory.prefetch(self._rechecker, _SCANNER_BYTES)

    def _wait_for_more(self, scanner: Scanner) -> None:
        """Nothing whole came in. A sender who does that again and again is not read for every byte of his."""
        if self._dry_reads == 0 and self._link is not None:
            self._link.frame_begun()
        if self._dry_reads < PATIENT_READS:
            self._dry_reads += 1
        elif self._is_edge and self._link is not None and scanner.fault is None:
            self._link.wait_for(scanner.missing_bytes)

    def _wait_for_player(self, idle_frame_bytes: int) -> None:
        """The server has nothing to say to a player who has said nothing: do not wake for each time it says so."""
        if self._link is not None:
            self._link.wait_for(IDLE_FRAMES * idle_frame_bytes)

    def _wait_no_more(self) -> None:
        if self._dry_reads == PATIENT_READS and self._is_edge and self._link is not None:
            self._link.wait_for(1)
        self._dry_reads = 0

    def link_end(self) -> None:
        """The link's other side will send no more."""
        if self.reason or self._link_ended:
            return
        self._link_ended = True
        if not self._end_received:
            self._ended_first = self._owner.side.closed
        self._flush()

    def link_writable(self, *, writable: bool) -> None:
        """The link has no more room, or has room again."""
        self._writable = writable
        if writable and self._untaken:
            taken, self._untaken = self._untaken, 0
            self._take(taken)

    def link_lost(self, error: Exception | None) -> None:
        """The link is gone, and this side is over."""
        self._link = None
        in_order = error is None or self._link_ended  # a reset after its end only says that nobody listens any more
        self.end(self._owner.side.closed if in_order else self._owner.side.lost)

    # What the tunnel tells.

    def tunnel_data(self, data: bytes) -> None:
        """Bytes for the link; raises TunnelFault when they overrun the window or come after the end."""
        self.tunnel_part(data, 0, len(data))

    def tunnel_part(self, data: bytes, start: int, end: int) -> None:
        """A part of some bytes for the link, which is copied only for who changes it or has to keep it; as above."""
        if self._end_received or self._close_received:
            raise TunnelFault(f"bytes for slot {self.slot} after its end")
        size = end - start
        self._receive.receive(size)
        if self._delivered == 0 and not self._is_edge and self._link is not None:
            self._link.wait_for(1)
        self._delivered += size
        if self.reason:
            self._counters.bytes_discarded += size
            return
        rechecker = self._rechecker
        if rechecker is not None:
            before = rechecker.frames
            if not rechecker.take_whole(data, start, end):
                data = rechecker.feed(packing.cut(data, start, end))
                start, end = 0, len(data)
            self._count(rechecker.frames - before, end - start, not self._is_edge)
        else:
            self._count(0, size, not self._is_edge)
        inspector = self._inspector
        if inspector is not None and start < end:
            data = inspector.serverbound(packing.cut(data, start, end))
            start, end = 0, len(data)
            if self._is_over():
                self._counters.bytes_discarded += end
                return
            if inspector.is_holding:
                self._withheld += size
                size = 0
        link = self._link
        if link is None:
            self._keep(packing.cut(data, start, end))
            self._untaken += size
        else:
            if start < end:
                link.send_part(data, start, end)
            if self._writable:
                self._take(size)
            else:
                self._untaken += size
        if inspector is not None and inspector.closing:
            self.end(inspector.closing)
        elif rechecker is not None and rechecker.fault is not None:
            self.end(Reason.EDGE_FRAME_LENGTH)

    def tunnel_event(self, event: bytes) -> None:
        """The stream says something about the session; raises TunnelFault when it is nothing the policy knows."""
        if self._guard is None or self._close_received:
            raise TunnelFault(f"event for slot {self.slot}, which takes none")
        if not self.reason:
            self._guard.apply(event, self._owner.now_ns())

    def tunnel_end(self) -> None:
        """The other side will send no more; raises TunnelFault when it says so twice."""
        if self._end_received or self._close_received:
            raise TunnelFault(f"second end of slot {self.slot}")
        self._end_received = True
        if self.reason:
            return
        if not self._link_ended:
            self._ended_first = self._owner.side.other_closed
        if self._link is not None and not self._is_holding():
            self._link.send_end()
        self._end_or_wait()

    def tunnel_close(self, reason: str) -> None:
        """The other end closed the slot; raises TunnelFault when it does so twice."""
        if self._close_received:
            raise TunnelFault(f"second close of slot {self.slot}")
        self._close_received = True
        self._discard_pending()
        self._end_link(reason)
        if self._close_sent:
            self._owner.slot_freed(self)
        else:
            self._send_close()

    def tunnel_credit(self, size: int) -> None:
        """The other end took bytes; raises TunnelFault when it was never sent that many."""
        if self._close_received:
            raise TunnelFault(f"credit for slot {self.slot} after its close")
        self._send.grant(size)
        if not self._close_sent:
            self._flush()

    def tunnel_relieved(self) -> None:
        """The tunnel has room again."""
        if self._pending:
            self._flush()
        else:
            self._resume_link()

    # What an inspector tells (`tunnel.inspector.Line`).

    def has_room(self, *, serverbound: bool) -> bool:
        """Whether frames can be put between the others that way."""
        if self.reason:
            return False
        if serverbound:
            return self._writable if self._link is not None else len(self._unsent) < MAX_INJECTED_BYTES
        return not self._link_ended and len(self._pending) < MAX_INJECTED_BYTES

    def inject(self, frames: bytes, *, serverbound: bool) -> None:
        """Send whole frames between the others; only when it `has_room`."""
        self._count(1, len(frames), serverbound)
        if serverbound:
            self._to_link(frames)
            return
        if self._watcher is not None:
            self._tell_events(self._watcher, frames)
        self._to_tunnel(frames)

    def release(self, frames: bytes) -> None:
        """Send what was held for the link, and what the other end said meanwhile."""
        withheld, self._withheld = self._withheld, 0
        if self.reason:
            return
        if frames:
            self._to_link(frames)
        if self._link is not None and self._writable:
            self._take(withheld)
        else:
            self._untaken += withheld
        inspector = self._inspector
        if inspector is not None and inspector.closing:
            self.end(inspector.closing)
        elif self._end_received and self._link is not None and not self._is_holding():
            self._link.send_end()

    def _is_over(self) -> bool:
        return bool(self.reason)

    def _is_holding(self) -> bool:
        """Whether the inspector keeps something back that has to go out before the end."""
        return self._inspector is not None and self._inspector.is_holding

    # The rules.

    def adopt(self, tables: Tables) -> None:
        """Go on under other rules; a session that began without any goes on without."""
        if self._guard is not None:
            self._guard.adopt(tables)

    def watch(self, watcher: Watcher) -> None:
        """Go on looking for the events of other rules, unless the stream cannot be read any more."""
        if self._watcher is not None:
            self._watcher = watcher

    def take_refusals(self) -> list[Refusal]:
        """Return what the guard refused since the last call, as much of it as was kept."""
        return [] if self._guard is None else self._guard.take_refusals()

    def _checked(self, guard: Guard, span: bytes) -> bytes:
        """Return what of a span may go on; explain the rest, and answer the player where the rules say so."""
        passed = guard.check(span, self._scanner, self._owner.now_ns())
        if guard.has_findings():
            for reply in guard.take_replies():
                if self._link is not None and self._writable:  # who does not read is not told
                    self._link.send(reply)
            self._owner.session_refused(self)
        return passed

    def _tell_events(self, watcher: Watcher, span: bytes) -> None:
        """Tell the edge what a span says about the session, in front of the span itself."""
        for event in watcher.find(span, self._scanner):
            self._add(EVENT, event)
            if watcher.is_opaque(event):
                self._watcher = None

    # How it ends.

    def end(self, reason: str) -> None:
        """End the session from this side; what was accepted from the link is still delivered."""
        if not self.reason:
            self._end_link(reason)
            self._flush()

    def give_up(self) -> None:
        """Nothing has moved for too long: wait no longer."""
        self._discard_pending()
        self._end_link(Reason.HALF_CLOSE_TIMEOUT)
        self._send_close()

    def save(self) -> dict[str, Any]:
        """Return what `restore` needs to go on in another process; only an edge's sessions can (no inspector)."""
        carry, passed, frames = self._scanner.save()
        outstanding, taken = self._receive.save()
        return {
            "slot": self.slot,
            "session_id": self.session_id,
            "reason": self.reason,
            "carry": carry,
            "passed": passed,
            "frames": frames,
            "available": self._send.available,
            "outstanding": outstanding,
            "taken": taken,
            "pending": self._pending,
            "is_split": self._is_split,
            "unsent": bytes(self._unsent),
            "delivered": self._delivered,
            "untaken": self._untaken,
            "link_ended": self._link_ended,
            "end_sent": self._end_sent,
            "end_received": self._end_received,
            "ended_first": self._ended_first,
            "close_sent": self._close_sent,
            "close_received": self._close_received,
        }

    def restore(self, saved: Any) -> None:
        """Go on where the session was whose `save` stands in the attributes of ``saved``, still without a link."""
        self.reason = saved.reason
        self._scanner.restore(saved.carry, saved.passed, saved.frames)
        self._send.available = saved.available
        self._receive.restore(saved.outstanding, saved.taken)
        self._pending = saved.pending
        self._is_split = saved.is_split
        self._unsent = bytearray(saved.unsent)
        self._delivered = saved.delivered
        self._untaken = saved.untaken
        self._link_ended = saved.link_ended
        self._end_sent = saved.end_sent
        self._end_received = saved.end_received
        self._ended_first = saved.ended_first
        self._close_sent = saved.close_sent
        self._close_received = saved.close_received

    @property
    def guard(self) -> Guard | None:
        """What holds the client's frames against the rules; None where nothing does."""
        return self._guard

    def keep_alive(self, frame: bytes) -> None:
        """Send the link a frame of our own while the other end of the tunnel cannot be reached; only between frames."""
        if self._link is not None and self._writable and not self._end_received:
            self._link.send(frame)

    def tunnel_gone(self, reason: str) -> None:
        """The tunnel itself is gone: end the link; there is nobody left to tell."""
        self._discard_pending()
        self._counters.bytes_discarded += len(self._unsent)
        self._unsent = _NOTHING
        self._close_sent = self._close_received = True
        self._end_link(reason)

    def _end_link(self, reason: str) -> None:
        if self.reason:
            return
        self.reason = reason
        if self._inspector is not None:
            self._counters.bytes_discarded += self._inspector.ended(reason)
        self._owner.session_ended(self, reason)
        link, self._link = self._link, None
        if link is not None:
            notice = self._owner.closing_notice(reason)
            if notice:
                link.send(notice)
            link.close(linger=bool(notice) or reason in TOLD_BEFORE)

    def _end_or_wait(self) -> None:
        if self._end_sent and self._end_received:
            self.end(self._ended_first)
        else:
            self._owner.session_waits(self)

    def _send_close(self) -> None:
        if not self._close_sent:
            self._close_sent = True
            self._owner.send_close(self.slot, self.reason)
            if self._close_received:
                self._owner.slot_freed(self)

    # Bytes.

    def _keep(self, data: bytes) -> None:
        """Keep bytes for a link that is not open yet."""
        if self._unsent:
            self._unsent += data
        else:
            self._unsent = bytearray(data)

    def _to_link(self, frames: bytes) -> None:
        """Send whole frames to the link, or keep them until it is open."""
        if self._link is None:
            self._keep(frames)
        else:
            self._link.send(frames)

    def _to_tunnel(self, span: bytes) -> None:
        """Send a span as far as the credit and the tunnel's room go, and stop reading until the rest has gone too.

        Who reads when the tunnel has no room left, or the session little credit, keeps what he has read: a thousand
        sessions that all read once more would otherwise pile up a hundred times what the tunnel may hold, and tens of
        kilobytes each beside their windows.
        """
        buffer = self._buffer
        if not self._pending and buffer.has_room(len(span)) and self._send.spend_all(len(span)):
            self._add(DATA, span)
            if self._link is None:
                return
            if not buffer.has_room(len(span)):
                self._link.pause()
                self._owner.wait_for_relief(self)
            elif self._send.is_low():
                self._link.pause()
            return
        if self._link is not None:
            self._link.pause()
        self._pending += span
        self._send_pending()

    def _add(self, kind: int, payload: bytes) -> None:
        """Put a chunk into the tunnel; nobody should wait for a greeting, to those who have said nothing."""
        if self._delivered or self._is_edge:
            self._buffer.add(self.slot, kind, payload)
        else:
            self._buffer.add_patient(self.slot, kind, payload)

    def _send_pending(self) -> None:
        """Send what the credit allows, cut between frames: a player may be shown a notice there."""
        if not self._buffer.has_room(len(self._pending)):
            self._owner.wait_for_relief(self)
            return
        available = self._send.available
        size = min(len(self._pending), available)
        if size < len(self._pending) and not self._is_split:
            size = self._scanner.whole_frames_within(self._pending, available)
            if size == 0 and available >= self._send.window_bytes // 2:
                # A frame that will never fit: more credit than this may not come.
                self._is_split = True
                size = available
        if size:
            self._send.spend_all(size)
            self._buffer.add(self.slot, DATA, self._pending[:size])
            self._pending = self._pending[size:]

    def _flush(self) -> None:
        """Send what waits for credit, then whatever waits behind it."""
        if self._pending:
            self._send_pending()
            if self._pending:
                if self.reason or self._link_ended:
                    self._owner.session_waits(self)
                return
        if self.reason:
            self._send_close()
        elif not self._link_ended:
            self._resume_link()
        elif not self._end_sent:
            self._end_sent = True
            self._buffer.add(self.slot, END, b"")
            self._end_or_wait()

    def _resume_link(self) -> None:
        if self._link is None or self._pending or self._link_ended or self._send.is_low():
            return
        if self._buffer.is_congested():
            self._owner.wait_for_relief(self)
        else:
            self._link.resume()

    def _take(self, size: int) -> None:
        """Count bytes as taken by the link and return credit when it is worth a message."""
        due = self._receive.take(size)
        if due and not self._close_sent and not self._end_received:
            self._owner.send_credit(self.slot, due)

    def _discard_pending(self) -> None:
        self._counters.bytes_discarded += len(self._pending)
        self._pending = b""

    def _count(self, frames: int, size: int, serverbound: bool) -> None:  # noqa: FBT001 - called per read
        counters = self._counters
        if serverbound:
            counters.frames_serverbound += frames
            counters.bytes_serverbound += size
        else:
            counters.frames_clientbound += frames
            counters.bytes_clientbound += size
