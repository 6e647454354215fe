"""Follows the files of the deny and the allow list while players play.

A file is looked at once a second and read when it has changed, beside the loop. A file that cannot be read or
understood leaves what was last understood in force, and that is said once.
"""

import asyncio
import os
from collections.abc import Callable

import structlog

from edge.access_lists import MAX_LIST_BYTES, AccessLists, ListEntries, ListError, join_lists, parse_list

POLL_SECONDS = 1.0

_log = structlog.get_logger("edge.lists")

_Signature = tuple[int, int, int, int]


class ListFile:
    """One file, and what it said when it was last understood. ``path`` may be empty: then there is no file."""

    def __init__(self, path: str) -> None:
        self.entries = ListEntries()
        self._path = path
        self._signature: _Signature | None = None
        self._complaint = ""

    def load(self) -> None:
        """Read the file for the first time; raises ListError."""
        if self._path:
            self._signature = self._look()
            self.entries = self._read()

    def has_changed(self) -> bool:
        """Whether the file is another than at the last look. A file that is gone says so, once, and is no change."""
        if not self._path:
            return False
        try:
            signature = self._look()
        except ListError as error:
            self._signature = None
            self._complain(str(error))
            return False
        changed = signature != self._signature
        self._signature = signature
        return changed

    def reload(self) -> bool:
        """Read the file again; returns whether its entries are new. May run in a thread of its own."""
        try:
            entries = self._read()
        except ListError as error:
            self._complain(str(error))
            return False
        self._complaint = ""
        changed = entries != self.entries
        self.entries = entries
        _log.info("list_loaded", file=self._path, entries=len(entries))
        return changed

    def _look(self) -> _Signature:
        try:
            status = os.stat(self._path)
        except OSError as error:
            raise ListError(f"{self._path}: cannot be read: {error.strerror or error}") from error
        return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino

    def _read(self) -> ListEntries:
        try:
            with open(self._path, "rb") as file:
                text = file.read(MAX_LIST_BYTES + 1)
        except OSError as error:
            self._signature = None  # it may be let be read without any change of it
            raise ListError(f"{self._path}: cannot be read: {error.strerror or error}") from error
        return parse_list(text, self._path)

    def _complain(self, text: str) -> None:
        if text != self._complaint:
            self._complaint = text
            _log.error("list_unusable", reason=text, action="what it said before stays in force")


class ListFiles:
    """Both files; ``on_change`` is called with the new lists whenever they say something else.

    Raises ListError when one cannot be used at the start: an edge does not run without the lists it was given.
    """

    def __init__(self, deny: str, allow: str) -> None:
        self.on_change: list[Callable[[AccessLists], None]] = []
        self._deny = ListFile(deny)
        self._allow = ListFile(allow)
        self._deny.load()
        self._allow.load()
        self.lists = join_lists(self._deny.entries, self._allow.entries)

    def denied_names(self) -> dict[str, frozenset[bytes]]:
        """Return the names that are kept out, small, by kind (`wire.steps.CAPTURES`)."""
        return dict(self.lists.denied_names)

    async def run(self) -> None:
        """Follow the files until cancelled."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            await self.poll()

    async def poll(self) -> None:
        """Look once, and tell whoever wants to know."""
        changed = [each for each in (self._deny, self._allow) if each.has_changed()]
        if changed and any([await asyncio.to_thread(each.reload) for each in changed]):
            self.lists = await asyncio.to_thread(join_lists, self._deny.entries, self._allow.entries)
            for tell in self.on_change:
                tell(self.lists)
