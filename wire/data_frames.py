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
MAX_WINDOW = (1 << 31) - 1

OTHER = 255
"""What `FrameCutter` calls all other frames."""

_HEADER = Struct(">HBBBI")
_DATA_AND_PREFIX = Struct(">HBBBIBI")
_INCREMENT = Struct(">I")
_DATA, _HEADERS, _PUSH_PROMISE, _WINDOW_UPDATE, _CONTINUATION = DATA, HEADERS, PUSH_PROMISE, WINDOW_UPDATE, CONTINUATION
_OTHER, _END_HEADERS, _PADDED, _HEADER_BYTES = OTHER, END_HEADERS, PADDED, HEADER_BYTES


class FrameCutter:
    """One direction of one connection, cut into frames of at most ``max_frame_bytes`` of body.

    ``preface_bytes`` is what stands before the first frame: nothing of a server, 24 bytes of a client.
    """

    __slots__ = ("_held", "_is_in_headers", "_max_frame_bytes", "_needed", "_preface")

    def __init__(self, max_frame_bytes: int, *, preface_bytes: int) -> None:
        self._max_frame_bytes = max_frame_bytes
        self._preface = preface_bytes  # how much of it is to come
        self._held = bytearray()  # a frame that is not whole
        self._needed = 0  # how much of it is worth a look
        self._is_in_headers = False  # a block of headers has begun, and nothing else may come before its end

    def feed(self, data: bytes) -> list[tuple[int, int, int, bytes]]:
        """Return what is whole with these bytes, in order, as tuples.

        - (`DATA`, stream, bytes of window that it uses, payload); with `END_STREAM` set it is followed by an `OTHER`
          which says so
        - (`WINDOW_UPDATE`, stream, increment, nothing)
        - (`OTHER`, 0, 0, whole frames as they came)

        Raises PeerFault for a frame that is too long, or whose padding is longer than itself.
        """
        found: list[tuple[int, int, int, bytes]] = []
        if self._held:
            self._held += data
            if len(self._held) < self._needed:
                return found
            data = bytes(self._held)
            self._held.clear()
        size = len(data)
        start = min(self._preface, size)
        self._preface -= start
        others = 0  # where frames begin that are handed on and were not yet
        self._needed = _HEADER_BYTES
        while size - start >= _HEADER_BYTES:
            length = data[start] << 16 | data[start + 1] << 8 | data[start + 2]
            if length > self._max_frame_bytes:
                raise PeerFault(f"a frame of {length} bytes, where at most {self._max_frame_bytes} are allowed")
            body = start + _HEADER_BYTES
            end = body + length
            if end > size:
                self._needed = end - start
                break
            kind = data[start + 3]
            flags = data[start + 4]
            if kind == _DATA and not self._is_in_headers:
                if others < start:
                    found.append((_OTHER, 0, 0, data[others:start]))
                stream = read_number(data, start + 5) & MAX_WINDOW
                found.append((_DATA, stream, length, _payload(data, body, end, is_padded=bool(flags & _PADDED))))
                if flags & END_STREAM:
                    found.append((_OTHER, 0, 0, pack_header(0, _DATA, END_STREAM, stream)))
                others = end
            elif kind == _WINDOW_UPDATE and length == 4 and not self._is_in_headers:
                increment = read_number(data, body) & MAX_WINDOW
                if increment:  # what else it could mean is for whoever knows all of HTTP/2
                    if others < start:
                        found.append((_OTHER, 0, 0, data[others:start]))
                    found.append((_WINDOW_UPDATE, read_number(data, start + 5) & MAX_WINDOW, increment, b""))
                    others = end
            elif kind in (_HEADERS, _PUSH_PROMISE, _CONTINUATION):
                self._is_in_headers = not flags & _END_HEADERS
            start = end
        if others < start:
            found.append((_OTHER, 0, 0, data[others:start]))
        if start < size:
            self._held += data[start:]
        return found


def _payload(data: bytes, start: int, end: int, *, is_padded: bool) -> bytes:
    """Return what stands in the body of a DATA frame."""
    if not is_padded:
        return data[start:end]
    if start == end or data[start] >= end - start:
        raise PeerFault("a frame with more padding than there are bytes in it")
    return data[start + 1 : end - data[start]]


def read_number(data: bytes, position: int) -> int:
    """Read four bytes, unsigned and big-endian."""
    value = 0
    for index in range(position, position + 4):
        value = value << 8 | data[index]
    return value


def pack_header(length: int, kind: int, flags: int, stream: int) -> bytes:
    """Return the first bytes of a frame."""
    return _HEADER.pack(length >> 8, length & 0xFF, kind, flags, stream)


def pack_message(message: bytes, stream: int) -> bytes:
    """Return a gRPC message, with the prefix that says how long it is, as one frame of DATA."""
    length = len(message)
    size = length + PREFIX_BYTES
    return _DATA_AND_PREFIX.pack(size >> 8, size & 0xFF, _DATA, 0, stream, 0, length) + message


def pack_data(data: bytes, stream: int) -> bytes:
    """Return bytes as one frame of DATA."""
    return pack_header(len(data), _DATA, 0, stream) + data


def pack_window_update(increment: int, stream: int) -> bytes:
    """Return the frame that grants so many bytes more."""
    return pack_header(4, _WINDOW_UPDATE, 0, stream) + _INCREMENT.pack(increment)
