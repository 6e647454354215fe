"""Where an edge answers probes by UDP: on the players' port number, or where ``edge.probe`` says.

The edge makes and runs it. It keeps nothing of those who ask. A flood of whatever kind costs the loop a bounded share:
a few datagrams at a time, and after so many in a tick none until the next one, with the rest lost in the system's
small buffer. A port that cannot be had is said once, and the edge does without.
"""

import asyncio
import contextlib
import socket
import time
from collections import Counter
from collections.abc import Callable

import structlog

from edge.edge_tunnel import SocketAddress
from edge.prefixes import pack_address
from edge.probe_limits import ProbeRates
from fleet.probe import PROBE_BYTES, ProbeReply, ProbeState, decode_request, encode_reply

DATAGRAMS_AT_ONCE = 16
"""Read before the loop turns to those who play: about 0.3 ms."""

DATAGRAMS_PER_TICK = 160
TICK_SECONDS = 0.05
"""So many are read in a tick, whatever they are; 3200 a second cost a few hundredths of a processor core."""

BUFFER_BYTES = 128 * 1024

_log = structlog.get_logger("edge.probe")

Outcomes = Counter[str]
"""By what became of what came: ``answered``, ``malformed``, ``limited``, ``short`` or ``late`` (both HTTP only)."""


class ProbePort:
    """One bound UDP socket. ``state`` says how the edge is, ``name`` is `fleet.probe.name_hash` of its name."""

    def __init__(
        self, bound: socket.socket, rates: ProbeRates, outcomes: Outcomes, state: Callable[[], ProbeState], name: bytes
    ) -> None:
        self._socket = bound
        self._rates = rates
        self._outcomes = outcomes
        self._state = state
        self._name = name
        self._loop = asyncio.get_running_loop()
        self._buffer = bytearray(PROBE_BYTES + 1)  # one more, so that a longer datagram shows
        self._left = DATAGRAMS_PER_TICK
        self._tick: asyncio.TimerHandle | None = None
        self.address = SocketAddress(*bound.getsockname()[:2])
        self._loop.add_reader(bound, self._read)

    def close(self) -> None:
        """Answer no more; harmless when done twice."""
        if self._socket.fileno() != -1:
            self._loop.remove_reader(self._socket)
            self._socket.close()
        if self._tick is not None:
            self._tick.cancel()
            self._tick = None

    def _read(self) -> None:
        if self._tick is None:
            self._tick = self._loop.call_later(TICK_SECONDS, self._next_tick)
        for _ in range(min(DATAGRAMS_AT_ONCE, self._left)):
            try:
                size, source = self._socket.recvfrom_into(self._buffer)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:  # what an earlier answer met on its way
                continue
            self._left -= 1
            self._answer(bytes(self._buffer[:size]), source)
        if not self._left:
            self._loop.remove_reader(self._socket)

    def _next_tick(self) -> None:
        self._tick = None
        if not self._left:
            self._loop.add_reader(self._socket, self._read)
        self._left = DATAGRAMS_PER_TICK

    def _answer(self, data: bytes, source: tuple[str, int]) -> None:
        received_ns = time.monotonic_ns()
        request = decode_request(data)
        if request is None:
            self._outcomes["malformed"] += 1
        elif not self._rates.take(pack_address(source[0]), received_ns / 1e9):
            self._outcomes["limited"] += 1
        else:
            state = self._state()
            reply = ProbeReply(request.nonce, request.clock_ns, received_ns, time.monotonic_ns(), state, self._name)
            with contextlib.suppress(OSError):  # the buffer is full, or the source is none to be answered
                self._socket.sendto(encode_reply(reply), source)
            self._outcomes["answered"] += 1


def bind_probe_socket(host: str, port: int) -> socket.socket:
    """Return a UDP socket that other workers, and a successor of this process, may bind too; raises OSError."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE
    )[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        if family == socket.AF_INET6 and host == "::":
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        bound.settimeout(0.0)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound
