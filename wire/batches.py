"""The message that nearly all messages of a tunnel are: a batch, written and read without an object of protobuf's.

On the wire it is what `protos.tidegate.tunnel.v1` says of both directions, and nobody can tell who wrote it. Read is
only what is written here, with the fields in their order; `parse_batch` says of everything else that it is none, and
whoever asked has protobuf look at it. Pure, and compiled.

======  =======================  ======================================
tag     what                     meaning
======  =======================  ======================================
0x08    ``sequence``, a varint   number of the message, from 1
0x10    ``acknowledged``, same   not there where it is 0
0x22    ``batch``, its length
0x0A    ``chunks``, its length   packed (`wire.chunks`), up to the end
======  =======================  ======================================
"""

from wire import packing

_SEQUENCE, _ACKNOWLEDGED, _BATCH, _CHUNKS = 0x08, 0x10, 0x22, 0x0A

_LONGEST_HEAD = 48
"""Four tags, and as many varints of at most ten bytes."""

_VARINT_BITS = 63
"""More is for protobuf to judge."""


class Batch:
    """A batch, numbered; it stands where else a message of protobuf's does."""

    __slots__ = ("acknowledged", "chunks", "sequence")

    def __init__(self, chunks: bytes, sequence: int = 0, acknowledged: int = 0) -> None:
        self.chunks = chunks
        self.sequence = sequence
        self.acknowledged = acknowledged

    def WhichOneof(self, name: str) -> str:  # noqa: N802 - protobuf's name
        """Say what kind of message it is."""
        del name
        return "batch"

    def SerializeToString(self) -> bytes:  # noqa: N802 - protobuf's name
        """Return it as protobuf writes it."""
        head = bytearray(_LONGEST_HEAD)
        size = len(self.chunks)
        place = 0
        if self.sequence:
            place = write_varint(head, write_varint(head, place, _SEQUENCE), self.sequence)
        if self.acknowledged:
            place = write_varint(head, write_varint(head, place, _ACKNOWLEDGED), self.acknowledged)
        place = write_varint(head, place, _BATCH)
        if size:
            place = write_varint(head, place, 1 + varint_bytes(size) + size)
            place = write_varint(head, place, _CHUNKS)
        place = write_varint(head, place, size)
        return packing.join(head, place, self.chunks)


def parse_batch(data: bytes) -> Batch | None:
    """Return the batch that the bytes of a message are; None where they are something else, or written otherwise."""
    reader = _Reader(data)
    if reader.tag() != _SEQUENCE:
        return None
    sequence = reader.varint()
    acknowledged = 0
    tag = reader.tag()
    if tag == _ACKNOWLEDGED:
        acknowledged = reader.varint()
        tag = reader.tag()
    if tag != _BATCH or not reader.is_rest(reader.varint()):
        return None
    if reader.tag() != _CHUNKS or not reader.is_rest(reader.varint()) or reader.is_broken:
        return None
    return Batch(packing.cut(data, reader.place, len(data)), sequence, acknowledged)


class _Reader:
    """Reads tags and numbers of a message; where there is none, it ``is_broken`` and they are 0."""

    __slots__ = ("_data", "is_broken", "place")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.place = 0
        self.is_broken = False

    def tag(self) -> int:
        """Read a tag of one byte."""
        if self.place == len(self._data):
            self.is_broken = True
            return 0
        self.place += 1
        return self._data[self.place - 1]

    def varint(self) -> int:
        """Read a number of up to 63 bits: seven in each byte, the lowest first, and the eighth says that more come."""
        value = shift = 0
        while shift < _VARINT_BITS:
            byte = self.tag()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
        self.is_broken = True
        return 0

    def is_rest(self, size: int) -> bool:
        """Whether so many bytes are left, and more than none."""
        return 0 < size == len(self._data) - self.place


def write_varint(head: bytearray, place: int, value: int) -> int:
    """Write a number where there is room for it; return the place behind it."""
    while value > 0x7F:
        head[place] = value & 0x7F | 0x80
        value >>= 7
        place += 1
    head[place] = value
    return place + 1


def varint_bytes(value: int) -> int:
    """Return how many bytes `write_varint` uses for a number."""
    size = 1
    while value > 0x7F:
        value >>= 7
        size += 1
    return size
