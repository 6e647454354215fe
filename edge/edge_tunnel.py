"""The edge's end of one tunnel: opens sessions for players and obeys the core's policy.

Lives from the first welcome until it is given up, over any number of attachments; the client (`edge.tunnel_client`)
makes those.
"""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

import structlog

from edge.bans import BanBook
from edge.denied_names import DeniedNames
from edge.player_word import PlayerWord
from edge.prefixes import pack_address
from edge.refusal_log import RefusalLog, SessionRefusals
from protos.tidegate.tunnel.v1 import tunnel_pb2
from tunnel.attachment import Attachment
from tunnel.bans_codec import decode_bans
from tunnel.counters import Counters
from tunnel.end import TunnelEnd
from tunnel.link import Link
from tunnel.options import DEFAULT_RING_BYTES
from tunnel.owner import EDGE_SIDE
from tunnel.policy import EdgePolicy, decode_policy
from tunnel.problems import check_problems
from tunnel.session import Session
from wire.chunks import MAX_SLOT
from wire.errors import TunnelFault
from wire.guard import Guard
from wire.reasons import Reason
from wire.tables import Tables

SESSION_ID_BYTES = 16

_log = structlog.get_logger("edge.tunnel")


@dataclass(frozen=True, slots=True)
class SocketAddress:
    """An IP address and a port, as a socket knows them."""

    host: str
    port: int

    @property
    def packed(self) -> bytes:
        """The address as 4 or 16 bytes; an IPv4 address in IPv6 clothes as 4."""
        return pack_address(self.host)


