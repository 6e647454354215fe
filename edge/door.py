"""The door: who of those that knock gets a session, and who of those inside must go.

The listener hands it each accepted connection. Behind it stand the guard (`edge.admission`), the tunnel that takes
sessions, and the deadlines. A refused connection costs some microseconds; the player is told why as long as not too
many are being told, and under a flood connections are just closed. From a listed sender the PROXY header comes
first, and the guard is asked about whom it names: until then there is no session, so that a game server that speaks
first is not heard too early.
"""

import asyncio
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache

import structlog

from edge.admission import Admission
from edge.alarm import Alarm
from edge.edge_tunnel import EdgeTunnel, SocketAddress
from edge.player_link import Deadlines, HeaderWait, PlayerLink
from edge.prefixes import PrefixSet
from edge.proxy_header import ProxyHeader
from edge.rounds import Rounds
from tunnel.poller import Poller
from tunnel.session import Session
from wire.reasons import Reason

_log = structlog.get_logger("edge.door")

MAX_FAREWELLS = 256
"""Refused players who are being told why at one time; each keeps a descriptor for up to the linger time."""

SWEEP_PAUSE_SECONDS = 0.05
"""How long lists and bans may change before all sessions are looked up again."""

LONGEST_REST_SECONDS = 1.0
"""Without a look at who is due; nobody is, then."""

TURN_SECONDS = 0.001
"""How long deadlines, lists and bans are looked after before the loop turns to those who play: some five sessions are
ended in it, or some hundred looked up."""

MAX_HEADER_WAITS = 512
"""Connections of listed senders whose header has not come yet."""

WAIT_SECONDS = 10.0
"""How long a player waits at the door while the tunnel is broken, and so short a break has to be for that."""


class Hope(Enum):
    """There is no tunnel for a new player, but there will be one soon."""

    SOON = "soon"


Picked = EdgeTunnel | Hope | Reason
"""The tunnel for a player, the hope for one, or why there is none."""

