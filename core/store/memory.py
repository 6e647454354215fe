"""The store within one process: nothing to install, nothing to wait for, and all forgotten when the process ends.

The default of ``tidegate up``. With several workers or cores each has one of its own: what is shared needs Redis.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence

from core.store.claim_book import ClaimBook, check_limit
from core.store.last_known import LastKnown, end_of
from core.store.protocol import MEMORY_KIND, Claim, StoreStatus, TableChange, check_name, check_value
from core.store.table_copy import TableCopy, in_parts
from core.store.topics import Topics


class MemoryStore:
    """A `Store`. ``clock`` gives seconds that never go back; values expire by it.

    Of more values than `last_known` has room for, the longest unused are forgotten; ``lost_writes`` counts them.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._values = LastKnown()
        self._tables: dict[str, TableCopy] = {}
        self._owned: dict[str, TableCopy] = {}
        self._claims = ClaimBook()
        self._topics = Topics()
        self._since = time.time()
        self._owner = secrets.token_hex(8)
        self._epoch = 0

    @property
    def owner(self) -> str:
        """See `Store`."""
        return self._owner

    @property
    def status(self) -> StoreStatus:
        """See `Store`; memory is never away."""
        return StoreStatus(MEMORY_KIND, since=self._since, lost_writes=self._values.forgotten)

    async def start(self) -> None:
        """See `Store`."""

    async def run(self) -> None:
        """See `Store`; there is nothing to keep going."""
        await asyncio.Event().wait()

    async def close(self) -> None:
        """See `Store`."""

    async def next_epoch(self) -> int:
        """See `Store`."""
        self._epoch = max(self._epoch + 1, time.time_ns() // 1000)
        return self._epoch

    async def get(self, keys: Sequence[str]) -> dict[str, bytes]:
        """See `Store`."""
        now = self._clock()
        found = {key: self._values.get(check_name(key), now) for key in keys}
        return {key: value for key, value in found.items() if value is not None}

    def put(self, key: str, value: bytes, *, expiry_seconds: float, gives_way: bool = False) -> None:
        """See `Store`; in one process all that there is is known."""
        del gives_way
        end = end_of(expiry_seconds, self._clock())
        self._values.put(check_name(key), check_value(value), end)

    def delete(self, key: str) -> None:
        """See `Store`."""
        self._values.forget(check_name(key))

    async def swap(self, key: str, expected: bytes | None, value: bytes, *, expiry_seconds: float) -> bool:
        """See `Store`."""
        if self._values.get(check_name(key), self._clock()) != expected:
            check_value(value)
            return False
        self.put(key, value, expiry_seconds=expiry_seconds)
        return True

    def put_field(self, table: str, name: str, value: bytes) -> None:
        """See `Store`; raises MisuseError for a field too many."""
        self._table(table).change(check_name(name), check_value(value))

    def delete_field(self, table: str, name: str) -> None:
        """See `Store`."""
        self._table(table).change(check_name(name), None)

    def watch_table(self, table: str, on_change: Callable[[TableChange], None]) -> Callable[[], None]:
        """See `Store`."""
        return self._table(table).watch(on_change)

    def own(self, table: str, name: str, value: bytes) -> None:
        """See `Store`; raises MisuseError for a field too many."""
        self._owned.setdefault(check_name(table), TableCopy()).change(check_name(name), check_value(value))

    def disown(self, table: str, name: str) -> None:
        """See `Store`."""
        self._owned.setdefault(check_name(table), TableCopy()).change(check_name(name), None)

    async def owned(self, table: str) -> dict[str, dict[str, bytes]]:
        """See `Store`."""
        copy = self._owned.get(check_name(table))
        return {self._owner: dict(copy.fields)} if copy is not None and copy.fields else {}

    async def scan_owned(self, table: str) -> AsyncIterator[tuple[str, dict[str, bytes]]]:
        """See `Store`."""
        copy = self._owned.get(check_name(table))
        for part in in_parts({} if copy is None else copy.fields):
            yield self._owner, part

    async def claim(self, name: str, holder: str, *, limit: int, evict: bool) -> Claim:
        """See `Store`."""
        now_us = time.time_ns() // 1000
        return self._claims.claim(
            check_name(name), check_name(holder), limit=check_limit(limit), evict=evict, now_us=now_us
        )

    def release(self, name: str, holder: str) -> None:
        """See `Store`."""
        self._claims.drop(check_name(name), check_name(holder))

    def on_claim_lost(self, on_lost: Callable[[str, str], None]) -> None:
        """See `Store`; in one process no claim turns out not to hold."""

    def on_value_found(self, on_found: Callable[[str, bytes], None]) -> None:
        """See `Store`; in one process nothing gives way."""

    def publish(self, topic: str, message: bytes) -> None:
        """See `Store`."""
        self._topics.tell(check_name(topic), check_value(message))

    def subscribe(self, topic: str, on_message: Callable[[bytes], None]) -> Callable[[], None]:
        """See `Store`."""
        return self._topics.subscribe(check_name(topic), on_message)

    def _table(self, table: str) -> TableCopy:
        return self._tables.setdefault(check_name(table), TableCopy(is_read=True))
