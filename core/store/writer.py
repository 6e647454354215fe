"""Writes to Redis what is queued, in batches, off everybody's way.

At once after a quiet spell, otherwise at the end of a short window. A batch that fails goes back into the queue:
writes say what is, so that writing them twice does no harm. Messages are not told twice, and late ones not at all.
"""

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import replace

from core.store.knowledge import Knowledge
from core.store.messages import Message, MessageKind
from core.store.protocol import LEASE_SECONDS, MAX_VALUE_BYTES, StoreAwayError, StoreDataError
from core.store.redis_link import RedisLink
from core.store.scripts import FIELD, GUESS, OWN, PUT, RELEASE, Argument, Command
from core.store.write_queue import Write, WriteKind

WINDOW_SECONDS = 0.02
"""Writes of this time share a batch: in a pipeline a write costs a fifth of what it costs alone (8.5 µs to 44)."""

SETTLE_SECONDS = 0.1
"""Longest wait of a call for a write that must come before it."""

BATCH_WRITES = 100
"""About 2 ms of this process's time, in which no packet moves."""

BATCH_BYTES = 1 << 20
BATCH_MESSAGES = 100
LEASE_MILLISECONDS = int(LEASE_SECONDS * 1000)


class Writer:
    """The writer of one store. ``lock`` is held while a batch is written.

    ``writes_seen`` is the marker's count after the last batch (`names`).
    """

    def __init__(self, link: RedisLink, known: Knowledge) -> None:
        self._link = link
        self._known = known
        self._wake = asyncio.Event()
        self._round = asyncio.Event()  # set at the end of the batch that is under way, and then replaced
        self.lock = asyncio.Lock()
        self.writes_seen = 0
        self.on_lapsed: Callable[[], None] = lambda: None  # a write was refused, for our lease has ended

    def nudge(self) -> None:
        """There is something to write."""
        self._wake.set()

    async def run(self) -> None:
        """Write whenever Redis is there, until cancelled."""
        last = 0.0
        while True:
            await self._wake.wait()
            await self._link.opened.wait()
            pause = last + WINDOW_SECONDS - time.monotonic()
            if pause > 0:
                await asyncio.sleep(pause)
            self._wake.clear()
            try:
                await self.write_all()
            except StoreAwayError:
                self._wake.set()
            last = time.monotonic()

    async def write_all(self, *, is_mending: bool = False) -> None:
        """Write what is queued until nothing is; raises StoreAwayError, with what is not written queued again."""
        while self._known.queue.has_waiting or self._known.outgoing:
            await self._write_batch(is_mending=is_mending)

    async def settle_value(self, key: str) -> None:
        """Wait until what this process has put under a key is written; raises StoreAwayError."""
        await self._settle(lambda: self._known.queue.find(WriteKind.VALUE, (key, "")) is None)

    async def settle_releases(self, name: str) -> None:
        """Wait until a name's places that this process gave back are free; raises StoreAwayError."""
        await self._settle(lambda: not self._known.queue.has_releases(name))

    async def _settle(self, is_settled: Callable[[], bool]) -> None:
        if is_settled():
            return
        try:
            async with asyncio.timeout(SETTLE_SECONDS):
                while not is_settled() and not self._link.is_away:
                    await self._round.wait()
        except TimeoutError:
            pass
        if not is_settled():
            raise StoreAwayError("what must be written first is still waiting")

    async def _write_batch(self, *, is_mending: bool) -> None:
        known = self._known
        async with self.lock:
            batch = known.queue.take(BATCH_WRITES, BATCH_BYTES)
            messages = [known.outgoing.popleft() for _ in range(min(len(known.outgoing), BATCH_MESSAGES))]
            commands = [self._command(write) for write in batch]
            commands += [("PUBLISH", known.names.channel, message) for message in messages]
            commands.append(("HINCRBY", known.names.marker, "writes", 1))
            try:
                answers = await self._link.run(commands, is_mending=is_mending)
            except BaseException:  # cancelled too
                for write in batch:
                    if write.is_guess:
                        known.note_sent(write)
                known.queue.give_back(batch)
                known.lost_messages += len(messages)
                raise
            else:
                known.queue.done(batch)
                self._note(batch, commands, answers)
            finally:
                self._round.set()
                self._round = asyncio.Event()

    def _note(self, batch: list[Write], commands: list[Command], answers: list[object]) -> None:
        for write, command, answer in zip(batch, commands, answers, strict=False):
            key = str(_key_of(write, command))
            if isinstance(answer, StoreDataError):
                self._known.refused_writes += write.kind is not WriteKind.RELEASE
                self._known.note_foreign(key, answer)
            else:
                self._known.note_right(key)
                if write.kind is WriteKind.OWNED and answer == -1:
                    self.on_lapsed()  # what is owned is written anew under another name
                elif write.is_guess:
                    self._note_guess(write, answer)
        if isinstance(answers[-1], int):
            self.writes_seen = answers[-1]
            self._known.note_right(self._known.names.marker)
        else:
            self._known.note_foreign(self._known.names.marker, answers[-1])

    def _note_guess(self, write: Write, answer: object) -> None:
        """A guess was written, maybe by a batch whose answer was lost, or there is a value that it gives way to.

        What was put after it was sent is a change of ours in the first case, and goes the same way in the second unless
        it is no guess, or a deletion: then that counts.
        """
        known, key = self._known, write.place[0]
        later = known.queue.find_waiting(write.kind, write.place)
        there = answer[0] if isinstance(answer, list) else write.value
        if there == write.value or there in known.unread.get(key, ()):
            newest = later or (None if there == write.value else write)
            if newest is not None and newest.is_guess:
                known.queue.put(replace(newest, is_guess=False))
            known.note_read(key, None)
        elif isinstance(answer, list) and (later is None or later.is_guess):
            if later is not None:
                known.queue.discard(later)
            known.keep_value(key, answer[0], deadline_in(int(answer[1])))

    def _command(self, write: Write) -> Command:
        names = self._known.names
        match write.kind:
            case WriteKind.VALUE:
                return put_command(names.value(write.place[0]), write)
            case WriteKind.FIELD:
                return field_command(self._known, write, "put" if write.value is not None else "delete")
            case WriteKind.OWNED:
                table, name = write.place
                key = names.owned(self._known.owner, table)
                if write.value is None:
                    return ("HDEL", key, name)
                return OWN.call((names.owners, key), self._known.owner, LEASE_MILLISECONDS, name, write.value)
            case WriteKind.RELEASE:
                name, holder = write.place
                return RELEASE.call((names.claim(name),), f"{self._known.owner} {holder}", write.serial)


