"""How late the event loop is: the one figure that shows whether anything holds up everybody's traffic.

A call that is due every PERIOD_SECONDS sees how much later it came. The worst since the last look and the share of late
ones stand in the statistics; a really late one is said at once. Run by edges and by cores, once a process.
"""

from __future__ import annotations

import asyncio

import structlog

from wire.histogram import DELAY_BOUNDS, Histogram

_log = structlog.get_logger("loop")

PERIOD_SECONDS = 0.05
LATE_SECONDS = 0.02
SAID_SECONDS = 0.25
SAY_INTERVAL_SECONDS = 10.0
PROBLEM_SECONDS = 0.1
SMOOTHING_LOOKS = 20
"""A loop is in trouble when looks are late by `PROBLEM_SECONDS` in the mean over about a second."""


class LoopDelay:
    """`run` it beside the traffic; `take` returns what was seen since the last call."""

    def __init__(self) -> None:
        self.worst_seconds = 0.0
        self.delays = Histogram(DELAY_BOUNDS)  # of all looks since the start
        self._looks = 0
        self._late = 0
        self._said_at = -SAY_INTERVAL_SECONDS
        self._recent_seconds = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def recent_seconds(self) -> float:
        """How late the loop is, in the mean over about a second."""
        return self._recent_seconds

    @property
    def problem(self) -> str:
        """Why traffic is held up, in one sentence; empty while it is not."""
        recent = self._recent_seconds
        return f"the event loop is {recent * 1000:.0f} ms late" if recent > PROBLEM_SECONDS else ""

    async def run(self) -> None:
        """Measure until cancelled; where two relays share one loop and this, the second run only waits."""
        if self._timer is not None:
            await asyncio.Event().wait()
        self._look_later(asyncio.get_running_loop())
        try:
            await asyncio.Event().wait()
        finally:
            if self._timer is not None:
                self._timer.cancel()

    def _look_later(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = loop.call_later(PERIOD_SECONDS, self._look, loop, loop.time() + PERIOD_SECONDS)

    def _look(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        now = loop.time()
        self.note(max(0.0, now - due), now)
        self._look_later(loop)

    def note(self, delay_seconds: float, now_seconds: float) -> None:
        """Count one look."""
        self._looks += 1
        self.delays.note(delay_seconds)
        self._recent_seconds += (delay_seconds - self._recent_seconds) / SMOOTHING_LOOKS
        self._late += delay_seconds > LATE_SECONDS
        self.worst_seconds = max(self.worst_seconds, delay_seconds)
        if delay_seconds > SAID_SECONDS and now_seconds - self._said_at >= SAY_INTERVAL_SECONDS:
            self._said_at = now_seconds
            _log.warning("loop_late", by_ms=round(delay_seconds * 1000), why="something held up all traffic")

    def take(self) -> dict[str, float]:
        """Return the worst delay in milliseconds and the share of looks that were late, and begin anew."""
        found = {
            "loop_delay_worst_ms": round(self.worst_seconds * 1000, 1),
            "loop_late_share": round(self._late / self._looks, 4) if self._looks else 0.0,
        }
        self.worst_seconds, self._looks, self._late = 0.0, 0, 0
        return found
