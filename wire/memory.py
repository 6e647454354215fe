"""Asking for memory before it is needed; in its interpreted form, which does nothing.

Of thousands of sessions nothing is in the processor's cache when one's turn comes, and to wait for it costs as much as
the session's own work. Whoever has many to look at says some places before each turn what will be touched there: an
object first, and what it refers to when it has arrived. The kernel compiles this from `memory.pxd`.
"""

from array import array

PREFETCHES = False
"""Whether the functions here do anything."""


def prefetch(thing: object, size_bytes: int) -> None:
    """Ask for the first bytes of an object."""


def prefetch_amounts(amounts: "array[int] | None") -> None:
    """Ask for the first numbers of an array, which do not stand in the object."""
