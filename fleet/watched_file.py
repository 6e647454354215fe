"""Tells when a file has another content, by looking at it now and then.

For files that an operator edits while a relay runs. It knows nothing of what stands in them, and never reads them.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable

POLL_SECONDS = 0.5

MAX_UNSETTLED = 4
"""Looks for which a file may go on changing: two seconds, in which a list of any size is written."""

_Stamp = tuple[int, int, int, int]

_NOTHING_SEEN: _Stamp = (-1, -1, -1, -1)


class WatchedFile:
    """The file at ``path``, which need not be there.

    A change is one at the second look that finds it the same, so that a file that is just being written is not read
    half; of one that is other at each look, every `MAX_UNSETTLED`th, so that it is read at all. That a file was taken
    away or came back is a change, too.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._told = self._seen = self._look()
        self._unsettled = 0  # looks since the last change that was told

    def has_changed(self) -> bool:
        """Look once; whether something has changed since it last had, and settled."""
        before, self._seen = self._seen, self._look()
        if self._seen == self._told:
            self._unsettled = 0
            return False
        self._unsettled += 1
        if self._seen != before and self._unsettled < MAX_UNSETTLED:
            return False
        self._unsettled = 0
        self._told = self._seen
        return True

    def try_again(self) -> None:
        """Take the file for changed at the next look, whatever it finds: it may be let be read without any change."""
        self._told = _NOTHING_SEEN

    async def run(self, on_change: Callable[[], Awaitable[None]]) -> None:
        """Look until cancelled, and call ``on_change`` after each change."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            if self.has_changed():
                await on_change()

    def _look(self) -> _Stamp | None:
        try:
            status = os.stat(self._path)
        except OSError:
            return None  # whoever reads it says why
        return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino
