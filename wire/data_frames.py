"""The two frames of HTTP/2 that come with messages, DATA and WINDOW_UPDATE (RFC 9113, sections 6.1 and 6.9).

A connection that carries a tunnel has a few hundred of the one every second, and hardly anything else once it is open.
They are cut out of the stream here; all other frames are handed on as they came, for a library that knows all of
HTTP/2. Pure, and compiled.

======  =====  ========  =============================================
offset  bytes  what      meaning
======  =====  ========  =============================================
0       3      length    unsigned big-endian: bytes of body that follow
3       1      type      `DATA`, `WINDOW_UPDATE`, or another
4       1      flags     bits; which, depends on the type
5       4      stream    31 bits big-endian, 0 for the connection
9       …      body
======  =====  ========  =============================================
"""

from struct import Struct

from wire import packing
from wire.errors import PeerFault

DATA = 0
HEADERS = 1
PUSH_PROMISE = 5
WINDOW_UPDATE = 8
CONTINUATION = 9

END_STREAM = 0x1
END_HEADERS = 0x4
PADDED = 0x8

HEADER_BYTES = 9
PREFIX_BYTES = 5

MAX_OTHER_BYTES = 16 * 1024
"""Bound on every other frame, and on a block of headers in all its frames: whoever takes them does work for each byte,
and has no business with more."""

MAX_WINDOW = (1 << 31) - 1

OTHER = 255
"""What `FrameCutter` calls all other frames."""

_HEADER = Struct(">HBBBI")
_INCREMENT = Struct(">I")
_DATA, _HEADERS, _PUSH_PROMISE, _WINDOW_UPDATE, _CONTINUATION = DATA, HEADERS, PUSH_PROMISE, WINDOW_UPDATE, CONTINUATION
_OTHER, _END_HEADERS, _PADDED, _HEADER_BYTES = OTHER, END_HEADERS, PADDED, HEADER_BYTES
_MAX_OTHER_BYTES, _PREFIX_BYTES = MAX_OTHER_BYTES, PREFIX_BYTES


