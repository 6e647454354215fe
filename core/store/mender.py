"""Mends what an absence has broken: compares Redis with what this process knows, and writes what is missing.

In this order, so that each step builds on the ones before:

1. the marker: was Redis emptied, replaced, or set back to an older state?
2. if so: values and tables, where nobody else has written them since;
3. the lease and what this process owns;
4. what was queued;
5. values that were asked for and could not be read; tables, read as a whole;
6. claims, each checked against those of the others; which are lost is told last.

Every step raises StoreAwayError when Redis goes away again; mending then begins anew. Called by `keeper` alone.
"""

import itertools
import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from core.store.claim_book import Held
from core.store.knowledge import Knowledge
from core.store.protocol import MAX_VALUE_BYTES, StoreDataError, check_name
from core.store.redis_link import RedisLink
from core.store.scripts import CLEAR, OPEN, OWN, READ, RECHECK, RENEW, Command
from core.store.table_copy import MAX_TABLE_FIELDS, TableCopy
from core.store.value_reads import fetch_unread
from core.store.write_queue import Write, WriteKind
from core.store.writer import BATCH_WRITES, LEASE_MILLISECONDS, Writer, field_command, put_command
from wire.errors import MisuseError

MAX_TABLE_BYTES = 64 << 20
"""Most that is read at once."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Mended:
    """What was done, for the log."""

    was_emptied: bool = False
    restored_values: int = 0
    restored_fields: int = 0
    written: int = 0
    kept_values: int = 0
    lost_claims: int = 0


class Mender:
    """The mender of one store."""

    def __init__(self, link: RedisLink, known: Knowledge, writer: Writer) -> None:
        self._link = link
        self._known = known
        self._writer = writer
        self._marker = ""
        self._has_begun = False

    async def mend(self, *, was_asleep: bool) -> Mended:
        """Do all of it. ``was_asleep``: it was this process that was away, not Redis, so that others' claims stand.

        Raises StoreAwayError, and StoreDataError where the marker or the leases are not ours.
        """
        known = self._known
        was_emptied = await self._open_marker()
        async with self._writer.lock:  # or what is queued from now on could be written before what is older
            values = await self._restore_values() if was_emptied else 0
            fields = await self._restore_tables() if was_emptied else 0
            await self._take_lease()
            await self._restore_owned()
        queued = len(known.queue)
        kept = known.kept_values
        await self._writer.write_all(is_mending=True)
        kept = known.kept_values - kept
        await fetch_unread(self._link, known)
        await self.read_tables(known.tables, is_mending=True)
        lost = await self.recheck("room" if was_asleep and not was_emptied else "age", is_mending=True)
        return Mended(was_emptied, values, fields, queued, kept, lost)

    async def renew(self) -> bool:
        """Renew the lease and what hangs on it, if it still runs, which is said.

        Raises StoreAwayError, StoreDataError.
        """
        return await self._renew("renew")

    async def _take_lease(self) -> None:
        """Renew the lease; where it has ended, begin one under another name: the old one counts as dead."""
        if self._has_begun and await self._renew("renew"):
            return
        if self._has_begun:
            self._known.begin_anew()
        await self._renew("begin")
        self._has_begun = True

    async def _renew(self, how: str) -> bool:
        known = self._known
        owned = tuple(known.names.owned(known.owner, table) for table, fields in known.owned.items() if fields)
        command = RENEW.call((known.names.owners, *owned), known.owner, LEASE_MILLISECONDS, how)
        (answer,) = await self._run([command])
        if isinstance(answer, StoreDataError):
            raise StoreDataError(known.note_foreign(known.names.owners, answer)) from answer
        known.note_right(known.names.owners)
        return bool(answer == 1)

    async def read_tables(self, tables: Iterable[str], *, is_mending: bool = False) -> None:
        """Read tables as a whole and tell what is other; raises StoreAwayError. Foreign data leave a table as it is."""
        for table in list(tables):
            copy = self._known.table(table)
            key = self._known.names.table(table)
            copy.begin_reading(lambda name, table=table: self._known.is_field_queued(table, name))  # type: ignore[misc]
            command = READ.call((key,), MAX_TABLE_FIELDS, MAX_TABLE_BYTES)
            (answer,) = await self._link.run([command], is_mending=is_mending)
            if isinstance(answer, StoreDataError):
                self._known.note_foreign(key, answer)
            else:
                self._known.note_right(key)
                self._finish(copy, key, answer)

    async def recheck(self, how: str, *, is_mending: bool = False) -> int:
        """Check all claims of this process (`scripts.RECHECK`); returns how many are lost, which is told."""
        lost = 0
        for every in _batches(self._known.claims):
            async with self._writer.lock:  # or a claim that is released now could be taken anew
                batch = [held for held in every if self._known.claims.find(held.name, held.holder) is held]
                commands = [self._recheck_command(held, how) for held in batch]
                answers = await self._link.run(commands, is_mending=is_mending) if commands else []
            for held, answer in zip(batch, answers, strict=True):
                for holder in self._lost_holders(held, answer):
                    lost += 1
                    self._known.lose_claim(held.name, holder)
        return lost

    async def _open_marker(self) -> bool:
        known = self._known
        command = OPEN.call((known.names.marker,), self._marker, self._writer.writes_seen, secrets.token_hex(8))
        (answer,) = await self._run([command])
        if isinstance(answer, StoreDataError):
            raise StoreDataError(known.note_foreign(known.names.marker, answer)) from answer
        known.note_right(known.names.marker)
        marker, writes = answer[0].decode("ascii", "replace"), int(answer[1])
        was_emptied = self._marker not in ("", marker)
        self._marker, self._writer.writes_seen = marker, writes
        return was_emptied

    async def _restore_values(self) -> int:
        known = self._known
        count = 0
        for batch in _batches(known.values.items(time.monotonic())):
            commands = []
            for key, value, deadline in batch:
                if known.queue.find(WriteKind.VALUE, (key, "")) is not None:
                    continue  # it is written next, and would find what stood here for another's
                write = Write(WriteKind.VALUE, (key, ""), value, deadline)
                commands.append(put_command(known.names.value(key), write, "restore"))
            if commands:
                count += sum(answer == 1 for answer in await self._run(commands))
        return count

    async def _restore_tables(self) -> int:
        known = self._known
        count = 0
        for table, copy in list(known.tables.items()):
            writes = [
                Write(WriteKind.FIELD, (table, name), value)
                for name, value in copy.fields.items()
                if not known.is_field_queued(table, name)
            ]
            for batch in _batches(writes):
                commands = [field_command(known, write, "restore") for write in batch]
                count += sum(answer == 1 for answer in await self._run(commands))
        return count

    async def _restore_owned(self) -> None:
        known = self._known
        known.queue.drop(WriteKind.OWNED)
        for table, fields in list(known.owned.items()):
            key = known.names.owned(known.owner, table)
            answers = await self._run([CLEAR.call((key,))])
            for batch in _batches(dict(fields).items()):
                arguments = [each for pair in batch for each in pair]
                own = OWN.call((known.names.owners, key), known.owner, LEASE_MILLISECONDS, *arguments)
                answers += await self._run([own])
            for answer in answers:
                if isinstance(answer, StoreDataError):
                    known.note_foreign(key, answer)

    def _finish(self, copy: TableCopy, key: str, answer: Sequence[bytes]) -> None:
        fields = {}
        for name, value in zip(answer[::2], answer[1::2], strict=True):
            try:
                if len(value) > MAX_VALUE_BYTES:
                    raise MisuseError(f"a value of {len(value)} bytes")
                fields[check_name(name.decode("ascii"))] = value
            except ValueError as error:  # which a MisuseError and a UnicodeDecodeError are
                self._known.note_foreign(key, f"field {name[:40]!r}: {error}")
        copy.finish_reading(fields)

    def _recheck_command(self, held: Held, how: str) -> Command:
        known = self._known
        keys = (known.names.owners, known.names.claim(held.name))
        return RECHECK.call(
            keys, known.owner, held.holder, known.names.channel, held.name, held.limit, held.age_us, how
        )

    def _lost_holders(self, held: Held, answer: Any) -> list[str]:
        key = self._known.names.claim(held.name)
        if isinstance(answer, StoreDataError):
            self._known.note_foreign(key, answer)
            return []
        self._known.note_right(key)
        if answer[0] != 1:
            return [held.holder] if answer[0] == 0 else []  # else our lease has ended, which the next renewal finds
        if self._known.claims.find(held.name, held.holder) is held:
            self._known.claims.note(replace(held, age_us=int(answer[1]), is_certain=True))
        return [holder.decode("ascii") for holder in answer[2:]]

    async def _run(self, commands: Sequence[Command]) -> list[Any]:
        return await self._link.run(commands, is_mending=True)


def _batches(items: Iterable[T]) -> Iterator[list[T]]:
    """Cut into parts that do not keep the process for long."""
    iterator = iter(items)
    while batch := list(itertools.islice(iterator, BATCH_WRITES)):
        yield batch
