"""The watchdog: stops a feature's call which does not come back.

Two clocks look at the call that is on, and interrupt one that is over its limit by a signal whose handler raises
`Overrun` in the main thread, in the midst of the feature's own lines. While the core is at work for the feature (it
sends, it ends sessions) that is let finish, and the feature is stopped where it goes on:

- a thread, which finds loops and sleeps;
- a timer of the system that counts this process's computing time, which finds what computes in C and does not let go of
  the interpreter (a regular expression that never ends), so that the thread cannot even look.

What cannot be interrupted (a library that does not return and does not look for signals) is at least named, with the
line it was called from.
"""

from __future__ import annotations

import contextlib
import gc
import signal
import sys
import threading
import time
import traceback
from types import FrameType

import structlog

from core.features.containment import Overrun

_log = structlog.get_logger("core.features")

STOP_SIGNAL = signal.SIGURG
"""The thread's. Nobody else uses it, and it does nothing where no handler is set."""

TIMER_SIGNAL = signal.SIGVTALRM

HANGS_AFTER = 10
"""So many limits after it began, a call that was not stopped is said to hang."""

Call = tuple[str, float, FrameType]
"""Whose it is, when it began, and the frame that made it."""

_CORE = ("core.", "tunnel.", "wire.", "games.", "tidegate.")
_FEATURES = "core.features.builtin."


class Watchdog:
    """Watches one thread's calls: the main one's, where signals arrive. `start` before use, `stop` in the end."""

    def __init__(self, limit_seconds: float) -> None:
        self.limit_seconds = limit_seconds
        self.stopped_calls = 0
        self._current: Call | None = None
        self._said: Call | None = None
        self._stopped: Call | None = None
        self._stopped_at = 0.0
        self._main = 0
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to watch; call it in the main thread."""
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("signals arrive in the main thread only")
        self._main = threading.get_ident()
        for number in (STOP_SIGNAL, TIMER_SIGNAL):
            signal.signal(number, self._interrupt)
        signal.setitimer(signal.ITIMER_VIRTUAL, self.limit_seconds / 2, self.limit_seconds / 2)
        self._ending.clear()
        self._thread = threading.Thread(target=self._watch, name="feature-watchdog", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Watch no more."""
        self._ending.set()
        if self._thread is None:
            return
        self._thread.join()
        self._thread = None
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        with contextlib.suppress(ValueError):
            signal.signal(STOP_SIGNAL, signal.SIG_DFL)
            # Not the default action: a timer's last signal may still be on its way, and would end the process.
            signal.signal(TIMER_SIGNAL, signal.SIG_IGN)

    def enter(self, feature: str) -> object:
        """A call begins; returns what `leave` wants."""
        outer = self._current
        self._current = (feature, time.monotonic(), sys._getframe(1))
        return outer

    def leave(self, outer: object) -> None:
        """The call is over; time that an inner call took counts for the outer one too."""
        self._current = outer  # type: ignore[assignment] # what enter returned

    def _watch(self) -> None:
        while not self._ending.wait(self.limit_seconds / 2):
            call = self._current
            if call is None:
                continue
            spent = time.monotonic() - call[1]
            if spent > self.limit_seconds:
                signal.pthread_kill(self._main, STOP_SIGNAL)
            if spent > HANGS_AFTER * self.limit_seconds and self._said is not call:
                self._said = call
                _log.error("feature_hangs", feature=call[0], for_seconds=round(spent, 1), at=self._place())

    def _place(self) -> list[str]:
        frame = sys._current_frames().get(self._main)
        return [] if frame is None else [line.strip() for line in traceback.format_stack(frame)[-3:]]

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        """The signals' handler: the call that is on is stopped if it is over the limit."""
        del number
        call = self._current
        if call is None:
            return
        now = time.monotonic()
        if now - call[1] <= self.limit_seconds:
            return
        if self._stopped is call and now - self._stopped_at < self.limit_seconds / 4:
            return  # the other clock's signal, while the first one's is being dealt with
        if frame is call[2]:
            return  # not begun yet, or over already
        if _is_collecting(frame, call[2]) and now - call[1] < HANGS_AFTER * self.limit_seconds:
            return  # what is raised there is lost: the clocks will look again
        self._stopped, self._stopped_at = call, now
        place = _called_core_from(frame, call[2])
        if place is not None and now - call[1] < HANGS_AFTER * self.limit_seconds:
            self._stop_at_next_line(place, call)
            return
        self.stopped_calls += 1
        raise Overrun

    def _stop_at_next_line(self, place: FrameType, call: Call) -> None:
        """The core is at work for a feature: let it finish, and stop the feature where it goes on."""

        before = sys.gettrace()

        def stop(frame: FrameType, event: str, argument: object) -> None:
            del event, argument
            frame.f_trace = None
            sys.settrace(before)
            if self._current is call:
                self.stopped_calls += 1
                raise Overrun

        place.f_trace = stop
        sys.settrace(lambda *_: None)


def _is_collecting(frame: FrameType | None, begun: FrameType) -> bool:
    """Whether somebody is being told that an object is gone, or garbage collected: anywhere in a feature's lines."""
    told = {getattr(each, "__code__", None) for each in gc.callbacks}
    while frame is not None and frame is not begun:
        code, module = frame.f_code, frame.f_globals.get("__name__")
        if code in told or code.co_name == "__del__" or module in ("weakref", "_weakrefset"):
            return True
        frame = frame.f_back
    return False


def _called_core_from(frame: FrameType | None, begun: FrameType) -> FrameType | None:
    """Return the feature's frame that the core was called from; None where the feature's own code is interrupted."""
    found = None
    while frame is not None and frame is not begun:
        name = frame.f_globals.get("__name__", "")
        if name.startswith(_CORE) and not name.startswith(_FEATURES):
            found = frame.f_back
        frame = frame.f_back
    return found
