"""Asking for memory before it is needed; in its interpreted form, which does nothing.

Of thousands of sessions nothing is in the processor's cache when one's turn comes, and to wait for it costs as much as
the session's own work. Whoever has many to look at first goes through all of them and asks for what will be touched: an
object, and in the next round what it refers to. An object's first line is read for that, because whoever passes it on
holds a reference meanwhile; but nothing depends on what is read, so the processor waits for many at the same time. The
kernel compiles this from `memory.pxd`.
"""

from array import array

PREFETCHES = False
"""Whether the functions here do anything."""


def prefetch(thing: object, size_bytes: int) -> None:
    """Ask for the first bytes of an object."""


def prefetch_amounts(amounts: "array[int] | None") -> None:
    """Ask for the first numbers of an array, which do not stand in the object; at least eight of them."""
