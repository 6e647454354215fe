"""Field types made of others: records, lists, paths, fields that are not always there or must be known already.

Like those of `games.fields` they are data first; packet classes (`games.packet`) are annotated with both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from games.fields import Field, Int, Reader
from wire.errors import EncodeError

if TYPE_CHECKING:
    from games.packet import Record


@dataclass(frozen=True, slots=True)
class Struct:
    """The fields of another record, in place."""

    record: type[Record]

    @property
    def min_bytes(self) -> int:
        """The record's."""
        return self.record.MIN_BYTES

    @property
    def max_bytes(self) -> int:
        """The record's."""
        return self.record.MAX_BYTES

    def read(self, reader: Reader, earlier: Mapping[str, Any]) -> Record:  # noqa: ARG002
        """Read one record."""
        return self.record.read_from(reader)

    def write(self, out: bytearray, value: Record, earlier: Mapping[str, Any]) -> None:  # noqa: ARG002
        """Append one record."""
        value.write_to(out)


@dataclass(frozen=True, slots=True)
class Repeat:
    """A count and that many items."""

    count: Int
    item: Field

    @property
    def min_bytes(self) -> int:
        """The count and the fewest items."""
        return self.count.width + max(0, self.count.lowest) * self.item.min_bytes

    @property
    def max_bytes(self) -> int:
        """The count and the most items."""
        return self.count.width + self.count.highest * self.item.max_bytes

    def read(self, reader: Reader, earlier: Mapping[str, Any]) -> tuple[Any, ...]:
        """Read all items; a count that cannot fit in what is left is refused before anything is made."""
        count = self.count.read(reader, earlier)
        if count * self.item.min_bytes > reader.remaining:
            raise reader.fault(f"{count} items cannot fit in the {reader.remaining} bytes that are left")
        return tuple(self.item.read(reader, earlier) for _ in range(count))

    def write(self, out: bytearray, value: tuple[Any, ...], earlier: Mapping[str, Any]) -> None:
        """Append count and items."""
        self.count.write(out, len(value), earlier)
        for item in value:
            self.item.write(out, item, earlier)


@dataclass(frozen=True, slots=True)
class Array:
    """Exactly ``count`` items, without a count on the wire."""

    count: int
    item: Field

    @property
    def min_bytes(self) -> int:
        """All items at their shortest."""
        return self.count * self.item.min_bytes

    @property
    def max_bytes(self) -> int:
        """All items at their longest."""
        return self.count * self.item.max_bytes

    def read(self, reader: Reader, earlier: Mapping[str, Any]) -> tuple[Any, ...]:
        """Read all items."""
        return tuple(self.item.read(reader, earlier) for _ in range(self.count))

    def write(self, out: bytearray, value: tuple[Any, ...], earlier: Mapping[str, Any]) -> None:
        """Append all items."""
        if len(value) != self.count:
            raise EncodeError(f"{len(value)} items where exactly {self.count} belong")
        for item in value:
            self.item.write(out, item, earlier)


@dataclass(frozen=True, slots=True)
class Remembered:
    """A field of fixed length that must hold what the other side sent in an earlier packet, byte for byte.

    The relay remembers it under the number ``memory``. Who decodes one packet by itself cannot know it, so here
    only the field's own bounds are checked.
    """

    memory: int
    field: Field

    @property
    def min_bytes(self) -> int:
        """As long as the field."""
        return self.field.min_bytes

    @property
    def max_bytes(self) -> int:
        """As long as the field."""
        return self.field.max_bytes

    def read(self, reader: Reader, earlier: Mapping[str, Any]) -> Any:
        """Read the field."""
        return self.field.read(reader, earlier)

    def write(self, out: bytearray, value: Any, earlier: Mapping[str, Any]) -> None:
        """Append the field."""
        self.field.write(out, value, earlier)


