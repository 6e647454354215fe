"""Logs in again and again while something is broken, to say from when on new logins work and how many were refused.

Each attempt is a session of its own that leaves after its first answer, so one that hangs holds up no other.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle
from time import monotonic

from fleet.address import Address
from tidegate.gameday.bot import LoginError, log_in
from tidegate.gameday.bot_session import BotSession, Watch
from tidegate.gameday.pauses import Longest
from tidegate.gameday.records import BotRecord

LEAVE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Attempt:
    """A login: when it began and when it was over; ``failure`` is empty for one that got an answer."""

    began_seconds: float
    over_seconds: float
    failure: str = ""


class LoginProbe:
    """Use it as a context: attempts begin ``every_seconds`` while the block lasts, at the targets in turn.

    ``records`` gets what its sessions came to.
    """

    def __init__(
        self,
        targets: Sequence[Address],
        next_session: Callable[[], int],
        records: list[BotRecord],
        *,
        every_seconds: float,
    ) -> None:
        self.attempts: list[Attempt] = []
        self._targets = cycle(targets)
        self._next_session = next_session
        self._records = records
        self._every_seconds = every_seconds
        self._attempting: set[asyncio.Task[None]] = set()
        self._running: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "LoginProbe":
        self._running = asyncio.create_task(self._run(), name="gameday: probe")
        return self

    async def __aexit__(self, *error: object) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
        if self._attempting:
            await asyncio.wait(self._attempting)

    @property
    def failures(self) -> Counter[str]:
        """How many attempts came to nothing, by reason."""
        return Counter(attempt.failure for attempt in self.attempts if attempt.failure)

    def works_after_seconds(self, moment_seconds: float) -> float | None:
        """Return how long after a moment the first login that began since then was answered; None if none was."""
        answered = (
            attempt.over_seconds - moment_seconds
            for attempt in self.attempts
            if not attempt.failure and attempt.began_seconds >= moment_seconds
        )
        return min(answered, default=None)

    def longest_seconds(self) -> float:
        """Return how long the slowest login that was answered took."""
        return max(
            (attempt.over_seconds - attempt.began_seconds for attempt in self.attempts if not attempt.failure),
            default=0.0,
        )

    async def _run(self) -> None:
        while True:
            task = asyncio.create_task(self._attempt(next(self._targets)), name="gameday: attempt")
            self._attempting.add(task)
            task.add_done_callback(self._attempting.discard)
            await asyncio.sleep(self._every_seconds)

    async def _attempt(self, target: Address) -> None:
        session = BotSession(self._next_session(), Watch(), Longest())
        began = monotonic()
        try:
            await log_in(target, session)
        except LoginError as failure:
            self.attempts.append(Attempt(began, monotonic(), str(failure)))
            if session.sent:
                self._records.append(session.record_as_failed(str(failure)))
            return
        self.attempts.append(Attempt(began, monotonic()))
        session.leave()
        self._records.append(session.record())
        await asyncio.wait([asyncio.ensure_future(session.gone.wait())], timeout=LEAVE_SECONDS)
