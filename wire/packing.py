"""What the kernel does to bytes and numbers without an object for each, in the interpreted form.

The kernel compiles the same from `packing.pxd`, in C. All of it checks what it is given, as Python does.
"""

from array import array
from struct import Struct

_HEADER = Struct(">II")


def append_packed(batch: bytearray, slot: int, kind_and_length: int, payload: bytes) -> None:
    """Add a header of two numbers of four bytes, big-endian, and the payload behind it."""
    batch += _HEADER.pack(slot, kind_and_length)
    batch += payload


def take_all(batch: bytearray) -> bytes:
    """Return everything, and leave nothing."""
    taken = bytes(batch)
    batch.clear()
    return taken


def join(head: bytearray, size: int, body: bytes) -> bytes:
    """Return the first ``size`` bytes of one and the other behind them."""
    if not 0 <= size <= len(head):
        raise IndexError(f"{size} bytes of {len(head)}")
    return bytes(head[:size]) + body


def cut(data: bytes, start: int, end: int) -> bytes:
    """Return the bytes from ``start`` to before ``end``, which are there."""
    if not 0 <= start <= end <= len(data):
        raise IndexError(f"bytes {start} to {end} of {len(data)}")
    return data[start:end]


def find_unlike(data: bytes, start: int, end: int, table: bytes, kind: int) -> int:
    """Return the first place from ``start`` whose byte is not of that kind in a table of 256, or ``end``."""
    if not 0 <= start <= end <= len(data) or len(table) != 256:
        raise IndexError(f"bytes {start} to {end} of {len(data)}, a table of {len(table)}")
    for place in range(start, end):
        if table[data[place]] != kind:
            return place
    return end


def count_amounts(amounts: "array[int]") -> int:
    """Return how many numbers there are."""
    return len(amounts)


def read_amount(amounts: "array[int]", place: int) -> int:
    """Return one of many numbers of 64 bits, with a sign."""
    _check_place(amounts, place)
    return amounts[place]


def write_amount(amounts: "array[int]", place: int, amount: int) -> None:
    """Put another number there."""
    _check_place(amounts, place)
    amounts[place] = amount


def _check_place(amounts: "array[int]", place: int) -> None:
    if amounts.itemsize != 8 or not 0 <= place < len(amounts):
        raise IndexError(f"number {place}")
