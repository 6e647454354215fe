"""A bot: logs in, and whenever its session ends, logs in again, and knows how long that took.

Its sessions (`tidegate.gameday.bot_session`) are numbered by the crowd it belongs to (`tidegate.gameday.crowd`).
"""

import asyncio
import contextlib
import os
import socket
from collections import Counter
from collections.abc import Callable, Sequence
from time import monotonic

from fleet.address import Address
from tidegate.gameday.bot_session import BotSession, Watch
from tidegate.gameday.pauses import Longest
from tidegate.gameday.records import BotRecord

LOGIN_SECONDS = 5.0
"""How long a bot waits for the first answer before it tries anew."""

AGAIN_SECONDS = 0.1
LONGEST_AGAIN_SECONDS = 1.0
"""A login that came to nothing is tried again after a tenth of a second, then after twice as long each time."""

RECEIVE_BUFFER_BYTES = 64 * 1024
"""A bot that stops reading is to fill the windows of the relays, not first megabytes of the system's."""


class LoginError(Exception):
    """A login came to nothing; the text says why."""


async def log_in(address: Address, session: BotSession) -> None:
    """Connect and wait for the first answer; raises LoginError."""
    loop = asyncio.get_running_loop()
    sock = socket.socket()
    sock.setblocking(False)  # noqa: FBT003 - takes it so
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        async with asyncio.timeout(LOGIN_SECONDS):
            await loop.sock_connect(sock, (address.host, address.port))
            await loop.create_connection(lambda: session, sock=sock)
            await _first_of(session.playing, session.gone)
    except TimeoutError:
        session.abandon("no answer")
        raise LoginError(f"no answer within {LOGIN_SECONDS:g} s") from None
    except OSError as error:
        raise LoginError(os.strerror(error.errno) if error.errno else str(error)) from error
    finally:
        if not session.is_connected:
            sock.close()
    if not session.is_playing:
        raise LoginError(session.ended_because)


class Bot:
    """One player over all its sessions. ``play`` runs until `leave` is called.

    ``records`` are those of its finished sessions, ``times_to_play`` the seconds from the end of a session to the
    first answer in the next.
    """

    def __init__(self, index: int, targets: Sequence[Address], watch: Watch, next_session: Callable[[], int]) -> None:
        self.index = index
        self.longest = Longest()
        self.session: BotSession | None = None
        self.records: list[BotRecord] = []
        self.ended: list[tuple[float, str]] = []
        self.failed_logins: Counter[str] = Counter()
        self.times_to_play: list[float] = []
        self._targets = targets
        self._target = index % len(targets)
        self._watch = watch
        self._next_session = next_session
        self._is_leaving = asyncio.Event()
        self._ended_seconds: float | None = None

    @property
    def target(self) -> Address:
        """Where it plays, or will."""
        return self._targets[self._target]

    def use_watch(self, watch: Watch) -> None:
        """Have what it measures go elsewhere from now on."""
        self._watch = watch
        if self.session is not None:
            self.session.watch = watch

    @property
    def is_playing(self) -> bool:
        """Whether it is in the game now."""
        return self.session is not None and self.session.is_playing

    def has_answer_since(self, moment_ns: int) -> bool:
        """Return whether it plays and has had an answer to something it said after a moment."""
        session = self.session
        return session is not None and session.is_playing and session.answered_sent_ns > moment_ns

    async def play(self) -> None:
        """Log in and stay; again after each end."""
        wait_seconds = AGAIN_SECONDS
        while not self._is_leaving.is_set():
            session = await self._log_in()
            if session is None:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._is_leaving.wait(), wait_seconds)
                wait_seconds = min(2 * wait_seconds, LONGEST_AGAIN_SECONDS)
                continue
            wait_seconds = AGAIN_SECONDS
            try:
                await session.gone.wait()
            finally:
                self._finish(session)

    def leave(self) -> None:
        """Close the connection and stay away."""
        self._is_leaving.set()
        if self.session is not None:
            self.session.leave()

    def all_records(self) -> list[BotRecord]:
        """Return the records of all sessions, the running one too."""
        return [*self.records, *([self.session.record()] if self.session is not None else [])]

    async def _log_in(self) -> BotSession | None:
        session = BotSession(self._next_session(), self._watch, self.longest)
        try:
            await log_in(self._targets[self._target], session)
        except LoginError as failure:
            self.failed_logins[str(failure)] += 1
            self._target = (self._target + 1) % len(self._targets)
            if session.sent:
                self.records.append(session.record_as_failed(str(failure)))
            return None
        self.session = session
        if self._ended_seconds is not None:
            self.times_to_play.append(monotonic() - self._ended_seconds)
            self._ended_seconds = None
        if self._is_leaving.is_set():
            session.leave()
        return session

    def _finish(self, session: BotSession) -> None:
        self.session = None
        self.records.append(session.record())
        if session.ended_because:
            self._ended_seconds = monotonic()
            self.ended.append((self._ended_seconds, session.ended_because))


async def _first_of(*events: asyncio.Event) -> None:
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waiting:
            each.cancel()
