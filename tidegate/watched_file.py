"""Tells when a file has another content, by looking at it now and then.

For files that an operator edits while the process runs. It knows nothing of what stands in them, and never reads them.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

POLL_SECONDS = 0.5

_Stamp = tuple[int, int, int]


class WatchedFile:
    """The file at ``path``, which need not be there; ``on_change`` is called after each change of it.

    A change is told at the second look that finds it the same, so that a file that is just being written is not read
    half. That a file was taken away or came back is a change too.
    """

    def __init__(self, path: Path, on_change: Callable[[], Awaitable[None]]) -> None:
        self._path = path
        self._on_change = on_change
        self._told = self._seen = self._look()

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            await self.poll()

    async def poll(self) -> None:
        """Look once, and tell what has changed and settled."""
        before, self._seen = self._seen, self._look()
        if self._seen == before != self._told:
            self._told = self._seen
            await self._on_change()

    def _look(self) -> _Stamp | None:
        try:
            status = os.stat(self._path)
        except OSError:
            return None  # whoever reads it says why
        return status.st_mtime_ns, status.st_size, status.st_ino