def _key_of(write: Write, command: Command) -> Argument:
    """Return the key that a command writes to: of a script that needs a second one, the last."""
    if command[0] != "EVALSHA":
        return command[1]
    return command[4 if write.kind is WriteKind.OWNED else 3]


def put_command(key: str, write: Write, how: str = "put") -> Command:
    """Return the command that puts, restores or deletes a value; one that has ended is deleted."""
    left = milliseconds_left(write.deadline)
    if write.is_guess and write.value is not None:
        return GUESS.call((key,), left, write.value, MAX_VALUE_BYTES)
    if write.value is None or left < 0:
        return PUT.call((key,), "delete", 0, b"")
    return PUT.call((key,), how, left, write.value)


def field_command(known: Knowledge, write: Write, how: str) -> Command:
    """Return the command that puts, restores or deletes a field, and tells the others."""
    table, name = write.place
    kind = MessageKind.FIELD_DELETED if write.value is None else MessageKind.FIELD_PUT
    value = write.value or b""
    message = Message(kind, known.owner, table, name, write.serial, value).encode()
    return FIELD.call((known.names.table(table),), how, name, value, known.names.channel, message)


def deadline_in(milliseconds: int) -> float:
    """Return when a value ends that has so long to live, as Redis says it: -1 is for ever."""
    return math.inf if milliseconds < 0 else time.monotonic() + milliseconds / 1000


def milliseconds_left(deadline: float) -> int:
    """Return how long a value has to live: 0 is for ever, -1 that it has ended."""
    if deadline == math.inf:
        return 0
    return max(math.ceil((deadline - time.monotonic()) * 1000), 0) or -1
