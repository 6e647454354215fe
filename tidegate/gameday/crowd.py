"""All bots together: who is due to speak, who plays, and what all their sessions came to.

One task serves them: every few milliseconds it lets those speak whose turn it is, so that the frames of a second are
spread evenly. Faults use it to let bots stop reading, leave, and join.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from time import monotonic, monotonic_ns

from fleet.address import Address
from tidegate.gameday.bot import Bot
from tidegate.gameday.bot_session import Watch
from tidegate.gameday.records import BotRecord

TICK_SECONDS = 0.005
LOGINS_PER_SECOND = 250.0
POLL_SECONDS = 0.02

ARREARS_SECONDS = 0.25
"""How much of a stall of this process is made up for; what is more is held back, and counted."""


class Crowd:
    """``bots`` against ``targets``, dealt out in turn, each with so many frames a second."""

    def __init__(self, targets: Sequence[Address], *, bots: int, frames_per_second: float) -> None:
        self.watch = Watch()
        self.frames_per_second = frames_per_second
        self.held_back = 0
        self.frames_sent = 0
        self._targets = targets
        self._size = bots
        self._numbers = count(1)
        self._indices = count()
        self._bots: list[Bot] = []
        self._gone: list[Bot] = []
        self._tasks: dict[Bot, asyncio.Task[None]] = {}
        self._speaking: asyncio.Task[None] | None = None

    @property
    def bots(self) -> Sequence[Bot]:
        """Those that are there now."""
        return tuple(self._bots)

    @property
    def playing(self) -> int:
        """How many are in the game now."""
        return sum(bot.is_playing for bot in self._bots)

    @property
    def ended(self) -> Counter[str]:
        """Sessions that ended though their bot did not leave, by what the bot could see."""
        return Counter(reason for bot in self._everybody() for _, reason in bot.ended)

    @property
    def failed_logins(self) -> Counter[str]:
        """Logins that came to nothing, by what the bot could see."""
        return sum((bot.failed_logins for bot in self._everybody()), Counter[str]())

    @property
    def times_to_play(self) -> list[float]:
        """The seconds from the end of a session to the first answer in the next, of all bots."""
        return [seconds for bot in self._everybody() for seconds in bot.times_to_play]

    @property
    def frames_received(self) -> int:
        """Numbered frames that came, over the sessions of now."""
        return self.watch.round_trips.count

    def records(self) -> list[BotRecord]:
        """Return what all sessions came to, the running ones too."""
        return [record for bot in self._everybody() for record in bot.all_records()]

    def next_session(self) -> int:
        """Return the number for another session."""
        return next(self._numbers)

    async def join(self) -> None:
        """Log all bots in, a few at a time, and let them speak; returns when all play."""
        for index in range(self._size):
            self.add_bot()
            if (index + 1) % max(1, int(LOGINS_PER_SECOND * POLL_SECONDS)) == 0:
                await asyncio.sleep(POLL_SECONDS)
        self._speaking = asyncio.create_task(self._speak(), name="gameday: bots")
        await self.until(lambda: self.playing == len(self._bots))

    def add_bot(self) -> Bot:
        """Let one more bot join."""
        bot = Bot(next(self._indices), self._targets, self.watch, self.next_session)
        self._bots.append(bot)
        self._tasks[bot] = asyncio.create_task(bot.play(), name=f"gameday: bot {bot.index}")
        return bot

    async def remove(self, bots: Iterable[Bot], drain_seconds: float) -> None:
        """Let some bots leave in order: they say nothing more, wait for their answers, and go."""
        leaving = list(bots)
        for bot in leaving:
            self._bots.remove(bot)
        await self.answered(leaving, drain_seconds)
        for bot in leaving:
            bot.leave()
        await asyncio.gather(*(self._tasks.pop(bot) for bot in leaving), return_exceptions=True)
        self._gone.extend(leaving)

    async def be_silent(self, drain_seconds: float) -> bool:
        """Say nothing more and wait for what is under way; return whether all of it came in time."""
        if self._speaking is not None:
            self._speaking.cancel()
            await asyncio.gather(self._speaking, return_exceptions=True)
            self._speaking = None
        return await self.answered(self._bots, drain_seconds)

    async def answered(self, bots: Iterable[Bot], seconds: float) -> bool:
        """Wait until each of these that plays has its last answer; return whether that was in time."""
        sessions = [bot.session for bot in bots if bot.session is not None]
        return await self.until(
            lambda: all(session.is_answered or session.gone.is_set() for session in sessions), seconds
        )

    async def leave(self) -> None:
        """Close all sessions."""
        for bot in self._bots:
            bot.leave()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def stop(self) -> None:
        """End everything at once."""
        tasks = [*self._tasks.values(), *([self._speaking] if self._speaking is not None else [])]
        for bot in self._bots:
            bot.leave()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @contextmanager
    def watching_only(self, bots: Iterable[Bot]) -> Iterator[Watch]:
        """Have the round trips of some bots alone go into a watch of their own while the block lasts."""
        watch = Watch()
        watch.healed_ns = self.watch.healed_ns
        chosen = list(bots)
        for bot in chosen:
            bot.use_watch(watch)
        try:
            yield watch
        finally:
            for bot in chosen:
                bot.use_watch(self.watch)
            self.watch.round_trips.merge(watch.round_trips)

    async def until(self, is_so: Callable[[], bool], seconds: float | None = None) -> bool:
        """Wait until something is so, or for so many seconds; return whether it is."""
        deadline = None if seconds is None else monotonic() + seconds
        while not is_so():
            if deadline is not None and monotonic() > deadline:
                return False
            await asyncio.sleep(POLL_SECONDS)
        return True

    async def _speak(self) -> None:
        last = monotonic()
        due = 0.0
        turn = 0
        while True:
            rate = len(self._bots) * self.frames_per_second
            now = monotonic()
            due += (now - last) * rate
            last = now
            if due > rate * ARREARS_SECONDS:
                self.held_back += int(due - rate * ARREARS_SECONDS)
                due = rate * ARREARS_SECONDS
            now_ns = monotonic_ns()
            for _ in range(int(due)):
                turn = (turn + 1) % len(self._bots)
                session = self._bots[turn].session
                if session is not None and session.is_playing:
                    session.say(now_ns)
                    self.frames_sent += 1
            due -= int(due)
            await asyncio.sleep(TICK_SECONDS)

    def _everybody(self) -> list[Bot]:
        return [*self._bots, *self._gone]
