"""The core's end of one tunnel: opens a link to the game server for each player an edge announces.

What comes from an edge is checked again: slots, ids, lengths, credits. An edge that breaks the contract
loses its tunnel, and only that.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

import structlog

from core.features.host import FeatureHost
from core.features.session import Peer
from core.origin import Origin, OriginError
from core.origin_watch import OriginWatch
from core.roster import Names, Roster
from protos.tidegate.tunnel.v1 import tunnel_pb2
from tunnel.counters import Counters
from tunnel.end import TunnelEnd
from tunnel.options import DEFAULT_RING_BYTES
from tunnel.owner import CORE_SIDE
from tunnel.policy import EdgePolicy
from tunnel.problems import check_report
from tunnel.session import Session
from wire.errors import MisuseError, TunnelFault
from wire.layout import FrameLayout
from wire.reasons import Reason
from wire.watcher import Watcher

_log = structlog.get_logger("core.tunnel")

MAX_NAME_BYTES = 256
"""Of what an edge says of who plays."""

ASIDE_SECONDS = 0.005
"""How long connecting for a newcomer makes way, in a tunnel that is not quiet: his announcement came along with frames
of those who play, and core and game server are to have answered those before they turn to him."""

MAX_UNANSWERED_CLOSES = 4096
"""Slots beyond the session limit that may wait for the edge to answer a close."""


@dataclass(frozen=True, slots=True)
class CoreLimits:
    """What a core grants its edges. ``max_sessions`` is per core, the rest per session or tunnel.

    ``hold_seconds`` is how long a tunnel without an attachment is kept. ``worker`` says which of the ``workers`` behind
    one address this is, from 1.
    """

    window_bytes: int
    flush_window_seconds: float
    half_close_seconds: float
    max_sessions: int
    hold_seconds: float = 30.0
    worker: int = 1
    workers: int = 1
    ring_bytes: int = DEFAULT_RING_BYTES


class Places:
    """How many sessions a core may have, over all its tunnels."""

    def __init__(self, limit: int) -> None:
        self._free = limit

    def take(self) -> bool:
        """Take a place; False when there is none."""
        if self._free == 0:
            return False
        self._free -= 1
        return True

    def give_back(self) -> None:
        """Give a place back."""
        self._free += 1


class CoreTunnel(TunnelEnd[tunnel_pb2.AttachResponse]):
    """A welcomed tunnel. ``hello`` was checked by the service."""

    def __init__(
        self,
        hello: tunnel_pb2.Hello,
        policy: EdgePolicy,
        origin: Origin,
        watch: OriginWatch,
        places: Places,
        counters: Counters,
        limits: CoreLimits,
        features: FeatureHost | None = None,
        roster: Roster | None = None,
    ) -> None:
        super().__init__(
            tunnel_pb2.AttachResponse,
            CORE_SIDE,
            counters,
            flush_window_seconds=limits.flush_window_seconds,
            half_close_seconds=limits.half_close_seconds,
            ring_bytes=limits.ring_bytes,
        )
        self.tunnel_id = hello.tunnel_id
        self.report: tunnel_pb2.Report | None = None  # the last that the edge has made
        self.make_load: Callable[[], tunnel_pb2.Load] | None = None
        self.place = hello.place
        self.peer_identity = ""  # by the edge's certificate
        self.has_left = False  # the edge has given the tunnel up
        self.edge_name = hello.edge_name
        self.region = hello.region
        self.software_version = hello.software_version
        self.can_retire = hello.can_retire
        self.process_id = hello.process_id
        self.since = time.time()
        self.is_draining = False
        self._drain_number = 0
        self._policy = policy
        self.buffer.idle_frame = policy.keep_alive
        self._watcher = _make_watcher(policy)
        self._recheck = policy.serverbound
        self._origin = origin
        self._watch = watch
        self._features = features
        self._roster = Roster() if roster is None else roster
        self._places = places
        self._placed: set[int] = set()  # slots that hold a place: a link, or one on its way
        self._limits = limits
        self._send_window = hello.window_bytes
        self._last_slot = 0
        self._connecting: dict[int, asyncio.Task[None]] = {}

    def handle_other(self, kind: str, message: tunnel_pb2.AttachRequest) -> None:
        """Do what only an edge says; raises TunnelFault when it breaks the contract."""
        match kind:
            case "open":
                self._handle_open(message.open)
            case "player":
                self._handle_player(message.player)
            case "drain":
                _log.info("edge_draining", edge=self.edge_name, deadline_ms=message.drain.deadline_milliseconds)
            case "leave":
                self.has_left = True
                self.gone(Reason.TUNNEL_LOST)
            case _:
                raise TunnelFault(f"unexpected {kind} from the edge")

    def add_word(self, heartbeat: tunnel_pb2.Heartbeat) -> None:
        """Say how busy this core is."""
        if self.make_load is not None:
            heartbeat.load.CopyFrom(self.make_load())

    def take_word(self, heartbeat: tunnel_pb2.Heartbeat) -> None:
        """Remember how the edge says it is; raises TunnelFault."""
        if heartbeat.HasField("load"):
            raise TunnelFault("unexpected load from the edge")
        if heartbeat.HasField("report"):
            check_report(heartbeat.report)
            self.report = heartbeat.report

    @property
    def keep_alive(self) -> bytes:
        """What keeps the game server content: it gets whole frames only, so one of ours always stands between two."""
        return self._policy.keep_alive

    @property
    def keep_alive_seconds(self) -> float:
        """How often the game server is to get one."""
        return self._policy.keep_alive_seconds

    def announce_drain(self, deadline_seconds: float) -> None:
        """Tell the edge to bring no new sessions; those that it brings when it has heard that are closed."""
        self.is_draining = True
        drain = tunnel_pb2.Drain(deadline_milliseconds=int(deadline_seconds * 1000))
        self.queue.add(tunnel_pb2.AttachResponse(drain=drain))
        self._drain_number = self.delivery.sent

    def set_policy(self, policy: EdgePolicy, message: tunnel_pb2.Policy) -> None:
        """Go on under another policy from this place of the stream, where the edge will too; ``message`` holds it."""
        self._policy = policy
        self.buffer.idle_frame = policy.keep_alive
        self._watcher = _make_watcher(policy)
        self._recheck = _wider(self._recheck, policy.serverbound)
        self.queue.add(tunnel_pb2.AttachResponse(policy=message))
        if self._watcher is not None:
            for session in self.sessions.values():
                session.watch(self._watcher)

    def retire_edge(self) -> None:
        """Have the edge drain and end; only one that can."""
        self.queue.add(tunnel_pb2.AttachResponse(retire=tunnel_pb2.Retire()))

    def session_ended(self, session: Session, reason: str) -> None:
        """Count a session that is over, stop connecting for it, and say what the edge should have caught."""
        super().session_ended(session, reason)
        self._roster.ended(session)
        if not session.awaits_link and (task := self._connecting.pop(session.slot, None)) is not None:
            task.cancel()
        if session.slot not in self._connecting:
            self._give_place_back(session.slot)
        if reason == Reason.EDGE_FRAME_LENGTH and session.fault_text:
            _log.error("edge_fault", session=session.session_id.hex(), edge=self.edge_name, detail=session.fault_text)

    def report_frame_fault(self, session: Session, reason: str) -> None:
        """The game server itself sent garbage: its operator must hear of it."""
        _log.error("origin_fault", session=session.session_id.hex(), reason=reason, detail=session.fault_text)

    def _handle_open(self, message: tunnel_pb2.Open) -> None:
        if message.slot <= self._last_slot:
            raise TunnelFault(f"slot {message.slot} opened after slot {self._last_slot}")
        if len(self.sessions) >= self._limits.max_sessions + MAX_UNANSWERED_CLOSES:
            raise TunnelFault(f"{len(self.sessions)} slots in use: closes are not answered")
        if len(message.session_id) != 16:
            raise TunnelFault(f"session id of {len(message.session_id)} bytes where 16 belong")
        client = _read_address(message.client_address, message.client_port, "client")
        listener = _read_address(message.listen_address, message.listen_port, "listener")
        self._last_slot = message.slot
        session = Session(
            self,
            message.slot,
            message.session_id,
            self._policy.clientbound,
            send_window_bytes=self._send_window,
            receive_window_bytes=self._limits.window_bytes,
            recheck=self._recheck,
            watcher=self._watcher,
        )
        self.add_session(session)
        _log.debug("session_opened", session=session.session_id.hex(), edge=self.edge_name, client=client)
        peer = Peer(
            session_id=message.session_id,
            address=client,
            port=message.client_port,
            listen_address=listener,
            listen_port=message.listen_port,
            edge=self.edge_name,
            region=self.region,
            since=time.time(),
        )
        try:
            inspector = None if self._features is None else self._features.open(session, peer, self._watcher)
            self._roster.opened(peer, session, inspector)
        except MisuseError as error:
            raise TunnelFault(str(error)) from error
        if self._features is not None and inspector is not None:
            session.inspect(inspector, self._features.preface(inspector.session))
            self._features.opened(inspector.session)
        if session.reason:
            pass  # a feature would not have it
        elif self.is_draining and self.delivery.acknowledged >= self._drain_number:  # the edge knew of it
            session.end(Reason.CORE_DRAINING)
        elif not self._places.take():
            session.end(Reason.SESSION_LIMIT)
        else:
            self._placed.add(message.slot)
            name = f"origin-connect-{message.session_id.hex()}"
            self._connecting[message.slot] = asyncio.create_task(self._connect(session), name=name)

    def _handle_player(self, message: tunnel_pb2.Player) -> None:
        names = (message.account, message.hardware, message.character)
        if max(map(len, names)) > MAX_NAME_BYTES:
            raise TunnelFault(f"a name of {max(map(len, names))} bytes: at most {MAX_NAME_BYTES} are allowed")
        session = self._session(message.slot, "player")
        if not session.reason:
            self._roster.named(session, Names(*names, message.is_logged_in, message.is_opaque))

    async def _connect(self, session: Session) -> None:
        if not self.queue.is_quiet:
            await asyncio.sleep(ASIDE_SECONDS)
        try:
            link = await self._origin.open(session)
        except OriginError as error:
            self._watch.failed(error)
            self._connecting.pop(session.slot, None)
            session.connect_failed(error.reason)
            self._give_place_back(session.slot)
            return
        try:
            await self._until_awake()
        except BaseException:  # the session has ended, and nobody else knows of the link
            link.abort()
            raise
        if self.is_over:  # its turn to end has only not come yet
            session.tunnel_gone(Reason.TUNNEL_LOST)
        self._connecting.pop(session.slot, None)
        self._watch.worked()
        if session.reason:  # it ended meanwhile; the link only gets what was accepted for it
            self._give_place_back(session.slot)
        session.connect(link)

    async def _until_awake(self) -> None:
        """After a sleep of this process, wait until the tunnel knows of it: the edge may have given the session up."""
        attachment = self.attachment
        if attachment is not None and attachment.has_slept():
            await attachment.over.wait()
            if self.held_seconds(time.monotonic()) >= self._limits.hold_seconds:  # it has: nothing may be sent
                self.gone(Reason.TUNNEL_LOST)

    def _give_place_back(self, slot: int) -> None:
        if slot in self._placed:
            self._placed.discard(slot)
            self._places.give_back()


def _make_watcher(policy: EdgePolicy) -> Watcher | None:
    return None if policy.rules is None else Watcher(policy.rules)


def _wider(one: FrameLayout, other: FrameLayout) -> FrameLayout:
    """Return ``other`` with the limits of both: an edge may open sessions under the old policy for a while yet."""
    return replace(
        other,
        min_frame_bytes=min(one.min_frame_bytes, other.min_frame_bytes),
        max_frame_bytes=max(one.max_frame_bytes, other.max_frame_bytes),
    )


def _read_address(packed: bytes, port: int, whose: str) -> IPv4Address | IPv6Address:
    if not 1 <= port <= 65535:
        raise TunnelFault(f"{whose} port {port}: 1 to 65535 are possible")
    if len(packed) not in (4, 16):
        raise TunnelFault(f"{whose} address of {len(packed)} bytes where 4 or 16 belong")
    return _address(packed)


@lru_cache(maxsize=1024)  # all came in at the same few places, and many from few: one object for all of them
def _address(packed: bytes) -> IPv4Address | IPv6Address:
    return ip_address(packed)
