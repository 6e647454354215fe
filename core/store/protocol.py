"""The store: what features and the core remember beyond one session, and what cores tell each other.

Four kinds of things, each with its own calls:

========  ==========================================================================================================
values    bytes under a key, with an expiry: the state of features
tables    a few thousand fields under one name, of which every core keeps a copy: bans
owned     fields and claims that belong to this process and vanish soon after it has died: presence, single sign-on
messages  told to every core that is there now, this one too; those that are not there never hear of them
========  ==========================================================================================================

Names (keys, tables, fields, holders, topics) are ASCII without control characters, of at most MAX_NAME_BYTES; values
at most MAX_VALUE_BYTES. Calls that are not `async` never wait and never fail for a store that is away: what they say is
done at once in what this process knows, and queued for the rest of the world. `async` calls answer within
TIMEOUT_SECONDS, from the last known where the store is away.

After an absence a store mends itself before it says that it is back: what was queued is written, what was lost
(an emptied Redis) is restored from what this process knows, where nobody else has written it since.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from wire.errors import MisuseError, TidegateError

MEMORY_KIND = "memory"
"""What a store calls itself that is only within its process; all others are shared."""

MAX_NAME_BYTES = 256
MAX_VALUE_BYTES = 64 * 1024

TIMEOUT_SECONDS = 0.5
"""Longest wait for an answer; a player's login may wait for it, nothing else does."""

LEASE_SECONDS = 3.0
"""How long what a process owns stays when it is not renewed (which is done every second)."""

MAX_QUEUED_WRITES = 100_000
"""Keys and fields that may wait for a store that is away; of more, the oldest are given up, counted and said."""

MAX_LAST_KNOWN = 100_000
"""Values that are kept for the time in which a store is away; the longest unused are forgotten."""


class StoreAwayError(TidegateError):
    """What was asked for needs the store's own word, and it is away."""

    code = "store_away"


class StoreDataError(TidegateError):
    """The store holds something else under our name; the text says which key and what it is."""

    code = "store_data"


@dataclass(frozen=True, slots=True)
class StoreStatus:
    """How a store is. Times are seconds of `time.time`; ``latency_seconds`` is of the last answer.

    ``problem`` is empty while all is well. ``lost_writes`` were given up: for want of room in the queue, or because
    something else is in their place. ``lost_messages`` were not told to other cores.
    """

    kind: str
    is_away: bool = False
    since: float = 0.0
    problem: str = ""
    queued_writes: int = 0
    lost_writes: int = 0
    lost_messages: int = 0
    latency_seconds: float = 0.0

    @property
    def is_memory(self) -> bool:
        """Whether it is this process's own memory: nobody else reads it, and it began with nothing."""
        return self.kind == MEMORY_KIND


@dataclass(frozen=True, slots=True)
class TableChange:
    """What became of a table. ``is_whole``: ``fields`` is all there is; otherwise only what is new or other."""

    fields: Mapping[str, bytes] = field(default_factory=dict)
    removed: tuple[str, ...] = ()
    is_whole: bool = False


MAX_HOLDERS = 10_000
"""How many may hold one name at most."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The answer to a claim. ``evicted`` lost theirs to it. ``is_certain`` is False where the store was away."""

    is_granted: bool
    evicted: tuple[str, ...] = ()
    is_certain: bool = True


