"""An alarm: somebody sleeps until a time that others may bring forward."""

import asyncio
import time

EARLY_SECONDS = 0.001
"""What a timer of the loop may be early by: it has whole milliseconds."""


class Alarm:
    """For one sleeper. Times are those of ``time.monotonic``, in seconds."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._due_seconds = 0.0
        self._waited_for: asyncio.Future[None] | None = None  # while somebody sleeps
        self._timer: asyncio.TimerHandle | None = None

    async def sleep_until(self, due_seconds: float) -> None:
        """Sleep until then, or until an earlier time that `bring_forward` names meanwhile."""
        self._waited_for = self._loop.create_future()
        try:
            self._set(due_seconds)
            await self._waited_for
        finally:
            self._waited_for = None
            if self._timer is not None:
                self._timer.cancel()

    def bring_forward(self, due_seconds: float) -> None:
        """Have the sleeper awake at that time at the latest."""
        if self._waited_for is not None and due_seconds < self._due_seconds:
            self._set(due_seconds)

    def _set(self, due_seconds: float) -> None:
        self._due_seconds = due_seconds
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(max(0.0, due_seconds - time.monotonic()) + EARLY_SECONDS, self._ring)

    def _ring(self) -> None:
        if self._waited_for is not None and not self._waited_for.done():
            self._waited_for.set_result(None)
