"""A player's connection: who it is from, whether it has a session yet, and how long it may be silent.

Made by `edge.door`, which looks at it when one of its deadlines may have come. Nothing here runs for each read, except
before a session there is the PROXY header of a listed sender to read.
"""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge.admission import Permit
from edge.edge_tunnel import SocketAddress
from edge.prefixes import pack_address
from edge.proxy_header import ProxyFault, read_proxy_header
from edge.rounds import NEVER
from tunnel.link import LinkEvents
from tunnel.session import Session
from tunnel.socket_link import SocketLink
from wire.reasons import Reason

if TYPE_CHECKING:
    from edge.door import Door


PERIOD_SECONDS = 0.4
"""How often to look at a session that does not know when its last frame came: one of a game without rules."""

UNSEEN_SECONDS = PERIOD_SECONDS / 2
"""How long ago something came in that is first seen now: up to a period, and on the whole this makes the error even."""

_NANOSECONDS = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """How long a player may take, in seconds; 0 is for ever. The header's is for listed senders only."""

    login_seconds: float = 30.0
    frame_seconds: float = 10.0
    idle_seconds: float = 60.0
    header_seconds: float = 5.0


class PlayerLink(SocketLink):
    """One accepted connection. ``refusal`` says that it only stays to be told why it must go: ``farewell``."""

    __slots__ = (
        "_door",
        "_frames",
        "_heard_at",
        "_part_of",
        "_part_since",
        "_since",
        "address",
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
        self.name_client(client)
        self.dialled: SocketAddress | None = None  # where the player came in, or as a balancer says
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
        self._part_since = NEVER  # there is a part of a frame and no whole one, and
        self._part_of = 0  # so many frames were before it

    def name_client(self, client: SocketAddress) -> None:
        """Say who it is from; ``address`` is the same packed (`edge.prefixes`)."""
        self.client = client
        self.address = pack_address(client.host)

    def lost(self, error: Exception | None) -> None:
        """The connection is over."""
        super().lost(error)
        self._door.left(self)

    def begin(self, session: Session, now_seconds: float) -> None:
        """The session is open; its deadlines count from now."""
        self.session = session
        self.events = session
        self._since = self._heard_at = now_seconds

    @property
    def times(self) -> tuple[float, float]:
        """Since when the session counts, and when a frame last came."""
        return self._since, self._heard_at

    def frame_begun(self) -> None:
        """There is a part of a frame, and no whole one."""
        session = self.session
        if session is not None and not session.is_logged_in:
            self._part_since, self._part_of = time.monotonic(), session.progress[0]
            self._door.frame_begun(self)

    def count_no_more(self) -> None:
        """Another process counts this player from now on."""
        self._door.leave_out(self)

    def count_again(self) -> None:
        """It does not after all."""
        self._door.count_again(self)

    def let_go(self) -> None:
        """The session goes on in another process; here, what was written goes out, and nothing else happens."""
        self.events = None
        self.session = None
        self._door.forget(self)

    def give_away(self) -> None:
        """Forget the connection, which goes on in another process."""
        self.let_go()
        self.abort()

    def begin_again(self, session: Session, since_seconds: float, heard_at_seconds: float) -> None:
        """The session was begun in another process; its deadlines go on."""
        self.session = session
        self._since, self._heard_at = since_seconds, heard_at_seconds

    def look(self, now_seconds: float, deadlines: Deadlines) -> Reason | float:
        """Return which deadline has passed, or when to look again. Times are of `time.monotonic`."""
        session = self.session
        if session is None:
            if not self.awaits_header:  # it waits for a tunnel, and is looked at when that has taken too long
                return Reason.NO_CORE
            due = _due(self._since, deadlines.header_seconds)
            return Reason.CLIENT_PROXY_HEADER if now_seconds >= due else due
        if session.reason:
            return NEVER
        again = self._listen(session, now_seconds) if deadlines.idle_seconds else NEVER
        idle = _due(self._heard_at, deadlines.idle_seconds)
        if now_seconds >= idle:
            return Reason.CLIENT_IDLE
        if session.is_logged_in:
            return min(again, idle)
        frame = _due(self._part_waits_since(session, now_seconds), deadlines.frame_seconds)
        if now_seconds >= frame:
            return Reason.CLIENT_FRAME_DEADLINE
        login = _due(self._since, deadlines.login_seconds)
        if now_seconds >= login:
            return Reason.CLIENT_LOGIN_DEADLINE
        return min(again, idle, frame, login)

    def _part_waits_since(self, session: Session, now_seconds: float) -> float:
        """Return since when the player has owed the rest of a frame; `NEVER` when he owes none."""
        if session.progress[0] != self._part_of:
            self._part_since = NEVER
        elif self.is_paused and self._part_since != NEVER:  # the rest may be there, and nobody reads it
            self._part_since = now_seconds
        return self._part_since

    def _listen(self, session: Session, now_seconds: float) -> float:
        """Note when the last whole packet came in, and return when to look for the next one at the latest."""
        frames, _, waiting = session.progress
        heard_ns = session.heard_ns
        if waiting:  # for credit: that is our delay, not the player's silence
            self._heard_at = now_seconds
        elif heard_ns:
            self._heard_at = heard_ns * _NANOSECONDS
        elif frames != self._frames:
            self._heard_at = now_seconds - UNSEEN_SECONDS
        self._frames = frames
        return NEVER if heard_ns is not None and not waiting else now_seconds + PERIOD_SECONDS


def _due(since_seconds: float, allowed_seconds: float) -> float:
    return since_seconds + allowed_seconds if allowed_seconds else NEVER


class HeaderWait(LinkEvents):
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
