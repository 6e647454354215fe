"""Appends a chunk to a batch, in the interpreted form; the kernel compiles the same from `packing.pxd`, in C."""

from struct import Struct

_HEADER = Struct(">II")


def append_packed(batch: bytearray, slot: int, kind_and_length: int, payload: bytes) -> None:
    """Add a header of two numbers of four bytes, big-endian, and the payload behind it."""
    batch += _HEADER.pack(slot, kind_and_length)
    batch += payload
