"""Follows the files of the deny and the allow list while players play.

A file is looked at twice a second, and read beside the loop when it has changed and is not just being written. One that
cannot be read or understood leaves what was last understood in force, and that is said once.
"""

import asyncio
from collections.abc import Callable

import structlog

from edge.access_lists import MAX_LIST_BYTES, AccessLists, ListEntries, ListError, join_lists, parse_list
from fleet.watched_file import POLL_SECONDS, WatchedFile

_log = structlog.get_logger("edge.lists")


class ListFile:
    """One file, and what it said when it was last understood; raises ListError where it says nothing at the start."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._watched = WatchedFile(path)  # before it is read: no change may be missed
        self._complaint = ""
        self.entries = self._read()

    def has_changed(self) -> bool:
        """Whether the file is another than when it was read, and is not just being written."""
        return self._watched.has_changed()

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

    def _read(self) -> ListEntries:
        try:
            with open(self._path, "rb") as file:
                text = file.read(MAX_LIST_BYTES + 1)
        except OSError as error:
            self._watched.try_again()
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
        self._deny = ListFile(deny) if deny else None
        self._allow = ListFile(allow) if allow else None
        self.lists = self._joined()

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
        changed = [each for each in (self._deny, self._allow) if each is not None and each.has_changed()]
        if changed and any([await asyncio.to_thread(each.reload) for each in changed]):
            self.lists = await asyncio.to_thread(self._joined)
            for tell in self.on_change:
                tell(self.lists)

    def _joined(self) -> AccessLists:
        deny, allow = (ListEntries() if each is None else each.entries for each in (self._deny, self._allow))
        return join_lists(deny, allow)
