"""Records and packets: small typed classes whose annotations say how they stand on the wire.

::

    @packet(6403, Direction.SERVERBOUND)
    class Whisper(Packet):
        to: Annotated[bytes, String(16)]
        text: Annotated[bytes, String(200)]

gives a frozen dataclass with ``encode``, ``decode``, ``MIN_BYTES`` and ``MAX_BYTES``. A body must be used up
to its last byte: junk behind the last field is a fault, because servers that read from the tail are
misled by it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any, ClassVar, Self, TypeVar, cast, dataclass_transform, get_type_hints

from games.fields import Field, Reader
from wire.errors import EncodeError, PacketFault


class Direction(IntEnum):
    """Which way a frame travels."""

    SERVERBOUND = 1
    CLIENTBOUND = 2


@dataclass(frozen=True, slots=True)
class Tag:
    """Tells packets with one opcode apart: an unsigned big-endian field of the body with one value."""

    offset_bytes: int
    width_bytes: int
    value: int

    def matches(self, body: bytes) -> bool:
        """Whether ``body`` carries this tag."""
        end = self.offset_bytes + self.width_bytes
        return len(body) >= end and int.from_bytes(body[self.offset_bytes : end], "big") == self.value


class Record:
    """Fields in a fixed order; made by the `record` and `packet` decorators, never by hand."""

    __slots__ = ()

    FIELDS: ClassVar[tuple[tuple[str, Field], ...]] = ()
    MIN_BYTES: ClassVar[int] = 0
    MAX_BYTES: ClassVar[int] = 0

    @classmethod
    def read_from(cls, reader: Reader) -> Self:
        """Read the fields in order and leave the reader behind the last one; raises PacketFault."""
        values: dict[str, Any] = {}
        for name, field in cls.FIELDS:
            reader.field = f"{cls.__name__}.{name}"
            values[name] = field.read(reader, values)
        return cls(**values)

    def write_to(self, out: bytearray) -> None:
        """Append all fields; raises EncodeError naming the field that breaks its bound."""
        values: dict[str, Any] = {}
        for name, field in self.FIELDS:
            value = getattr(self, name)
            try:
                field.write(out, value, values)
            except EncodeError as error:
                raise EncodeError(f"{type(self).__name__}.{name}: {error}") from error
            values[name] = value


class Packet(Record):
    """A decoded frame body of one opcode."""

    __slots__ = ()

    OPCODE: ClassVar[int] = 0
    DIRECTION: ClassVar[Direction] = Direction.SERVERBOUND
    TAG: ClassVar[Tag | None] = None
    STYLES: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def decode(cls, body: bytes) -> Self:
        """Read a whole body; raises PacketFault when it is too short, too long or out of bounds."""
        reader = Reader(body)
        value = cls.read_from(reader)
        if reader.remaining:
            raise PacketFault(
                f"{reader.remaining} bytes of junk behind the last field",
                field=cls.__name__,
                offset_bytes=reader.position,
            )
        return value

    def encode(self) -> bytes:
        """Return the body; raises EncodeError."""
        out = bytearray()
        self.write_to(out)
        return bytes(out)


R = TypeVar("R", bound=Record)
P = TypeVar("P", bound=Packet)


@dataclass_transform(kw_only_default=True, frozen_default=True)
def record(cls: type[R]) -> type[R]:
    """Make a frozen record class of annotated fields."""
    made: Any = dataclass(frozen=True, slots=True, kw_only=True)(cls)
    hints = get_type_hints(made, include_extras=True)
    layout: list[tuple[str, Field]] = []
    for name in (each.name for each in fields(made)):
        metadata: tuple[Any, ...] = getattr(hints[name], "__metadata__", ())
        if len(metadata) != 1:
            raise TypeError(f"{made.__name__}.{name}: annotate it with exactly one field type")
        layout.append((name, metadata[0]))
    made.FIELDS = tuple(layout)
    made.MIN_BYTES = sum(field.min_bytes for _, field in layout)
    made.MAX_BYTES = sum(field.max_bytes for _, field in layout)
    return cast("type[R]", made)


@dataclass_transform(kw_only_default=True, frozen_default=True)
def packet(
    opcode: int,
    direction: Direction,
    *,
    tag: Tag | None = None,
    styles: frozenset[str] = frozenset(),
) -> Callable[[type[P]], type[P]]:
    """Make a packet class of an opcode.

    ``tag`` tells several classes of one opcode apart; ``styles`` limits the class to dialects of those
    body styles (none: it holds in all).
    """

    def make(cls: type[P]) -> type[P]:
        made = record(cls)
        made.OPCODE = opcode
        made.DIRECTION = direction
        made.TAG = tag
        made.STYLES = styles
        return made

    return make