class EdgeTunnel(TunnelEnd[tunnel_pb2.AttachRequest]):
    """A welcomed tunnel. ``welcome`` was checked by the client; ``tunnel_id`` is a secret of edge and core."""

    def __init__(
        self,
        tunnel_id: bytes,
        welcome: tunnel_pb2.Welcome,
        policy: EdgePolicy,
        policy_message: tunnel_pb2.Policy,
        counters: Counters,
        *,
        window_bytes: int,
        flush_window_seconds: float,
        half_close_seconds: float,
        ring_bytes: int = DEFAULT_RING_BYTES,
        on_policy: Callable[[tunnel_pb2.Policy], None] = lambda _: None,
    ) -> None:
        super().__init__(
            tunnel_pb2.AttachRequest,
            EDGE_SIDE,
            counters,
            flush_window_seconds=flush_window_seconds,
            half_close_seconds=half_close_seconds,
            ring_bytes=ring_bytes,
        )
        self.tunnel_id = tunnel_id
        self.welcome = welcome
        self.load: tunnel_pb2.Load | None = None  # the last that the core has said
        self.opened_since_load = 0  # sessions of ours, which that does not count yet
        self.make_report: Callable[[], tunnel_pb2.Report] | None = None
        self.policy = policy
        self.buffer.idle_frame = policy.keep_alive
        self.policy_message = policy_message  # what it was read from
        self.window_bytes = window_bytes  # granted to the core, per session
        self.last_slot = 0
        self.on_attach: list[Callable[[], None]] = []  # told whenever there is an attachment again
        self.refusals: RefusalLog | None = None  # where to say what was refused
        self._on_policy = on_policy
        self._tables = _ready(policy)
        self._denied: DeniedNames | None = None
        self._bans: BanBook | None = None
        self._has_refused_bans = False
        self._farewell = b""  # what a ban says to the session that has just ended
        self._clients: dict[int, tuple[str, float]] = {}  # by slot: whose session, and since when
        self._refused: dict[int, SessionRefusals] = {}  # by slot: those who had a frame refused
        self._player_word = PlayerWord() if welcome.wants_players else None
        self.on_retire: Callable[[], None] = lambda: None  # told when the core wants this edge to drain and end
        self.core_name = welcome.core_name
        self.is_draining = False
        self.has_left = False  # the core has given the tunnel up: there is nothing to come back to
        self._send_window = welcome.window_bytes

    def open_session(self, client: SocketAddress, listener: SocketAddress, link: Link) -> Session:
        """Announce a player to the core and return the session to give the player's bytes to."""
        if self.last_slot == MAX_SLOT:
            raise TunnelFault("the tunnel has used up its slots")
        self.last_slot += 1
        session_id = os.urandom(SESSION_ID_BYTES)
        session = self.make_session(self.last_slot, session_id)
        self.add_session(session)
        self._clients[session.slot] = (client.host, time.monotonic())
        announcement = tunnel_pb2.Open(
            slot=session.slot,
            session_id=session_id,
            client_address=client.packed,
            client_port=client.port,
            listen_address=listener.packed,
            listen_port=listener.port,
        )
        self.queue.add(tunnel_pb2.AttachRequest(open=announcement), can_wait=True)
        self.opened_since_load += 1
        session.connect(link)
        return session

    def attach(self, attachment: Attachment) -> None:
        """Go on with a new attachment, and tell whoever waits for it."""
        super().attach(attachment)
        for tell in self.on_attach:
            tell()

    def make_session(self, slot: int, session_id: bytes) -> Session:
        """Make a session of this tunnel that is not one of its sessions yet."""
        return Session(
            self,
            slot,
            session_id,
            self.policy.serverbound,
            send_window_bytes=self._send_window,
            receive_window_bytes=self.window_bytes,
            guard=self._guard(),
        )

    def take_back(self, session: Session, client_host: str, since_seconds: float) -> None:
        """Take a session in that another process had in this tunnel; without a link where that is over."""
        self.add_session(session)
        if session.reason:
            self._running -= 1
        else:
            self._clients[session.slot] = (client_host, since_seconds)
        if session.is_half_closed:  # how long it has waited there is not known here: it waits anew
            self.session_waits(session)

    def handle_other(self, kind: str, message: tunnel_pb2.AttachResponse) -> None:
        """Do what only a core says; raises TunnelFault when it breaks the contract."""
        match kind:
            case "policy":
                self._take_policy(message.policy)
            case "bans":
                self._take_bans(message.bans)
            case "drain":
                self.is_draining = True
            case "leave":
                self.has_left = True
                self.gone(Reason.TUNNEL_LOST)
            case "retire":
                _log.info("retiring", core=self.core_name, why="an operator drains this edge")
                self.on_retire()
            case _:
                raise TunnelFault(f"unexpected {kind} from the core")

    def tick(self, now_seconds: float) -> None:
        """Keep time for the sessions, and tell the core who plays; called about once a second. Raises TunnelFault."""
        super().tick(now_seconds)
        if self._player_word is not None:
            for player in self._player_word.news(self.sessions):
                self.queue.add(tunnel_pb2.AttachRequest(player=player), can_wait=True)

    def add_word(self, heartbeat: tunnel_pb2.Heartbeat) -> None:
        """Report how this edge is."""
        if self.make_report is not None:
            heartbeat.report.CopyFrom(self.make_report())

    def take_word(self, heartbeat: tunnel_pb2.Heartbeat) -> None:
        """Remember how busy the core says it is; raises TunnelFault."""
        if heartbeat.HasField("report"):
            raise TunnelFault("unexpected report from the core")
        if heartbeat.HasField("load"):
            check_problems(heartbeat.load.problems)
            self.load = heartbeat.load
            self.opened_since_load = 0

    def obey_bans(self, bans: BanBook, denied: DeniedNames) -> None:
        """Admit no name that is among the denied from now on, and put the core's bans into the book."""
        self._bans = bans
        self._denied = denied
        self._tell_guards()

    @property
    def keep_alive(self) -> bytes:
        """What keeps a player's client content, if a frame of ours surely stands between two of the server's."""
        is_never_cut = self.policy.clientbound.max_frame_bytes <= self.window_bytes // 2
        return self.policy.keep_alive if is_never_cut else b""

    @property
    def keep_alive_seconds(self) -> float:
        """How often a player's client is to get one."""
        return self.policy.keep_alive_seconds

    def session_refused(self, session: Session) -> None:
        """Explain what a session's guard has refused, as far as there is time for it."""
        refusals = session.take_refusals()
        if self.refusals is None or self._tables is None:
            return
        told = self._refused.get(session.slot)
        if told is None:
            client, _ = self._clients[session.slot]
            told = self._refused[session.slot] = SessionRefusals(self.refusals, session.session_id.hex(), client)
        for refusal in refusals:
            told.note(time.monotonic(), self._tables.rules, refusal, is_opaque=session.is_opaque)

    def report_frame_fault(self, session: Session, reason: str) -> None:
        """A player's client broke the frame layout."""
        super().report_frame_fault(session, reason)
        if self.refusals is not None:
            client, _ = self._clients[session.slot]
            self.refusals.note(reason, session=session.session_id.hex(), client=client, detail=session.fault_text)

    def session_ended(self, session: Session, reason: str) -> None:
        """Count a session that is over, and say what was refused of it."""
        super().session_ended(session, reason)
        client, since = self._clients.pop(session.slot)
        if self._denied is not None:
            self._farewell = self._denied.closing_notice(reason, pack_address(client), session.identity)
        told = self._refused.pop(session.slot, None)
        if told is not None:
            told.skip(session.unkept_refusals)
            now = time.monotonic()
            told.end(now, reason, open_seconds=now - since)

    def _guard(self) -> Guard | None:
        if self._tables is None:
            return None
        return Guard(self._tables, self.counters.frames_refused, self.counters.frames_audited)

    def _take_policy(self, message: tunnel_pb2.Policy) -> None:
        """Obey a policy that the core sends while players play, or say what is wrong with it and go on as before."""
        try:
            policy = decode_policy(message)
        except TunnelFault as fault:
            _log.error("policy_refused", core=self.core_name, reason=str(fault), action="the one before still holds")
            return
        self.policy_message = message
        self._adopt(policy)
        self._on_policy(message)
        _log.info("policy_changed", core=self.core_name, sessions=self.running_sessions)

    def _adopt(self, policy: EdgePolicy) -> None:
        """Obey another policy from here on; running sessions keep their framing, their place and their rates."""
        self.policy = policy
        self.buffer.idle_frame = policy.keep_alive
        self._tables = _ready(policy)
        self._tell_guards()
        if self._tables is not None:
            for session in self.sessions.values():
                session.adopt(self._tables)

    def _tell_guards(self) -> None:
        if self._tables is not None and self._denied is not None:
            self._tables.denied = cast("Mapping[str, frozenset[bytes]]", self._denied.by_kind)  # a container will do

    def _take_bans(self, message: tunnel_pb2.Bans) -> None:
        """Obey a message about bans, or say what is wrong with it, the first time, and go on with those there were."""
        if self._bans is None:
            return
        try:
            self._bans.take(decode_bans(message, self.policy.clientbound))
        except TunnelFault as fault:
            self._bans.abandon()
            level = _log.debug if self._has_refused_bans else _log.error
            level("bans_refused", core=self.core_name, reason=str(fault), action="those before still hold")
            self._has_refused_bans = True

    def closing_notice(self, reason: str) -> bytes:
        """Return what the ban that ended the session says, or the game's notice for ``reason`` in the policy."""
        return self._farewell or self.policy.notice_for(reason)


def _ready(policy: EdgePolicy) -> Tables | None:
    return None if policy.rules is None else Tables(policy.rules)