@dataclass(frozen=True, slots=True)
class Packed:
    """A two-byte length in bytes, then records of fixed size with nothing between: PKO's paths.

    ``measured``: the records are points on a way that a player goes, and its length is limited like a rate.
    """

    record: type[Record]
    low_items: int
    high_items: int
    measured: bool = False

    @property
    def min_bytes(self) -> int:
        """Length field and fewest records."""
        return 2 + self.low_items * self.record.MIN_BYTES

    @property
    def max_bytes(self) -> int:
        """Length field and most records."""
        return 2 + self.high_items * self.record.MAX_BYTES

    def read(self, reader: Reader, earlier: Mapping[str, Any]) -> tuple[Any, ...]:  # noqa: ARG002
        """Read all records."""
        size = int.from_bytes(reader.take(2), "big")
        count, odd = divmod(size, self.record.MIN_BYTES)
        if odd or not self.low_items <= count <= self.high_items:
            raise reader.fault(
                f"{size} bytes: {self.low_items} to {self.high_items} records of {self.record.MIN_BYTES} bytes "
                "are allowed",
            )
        if size > reader.remaining:
            raise reader.fault(f"{size} bytes are needed and {reader.remaining} are left")
        return tuple(self.record.read_from(reader) for _ in range(count))

    def write(self, out: bytearray, value: tuple[Any, ...], earlier: Mapping[str, Any]) -> None:  # noqa: ARG002
        """Append length and records."""
        if not self.low_items <= len(value) <= self.high_items:
            raise EncodeError(f"{len(value)} records: {self.low_items} to {self.high_items} are allowed")
        out += (len(value) * self.record.MIN_BYTES).to_bytes(2, "big")
        for record in value:
            record.write_to(out)


@dataclass(frozen=True, slots=True)
class When:
    """A field that is there only while an earlier one has one of ``values``; None otherwise."""

    name: str
    values: frozenset[int]
    field: Field

    @property
    def min_bytes(self) -> int:
        """Nothing: it may be absent."""
        return 0

    @property
    def max_bytes(self) -> int:
        """As long as the field can be."""
        return self.field.max_bytes

    def read(self, reader: Reader, earlier: Mapping[str, Any]) -> Any:
        """Read the field if it is there."""
        return self.field.read(reader, earlier) if earlier[self.name] in self.values else None

    def write(self, out: bytearray, value: Any, earlier: Mapping[str, Any]) -> None:
        """Append the field if it belongs there."""
        if (value is not None) != (earlier[self.name] in self.values):
            raise EncodeError(f"it belongs there if and only if {self.name} is one of {sorted(self.values)}")
        if value is not None:
            self.field.write(out, value, earlier)


@dataclass(frozen=True, slots=True)
class Unless:
    """A field that is there unless an earlier one has one of ``values``; None then."""

    name: str
    values: frozenset[int]
    field: Field

    @property
    def min_bytes(self) -> int:
        """Nothing: it may be absent."""
        return 0

    @property
    def max_bytes(self) -> int:
        """As long as the field can be."""
        return self.field.max_bytes

    def read(self, reader: Reader, earlier: Mapping[str, Any]) -> Any:
        """Read the field if it is there."""
        return None if earlier[self.name] in self.values else self.field.read(reader, earlier)

    def write(self, out: bytearray, value: Any, earlier: Mapping[str, Any]) -> None:
        """Append the field if it belongs there."""
        if (value is None) != (earlier[self.name] in self.values):
            raise EncodeError(f"it belongs there unless {self.name} is one of {sorted(self.values)}")
        if value is not None:
            self.field.write(out, value, earlier)


@dataclass(frozen=True, slots=True)
class Tail:
    """A last field that some senders leave out: None when the body ends before it."""

    field: Field

    @property
    def min_bytes(self) -> int:
        """Nothing: it may be absent."""
        return 0

    @property
    def max_bytes(self) -> int:
        """As long as the field can be."""
        return self.field.max_bytes

    def read(self, reader: Reader, earlier: Mapping[str, Any]) -> Any:
        """Read the field unless the body is at its end."""
        return self.field.read(reader, earlier) if reader.remaining else None

    def write(self, out: bytearray, value: Any, earlier: Mapping[str, Any]) -> None:
        """Append the field if there is a value."""
        if value is not None:
            self.field.write(out, value, earlier)
