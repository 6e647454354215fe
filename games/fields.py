"""Field types: how the values of a packet stand on the wire, with their bounds.

A packet class (`games.packet`) annotates each field with one of these. They are data first (issue a
policy, a reference page or a fuzzer's grammar from them) and read and write second. Every read is bounded
and checked: a value that breaks its bound is a PacketFault, never a shorter or a zero value.

Widths are bytes; integers are big-endian unless they say otherwise. Text stands in `games.texts`, fields made of
fields in `games.composites`.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

from wire.errors import EncodeError, PacketFault


class Reader:
    """A bounded walk over one packet's body."""

    __slots__ = ("data", "field", "position")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0
        self.field = ""  # the field being read, for the reason of a refusal

    @property
    def remaining(self) -> int:
        """Bytes not read yet."""
        return len(self.data) - self.position

    def take(self, size: int) -> bytes:
        """Return the next ``size`` bytes; raises PacketFault when there are fewer."""
        if size > self.remaining:
            raise self.fault(f"{size} bytes are needed and {self.remaining} are left")
        self.position += size
        return self.data[self.position - size : self.position]

    def fault(self, rule: str) -> PacketFault:
        """Make the fault that names the field and the place."""
        return PacketFault(rule, field=self.field, offset_bytes=self.position)


class Field(Protocol):
    """What every field type can do. ``earlier`` holds the fields before this one, by name."""

    @property
    def min_bytes(self) -> int:
        """Fewest bytes on the wire."""
        ...

    @property
    def max_bytes(self) -> int:
        """Most bytes on the wire."""
        ...

    def read(self, reader: Reader, earlier: Mapping[str, Any]) -> Any:
        """Read one value; raises PacketFault."""
        ...

    def write(self, out: bytearray, value: Any, earlier: Mapping[str, Any]) -> None:
        """Append one value; raises EncodeError when it breaks a bound."""
        ...


@dataclass(frozen=True, slots=True)
class Int:
    """An integer of ``width`` bytes within ``low`` to ``high`` (by default all it can hold).

    ``denied`` are ranges of values, both ends included, that are refused all the same.
    """

    width: int
    signed: bool = False
    little_endian: bool = False
    low: int | None = None
    high: int | None = None
    denied: tuple[tuple[int, int], ...] = ()

    @property
    def min_bytes(self) -> int:
        """Its width."""
        return self.width

    @property
    def max_bytes(self) -> int:
        """Its width."""
        return self.width

    @property
    def lowest(self) -> int:
        """The smallest legal value."""
        if self.low is not None:
            return self.low
        return -(1 << (8 * self.width - 1)) if self.signed else 0

    @property
    def highest(self) -> int:
        """The largest legal value."""
        if self.high is not None:
            return self.high
        return (1 << (8 * self.width - self.signed)) - 1

    def read(self, reader: Reader, earlier: Mapping[str, Any]) -> int:  # noqa: ARG002
        """Read one integer."""
        raw = reader.take(self.width)
        value = int.from_bytes(raw, "little" if self.little_endian else "big", signed=self.signed)
        problem = self._check(value)
        if problem:
            raise reader.fault(problem)
        return value

    def write(self, out: bytearray, value: int, earlier: Mapping[str, Any]) -> None:  # noqa: ARG002
        """Append one integer."""
        problem = self._check(value)
        if problem:
            raise EncodeError(problem)
        out += value.to_bytes(self.width, "little" if self.little_endian else "big", signed=self.signed)

    def _check(self, value: int) -> str:
        if not self.lowest <= value <= self.highest:
            return f"{value} is not within {self.lowest} to {self.highest}"
        if any(low <= value <= high for low, high in self.denied):
            return f"{value} is refused"
        return ""


@dataclass(frozen=True, slots=True)
class Float:
    """A four-byte IEEE float; PKO writes them raw, so little-endian beside big-endian integers."""

    little_endian: bool = True

    @property
    def min_bytes(self) -> int:
        """Four."""
        return 4

    @property
    def max_bytes(self) -> int:
        """Four."""
        return 4

    def read(self, reader: Reader, earlier: Mapping[str, Any]) -> float:  # noqa: ARG002
        """Read one float."""
        value: float = struct.unpack("<f" if self.little_endian else ">f", reader.take(4))[0]
        return value

    def write(self, out: bytearray, value: float, earlier: Mapping[str, Any]) -> None:  # noqa: ARG002
        """Append one float."""
        try:
            out += struct.pack("<f" if self.little_endian else ">f", value)
        except OverflowError as error:
            raise EncodeError(f"{value} does not fit a four-byte float") from error