class FrameCutter:
    """One direction of one connection, cut into frames; DATA has at most ``max_frame_bytes`` of body.

    ``preface_bytes`` is what stands before the first frame: nothing of a server, 24 bytes of a client.
    """

    __slots__ = ("_fault", "_headers_bytes", "_held", "_is_in_headers", "_max_frame_bytes", "_needed", "_preface")

    def __init__(self, max_frame_bytes: int, *, preface_bytes: int) -> None:
        self._max_frame_bytes = max_frame_bytes
        self._preface = preface_bytes  # how much of it is to come
        self._held = bytearray()  # a frame that is not whole
        self._needed = 0  # how much of it is worth a look
        self._is_in_headers = False  # a block of headers has begun, and nothing else may come before its end
        self._headers_bytes = 0  # of that block
        self._fault = ""  # what was wrong behind what was handed on

    def feed(self, data: bytes) -> list[tuple[int, int, int, bytes]]:
        """Return what is whole with these bytes, in order, as tuples.

        - (`DATA`, stream, bytes of window that it uses, payload); with `END_STREAM` set it is followed by an `OTHER`
          which says so
        - (`WINDOW_UPDATE`, stream, increment, nothing)
        - (`OTHER`, 0, 0, a whole frame, or the preface, as it came)

        Raises PeerFault for a frame that is too long, or whose padding is longer than itself; where something whole
        came before that, only the next call does.
        """
        found: list[tuple[int, int, int, bytes]] = []
        self.check()
        if self._held:
            self._held += data
            if len(self._held) < self._needed:
                return found
            data = bytes(self._held)
            self._held.clear()
        size = len(data)
        start = min(self._preface, size)
        self._preface -= start
        if start:
            found.append((_OTHER, 0, 0, data[:start]))
        self._needed = _HEADER_BYTES
        while size - start >= _HEADER_BYTES:
            length = data[start] << 16 | data[start + 1] << 8 | data[start + 2]
            kind = data[start + 3]
            longest = self._max_frame_bytes if kind == _DATA else _MAX_OTHER_BYTES
            if length > longest:
                return self._refuse(found, f"a frame of {length} bytes, where at most {longest} are allowed")
            body = start + _HEADER_BYTES
            end = body + length
            if end > size:
                self._needed = end - start
                break
            flags = data[start + 4]
            increment = 0
            if kind == _WINDOW_UPDATE and length == 4:
                increment = read_number(data, body) & MAX_WINDOW
            if kind == _DATA and not self._is_in_headers:
                padding = 0
                if flags & _PADDED:
                    if not length or data[body] >= length:
                        return self._refuse(found, "a frame with more padding than there are bytes in it")
                    padding = data[body]
                    body += 1
                stream = read_number(data, start + 5) & MAX_WINDOW
                found.append((_DATA, stream, length, data[body : end - padding]))
                if flags & END_STREAM:
                    found.append((_OTHER, 0, 0, pack_header(0, _DATA, END_STREAM, stream)))
            elif increment and not self._is_in_headers:
                found.append((_WINDOW_UPDATE, read_number(data, start + 5) & MAX_WINDOW, increment, b""))
            else:  # a window update of nothing is for whoever knows all of HTTP/2, too
                if kind in (_HEADERS, _PUSH_PROMISE, _CONTINUATION):
                    self._headers_bytes = length + (self._headers_bytes if self._is_in_headers else 0)
                    self._is_in_headers = not flags & _END_HEADERS
                    if self._headers_bytes > _MAX_OTHER_BYTES:
                        return self._refuse(found, f"headers of more than {_MAX_OTHER_BYTES} bytes")
                found.append((_OTHER, 0, 0, data[start:end]))
            start = end
        if start < size:
            self._held += data[start:]
        return found

    def check(self) -> None:
        """Raise what the next call of `feed` would."""
        if self._fault:
            raise PeerFault(self._fault)

    def _refuse(self, found: list[tuple[int, int, int, bytes]], fault: str) -> list[tuple[int, int, int, bytes]]:
        """Return what was whole before a fault; raises PeerFault where nothing was."""
        self._fault = fault
        if not found:
            raise PeerFault(fault)
        return found


def read_number(data: bytes, position: int) -> int:
    """Read four bytes, unsigned and big-endian."""
    value = 0
    for index in range(position, position + 4):
        value = value << 8 | data[index]
    return value


def write_number(data: bytearray, position: int, value: int) -> None:
    """Write four bytes, unsigned and big-endian."""
    for index in range(position + 3, position - 1, -1):
        data[index] = value & 0xFF
        value >>= 8


def pack_header(length: int, kind: int, flags: int, stream: int) -> bytes:
    """Return the first bytes of a frame."""
    return _HEADER.pack(length >> 8, length & 0xFF, kind, flags, stream)


def pack_message(message: bytes, stream: int) -> bytes:
    """Return a gRPC message, with the prefix that says how long it is, as one frame of DATA."""
    length = len(message)
    size = length + _PREFIX_BYTES
    head = bytearray(_HEADER_BYTES + _PREFIX_BYTES)
    head[0] = size >> 16 & 0xFF
    write_number(head, 1, (size & 0xFFFF) << 16)  # the type is 0, as are the flags
    write_number(head, 5, stream)
    write_number(head, _HEADER_BYTES + 1, length)
    return packing.join(head, _HEADER_BYTES + _PREFIX_BYTES, message)


def pack_data(data: bytes, stream: int) -> bytes:
    """Return bytes as one frame of DATA."""
    return pack_header(len(data), _DATA, 0, stream) + data


def pack_window_update(increment: int, stream: int) -> bytes:
    """Return the frame that grants so many bytes more."""
    return pack_header(4, _WINDOW_UPDATE, 0, stream) + _INCREMENT.pack(increment)
