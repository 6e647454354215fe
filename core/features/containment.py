"""Runs features' code so that no feature harms more than itself.

What raises is counted, logged with the feature's own lines only, and over; what takes too long is named, and what does
not come back at all is stopped (`core.features.watchdog`). A feature that fails again and again is taken out.
"""

from __future__ import annotations

import traceback
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass, field
from enum import Enum
from types import coroutine
from typing import Any, Final, Protocol

import structlog

from core.features.api import Feature
from core.features.errors import describe_error
from core.features.signatures import Signature
from wire.errors import TidegateError

_log = structlog.get_logger("core.features")

MAX_FAILURES = 10
MAX_OVERRUNS = 3
WINDOW_SECONDS = 60.0
"""So many failures, or overruns, within so long are enough: the feature is taken out."""

SAY_SECONDS = 10.0
"""One line per feature and kind of trouble in so long; the lines between are counted."""

MAX_FRAMES = 5


class Overrun(BaseException):
    """Raised inside of a call that has taken longer than it may."""


class FeatureStoppedError(TidegateError):
    """Work of a feature was stopped because it did not let the others go on."""

    code = "feature_stopped"


class Failed(Enum):
    """What a call returned that did not return."""

    FAILED = "failed"


FAILED: Final = Failed.FAILED


@dataclass(slots=True)
class CallCounts:
    """What a feature's calls have cost so far; times in nanoseconds."""

    calls: int = 0
    failures: int = 0
    overruns: int = 0
    over_budget: int = 0
    total_ns: int = 0
    slowest_ns: int = 0

    def as_fields(self) -> dict[str, int | float]:
        """Return them for a log line; times in milliseconds."""
        return {
            "calls": self.calls,
            "failures": self.failures,
            "overruns": self.overruns,
            "over_budget": self.over_budget,
            "total_ms": round(self.total_ns / 1e6, 1),
            "slowest_ms": round(self.slowest_ns / 1e6, 1),
        }


@dataclass(slots=True, eq=False)
class Loaded:
    """A feature that runs, or ran until it was taken out (``is_out``)."""

    name: str
    feature: Feature
    signature: Signature
    file: str = ""
    counts: CallCounts = field(default_factory=CallCounts)
    is_out: bool = False
    failed_at: deque[float] = field(default_factory=lambda: deque(maxlen=MAX_FAILURES))
    overran_at: deque[float] = field(default_factory=lambda: deque(maxlen=MAX_OVERRUNS))
    said: dict[str, tuple[float, int]] = field(default_factory=dict)  # by kind: when last, and how often since

    def has_hook(self, name: str) -> bool:
        """Whether the feature wants to be told, and may be."""
        return not self.is_out and name in self.signature.hooks

    def forget(self, scope: str, key: str) -> None:
        """Drop what is decoded of a key that no session needs any more."""
        for cells in vars(self.feature).get("_cells", {}).values():
            if cells.kept.scope == scope:
                cells.forget(key)


class Watch(Protocol):
    """What stops calls that do not come back; see `core.features.watchdog`."""

    def enter(self, feature: str) -> object:
        """A call begins; returns what `leave` wants."""
        ...

    def leave(self, outer: object) -> None:
        """The call is over."""
        ...


class NoWatch:
    """Stops nothing."""

    def enter(self, feature: str) -> object:
        """A call begins."""
        return feature

    def leave(self, outer: object) -> None:
        """The call is over."""


