"""A player's connection: who it is from, whether it has a session yet, and how long it may be silent.

Made by `edge.door` and visited in its rounds. Nothing here runs for each read, except before a session there
is the PROXY header of a listed sender to read.
"""

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge.admission import Permit
from edge.edge_tunnel import SocketAddress
from edge.proxy_header import ProxyFault, read_proxy_header
from edge.rounds import LEAD_SECONDS, PERIOD_SECONDS
from tunnel.session import Session
from tunnel.socket_link import SocketLink
from wire.reasons import Reason

if TYPE_CHECKING:
    from edge.door import Door


UNSEEN_SECONDS = PERIOD_SECONDS - LEAD_SECONDS
"""How long ago something came in that is first seen now: up to a period, and on the whole this makes the error even."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """How long a player may take, in seconds; 0 is for ever. The header's is for listed senders only."""

    login_seconds: float = 30.0
    idle_seconds: float = 60.0
    header_seconds: float = 5.0


class PlayerLink(SocketLink):
    """One accepted connection. ``refusal`` says that it only stays to be told why it must go: ``farewell``."""

    __slots__ = (
        "_door",
        "_frames",
        "_heard_at",
        "_is_logged_in",
        "_since",
        "awaits_header",
        "client",
        "dialled",
        "farewell",
        "has_left",
        "permit",
        "refusal",
        "session",
    )

    def __init__(self, door: "Door", linger_seconds: float, client: SocketAddress, now_seconds: float) -> None:
        super().__init__(linger_seconds)
        self.client = client
        self.dialled: SocketAddress | None = None  # where the player came in, when a balancer says so
        self.awaits_header = False
        self.permit: Permit = ()
        self.refusal: Reason | None = None
        self.farewell = b""
        self.session: Session | None = None
        self.has_left = False
        self._door = door
        self._since = now_seconds
        self._heard_at = now_seconds
        self._frames = 0
        self._is_logged_in = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop, first."""
        super().connection_made(transport)
        self._door.arrived(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop, last."""
        super().connection_lost(exc)
        self._door.left(self)

    def begin(self, session: Session, now_seconds: float) -> None:
        """The session is open; its deadlines count from now."""
        self.session = session
        self.events = session
        self._since = self._heard_at = now_seconds

    def overdue(self, now_seconds: float, deadlines: Deadlines) -> Reason | None:
        """Return which deadline has passed, by less than half a second early or late."""
        now = now_seconds + LEAD_SECONDS
        session = self.session
        if session is None:
            late = deadlines.header_seconds and now - self._since >= deadlines.header_seconds
            return Reason.CLIENT_PROXY_HEADER if late else None
        if session.reason:
            return None
        frames, _, waiting = session.progress
        if frames != self._frames or waiting:  # what waits for credit is our delay, not the player's silence
            self._frames = frames
            self._heard_at = now_seconds - UNSEEN_SECONDS
        elif deadlines.idle_seconds and now - self._heard_at >= deadlines.idle_seconds:
            return Reason.CLIENT_IDLE
        if not self._is_logged_in:
            self._is_logged_in = session.is_logged_in
            late = deadlines.login_seconds and now - self._since >= deadlines.login_seconds
            if late and not self._is_logged_in:
                return Reason.CLIENT_LOGIN_DEADLINE
        return None


class HeaderWait:
    """Stands where the session will stand, and collects the header. At most one read more than a header is held."""

    __slots__ = ("_collected", "_door", "_link")

    def __init__(self, door: "Door", link: PlayerLink) -> None:
        self._door = door
        self._link = link
        self._collected = b""

    def link_data(self, data: bytes) -> None:
        """Bytes came in."""
        self._collected += data
        try:
            header = read_proxy_header(self._collected)
        except ProxyFault as fault:
            self._door.header_refused(self._link, str(fault))
            return
        if header is not None:
            self._door.header_read(self._link, header, self._collected[header.size_bytes :])

    def link_end(self) -> None:
        """The balancer sends no more. Before the first byte that is how many of them look whether somebody is there."""
        if self._collected:
            self._door.header_refused(self._link, "the connection ended within the header")
        else:
            self._link.close(linger=False)

    def link_writable(self, *, writable: bool) -> None:
        """Nothing is sent before the session."""

    def link_lost(self, error: Exception | None) -> None:
        """The balancer is gone."""
