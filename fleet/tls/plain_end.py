"""The end of a connection that gRPC is at, in the clear: a Unix socket in a folder that only this user can enter.

Made by `fleet.tls.gate` and `fleet.tls.road`, joined to a `fleet.tls.secure_end`. It knows nothing of TLS.
"""

import asyncio
from typing import Protocol, cast

HIGH_WATER_BYTES = 256 * 1024
"""What waits for a socket before the other side is read no further."""

LINGER_SECONDS = 5.0
"""How long the last bytes may take to leave."""


class OtherEnd(Protocol):
    """What the plain end needs of the end that it is joined to."""

    def send(self, data: bytes) -> None:
        """Send on."""

    def finish(self) -> None:
        """End in order."""

    def pause_reading(self) -> None:
        """Read no further."""

    def resume_reading(self) -> None:
        """Read on."""


class PlainEnd(asyncio.Protocol):
    """The end that gRPC is at."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()
        self._other: OtherEnd | None = None
        self._early: list[bytes] = []  # what gRPC says before there is anybody to hear it: a hundred bytes
        self._transport: asyncio.Transport | None = None
        self._linger: asyncio.TimerHandle | None = None

    def join(self, other: OtherEnd) -> None:
        """Send to another end from now on."""
        self._other = other
        for data in self._early:
            other.send(data)
        self._early.clear()

    @property
    def is_lost(self) -> bool:
        """Whether the connection is over."""
        return self.gone.is_set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(HIGH_WATER_BYTES)

    def data_received(self, data: bytes) -> None:
        """Take what gRPC sends."""
        if self._other is not None:
            self._other.send(data)
        else:
            self._early.append(data)

    def eof_received(self) -> bool:
        """gRPC has ended the connection."""
        return False  # in both directions: it never ends only one

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is over."""
        del exc
        self._transport = None
        if self._linger is not None:
            self._linger.cancel()
        self.gone.set()
        if self._other is not None:
            self._other.finish()

    def pause_writing(self) -> None:
        """Much waits for gRPC: the other end is read no further."""
        if self._other is not None:
            self._other.pause_reading()

    def resume_writing(self) -> None:
        """gRPC takes bytes again."""
        if self._other is not None:
            self._other.resume_reading()

    def pause_reading(self) -> None:
        """Read no further: the other end takes nothing."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def write(self, data: bytes) -> None:
        """Hand on what came."""
        if self._transport is not None:
            self._transport.write(data)

    def finish(self) -> None:
        """End when all that was written has been taken."""
        transport = self._transport
        if transport is not None and not transport.is_closing():
            transport.close()
            self._linger = asyncio.get_running_loop().call_later(LINGER_SECONDS, transport.abort)
