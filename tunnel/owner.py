"""What a session needs to know of the tunnel end it belongs to, and how the two ends name things."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from wire.reasons import Reason

if TYPE_CHECKING:
    from tunnel.counters import Counters
    from tunnel.session import Session
    from wire.chunks import ChunkBuffer


@dataclass(frozen=True, slots=True)
class Side:
    """How one end calls what happens on its link, and on the link at the other end."""

    closed: Reason
    lost: Reason
    frame_length: Reason
    other_closed: Reason
    is_edge: bool


EDGE_SIDE = Side(
    closed=Reason.CLIENT_CLOSED,
    lost=Reason.CLIENT_LOST,
    frame_length=Reason.CLIENT_FRAME_LENGTH,
    other_closed=Reason.ORIGIN_CLOSED,
    is_edge=True,
)
CORE_SIDE = Side(
    closed=Reason.ORIGIN_CLOSED,
    lost=Reason.ORIGIN_LOST,
    frame_length=Reason.ORIGIN_FRAME_LENGTH,
    other_closed=Reason.CLIENT_CLOSED,
    is_edge=False,
)


class SessionOwner(Protocol):
    """What a session needs of its tunnel end; see `tunnel.end.TunnelEnd`."""

    @property
    def side(self) -> Side:
        """Which end this is."""
        ...

    @property
    def counters(self) -> Counters:
        """Where to count."""
        ...

    @property
    def buffer(self) -> ChunkBuffer:
        """Where to put bytes."""
        ...

    def wait_for_relief(self, session: Session) -> None:
        """Call `Session.tunnel_relieved` once the tunnel has room again."""
        ...

    def send_credit(self, slot: int, size: int) -> None:
        """Return ``size`` bytes of window to the other end."""
        ...

    def send_close(self, slot: int, reason: str) -> None:
        """Tell the other end that this one has done with the slot."""
        ...

    def closing_notice(self, reason: str) -> bytes:
        """Return the frames that tell the link's other side why, or nothing."""
        ...

    def now_ns(self) -> int:
        """Return the time, in nanoseconds from any beginning."""
        ...

    def session_refused(self, session: Session) -> None:
        """The session's guard has refused frames: explain them (`Session.take_refusals`)."""
        ...

    def session_waits(self, session: Session) -> None:
        """Nothing but the other side can move this session on: give up on it if nothing does for long."""
        ...

    def session_ended(self, session: Session, reason: str) -> None:
        """The link's side is over; called once."""
        ...

    def slot_freed(self, session: Session) -> None:
        """Both ends have closed the slot; called once."""
        ...
