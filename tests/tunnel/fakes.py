"""Stand-ins for what surrounds a session: a link that records, and a tunnel end joined to another in memory."""

from collections import deque
from dataclasses import dataclass, field
from functools import partial

from tunnel.counters import Counters
from tunnel.link import Link
from tunnel.owner import Side
from tunnel.session import Session
from wire.chunks import ChunkBuffer, ChunkKind, unpack_chunks


@dataclass
class FakeLink(Link):
    """Records what a session does with its link; ``capacity`` is when it says that it is full."""

    capacity: int = 1 << 30
    session: Session | None = None
    sent: bytearray = field(default_factory=bytearray)
    taken: int = 0
    is_ended: bool = False
    is_closed: bool = False
    lingers: bool = False
    is_paused: bool = False
    is_full: bool = False
    awaited: int = 1
    frames_begun: int = 0

    def send(self, data: bytes) -> None:
        self.sent += data
        if not self.is_full and len(self.sent) - self.taken > self.capacity and self.session is not None:
            self.is_full = True
            self.session.link_writable(writable=False)

    def read_all(self) -> None:
        """The other side reads everything."""
        self.taken = len(self.sent)
        if self.is_full and self.session is not None:
            self.is_full = False
            self.session.link_writable(writable=True)

    def send_end(self) -> None:
        assert not self.is_ended
        self.is_ended = True

    def pause(self) -> None:
        self.is_paused = True

    def resume(self) -> None:
        self.is_paused = False

    def wait_for(self, size_bytes: int) -> None:
        self.awaited = size_bytes

    def frame_begun(self) -> None:
        self.frames_begun += 1

    def close(self, *, linger: bool) -> None:
        self.is_closed = True
        self.lingers = linger

    def abort(self) -> None:
        self.is_closed = True


Event = tuple[str, int, object]


class FakeEnd:
    """A tunnel end without a tunnel: what its sessions send waits in ``outgoing`` until `deliver`."""

    def __init__(self, side: Side, notice: bytes = b"") -> None:
        self.side = side
        self.counters = Counters()
        self.called: list[str] = []  # by the buffer: wake, rest or wait
        call = {name: partial(self.called.append, name) for name in ("wake", "rest", "wait")}
        self.buffer = ChunkBuffer(**call, seal=lambda: None, seal_bytes=1 << 30, congested_bytes=1 << 30)
        self.relief: list[Session] = []
        self._outgoing: deque[Event] = deque()
        self.waiting: list[int] = []
        self.ended: list[tuple[int, str]] = []
        self.freed: list[int] = []
        self.notice = notice
        self.time_ns = 0
        self.refused: list[str] = []
        self.sessions: dict[int, Session] = {}

    @property
    def outgoing(self) -> deque[Event]:
        """What is on its way, in order."""
        for slot, kind, payload in unpack_chunks(self.buffer.take()):
            self._outgoing.append((kind.name.lower(), slot, None if kind is ChunkKind.END else payload))
        return self._outgoing

    def wait_for_relief(self, who: Session) -> None:
        self.relief.append(who)

    def send_credit(self, slot: int, size: int) -> None:
        self.outgoing.append(("credit", slot, size))

    def send_close(self, slot: int, reason: str) -> None:
        self.outgoing.append(("close", slot, reason))

    def closing_notice(self, reason: str) -> bytes:
        return self.notice

    def now_ns(self) -> int:
        return self.time_ns

    def session_refused(self, session: Session) -> None:
        self.refused += [str(refusal.reason) for refusal in session.take_refusals()]

    def session_waits(self, session: Session) -> None:
        self.waiting.append(session.slot)

    def session_ended(self, session: Session, reason: str) -> None:
        self.ended.append((session.slot, reason))

    def slot_freed(self, session: Session) -> None:
        self.freed.append(session.slot)

    def deliver(self, other: "FakeEnd", count: int = 1 << 30) -> int:
        """Hand up to ``count`` waiting events to the other end; return how many there were."""
        delivered = 0
        while self.outgoing and delivered < count:
            kind, slot, value = self.outgoing.popleft()
            session = other.sessions[slot]
            match kind, value:
                case "data", bytes(payload):
                    session.tunnel_data(payload)
                case "event", bytes(payload):
                    session.tunnel_event(payload)
                case "end", _:
                    session.tunnel_end()
                case "credit", int(size):
                    session.tunnel_credit(size)
                case "close", str(reason):
                    session.tunnel_close(reason)
            delivered += 1
        return delivered
