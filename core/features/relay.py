"""One feature's way to the core: what `Feature` passes its calls on to, and what ends when the feature does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

import structlog

from core.features.api import Command, Event
from core.features.containment import Loaded, describe_call
from core.features.ports import Bans, Log, Players, Timer
from core.features.session import Session
from core.store.protocol import Store
from wire.errors import MisuseError

if TYPE_CHECKING:
    from core.features.host import FeatureHost

MAX_TIMERS = 100_000
MAX_WORK = 1000
"""Bounds of what one feature may have pending: more is a leak."""


class FeatureTimer:
    """A call to come."""

    __slots__ = ("_handle", "_relay", "call", "session")

    def __init__(self, relay: FeatureRelay, call: Callable[[], object], session: Session | None) -> None:
        self.call = call
        self.session = session
        self._relay = relay
        self._handle: asyncio.TimerHandle | None = None

    def start(self, seconds: float) -> None:
        """Let the time run."""
        self._handle = asyncio.get_running_loop().call_later(max(0.0, seconds), self._ring)

    def cancel(self) -> None:
        """Do not call it."""
        if self._handle is not None:
            self._handle.cancel()
        self._relay.forget_timer(self)

    def _ring(self) -> None:
        self._relay.forget_timer(self)
        self._relay.run(self.call)


class FeatureRelay:
    """See `core.features.ports.Relay`."""

    def __init__(self, host: FeatureHost, loaded: Loaded) -> None:
        self._host = host
        self._loaded = loaded
        self._timers: set[FeatureTimer] = set()
        self._by_session: dict[str, set[FeatureTimer]] = {}
        self._work: set[asyncio.Task[None]] = set()
        self._clocks: list[asyncio.TimerHandle] = []
        self._is_closed = False
        self.log: Log = structlog.get_logger("feature").bind(feature=loaded.name)

    # The feature's life.

    def start_clocks(self) -> None:
        """Begin to call what is to be called again and again."""
        for mark in self._loaded.signature.clocks:
            self._tick(getattr(self._loaded.feature, mark.method), mark.seconds, None)

    def close(self) -> None:
        """End everything that was begun; what comes later is not begun any more."""
        self._is_closed = True
        for timer in list(self._timers):
            timer.cancel()
        for handle in self._clocks:
            handle.cancel()
        for task in self._work:
            task.cancel()

    def session_over(self, session: Session) -> None:
        """Cancel the timers of a session."""
        for timer in self._by_session.pop(session.id, set()):
            timer.cancel()

    def run(self, call: Callable[[], object]) -> None:
        """Call something of the feature's."""
        if not self._is_closed:
            self._host.containment.run(self._loaded, call)

    def forget_timer(self, timer: FeatureTimer) -> None:
        """A timer has rung or was cancelled."""
        self._timers.discard(timer)
        if timer.session is not None and (found := self._by_session.get(timer.session.id)) is not None:
            found.discard(timer)
            if not found:
                del self._by_session[timer.session.id]

    # What the feature calls.

    @property
    def store(self) -> Store:
        """What cores remember and share."""
        return self._host.store

    @property
    def players(self) -> Players:
        """Who is connected."""
        return self._host.crowd

    @property
    def bans(self) -> Bans:
        """Who is kept out."""
        return self._host.bans

    @property
    def commands(self) -> dict[str, Command]:
        """The chat commands of all features."""
        return self._host.commands

    @property
    def operators(self) -> frozenset[str]:
        """Accounts that may use operators' commands."""
        return self._host.operators

    def now(self) -> float:
        """Seconds of a clock that only goes forward."""
        return time.monotonic()

    def wall_time(self) -> float:
        """Seconds since 1970."""
        return time.time()

    def after(self, seconds: float, call: Callable[[], object], session: Session | None) -> Timer:
        """Have something called later."""
        if len(self._timers) >= MAX_TIMERS:
            raise MisuseError(f"{MAX_TIMERS} timers are pending: this is a leak")
        timer = FeatureTimer(self, call, session)
        if self._is_closed or (session is not None and not session.is_open):
            return timer
        self._timers.add(timer)
        if session is not None:
            self._by_session.setdefault(session.id, set()).add(timer)
        timer.start(seconds)
        return timer

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run work beside the traffic."""
        if self._is_closed or len(self._work) >= MAX_WORK:
            work.close()
            if not self._is_closed:
                raise MisuseError(f"{MAX_WORK} pieces of work are running: this is a leak")
            return
        task = asyncio.create_task(self._watched(work), name=f"{self._loaded.name}-{name}")
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        task.add_done_callback(lambda _: work.close())  # one that was cancelled before its first step never began it

    def emit(self, event: Event) -> None:
        """Tell all features that want to know."""
        self._host.emit(event)

    def read_kept(self, cell: str, key: str) -> bytes | None:
        """Return what is kept under a cell's key, as far as it is loaded."""
        return self._host.book.read(cell, key)

    def write_kept(self, cell: str, key: str, value: bytes | None, expiry_seconds: float) -> None:
        """Keep a value, or forget it."""
        self._host.book.write(cell, key, value, expiry_seconds)

    async def load_kept(self, cell: str, key: str) -> bytes | None:
        """Return what the store has under a cell's key."""
        return await self._host.book.load_one(cell, key)

    async def _watched(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await self._host.containment.steps(self._loaded, work)
        except (asyncio.CancelledError, KeyboardInterrupt):
            raise
        except BaseException as error:  # an exit, too, is the feature's affair
            self._host.containment.failed(self._loaded, describe_call(work), error)

    def _tick(self, call: Callable[[], object], seconds: float, old: asyncio.TimerHandle | None) -> None:
        """Call a clock's method if it was due, and wait for the next time."""
        if old is not None:
            self._clocks.remove(old)
            self.run(call)
        if self._is_closed or self._loaded.is_out:
            return
        handle: asyncio.TimerHandle
        handle = asyncio.get_running_loop().call_later(seconds, lambda: self._tick(call, seconds, handle))
        self._clocks.append(handle)