class Containment:
    """Runs calls; ``on_out`` is told of a feature that was taken out. ``clock_ns`` gives nanoseconds."""

    def __init__(
        self,
        clock_ns: Callable[[], int],
        on_out: Callable[[Loaded], None] = lambda _: None,
        watch: Watch | None = None,
        *,
        budget_seconds: float = 0.005,
    ) -> None:
        self._clock_ns = clock_ns
        self._on_out = on_out
        self._watch = watch or NoWatch()
        self.budget_ns = int(budget_seconds * 1e9)

    def run(self, loaded: Loaded, call: Callable[..., Any], *arguments: Any) -> Any:
        """Call a feature's code; return what it returned, or FAILED, as for one that is out."""
        return FAILED if loaded.is_out else self.run_last(loaded, call, *arguments)

    def run_last(self, loaded: Loaded, call: Callable[..., Any], *arguments: Any) -> Any:
        """Do the same with a feature that is out already, so that it can leave things in order."""
        loaded.counts.calls += 1
        start = self._clock_ns()
        result, error = self._watched(loaded, call, arguments)
        spent = self._clock_ns() - start
        if isinstance(error, Overrun):
            self._overran(loaded, call, spent)
        elif isinstance(error, KeyboardInterrupt):  # a person's, not the feature's
            raise error
        elif error is not None:  # an exit, or the result of a cancelled task, is no less a failure
            self.failed(loaded, describe_call(call), error)
        self._count_time(loaded, call, spent)
        return result

    @coroutine
    def steps(self, loaded: Loaded, work: Coroutine[Any, Any, Any]) -> Generator[Any, Any, Any]:
        """Run a coroutine of a feature so that each of its steps is watched.

        Raises FeatureStoppedError when one was stopped, or would have ended the process; what else the work raises is
        the caller's to count.
        """
        step, value = work.send, None
        while True:
            start = self._clock_ns()
            result, error = self._watched(loaded, step, (value,))
            spent = self._clock_ns() - start
            self._count_time(loaded, work, spent)
            if isinstance(error, StopIteration):
                return error.value
            if isinstance(error, Overrun):
                self._overran(loaded, work, spent)
                raise FeatureStoppedError(f"{describe_call(work)} held up all traffic and was stopped") from error
            if isinstance(error, SystemExit):
                raise FeatureStoppedError(describe_error(error)) from error
            if error is not None:
                raise error
            try:
                value = yield result
                step = work.send
            except BaseException as raised:
                step, value = work.throw, raised

    def _watched(
        self, loaded: Loaded, call: Callable[..., Any], arguments: tuple[Any, ...]
    ) -> tuple[Any, BaseException | None]:
        """Call something; return its result and what it raised.

        Until the watch has left, Overrun may come at any line.
        """
        outer = self._watch.enter(loaded.name)
        result: Any = FAILED
        error: BaseException | None = None
        try:
            try:
                result = call(*arguments)
            except BaseException as raised:
                error = raised
            self._watch.leave(outer)
        except Overrun as overrun:
            self._watch.leave(outer)
            result, error = FAILED, overrun
        return result, error

    def _count_time(self, loaded: Loaded, call: object, spent_ns: int) -> None:
        counts = loaded.counts
        counts.total_ns += spent_ns
        if spent_ns > counts.slowest_ns:
            counts.slowest_ns = spent_ns
        if spent_ns > self.budget_ns:
            counts.over_budget += 1
            self._say(loaded, "feature_slow", call=describe_call(call), took_ms=round(spent_ns / 1e6, 1))

    def failed(self, loaded: Loaded, what: str, error: BaseException | str) -> None:
        """Count a failure and say it; after too many the feature is taken out."""
        loaded.counts.failures += 1
        now = self._clock_ns() / 1e9
        text = error if isinstance(error, str) else describe_error(error)
        lines = [] if isinstance(error, str) else own_frames(error, loaded.file)
        self._say(loaded, "feature_failed", call=what, error=text[:500], at=lines)
        loaded.failed_at.append(now)
        if len(loaded.failed_at) == MAX_FAILURES and now - loaded.failed_at[0] <= WINDOW_SECONDS:
            self.take_out(
                loaded, f"{MAX_FAILURES} failures in {now - loaded.failed_at[0]:.0f} s, the last: {text[:200]}"
            )

    def take_out(self, loaded: Loaded, why: str) -> None:
        """Call a feature no more; the traffic flows on without it."""
        if not loaded.is_out:
            loaded.is_out = True
            _log.error("feature_taken_out", feature=loaded.name, why=why, action="it comes back when it is changed")
            self._on_out(loaded)

    def _overran(self, loaded: Loaded, call: object, spent_ns: int) -> None:
        loaded.counts.overruns += 1
        now = self._clock_ns() / 1e9
        spent_ms = round(spent_ns / 1e6)
        self._say(loaded, "feature_stopped", call=describe_call(call), after_ms=spent_ms)
        loaded.overran_at.append(now)
        if len(loaded.overran_at) == MAX_OVERRUNS and now - loaded.overran_at[0] <= WINDOW_SECONDS:
            self.take_out(loaded, f"it was stopped {MAX_OVERRUNS} times, the last time after {spent_ms} ms")

    def _say(self, loaded: Loaded, event: str, **fields: object) -> None:
        now = self._clock_ns() / 1e9
        last, unsaid = loaded.said.get(event, (-SAY_SECONDS, 0))
        if now - last < SAY_SECONDS:
            loaded.said[event] = (last, unsaid + 1)
            return
        loaded.said[event] = (now, 0)
        more = {"more": unsaid} if unsaid else {}
        _log.warning(event, feature=loaded.name, **fields, **more)


def describe_call(call: object) -> str:
    """Return the name of what was called, for people."""
    return str(getattr(call, "__qualname__", None) or getattr(call, "__name__", None) or repr(call)[:80])


def own_frames(error: BaseException, file: str) -> list[str]:
    """Return the feature's own lines of a traceback, the innermost last: ``line N, in NAME: source``."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [each for each in frames if each.filename == file] or frames[-1:]
    return [f"line {each.lineno}, in {each.name}: {each.line}" for each in own[-MAX_FRAMES:]]
