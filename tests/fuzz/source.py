"""Turns the bytes of a fuzzer into choices, so that small changes of the input stay small changes of the case."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

Value = TypeVar("Value")


class Source:
    """Takes values from the front of an input; where it has ended everything is 0 or empty."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        """Bytes that are left."""
        return max(0, len(self._data) - self._at)

    def number(self, width: int = 1) -> int:
        """Take an unsigned integer."""
        self._at += width
        return int.from_bytes(self._data[self._at - width : self._at], "big")

    def below(self, limit: int) -> int:
        """Take a number from 0 to below ``limit``, at most 256."""
        return self.number() % limit

    def flag(self) -> bool:
        """Take a yes or no."""
        return bool(self.number() & 1)

    def pick(self, values: Sequence[Value]) -> Value:
        """Take one of the values."""
        return values[self.number(1 if len(values) <= 256 else 2) % len(values)]

    def take(self, size: int) -> bytes:
        """Take up to ``size`` bytes."""
        self._at += size
        return self._data[self._at - size : self._at]

    def rest(self) -> bytes:
        """Take all that is left."""
        return self.take(self.left)


def cut(stream: bytes, seed: int) -> Iterator[bytes]:
    """Yield the stream in pieces that depend on ``seed`` only: 0 byte by byte, else of at most 2, 30 or 500 bytes."""
    longest = (2, 30, 500)[seed % 3] if seed else 1
    lowest = 0 if seed else 1
    position = 0
    while position < len(stream):
        seed = (seed * 1103515245 + 12345) & 0x7FFFFFFF
        size = max(lowest, (seed >> 16) % (longest + 1))
        yield stream[position : position + size]
        position += size