class Store(Protocol):
    """See the module. Everything raises MisuseError for a name or a value out of bounds."""

    @property
    def owner(self) -> str:
        """The name of this process in the store: another one at each start, and after a time in which it was dead.

        So it is for the others when its lease has run out: it was stopped, or could not reach the store for so long.
        """
        ...

    @property
    def status(self) -> StoreStatus:
        """How the store is now."""
        ...

    async def start(self) -> None:
        """Connect, and read the tables that are watched already.

        A store that is away, or that has something else under our names, is no error: it is said, and the store goes
        on trying.
        """
        ...

    async def next_epoch(self) -> int:
        """Return a number greater than all that any process was given before; raises StoreAwayError, StoreDataError.

        It is in step with the clock (microseconds since 1970), so that one made of the clock fits in between.
        """
        ...

    async def run(self) -> None:
        """Keep the store going (leases, queue, messages, absences) until cancelled; `start` was called before."""
        ...

    async def close(self) -> None:
        """Write what is queued, as far as TIMEOUT_SECONDS go, give up what this process owns, and disconnect."""
        ...

    # Values.

    async def get(self, keys: Sequence[str]) -> dict[str, bytes]:
        """Return the values of those keys that have one; what this process has put is seen at once."""
        ...

    def put(self, key: str, value: bytes, *, expiry_seconds: float, gives_way: bool = False) -> None:
        """Remember a value; ``expiry_seconds`` 0 is for ever. The last of several puts counts.

        One that ``gives_way`` does so to a value that turns out to be there, if `get` could not read whether there is
        one (`on_value_found`): for values that were made of the one before.
        """
        ...

    def delete(self, key: str) -> None:
        """Forget a value."""
        ...

    async def swap(self, key: str, expected: bytes | None, value: bytes, *, expiry_seconds: float) -> bool:
        """Put ``value`` if the key has the ``expected`` one (None: has none); whether it was so.

        Raises StoreAwayError: an atomic step is not taken on a guess.
        """
        ...

    # Tables.

    def put_field(self, table: str, name: str, value: bytes) -> None:
        """Set a field of a table, for all cores."""
        ...

    def delete_field(self, table: str, name: str) -> None:
        """Remove a field of a table, for all cores."""
        ...

    def watch_table(self, table: str, on_change: Callable[[TableChange], None]) -> Callable[[], None]:
        """Have ``on_change`` called with the whole table as soon as it is known, and at each change by any core.

        A change of this process is told before `put_field` returns, one of another core well within a second. Returns
        what ends the watch. ``on_change`` must not raise.
        """
        ...

    # What this process owns.

    def own(self, table: str, name: str, value: bytes) -> None:
        """Set a field that is this process's, and vanishes after it."""
        ...

    def disown(self, table: str, name: str) -> None:
        """Remove such a field."""
        ...

    async def owned(self, table: str) -> dict[str, dict[str, bytes]]:
        """Return the fields of all processes that are alive, by owner; of this one alone when the store is away."""
        ...

    def scan_owned(self, table: str) -> AsyncIterator[tuple[str, dict[str, bytes]]]:
        """Yield what `owned` returns in parts of a few hundred fields, for tables that are large.

        A field that is changed meanwhile may come twice. When the store goes away, or is away, the rest of the others'
        is missing (`status` says so).
        """
        ...

    async def claim(self, name: str, holder: str, *, limit: int, evict: bool) -> Claim:
        """Try to become one of at most ``limit`` holders of a name, atomically over all cores.

        Holders of dead processes do not count. With ``evict`` those who hold it longest give way, otherwise the claim
        is refused when all places are taken. Who holds it already is granted it again, in its old place. With the
        store away only what this process knows counts, and the claim is checked again when it is back: then
        ``on_lost`` of `on_claim_lost` is called for those that are too many, the youngest first.
        """
        ...

    def release(self, name: str, holder: str) -> None:
        """Give a claim back; harmless when it is not held."""
        ...

    def on_claim_lost(self, on_lost: Callable[[str, str], None]) -> None:
        """Have ``on_lost(name, holder)`` called for claims of this process that turned out not to hold.

        So it is after an absence, and when another core evicts them. What this process's own `claim` evicts is told by
        its answer alone.
        """
        ...

    def on_value_found(self, on_found: Callable[[str, bytes], None]) -> None:
        """Have ``on_found(key, value)`` called for values that `get` could not read, when they are read after all.

        So it is after an absence, also for what this process put meanwhile and that gave way (see `put`). ``on_found``
        must not raise.
        """
        ...

    # Messages.

    def publish(self, topic: str, message: bytes) -> None:
        """Tell every core that is there, this one too and before this returns."""
        ...

    def subscribe(self, topic: str, on_message: Callable[[bytes], None]) -> Callable[[], None]:
        """Have ``on_message`` called for each message; returns what ends it. It must not raise."""
        ...


def check_name(name: str) -> str:
    """Return a name that is within bounds; raises MisuseError."""
    if not name.isascii() or not name.isprintable() or not 1 <= len(name) <= MAX_NAME_BYTES:
        raise MisuseError(f"{name[:40]!r}: a name in the store is 1 to {MAX_NAME_BYTES} printable ASCII characters")
    return name


def check_value(value: bytes) -> bytes:
    """Return a value that is within bounds; raises MisuseError."""
    if len(value) > MAX_VALUE_BYTES:
        raise MisuseError(f"value of {len(value)} bytes: at most {MAX_VALUE_BYTES} are possible")
    return value
