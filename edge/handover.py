"""The handover between a running edge and the process that takes its place: messages, descriptors, saved state.

Who calls it: `edge.upgrade`, on both sides. It knows the contract in ``protos/tidegate/handover/v1`` and how tunnels
and sessions are saved; it decides nothing. Both processes are of one user on one machine, but the successor may be
another version: what cannot be read is refused whole, and the running edge goes on.
"""

import contextlib
import os
import socket
from collections.abc import Callable, Sequence

from google.protobuf.message import DecodeError

from edge.edge_tunnel import EdgeTunnel
from protos.tidegate.handover.v1 import handover_pb2
from protos.tidegate.tunnel.v1 import tunnel_pb2
from tunnel.counters import Counters
from tunnel.policy import decode_policy
from tunnel.session import Session
from wire.errors import TidegateError

VERSION = 1
HEADER_BYTES = 6
MAX_MESSAGE_BYTES = 256 << 20
"""Begin holds the rings of all tunnels, players their windows."""

PLAYERS_AT_ONCE = 64
MAX_DESCRIPTORS = 250
"""The system takes at most 253 with one message."""


class HandoverError(TidegateError):
    """The other process does not speak the contract, or is gone."""

    code = "handover"


class Wire:
    """One end of the pair of sockets. Its calls block, as long as `timeout_seconds` at most."""

    def __init__(self, end: socket.socket, timeout_seconds: float) -> None:
        self._socket = end
        end.set_inheritable(False)
        end.settimeout(timeout_seconds)

    def send(self, message: handover_pb2.Message, descriptors: Sequence[int] = ()) -> None:
        """Send a message and copies of descriptors; raises HandoverError."""
        raw = message.SerializeToString()
        header = len(raw).to_bytes(4, "big") + len(descriptors).to_bytes(2, "big")
        try:
            socket.send_fds(self._socket, [header], list(descriptors))
            self._socket.sendall(raw)
        except OSError as error:
            raise HandoverError(f"the other process does not listen: {error}") from error

    def receive(self, kind: str) -> tuple[handover_pb2.Message, list[int]]:
        """Return the next message, which must be of a kind, and its descriptors; raises HandoverError."""
        header, descriptors, flags, _ = self._receive_header()
        try:
            if flags & (getattr(socket, "MSG_CTRUNC", 0)):
                raise HandoverError("descriptors were lost on the way: too many open files")
            size, count = int.from_bytes(header[:4], "big"), int.from_bytes(header[4:], "big")
            if size > MAX_MESSAGE_BYTES or count != len(descriptors):
                raise HandoverError(f"message of {size} bytes with {len(descriptors)} of {count} descriptors")
            message = handover_pb2.Message.FromString(self._receive_exactly(size))
            got = message.WhichOneof("message")
            if got != kind:
                raise HandoverError(f"{got or 'something unknown'} where {kind} belongs")
        except DecodeError as error:
            _close(descriptors)
            raise HandoverError(f"a message that cannot be read: {error}") from error
        except HandoverError:
            _close(descriptors)
            raise
        return message, descriptors

    def set_timeout(self, timeout_seconds: float) -> None:
        """Have patience for so long from now on."""
        self._socket.settimeout(timeout_seconds)

    def close(self) -> None:
        """Hang up; a call that another thread has under way ends, too."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _receive_header(self) -> tuple[bytes, list[int], int, object]:
        try:
            header, descriptors, flags, address = socket.recv_fds(self._socket, HEADER_BYTES, MAX_DESCRIPTORS)
            for each in descriptors:  # or the process that this one starts some day would hold them, too, and for ever
                os.set_inheritable(each, False)  # noqa: FBT003 - the system's own signature
        except OSError as error:
            raise HandoverError(f"nothing came from the other process: {error}") from error
        if len(header) < HEADER_BYTES:
            header += self._receive_exactly(HEADER_BYTES - len(header))
        return header, descriptors, flags, address

    def _receive_exactly(self, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            try:
                part = self._socket.recv(min(size - len(parts), 1 << 20))
            except OSError as error:
                raise HandoverError(f"nothing came from the other process: {error}") from error
            if not part:
                raise HandoverError("the other process is gone")
            parts += part
        return bytes(parts)


def save_tunnel(core: str, tunnel: EdgeTunnel) -> handover_pb2.Tunnel:
    """Save a tunnel that stands still; its sessions are saved one by one."""
    tunnel.queue.seal()
    delivery = tunnel.delivery
    return handover_pb2.Tunnel(
        core=core,
        tunnel_id=tunnel.tunnel_id,
        welcome=tunnel.welcome.SerializeToString(),
        policy=tunnel.policy_message.SerializeToString(),
        window_bytes=tunnel.window_bytes,
        last_slot=tunnel.last_slot,
        is_draining=tunnel.is_draining,
        sent=delivery.sent,
        acknowledged=delivery.acknowledged,
        received=delivery.received,
        ring=[numbered.message.SerializeToString() for numbered in delivery.messages()],
    )


def restore_tunnel(
    saved: handover_pb2.Tunnel,
    counters: Counters,
    *,
    flush_window_seconds: float,
    half_close_seconds: float,
    ring_bytes: int,
    on_policy: Callable[[tunnel_pb2.Policy], None],
) -> EdgeTunnel:
    """Make the tunnel that was saved, held; raises TunnelFault and DecodeError for what cannot be."""
    policy = tunnel_pb2.Policy.FromString(saved.policy)
    tunnel = EdgeTunnel(
        saved.tunnel_id,
        tunnel_pb2.Welcome.FromString(saved.welcome),
        decode_policy(policy),
        policy,
        counters,
        window_bytes=saved.window_bytes,
        flush_window_seconds=flush_window_seconds,
        half_close_seconds=half_close_seconds,
        ring_bytes=ring_bytes,
        on_policy=on_policy,
    )
    tunnel.last_slot = saved.last_slot
    tunnel.is_draining = saved.is_draining
    tunnel.queue.restore(saved.ring, sent=saved.sent, acknowledged=saved.acknowledged, received=saved.received)
    return tunnel


def save_session(session: Session) -> handover_pb2.Session:
    """Save a session that stands still."""
    saved = handover_pb2.Session(**session.save())
    if session.guard is not None:
        numbers, buckets, memories, identity = session.guard.save()
        saved.guard.CopyFrom(handover_pb2.Guard(numbers=numbers, buckets=buckets, memories=memories, identity=identity))
    return saved


def restore_session(tunnel: EdgeTunnel, player: handover_pb2.Player) -> Session:
    """Make the session that was saved, without a link; raises HandoverError when it cannot be."""
    saved = player.session
    session = tunnel.make_session(saved.slot, saved.session_id)
    session.restore(saved)
    if session.guard is not None and saved.HasField("guard"):
        guard = saved.guard
        try:
            session.guard.restore(guard.numbers, dict(guard.buckets), list(guard.memories), dict(guard.identity))
        except ValueError as error:
            raise HandoverError(f"session {saved.session_id.hex()}: {error}") from error
    tunnel.take_back(session, player.client_host, player.since_seconds)
    return session


def _close(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        with contextlib.suppress(OSError):
            socket.socket(fileno=descriptor).close()
