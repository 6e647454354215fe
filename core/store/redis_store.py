"""The store in Redis, as features see it: what is said is noted here and queued, what is asked is asked of Redis.

::

    RedisStore ── Knowledge     what this process knows (claims, tables, values, owned fields, queue)
        │  └───── Writer        queue → Redis
        └──────── Keeper        absences, lease, messages
                    └─ Mender   what an absence has broken
        all of them ── RedisLink ── redis-py

Nothing is decided here but what to answer while Redis is away.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from core.store.address import RedisAddress
from core.store.claim_book import Held, check_limit
from core.store.keeper import Keeper
from core.store.knowledge import Knowledge, age_now
from core.store.last_known import end_of
from core.store.mender import MAX_TABLE_BYTES
from core.store.messages import Message, MessageKind
from core.store.protocol import (
    MAX_VALUE_BYTES,
    TIMEOUT_SECONDS,
    Claim,
    StoreAwayError,
    StoreDataError,
    StoreStatus,
    TableChange,
    check_name,
    check_value,
)
from core.store.redis_link import RedisLink
from core.store.scripts import CLAIM, EPOCH, LEAVE, LIVING, READ, SWAP
from core.store.table_copy import MAX_TABLE_FIELDS, PART_FIELDS, in_parts
from core.store.value_reads import KEYS_AT_ONCE, fetch_values
from core.store.write_queue import Write, WriteKind
from core.store.writer import Writer, milliseconds_left
from wire.errors import MisuseError


class RedisStore:
    """A `Store`."""

    def __init__(self, address: RedisAddress, prefix: str) -> None:
        self._known = Knowledge(prefix)
        self._link = RedisLink(address, self._known.names.marker, self._went_away)
        self._writer = Writer(self._link, self._known)
        self._keeper = Keeper(str(address), self._link, self._known, self._writer)

    @property
    def owner(self) -> str:
        """See `Store`."""
        return self._known.owner

    @property
    def status(self) -> StoreStatus:
        """See `Store`."""
        link, known = self._link, self._known
        return StoreStatus(
            "redis",
            is_away=link.is_away,
            since=link.since,
            problem=link.problem or known.problem,
            queued_writes=len(known.queue),
            lost_writes=known.lost_writes,
            lost_messages=known.lost_messages,
            latency_seconds=link.latency_seconds,
        )

    async def start(self) -> None:
        """See `Store`."""
        await self._keeper.start()

    async def run(self) -> None:
        """See `Store`."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._writer.run(), name="store-writer")
            tasks.create_task(self._keeper.run(), name="store-keeper")

    async def close(self) -> None:
        """See `Store`."""
        known = self._known
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await self._writer.write_all()
                owned = tuple(known.names.owned(known.owner, table) for table in known.owned)
                await self._link.run([LEAVE.call((known.names.owners, *owned), known.owner)])
        except (StoreAwayError, TimeoutError):
            pass  # what is owned goes with the lease
        await self._link.close()

    async def next_epoch(self) -> int:
        """See `Store`."""
        marker = self._known.names.marker
        (answer,) = await self._link.run([EPOCH.call((marker,))])
        if isinstance(answer, StoreDataError):
            raise StoreDataError(self._known.note_foreign(marker, answer)) from answer
        return int(answer)

    # Values.

    async def get(self, keys: Sequence[str]) -> dict[str, bytes]:
        """See `Store`; foreign data under a key count as no value, and are said."""
        wanted = dict.fromkeys(check_name(key) for key in keys)
        asked = [key for key in wanted if self._queued_value(key) is None]
        read = 0
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                for start in range(0, len(asked), KEYS_AT_ONCE):
                    await fetch_values(self._link, self._known, asked[start : start + KEYS_AT_ONCE])
                    read = start + KEYS_AT_ONCE
        except (StoreAwayError, TimeoutError):
            pass  # what is known will do
        finally:  # who asked may have given up, too
            for key in asked[read:]:
                self._known.note_unread(key)
        now = time.monotonic()
        found = {key: self._known.values.get(key, now) for key in wanted}
        return {key: value for key, value in found.items() if value is not None}

    def put(self, key: str, value: bytes, *, expiry_seconds: float, gives_way: bool = False) -> None:
        """See `Store`."""
        end = end_of(expiry_seconds, time.monotonic())
        self._known.values.put(check_name(key), check_value(value), end)
        is_guess = gives_way and key in self._known.unread
        if not is_guess:
            self._known.note_read(key, None)
        self._queue(Write(WriteKind.VALUE, (key, ""), value, end, is_guess=is_guess))

    def delete(self, key: str) -> None:
        """See `Store`."""
        self._known.values.put(check_name(key), None, math.inf)
        self._known.note_read(key, None)
        self._queue(Write(WriteKind.VALUE, (key, "")))

    async def swap(self, key: str, expected: bytes | None, value: bytes, *, expiry_seconds: float) -> bool:
        """See `Store`; raises StoreDataError where the key holds something else than a value."""
        end = end_of(expiry_seconds, time.monotonic())
        name = self._known.names.value(check_name(key))
        await self._writer.settle_value(key)
        stamp = self._known.values.stamp
        has_expected = int(expected is not None)
        left = milliseconds_left(end)
        (answer,) = await self._link.run([SWAP.call((name,), has_expected, expected or b"", check_value(value), left)])
        if isinstance(answer, StoreDataError):
            raise StoreDataError(self._known.note_foreign(name, answer)) from answer
        if answer == 1 and not self._known.values.is_newer(key, stamp):
            self._known.values.put(key, value, end)
        return bool(answer == 1)

    # Tables.

    def put_field(self, table: str, name: str, value: bytes) -> None:
        """See `Store`; raises MisuseError for a field too many."""
        self._change_field(table, name, check_value(value))

    def delete_field(self, table: str, name: str) -> None:
        """See `Store`."""
        self._change_field(table, name, None)

    def watch_table(self, table: str, on_change: Callable[[TableChange], None]) -> Callable[[], None]:
        """See `Store`."""
        self._keeper.wake()
        return self._known.table(check_name(table)).watch(on_change)

    # What this process owns.

    def own(self, table: str, name: str, value: bytes) -> None:
        """See `Store`; raises MisuseError for a field too many."""
        fields = self._known.owned.setdefault(check_name(table), {})
        if check_name(name) not in fields and len(fields) >= MAX_TABLE_FIELDS:
            raise MisuseError(f"field {name!r}: a process owns at most {MAX_TABLE_FIELDS} of a table")
        fields[name] = check_value(value)
        self._queue(Write(WriteKind.OWNED, (table, name), value))

    def disown(self, table: str, name: str) -> None:
        """See `Store`."""
        self._known.owned.get(check_name(table), {}).pop(check_name(name), None)
        self._queue(Write(WriteKind.OWNED, (table, name)))

    async def owned(self, table: str) -> dict[str, dict[str, bytes]]:
        """See `Store`."""
        check_name(table)
        others: dict[str, dict[str, bytes]] = {}
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                others = await self._owned_by_others(table)
        except (StoreAwayError, TimeoutError):
            pass
        mine = self._known.owned.get(table, {})
        return {**others, self.owner: dict(mine)} if mine else others

    async def scan_owned(self, table: str) -> AsyncIterator[tuple[str, dict[str, bytes]]]:
        """See `Store`; foreign data under a process's name are left out, and said."""
        for part in in_parts(self._known.owned.get(check_name(table), {})):
            yield self.owner, part
        try:
            for owner in await self._others():
                key, cursor = self._known.names.owned(owner, table), 0
                while True:
                    (answer,) = await self._link.run([("HSCAN", key, cursor, "COUNT", PART_FIELDS)])
                    if isinstance(answer, StoreDataError):
                        self._known.note_foreign(key, answer)
                        break
                    yield owner, _fields(_pairs(answer[1]))
                    cursor = int(answer[0])
                    if not cursor:
                        break
        except StoreAwayError:
            pass  # which the status says

    async def claim(self, name: str, holder: str, *, limit: int, evict: bool) -> Claim:
        """See `Store`."""
        known = self._known
        key = known.names.claim(check_name(name))
        command = CLAIM.call(
            (known.names.owners, key), self.owner, check_name(holder), known.names.channel, name,
            check_limit(limit), int(evict),
        )  # fmt: skip
        try:
            await self._writer.settle_releases(name)
            (answer,) = await self._link.run([command])
        except StoreAwayError:
            return self._guess_claim(name, holder, limit=limit, evict=evict)
        except asyncio.CancelledError:
            self._give_back(name, holder, 0)  # it may have been granted, to nobody
            raise
        if isinstance(answer, StoreDataError):
            known.note_foreign(key, answer)
            return self._guess_claim(name, holder, limit=limit, evict=evict)
        known.note_right(key)
        if answer[0] == -1:  # our own lease has ended: for the others we are dead
            self._keeper.wake()
            return self._guess_claim(name, holder, limit=limit, evict=evict)
        if answer[0] == 0:
            return Claim(is_granted=False)
        known.claims.note(Held(name, holder, int(answer[1]), limit))
        return Claim(is_granted=True, evicted=self._evicted(name, answer[2:]))

    def release(self, name: str, holder: str) -> None:
        """See `Store`."""
        held = self._known.claims.drop(check_name(name), check_name(holder))
        if held is not None:
            self._give_back(name, holder, held.age_us if held.is_certain else 0)

    def on_claim_lost(self, on_lost: Callable[[str, str], None]) -> None:
        """See `Store`."""
        self._known.on_claim_lost(on_lost)

    def on_value_found(self, on_found: Callable[[str, bytes], None]) -> None:
        """See `Store`."""
        self._known.on_value_found(on_found)

    # Messages.

    def publish(self, topic: str, message: bytes) -> None:
        """See `Store`; while Redis is away nobody else hears of it, and it is counted as lost."""
        self._known.topics.tell(check_name(topic), check_value(message))
        if self._link.is_away:
            self._known.lost_messages += 1
        else:
            self._known.send(Message(MessageKind.TOPIC, self.owner, topic, body=message))
            self._writer.nudge()

    def subscribe(self, topic: str, on_message: Callable[[bytes], None]) -> Callable[[], None]:
        """See `Store`."""
        return self._known.topics.subscribe(check_name(topic), on_message)

    # Below: how it is done.

    def _went_away(self, reason: str) -> None:
        self._keeper.say_away(reason)

    def _queue(self, write: Write) -> None:
        self._known.queue.put(write)
        self._writer.nudge()

    def _queued_value(self, key: str) -> Write | None:
        return self._known.queue.find(WriteKind.VALUE, (key, ""))

    def _change_field(self, table: str, name: str, value: bytes | None) -> None:
        serial = next(self._known.serials)
        self._known.table(check_name(table)).change(check_name(name), value, serial)
        self._queue(Write(WriteKind.FIELD, (table, name), value, serial=serial))

    async def _owned_by_others(self, table: str) -> dict[str, dict[str, bytes]]:
        known = self._known
        others = await self._others()
        keys = [known.names.owned(owner, table) for owner in others]
        if not keys:
            return {}
        answers = await self._link.run([READ.call((key,), MAX_TABLE_FIELDS, MAX_TABLE_BYTES) for key in keys])
        found = {}
        for owner, key, answer in zip(others, keys, answers, strict=True):
            if isinstance(answer, StoreDataError):
                known.note_foreign(key, answer)
            elif answer:
                found[owner] = _fields(answer)
        return found

    async def _others(self) -> list[str]:
        """Return the other processes whose lease runs; raises StoreAwayError."""
        known = self._known
        (living,) = await self._link.run([LIVING.call((known.names.owners,))])
        if isinstance(living, StoreDataError):
            known.note_foreign(known.names.owners, living)
            return []
        owners = [owner.decode("ascii", "replace") for owner in living]
        return [owner for owner in owners if owner != self.owner]

    def _guess_claim(self, name: str, holder: str, *, limit: int, evict: bool) -> Claim:
        """Decide by what is known here; the keeper has it checked when Redis is back."""
        guess = self._known.claims.claim(name, holder, limit=limit, evict=evict, now_us=age_now(), is_certain=False)
        for each in (*guess.evicted, *(() if guess.is_granted else (holder,))):
            self._give_back(name, each, 0)  # Redis may have granted what is refused here
        return Claim(guess.is_granted, guess.evicted, is_certain=False)

    def _evicted(self, name: str, members: Sequence[bytes]) -> tuple[str, ...]:
        holders = []
        for member in members:
            owner, _, holder = member.decode("ascii").partition(" ")
            holders.append(holder)
            if owner == self.owner:
                self._known.claims.drop(name, holder)
        return tuple(holders)

    def _give_back(self, name: str, holder: str, age_us: int) -> None:
        self._queue(Write(WriteKind.RELEASE, (name, holder), serial=age_us))


def _pairs(answer: Any) -> list[bytes]:
    """Return field and value by turns, as one list or as redis-py's dictionary, without values that cannot be ours."""
    pairs = answer.items() if isinstance(answer, dict) else zip(answer[::2], answer[1::2], strict=True)
    return [each for name, value in pairs if len(value) <= MAX_VALUE_BYTES for each in (name, value)]


def _fields(answer: Sequence[bytes]) -> dict[str, bytes]:
    pairs = zip(answer[::2], answer[1::2], strict=True)
    return {name.decode("ascii", "replace"): value for name, value in pairs}
