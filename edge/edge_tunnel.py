"""The edge's end of one tunnel: opens sessions for players and obeys the core's policy.

Lives from welcome to the end of the attachment; the client (`edge.tunnel_client`) feeds it messages.
"""

from dataclasses import dataclass
from ipaddress import ip_address
from uuid import uuid4

from protos.tidegate.tunnel.v1 import tunnel_pb2
from tunnel.counters import Counters
from tunnel.end import TunnelEnd
from tunnel.link import Link
from tunnel.owner import EDGE_SIDE
from tunnel.policy import EdgePolicy, decode_policy
from tunnel.session import Session
from wire.chunks import MAX_SLOT
from wire.errors import TunnelFault


@dataclass(frozen=True, slots=True)
class SocketAddress:
    """An IP address and a port, as a socket knows them."""

    host: str
    port: int

    @property
    def packed(self) -> bytes:
        """The address as 4 or 16 bytes; an IPv4 address in IPv6 clothes as 4."""
        address = ip_address(self.host.partition("%")[0])
        mapped = getattr(address, "ipv4_mapped", None)
        return (mapped or address).packed


class EdgeTunnel(TunnelEnd[tunnel_pb2.AttachRequest]):
    """A welcomed tunnel. ``welcome`` was checked by the client."""

    def __init__(
        self,
        welcome: tunnel_pb2.Welcome,
        policy: EdgePolicy,
        counters: Counters,
        *,
        window_bytes: int,
        flush_window_seconds: float,
        half_close_seconds: float,
    ) -> None:
        super().__init__(
            tunnel_pb2.AttachRequest,
            EDGE_SIDE,
            counters,
            flush_window_seconds=flush_window_seconds,
            half_close_seconds=half_close_seconds,
        )
        self.policy = policy
        self.core_name = welcome.core_name
        self.is_draining = False
        self._send_window = welcome.window_bytes
        self._receive_window = window_bytes
        self._last_slot = 0

    def open_session(self, client: SocketAddress, listener: SocketAddress, link: Link) -> Session:
        """Announce a player to the core and return the session to give the player's bytes to."""
        if self._last_slot == MAX_SLOT:
            raise TunnelFault("the tunnel has used up its slots")
        self._last_slot += 1
        session_id = uuid4().bytes
        session = Session(
            self,
            self._last_slot,
            session_id,
            self.policy.serverbound,
            send_window_bytes=self._send_window,
            receive_window_bytes=self._receive_window,
        )
        self.add_session(session)
        announcement = tunnel_pb2.Open(
            slot=session.slot,
            session_id=session_id,
            client_address=client.packed,
            client_port=client.port,
            listen_address=listener.packed,
            listen_port=listener.port,
        )
        self.queue.add(tunnel_pb2.AttachRequest(open=announcement))
        session.connect(link)
        return session

    def handle(self, message: tunnel_pb2.AttachResponse) -> None:
        """Do what a message from the core says; raises TunnelFault when it breaks the contract."""
        kind = message.WhichOneof("message")
        self.sequence.accept(message.sequence, message.acknowledged)
        if (message.sequence > 0) != (kind in ("batch", "close", "credit")):
            raise TunnelFault(f"{kind} with sequence {message.sequence}")
        match kind:
            case "batch":
                self.handle_batch(message.batch)
            case "close":
                self.handle_close(message.close)
            case "credit":
                self.handle_credit(message.credit)
            case "policy":
                self.policy = decode_policy(message.policy)
            case "drain":
                self.is_draining = True
            case "heartbeat":
                pass
            case _:
                raise TunnelFault(f"unexpected {kind or 'empty message'} from the core")

    def closing_notice(self, reason: str) -> bytes:
        """Return the game's notice for ``reason``, where the policy has one."""
        return self.policy.notice_for(reason)
