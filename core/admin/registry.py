"""Publishes what this core knows: itself, its edges and its sessions, as owned fields of the store.

They vanish with the process (`core.store.protocol`). Sessions are written when they begin, end or get another name,
gathered for a moment, so that a connection that is over at once is never written; figures are written every two
seconds. Nothing waits for the store, and nothing here runs per packet. A core whose store is its own memory writes no
sessions there: it has them all in its roster.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping

import structlog

from core.admin.entries import (
    CORES,
    EDGES,
    SELF,
    SESSIONS,
    CoreEntry,
    EdgeEntry,
    SessionEntry,
    encode_entry,
    session_entry,
)
from core.admin.fleet import scan_sessions
from core.admin.selection import Matcher
from core.roster import Roster
from core.store.protocol import Store
from wire.errors import MisuseError

_log = structlog.get_logger("core.admin")

GATHER_SECONDS = 0.5
REFRESH_SECONDS = 2.0
SESSIONS_AT_ONCE = 200
"""So many are written between two looks at the traffic: about a millisecond."""

MAX_SENTENCES = 16
MAX_SENTENCE_CHARACTERS = 256


class Registry:
    """One core's. ``describe_core`` and ``describe_edges`` say how things are, the latter by field."""

    def __init__(
        self,
        store: Store,
        roster: Roster,
        describe_core: Callable[[], CoreEntry],
        describe_edges: Callable[[], Mapping[str, EdgeEntry]],
    ) -> None:
        self._store = store
        self._roster = roster
        self._is_alone = store.status.is_memory  # nobody else reads what it would write of its sessions
        self._describe_core = describe_core
        self._describe_edges = describe_edges
        self._changed: dict[str, None] = {}  # sessions, in their order
        self._written: set[str] = set()
        self._edges: set[str] = set()
        self._must_publish = False
        self.unlisted_sessions = 0
        self._core = ""
        if not self._is_alone:
            roster.on_change = self._note

    def refresh_soon(self) -> None:
        """Something changed that nobody should have to wait for: an edge came, or drains."""
        self._must_publish = True

    async def run(self) -> None:
        """Publish until cancelled."""
        published_at = -REFRESH_SECONDS
        while True:
            now = time.monotonic()
            if self._must_publish or now - published_at >= REFRESH_SECONDS:
                published_at = now
                self.publish()
            await self._write_sessions()
            await asyncio.sleep(GATHER_SECONDS)

    def publish(self) -> None:
        """Write how this core and its edges are."""
        self._must_publish = False
        core = self._describe_core()
        self._core = core.name
        self._store.own(CORES, SELF, encode_entry(core))
        edges = self._describe_edges()
        for field, entry in edges.items():
            self._store.own(EDGES, field, encode_entry(entry))
        for field in self._edges - edges.keys():
            self._store.disown(EDGES, field)
        self._edges = set(edges)

    async def scan(self, matcher: Matcher) -> AsyncIterator[SessionEntry]:
        """Yield the sessions of all cores that fit, each once, in no order; traffic goes on between parts."""
        if not self._is_alone:
            async for entry in scan_sessions(self._store, matcher):
                yield entry
            return
        for number, seat in enumerate(list(self._roster.seats.values())):
            if number % SESSIONS_AT_ONCE == 0:
                await asyncio.sleep(0)
            if matcher.fits(seat, self._core):
                yield session_entry(seat, self._core)

    def _note(self, session_id: str) -> None:
        self._changed[session_id] = None

    async def _write_sessions(self) -> None:
        while self._changed:
            for session_id in list(self._changed)[:SESSIONS_AT_ONCE]:
                del self._changed[session_id]
                self._write(session_id)
            await asyncio.sleep(0)

    def _write(self, session_id: str) -> None:
        seat = self._roster.seats.get(session_id)
        if seat is None:
            if session_id in self._written:
                self._written.discard(session_id)
                self._store.disown(SESSIONS, session_id)
            return
        try:
            self._store.own(SESSIONS, session_id, encode_entry(session_entry(seat, self._core)))
            self._written.add(session_id)
        except MisuseError as error:  # more than the store has room for: they play, and are not listed
            self.unlisted_sessions += 1
            if self.unlisted_sessions == 1:
                _log.warning("session_unlisted", session=session_id, reason=str(error))


def sentences(texts: tuple[str, ...] | list[str]) -> tuple[str, ...]:
    """Return texts within the bounds of an entry."""
    return tuple(text[:MAX_SENTENCE_CHARACTERS] for text in texts[:MAX_SENTENCES])
