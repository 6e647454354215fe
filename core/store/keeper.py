"""Keeps the store going: brings Redis back when it is away, renews the lease, listens to the others.

=========  ==============================  ========================================================
state      what ends it                    what is done
=========  ==============================  ========================================================
away       a connection, all mended        tries again and again, at most a second apart
there      anything that shows an absence  renews each second; reads tables each 30 s; listens
=========  ==============================  ========================================================

A lease that ran out although Redis was there means that this process was stopped, or that Redis was emptied: both are
mended without an absence. This process then has another name in the store; what it still writes under the old one is
refused (`scripts.OWN`).

A Redis in which something else has our names is an absence, too: it is said which key, and looked at again and again.
"""

import asyncio
import contextlib
import math
import random
import time
from collections.abc import AsyncIterator
from dataclasses import asdict

import structlog

from core.store.knowledge import Knowledge
from core.store.mender import Mender
from core.store.messages import decode_message
from core.store.protocol import LEASE_SECONDS, StoreAwayError, StoreDataError
from core.store.redis_link import RedisLink
from core.store.writer import Writer

_log = structlog.get_logger("core.store")

RENEW_SECONDS = 1.0
READ_TABLES_SECONDS = 30.0
VERIFY_CLAIMS_SECONDS = 600.0
"""How often claims are looked at although nothing happened; a message that one was lost may itself be lost."""

FIRST_WAIT_SECONDS = 0.05
LONGEST_WAIT_SECONDS = 1.0


class Keeper:
    """The keeper of one store; ``shown`` is its address without the password."""

    def __init__(self, shown: str, link: RedisLink, known: Knowledge, writer: Writer) -> None:
        self._shown = shown
        self._link = link
        self._known = known
        self._writer = writer
        self._mender = Mender(link, known, writer)
        writer.on_lapsed = self.wake
        self._woken = asyncio.Event()
        self._ceiling = FIRST_WAIT_SECONDS
        self._is_said = False
        self._was_asleep = False
        self._since = time.monotonic()
        self._lost_before = (0, 0)

    def wake(self) -> None:
        """There is a table to be read, a lease or an absence to be looked at."""
        self._woken.set()

    def say_away(self, reason: str) -> None:
        """Redis is away: say so, once until it is back."""
        self._woken.set()
        if self._is_said:
            return
        self._is_said = True
        self._since = time.monotonic()
        # While this process runs, an absence is found within two seconds: longer means that it did not run.
        self._was_asleep = self._since - self._link.last_answer > LEASE_SECONDS
        self._lost_before = (self._known.lost_writes, self._known.lost_messages)
        action = "going on with what is known here; writes wait"
        _log.warning("store_away", address=self._shown, reason=reason, action=action)

    async def start(self) -> None:
        """Try once; that Redis is away, or holds what cannot be ours, is said."""
        try:
            await self._link.connect()
            await self._mender.mend(was_asleep=False)
        except (StoreAwayError, StoreDataError) as error:
            if isinstance(error, StoreDataError):
                self._link.give_up(str(error))
            self.say_away(self._link.problem)
            return
        self._link.open()

    async def run(self) -> None:
        """Go on until cancelled."""
        while True:
            try:
                await self._attend()
            except StoreAwayError as error:
                self._link.give_up(self._link.problem or str(error))
            self.say_away(self._link.problem)
            # Waits grow, and differ between processes so that they do not come in step.
            await asyncio.sleep(self._ceiling * random.uniform(0.5, 1.0))  # noqa: S311 - nothing secret
            self._ceiling = min(self._ceiling * 2, LONGEST_WAIT_SECONDS)

    async def _attend(self) -> None:
        """Connect unless there is a connection, mend, and stay until Redis is away."""
        if self._link.is_away:
            await self._link.connect()
        async with self._link.listening(self._known.names.channel) as messages:
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._listen(messages), name="store-listener")
                    await self._live()
            except* StoreAwayError:
                pass  # the link knows why

    async def _live(self) -> None:
        read_at = verified_at = -math.inf  # what was told before this process listened is caught up with
        if self._link.is_away:
            await self._return()
            read_at = verified_at = time.monotonic()
        while True:
            self._woken.clear()
            try:
                if not await self._mender.renew():
                    await self._revive()
            except StoreDataError as error:
                self._link.give_up(str(error))
                raise StoreAwayError(str(error)) from error
            now = time.monotonic()
            is_time = now - read_at >= READ_TABLES_SECONDS
            await self._mender.read_tables(
                [table for table, copy in self._known.tables.items() if is_time or not copy.is_read]
            )
            if is_time:
                read_at = now
            if now - verified_at >= VERIFY_CLAIMS_SECONDS:
                verified_at = now
                await self._mender.recheck("verify")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RENEW_SECONDS):
                    await self._woken.wait()
            if self._link.is_away:
                raise StoreAwayError(self._link.problem)

    async def _return(self) -> None:
        """Mend, open, and say what was."""
        try:
            mended = await self._mender.mend(was_asleep=self._was_asleep)
        except StoreDataError as error:
            self._link.give_up(str(error))
            raise StoreAwayError(str(error)) from error
        self._link.open()
        self._ceiling = FIRST_WAIT_SECONDS
        if self._is_said:
            self._is_said = False
            writes, messages = self._lost_before
            _log.info(
                "store_back",
                address=self._shown,
                away_seconds=round(time.monotonic() - self._since, 3),
                lost_writes=self._known.lost_writes - writes,
                lost_messages=self._known.lost_messages - messages,
                **asdict(mended),
            )

    async def _revive(self) -> None:
        """Mend what was lost while the lease had run out; raises StoreAwayError, StoreDataError."""
        mended = await self._mender.mend(was_asleep=True)
        _log.warning("store_lease_lapsed", address=self._shown, action="mended", **asdict(mended))

    async def _listen(self, messages: AsyncIterator[bytes]) -> None:
        async for raw in messages:
            try:
                self._known.hear(decode_message(raw))
            except StoreDataError as error:
                self._known.note_foreign(self._known.names.channel, error)
