"""What gameday shows while it runs: one living line on a terminal, a plain line now and then elsewhere."""

import asyncio
import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from rich.console import Console
from rich.live import Live
from rich.text import Text

from tidegate.gameday.day import GameDay

REDRAW_SECONDS = 0.5
LINE_SECONDS = 10.0


@contextmanager
def showing(console: Console, day: GameDay, title: str) -> Iterator[None]:
    """Show how the day fares for as long as the block lasts."""
    task = asyncio.create_task(_show(console, day, title), name="gameday: progress")
    try:
        yield
    finally:
        task.cancel()


async def _show(console: Console, day: GameDay, title: str) -> None:
    status = _Status(day)
    if not console.is_terminal:
        while True:
            await asyncio.sleep(LINE_SECONDS)
            day.say(status.line())
    with (
        contextlib.suppress(OSError),  # the terminal was closed
        Live(console=console, auto_refresh=False, transient=True) as live,
    ):
        while True:
            live.update(Text(f"{title}\n{status.line()}"), refresh=True)
            await asyncio.sleep(REDRAW_SECONDS)


class _Status:
    """The line, with rates since the last one."""

    def __init__(self, day: GameDay) -> None:
        self._day = day
        self._seconds = monotonic()
        self._sent = day.crowd.frames_sent
        self._received = day.crowd.frames_received

    def line(self) -> str:
        crowd = self._day.crowd
        now = monotonic()
        span = max(now - self._seconds, 1e-3)
        sent, received = crowd.frames_sent - self._sent, crowd.frames_received - self._received
        self._seconds, self._sent, self._received = now, crowd.frames_sent, crowd.frames_received
        return (
            f"{crowd.playing} of {len(crowd.bots)} bots play, {sent / span:.0f} frames/s said, "
            f"{received / span:.0f} answered, {sum(crowd.ended.values())} sessions ended"
        )
