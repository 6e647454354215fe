"""One player at gameday's origin: says back what it hears, with a number of its own, and writes down what came.

Called per chunk, a few thousand times a second: what is done per frame is two slices and two conversions.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Protocol, cast

from games.pko.sim.ledger import Stream
from tidegate.gameday.frames import (
    CLIENTBOUND_NUMBER,
    FRAME_BYTES,
    LENGTH_BYTES,
    SERVERBOUND_NUMBER,
    SESSION,
    flood_template,
)
from tidegate.gameday.records import OriginRecord

WRITE_BUFFER_BYTES = 16 * 1024
SEND_BUFFER_BYTES = 64 * 1024
"""A flood is to fill the windows of the relays, not first megabytes of the system's."""

FRAMES_AT_ONCE = 16


class Registry(Protocol):
    """Who knows all sessions."""

    greeting: bytes

    def opened(self, session: "OriginSession") -> None:
        """A connection was accepted."""

    def named(self, session: "OriginSession") -> None:
        """Its first frame said which session it is."""

    def closed(self, session: "OriginSession") -> None:
        """The connection is gone."""


class OriginSession(asyncio.Protocol):
    """A player's connection. ``on_control`` takes over when its first byte shows that it is no player."""

    def __init__(self, registry: Registry, on_control: Callable[["OriginSession", bytes], None]) -> None:
        self.name = b""  # the session's number, as it stands in its frames
        self.bytes_received = 0
        self.is_open = True
        self.is_full = False
        self._registry = registry
        self._on_control = on_control
        self._is_control = False
        self._transport: asyncio.Transport | None = None
        self._partial = b""
        self._heard = Stream(1)
        self._said = 0
        self._foreign = 0
        self._flood = b""
        self._is_pouring = False
        self._poured = self._poured_when_asked = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """For the loop: it is connected."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self._transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        self._transport.write(self._registry.greeting)
        self._registry.opened(self)

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002
        """For the loop: the connection is gone."""
        self.is_open = False
        self._flood = b""
        self._registry.closed(self)

    def data_received(self, data: bytes) -> None:
        """For the loop: bytes came."""
        if self._is_control or (not self.name and data[:1] == b"{"):
            self._is_control = True
            self._on_control(self, data)
            return
        self.bytes_received += len(data)
        if self._partial:
            data = self._partial + data
        self._partial = b""
        answers = self._answer(data)
        if answers and self._transport is not None:
            self._transport.write(answers)

    def pause_writing(self) -> None:
        """For the loop: too much is unsent."""
        self.is_full = True

    def resume_writing(self) -> None:
        """For the loop: it is sent."""
        self.is_full = False
        self._pour()

    def write(self, data: bytes) -> None:
        """Write as it is; for what controls the origin."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def drop(self) -> None:
        """Cut the connection."""
        if self._transport is not None:
            self._transport.abort()

    def flood(self, *, is_on: bool) -> None:
        """Send as much as the connection takes, by itself; or no longer."""
        self._flood = flood_template(self.name) if is_on and self.is_open else b""
        self._pour()

    def take_is_blocked(self) -> bool:
        """Return whether a flood has filled everything on the way: none of it went out since this was last asked."""
        is_blocked = bool(self._flood) and self.is_full and self._poured == self._poured_when_asked
        self._poured_when_asked = self._poured
        return is_blocked

    def record(self) -> OriginRecord:
        """Return what this session has come to."""
        tally = self._heard.tally
        return OriginRecord(
            session=int(self.name, 16),
            received=tally.received,
            lost=tally.lost,
            doubled=tally.doubled,
            reordered=tally.reordered,
            foreign=self._foreign,
            sent=self._said,
        )

    def _answer(self, data: bytes) -> bytes | bytearray:
        """Write down the whole frames of a chunk and return them with our numbers; keep what is behind them."""
        if len(data) == FRAME_BYTES and data[1] == FRAME_BYTES:
            return self._numbered(data)
        answers = bytearray()
        at = 0
        while len(data) - at >= LENGTH_BYTES:
            length = data[at] << 8 | data[at + 1]
            if length < LENGTH_BYTES or len(data) - at < length:
                break
            if length == FRAME_BYTES:
                answers += self._numbered(data[at : at + length])
            at += length
        self._partial = data[at:]
        return answers

    def _numbered(self, frame: bytes) -> bytearray:
        if frame[SESSION] != self.name:
            self._meet(frame[SESSION])
        self._heard.observe(int(frame[SERVERBOUND_NUMBER], 16))
        self._said += 1
        answer = bytearray(frame)
        answer[CLIENTBOUND_NUMBER] = b"%08x" % self._said
        return answer

    def _meet(self, name: bytes) -> None:
        if self.name:
            self._foreign += 1  # another session's frame: the worst a tunnel can do
            return
        self.name = name
        self._registry.named(self)

    def _pour(self) -> None:
        """Write a piece of a flood, and arrange for the next: other sessions have their turn between them."""
        transport = self._transport
        if not self._flood or self.is_full or self._is_pouring or transport is None or transport.is_closing():
            return
        first = self._said + 1
        self._said += FRAMES_AT_ONCE
        self._poured += FRAMES_AT_ONCE
        transport.write(b"".join(self._flood % number for number in range(first, first + FRAMES_AT_ONCE)))
        self._is_pouring = True
        asyncio.get_running_loop().call_soon(self._pour_on)

    def _pour_on(self) -> None:
        self._is_pouring = False
        self._pour()
