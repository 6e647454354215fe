"""Counts what a core has to say: the bytes of HTTP/2 DATA frames from core to edge, per connection.

What a tunnel carries is in DATA frames; pings, settings and goodbyes are not, and a core that wakes up may say those.
It is shown every chunk by the fault proxy and steps from frame header to frame header, so it costs a few operations
per message.

====== ==== =======================
offset size of a frame's header
====== ==== =======================
0      3    length of its payload
3      1    type; 0 is DATA
4      5    flags and stream
====== ==== =======================
"""

from weakref import WeakKeyDictionary

from tidegate.gameday.conditions import Way
from tidegate.gameday.proxy_connection import ProxyConnection

HEADER_BYTES = 9
DATA = 0


class _Stream:
    """Where one connection stands: in the middle of a payload, or of a header."""

    __slots__ = ("data_bytes", "header", "is_data", "remaining")

    def __init__(self) -> None:
        self.data_bytes = 0
        self.header = b""
        self.remaining = 0
        self.is_data = False

    def take(self, chunk: bytes) -> None:
        at = 0
        while at < len(chunk):
            if self.remaining:
                step = min(self.remaining, len(chunk) - at)
                self.remaining -= step
                self.data_bytes += step if self.is_data else 0
            else:
                step = min(HEADER_BYTES - len(self.header), len(chunk) - at)
                self.header += chunk[at : at + step]
                if len(self.header) == HEADER_BYTES:
                    self.remaining = int.from_bytes(self.header[:3], "big")
                    self.is_data = self.header[3] == DATA
                    self.header = b""
            at += step


class DataMeter:
    """Give it to a proxy as ``on_bytes``."""

    def __init__(self) -> None:
        self._streams: WeakKeyDictionary[ProxyConnection, _Stream] = WeakKeyDictionary()

    def __call__(self, connection: ProxyConnection, way: Way, data: bytes) -> None:
        """For the proxy: a chunk was read."""
        if way is Way.TO_CLIENT:
            stream = self._streams.get(connection)
            if stream is None:
                stream = self._streams[connection] = _Stream()
            stream.take(data)

    def data_bytes(self, connection: ProxyConnection) -> int:
        """Return what the target has said on a connection so far."""
        stream = self._streams.get(connection)
        return 0 if stream is None else stream.data_bytes