@dataclass(frozen=True, slots=True)
class SplitInt64:
    """A signed 64-bit integer written as two big-endian 32-bit halves.

    Forks disagree on the order of the halves (protocol file, section 2), so it is a parameter.
    """

    low_half_first: bool = False

    @property
    def min_bytes(self) -> int:
        """Eight."""
        return 8

    @property
    def max_bytes(self) -> int:
        """Eight."""
        return 8

    def read(self, reader: Reader, earlier: Mapping[str, Any]) -> int:  # noqa: ARG002
        """Read one integer."""
        raw = reader.take(8)
        return int.from_bytes(self._swap(raw), "big", signed=True)

    def write(self, out: bytearray, value: int, earlier: Mapping[str, Any]) -> None:  # noqa: ARG002
        """Append one integer."""
        try:
            out += self._swap(value.to_bytes(8, "big", signed=True))
        except OverflowError as error:
            raise EncodeError(f"{value} does not fit 64 bits") from error

    def _swap(self, raw: bytes) -> bytes:
        return raw[4:] + raw[:4] if self.low_half_first else raw


@dataclass(frozen=True, slots=True)
class Sequence:
    """A two-byte length and that many raw bytes; with ``exact_bytes`` the length is fixed.

    The value of a ``secret`` one is never shown.
    """

    limit_bytes: int
    exact_bytes: int | None = None
    secret: bool = False

    @property
    def min_bytes(self) -> int:
        """The length field, and the content where its length is fixed."""
        return 2 + (self.exact_bytes or 0)

    @property
    def max_bytes(self) -> int:
        """The length field and the longest content."""
        return 2 + self.limit_bytes

    def read(self, reader: Reader, earlier: Mapping[str, Any]) -> bytes:  # noqa: ARG002
        """Read the content."""
        size = int.from_bytes(reader.take(2), "big")
        problem = self._check(size)
        if problem:
            raise reader.fault(problem)
        return reader.take(size)

    def write(self, out: bytearray, value: bytes, earlier: Mapping[str, Any]) -> None:  # noqa: ARG002
        """Append length and content."""
        problem = self._check(len(value))
        if problem:
            raise EncodeError(problem)
        out += len(value).to_bytes(2, "big")
        out += value

    def _check(self, size: int) -> str:
        if self.exact_bytes is not None and size != self.exact_bytes:
            return f"{size} bytes where exactly {self.exact_bytes} belong"
        if size > self.limit_bytes:
            return f"{size} bytes where at most {self.limit_bytes} are allowed"
        return ""


@dataclass(frozen=True, slots=True)
class Raw:
    """Exactly ``size`` bytes as they stand."""

    size: int

    @property
    def min_bytes(self) -> int:
        """The size."""
        return self.size

    @property
    def max_bytes(self) -> int:
        """The size."""
        return self.size

    def read(self, reader: Reader, earlier: Mapping[str, Any]) -> bytes:  # noqa: ARG002
        """Read the bytes."""
        return reader.take(self.size)

    def write(self, out: bytearray, value: bytes, earlier: Mapping[str, Any]) -> None:  # noqa: ARG002
        """Append the bytes."""
        if len(value) != self.size:
            raise EncodeError(f"{len(value)} bytes where exactly {self.size} belong")
        out += value


@dataclass(frozen=True, slots=True)
class Rest:
    """All bytes to the end of the body: the part of a packet whose layout is not known."""

    limit_bytes: int = 65535

    @property
    def min_bytes(self) -> int:
        """None at all."""
        return 0

    @property
    def max_bytes(self) -> int:
        """The limit."""
        return self.limit_bytes

    def read(self, reader: Reader, earlier: Mapping[str, Any]) -> bytes:  # noqa: ARG002
        """Read to the end."""
        if reader.remaining > self.limit_bytes:
            raise reader.fault(f"{reader.remaining} bytes where at most {self.limit_bytes} are allowed")
        return reader.take(reader.remaining)

    def write(self, out: bytearray, value: bytes, earlier: Mapping[str, Any]) -> None:  # noqa: ARG002
        """Append the bytes."""
        if len(value) > self.limit_bytes:
            raise EncodeError(f"{len(value)} bytes where at most {self.limit_bytes} are allowed")
        out += value


U8 = Annotated[int, Int(1)]
I8 = Annotated[int, Int(1, signed=True)]
U16 = Annotated[int, Int(2)]
I16 = Annotated[int, Int(2, signed=True)]
U32 = Annotated[int, Int(4)]
I32 = Annotated[int, Int(4, signed=True)]
I32LE = Annotated[int, Int(4, signed=True, little_endian=True)]
F32LE = Annotated[float, Float()]
