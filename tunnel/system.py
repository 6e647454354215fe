"""The calls of the system that happen per packet, in their interpreted form.

The kernel compiles the same calls from `system.pxd`, where they are C: the interpreter's way to them costs as much as
a session's whole work. Both forms do the same: `tests/tunnel/test_socket_link.py` runs on either.
"""

import os
import select
import time
from array import array

CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""A clock that also runs while the machine is suspended."""


def monotonic() -> float:
    """Return the seconds of ``time.monotonic``."""
    return time.monotonic()


def boottime_ns() -> int:
    """Return the nanoseconds of `CLOCK`."""
    return time.clock_gettime_ns(CLOCK)


def receive(descriptor: int, size: int) -> bytes | None:
    """Return what a socket that does not block has, up to ``size`` bytes: nothing at its end, None for nothing yet.

    ``size`` is at most 64 KiB, which the compiled form has on its stack. Raises OSError.
    """
    try:
        return os.read(descriptor, size)
    except BlockingIOError:
        return None


def transmit(descriptor: int, data: bytes | bytearray, start: int, end: int) -> int:
    """Hand a part of some bytes to a socket that does not block; return how many it took, 0 when it is full.

    Raises OSError, and IndexError for a part that is not there.
    """
    if not 0 <= start <= end <= len(data):
        raise IndexError(f"bytes {start} to {end} of {len(data)}")
    try:
        with memoryview(data) as whole, whole[start:end] as part:
            return os.write(descriptor, part)
    except BlockingIOError:
        return 0


def take_ready(epoll: select.epoll, descriptor: int, ready: "array[int]") -> int:
    """Put into ``ready`` which sockets of a set are, without waiting: descriptor << 32 | events; return how many.

    The set's own ``descriptor`` is what the compiled form asks.

    As many as there is room for, at most 128, for the same reason. Raises OSError.
    """
    del descriptor
    found = epoll.poll(0, len(ready))
    for place, (each, events) in enumerate(found):
        ready[place] = each << 32 | events
    return len(found)