ROOM_BESIDE_SESSIONS = MAX_FAREWELLS + MAX_HEADER_WAITS
"""Connections that are no sessions, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorLimits:
    """``max_connections`` counts all descriptors of players: with a session, waiting, and on the way out."""

    linger_seconds: float
    max_connections: int
    deadlines: Deadlines = field(default_factory=Deadlines)
    proxy_from: PrefixSet = field(default_factory=PrefixSet)


class Door:
    """The connections of one edge process.

    ``pick`` returns the tunnel for a new player, the hope for one, or the reason why there is none; ``notice`` what to
    tell then.
    ``refused`` hears of every refusal with the address and a detail, to count and to log it; ``ended`` of every
    session that the door ends, before it does.
    """

    def __init__(
        self,
        admission: Admission,
        limits: DoorLimits,
        *,
        pick: Callable[[], Picked],
        notice: Callable[[Reason], bytes],
        refused: Callable[[Reason, SocketAddress, str], None],
        ended: Callable[[Reason, SocketAddress, Session], None],
    ) -> None:
        self._admission = admission
        self._limits = limits
        self._pick = pick
        self._notice = notice
        self._refused = refused
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        self._rounds: Rounds[PlayerLink] = Rounds()
        self._alarm = Alarm()  # when the next of them is due
        self._poller = Poller()
        self._farewells = 0
        self._header_waits = 0
        self._hopeful: dict[PlayerLink, bytes] = {}  # who wait for a tunnel, in order, with what they have said
        self.connections = 0  # descriptors held for players

    @property
    def waiting(self) -> int:
        """Players who wait for a tunnel."""
        return len(self._hopeful)

    async def keep_deadlines(self) -> None:
        """End connections that are overdue, until cancelled."""
        while True:
            now = time.monotonic()
            if self._look_at_due(now):
                await self._alarm.sleep_until(self._rounds.next_due(now, LONGEST_REST_SECONDS))
            else:
                await asyncio.sleep(0)

    def _look_at(self, link: PlayerLink, due_seconds: float) -> None:
        """Have a link looked at when it is due."""
        self._alarm.bring_forward(self._rounds.set(link, due_seconds))

    def _look_at_due(self, now: float) -> bool:
        """Look at those who are due, as long as the loop may be kept from those who play; False if some are left."""
        while (link := self._rounds.take_due(now)) is not None:
            verdict = link.look(now, self._limits.deadlines)
            if isinstance(verdict, Reason):
                self._end(link, verdict)
            else:
                self._look_at(link, verdict)
            if time.monotonic() - now >= TURN_SECONDS:
                return False
        return True

    async def end_unwanted(self) -> None:
        """End the sessions of players who are on a deny list or banned by now, by address or by what they play as."""
        began = time.monotonic()
        for link in self._rounds.members():
            if link.session is not None:
                reason = self._admission.find_against(link.address, link.session.identity)
                if reason is not None:
                    self._end(link, reason)
            if time.monotonic() - began >= TURN_SECONDS:
                await asyncio.sleep(0)
                began = time.monotonic()
        await asyncio.sleep(SWEEP_PAUSE_SECONDS)

    def _end(self, link: PlayerLink, reason: Reason) -> None:
        if link.session is None:
            self._hopeful.pop(link, None)
            self._refuse(link, reason, "no PROXY header in time" if link.awaits_header else "")
        elif not link.session.reason:
            self._ended(reason, link.client, link.session)
            link.session.end(reason)

    def open_waiting(self) -> None:
        """There is a tunnel, or no hope for one any more: let those in who wait for one, or tell them.

        They were asked after when they came; lists and bans may say something else by now. As many as there is time
        for, and the others when those who play have had their turn.
        """
        began = time.monotonic()
        while self._hopeful and not isinstance(self._pick(), Hope):
            link = next(iter(self._hopeful))
            said = self._hopeful.pop(link)
            if self._admission.is_denied(link.address):
                self._refuse(link, Reason.CLIENT_ADDRESS_DENIED)
            else:
                link.resume()  # first: a session may pause it again
                self._open_session(link, self._pick(), said)
            if time.monotonic() - began >= TURN_SECONDS:
                self._loop.call_soon(self.open_waiting)
                return

    # How an edge is upgraded: `edge.upgrade`.

    def links(self) -> list[PlayerLink]:
        """Return the links of all players who have a session."""
        return [link for link in self._rounds.members() if link.session is not None and not link.session.reason]

    def forget(self, link: PlayerLink) -> None:
        """No deadline ends this connection here any more: its session is another process's."""
        self._rounds.remove(link)

    def send_away(self, reason: Reason) -> None:
        """Refuse those who wait for a tunnel or for their header: nothing opens for them here any more."""
        for link in self._rounds.members():
            if link.session is None:
                self._hopeful.pop(link, None)
                self._refuse(link, reason)

    def take_back(self, connection: socket.socket, client: SocketAddress) -> PlayerLink:
        """Return a link for a connection that another process had let in; `bring_in` starts it."""
        link = PlayerLink(self, self._limits.linger_seconds, client, time.monotonic())
        self.count_again(link)
        connection.setblocking(False)  # noqa: FBT003 - the socket's own signature
        return link

    def bring_in(self, connection: socket.socket, link: PlayerLink) -> None:
        """Go on with a connection that was taken back, and its session."""
        self._adopt(connection, link, None)

    def count_again(self, link: PlayerLink) -> None:
        """Count a player who is in already, whatever the limits say."""
        link.permit = self._admission.admit_again(link.address)

    def leave_out(self, link: PlayerLink) -> None:
        """Give back what a connection was counted under: it does not come in after all, or counts elsewhere."""
        self._admission.release(link.permit)
        link.permit = ()

    # What the listener calls.

    def judge(self, connection: socket.socket, client: SocketAddress) -> None:
        """Decide about a connection that has just been accepted."""
        link = PlayerLink(self, self._limits.linger_seconds, client, time.monotonic())
        if self.connections >= self._limits.max_connections:
            self.close_at_once(connection, client)
        elif not self._limits.proxy_from.covers(link.address):
            picked = self._admit(link)
            if not isinstance(picked, Reason) or self._may_tell(link, picked):
                self._adopt(connection, link, picked)
            else:
                connection.close()
        elif self._header_waits < MAX_HEADER_WAITS:
            link.awaits_header = True
            self._header_waits += 1
            self._adopt(connection, link, None)
        else:
            self._refused(Reason.EDGE_ACCEPT_RATE, client, "too many connections wait for their PROXY header")
            connection.close()

    def close_at_once(self, connection: socket.socket, client: SocketAddress) -> None:
        """There is no descriptor to spare for this one."""
        self._refused(Reason.SESSION_LIMIT, client, "out of descriptors")
        connection.close()

    def _admit(self, link: PlayerLink) -> Picked:
        """Ask the guard about a link's player; he may come in, and is counted, where there is no reason against it."""
        picked = self._pick()
        if isinstance(picked, Reason):
            return picked
        permit = self._admission.admit(link.address, time.monotonic())
        if isinstance(permit, Reason):
            return permit
        link.permit = permit
        return picked

    def _may_tell(self, link: PlayerLink, reason: Reason, detail: str = "") -> bool:
        """Count a refusal, and say whether there is something to tell the player and room to do it."""
        ban = None
        if reason is Reason.CLIENT_ADDRESS_DENIED:
            ban = self._admission.ban_of_address(link.address)
            detail = detail if ban is None else "banned"
        self._refused(reason, link.client, detail)
        if self._farewells >= MAX_FAREWELLS:
            return False
        link.farewell = ban or self._notice(reason)
        if not link.farewell:
            return False
        self._farewells += 1
        link.refusal = reason
        return True

    def _adopt(self, connection: socket.socket, link: PlayerLink, picked: Picked | None) -> None:
        """Take a connection over: let it wait for its header, open its session in a tunnel, or say farewell."""
        self.connections += 1
        link.dialled = _place(connection)
        try:
            link.start(connection, self._poller)
        except OSError as error:  # the system watches no more of them
            connection.close()
            self.left(link)
            if link.session is not None:
                link.session.connect_failed(Reason.CLIENT_LOST)
            elif link.refusal is None:
                self._refused(Reason.SESSION_LIMIT, link.client, f"the system watches no more: {error.strerror}")
            return
        if link.refusal is not None:
            self._say_farewell(link)
        elif link.session is not None:  # it was begun in another process
            link.events = link.session
            self._look_at(link, time.monotonic())
            link.session.connect(link)
        elif link.awaits_header:
            self._look_at(link, time.monotonic())
            link.events = HeaderWait(self, link)
        elif picked is not None:
            self._open_session(link, picked)

    # What the link calls.

    def header_read(self, link: PlayerLink, header: ProxyHeader, rest: bytes) -> None:
        """A listed sender has said whom it brings; what came behind the header belongs to the player."""
        self._stop_waiting(link)
        link.name_client(header.source or link.client)
        link.dialled = header.destination or link.dialled
        self._open_session(link, self._admit(link), rest)

    def frame_begun(self, link: PlayerLink) -> None:
        """A player who has not logged in has sent a part of a packet."""
        self._look_at(link, time.monotonic())

    def header_refused(self, link: PlayerLink, why: str) -> None:
        """A listed sender sent something else."""
        self._refuse(link, Reason.CLIENT_PROXY_HEADER, why)

    def left(self, link: PlayerLink) -> None:
        """A connection is over, and its descriptor free."""
        if link.has_left:
            return
        link.has_left = True
        self.connections -= 1
        self._rounds.remove(link)
        self._hopeful.pop(link, None)
        self._stop_waiting(link)
        if link.refusal is not None:
            self._farewells -= 1
        self._admission.release(link.permit)

    def _stop_waiting(self, link: PlayerLink) -> None:
        if link.awaits_header:
            link.awaits_header = False
            self._header_waits -= 1

    def _open_session(self, link: PlayerLink, picked: Picked, said: bytes = b"") -> None:
        now = time.monotonic()
        if isinstance(picked, Reason):
            self._refuse(link, picked)
            return
        if isinstance(picked, Hope):
            link.pause()
            self._hopeful[link] = said
            self._look_at(link, now + WAIT_SECONDS)
            return
        if link.dialled is None:  # gone when it was accepted
            link.abort()
            return
        session = picked.open_session(link.client, link.dialled, link)
        link.begin(session, now)
        self._look_at(link, now)
        _log.debug("session_opened", session=session.session_id.hex(), client=link.client.host, port=link.client.port)
        if said:
            session.link_data(said)

    def _refuse(self, link: PlayerLink, reason: Reason, detail: str = "") -> None:
        """Send a connection away that has no session."""
        link.events = None
        self._rounds.remove(link)
        self._stop_waiting(link)
        if self._may_tell(link, reason, detail):
            self._say_farewell(link)
        else:
            link.close(linger=False)

    def _say_farewell(self, link: PlayerLink) -> None:
        link.send(link.farewell)
        link.close(linger=True)


def _place(connection: socket.socket) -> SocketAddress | None:
    """Return where a connection came in; None when it is gone already."""
    try:
        name = connection.getsockname()
    except OSError:
        return None
    return _address(name[0], name[1])


@lru_cache(maxsize=64)  # one for all who came in there
def _address(host: str, port: int) -> SocketAddress:
    return SocketAddress(host, port)
