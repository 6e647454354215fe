"""Who is where, at all cores: account, character, map, edge, region, since when.

Each core keeps its own players' entries in the store as its own (`Store.own`), so those of a core that died vanish with
its lease. Entries are written a moment after something changed, once for all that changed meanwhile.

Other features read them with `read_presence` and `count_by_region`.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from heapq import nsmallest
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.features import Feature, Scratch, Session, Settings, command
from core.store.protocol import Store

TABLE = "presence"

MAX_ENTRY_BYTES = 4096
ENTRIES_AT_ONCE = 500
"""Read or written between two looks at the traffic; some milliseconds."""

Text = Annotated[str, Field(max_length=256)]

_LAST_SECOND = 253_402_300_799.0  # of the year 9999


class Whereabouts(BaseModel):
    """Where one player is. Texts are the session's, empty where not known; ``since`` is of `time.time`."""

    model_config = ConfigDict(frozen=True, strict=True)

    account: Text
    character: Text = ""
    map: Text = ""
    edge: Text = ""
    region: Text = ""
    since: Annotated[float, Field(ge=0, le=_LAST_SECOND, allow_inf_nan=False)] = 0.0


class Written:
    """Whether a session has an entry."""

    __slots__ = ("is_there",)

    def __init__(self) -> None:
        self.is_there = False


_WRITTEN = Scratch(Written)
"""Not the feature's own, so that another version of it knows after a reload."""


class PresenceSettings(Settings):
    """Settings of `Presence`."""

    delay_seconds: float = Field(
        0.2, ge=0.05, le=10, description="How long changes are gathered before they are written."
    )
    listed: int = Field(10, ge=1, le=50, description="How many players /who shows.")


class Presence(Feature):
    """Keeps the entries of this core's players; see the module."""

    settings: PresenceSettings

    def __init__(self) -> None:
        self._changed: dict[str, Session] = {}
        self._is_due = False
        self._is_answering = False

    def started(self) -> None:
        """Write the entries of those who are here."""
        for session in self.players.here:
            self._note(session)

    def stopped(self) -> None:
        """Remove them, unless another version of this feature goes on."""
        if "who" not in self.commands:  # those of the plan that comes next
            for session in self.players.here:
                self._remove(session)

    def logged_in(self, session: Session) -> None:
        """Somebody is there."""
        self._note(session)

    def entered(self, session: Session) -> None:
        """With a character."""
        self._note(session)

    def changed_map(self, session: Session) -> None:
        """On another map."""
        self._note(session)

    def left(self, session: Session) -> None:
        """Without a character again."""
        self._note(session)

    def closed(self, session: Session, reason: str) -> None:
        """Gone."""
        del reason
        self._changed.pop(session.id, None)
        self._remove(session)

    async def everyone(self) -> list[Whereabouts]:
        """Return all players of all cores."""
        return list((await read_presence(self.store)).values())

    async def counts(self) -> Counter[str]:
        """Return how many players there are, by region."""
        return count_by_region(await read_presence(self.store))

    @command("who", "who is where: /who counts the regions, /who TEXT shows the players it fits", for_operators=True)
    def who(self, session: Session, words: str) -> str | None:
        """Answer a moment later, when the other cores' players are known."""
        if self._is_answering:
            return "Somebody has asked just now; ask again."
        self._is_answering = True
        self.spawn(self._answer(session, words.strip()), "who")
        return None

    # Parts.

    def _note(self, session: Session) -> None:
        """Take note of a change, and write it with others."""
        if not session.is_logged_in:
            return
        self._changed[session.id] = session
        if not self._is_due:
            self._is_due = True
            self.after(self.settings.delay_seconds, self._write)

    def _write(self) -> None:
        """Write the entries that changed; what is more than can be written at once comes a moment later."""
        self._is_due = False
        for session_id in list(self._changed)[:ENTRIES_AT_ONCE]:
            session = self._changed.pop(session_id)
            if not session.is_logged_in:  # another login has begun on this connection, or was refused
                self._remove(session)
                continue
            _WRITTEN[session].is_there = True
            self.store.own(TABLE, session_id, _entry(session).model_dump_json().encode())
        if self._changed:
            self._is_due = True
            self.after(0.05, self._write)

    def _remove(self, session: Session) -> None:
        written = _WRITTEN[session]
        if written.is_there:
            written.is_there = False
            self.store.disown(TABLE, session.id)

    async def _answer(self, session: Session, wanted: str) -> None:
        try:
            entries = await read_presence(self.store)
            lines = await self._find(entries, wanted) if wanted else _by_region(entries)
        finally:
            self._is_answering = False
        for line in lines:
            session.tell(line)

    async def _find(self, entries: Mapping[str, Whereabouts], wanted: str) -> list[str]:
        """Return the lines that have a text in them, the first of them, and how many there are."""
        found = []
        small = _small(wanted)
        for number, each in enumerate(entries.values(), start=1):
            if number % ENTRIES_AT_ONCE == 0:
                await asyncio.sleep(0)
            line = _line(each)
            if small in _small(line):
                found.append(line)
        shown = nsmallest(self.settings.listed, found)
        return [*shown, f"{len(found)} found" + (", the first are shown." if len(found) > len(shown) else ".")]


def _by_region(entries: Mapping[str, Whereabouts]) -> list[str]:
    counts = count_by_region(entries)
    regions = ", ".join(f"{region or 'no region'} {count}" for region, count in counts.most_common())
    return [f"{len(entries)} online: {regions}" if entries else "Nobody is online."]


async def read_presence(store: Store) -> dict[str, Whereabouts]:
    """Return where all players of all cores are, by session; entries that cannot be read are left out.

    With the store away these are the players of this core alone.
    """
    found: dict[str, Whereabouts] = {}
    owned = await store.owned(TABLE)
    number = 0
    for fields in owned.values():
        for session_id, raw in fields.items():
            number += 1
            if number % ENTRIES_AT_ONCE == 0:
                await asyncio.sleep(0)
            entry = _read(raw)
            if entry is not None:
                found[session_id] = entry
    return found


def count_by_region(entries: Mapping[str, Whereabouts]) -> Counter[str]:
    """Return how many players there are, by region."""
    return Counter(each.region for each in entries.values())


def _read(raw: bytes) -> Whereabouts | None:
    if len(raw) > MAX_ENTRY_BYTES:
        return None
    try:
        return Whereabouts.model_validate_json(raw)
    except ValidationError:
        return None


def _entry(session: Session) -> Whereabouts:
    texts = {
        "account": session.account,
        "character": session.character,
        "map": session.map_name,
        "edge": session.edge,
        "region": session.region,
    }
    return Whereabouts(since=session.since, **{name: _whole(text) for name, text in texts.items()})


def _whole(text: str) -> str:
    """Return a text that JSON can hold: bytes that the charset does not have become question marks."""
    return text.encode("utf-8", "replace").decode()[:256]


def _small(text: str) -> bytes:
    """Return a text as bytes to compare, in which capitals of A to Z do not matter."""
    return text.encode("utf-8", "replace").lower()


def _line(entry: Whereabouts) -> str:
    since = time.strftime("%Y-%m-%d %H:%M", time.gmtime(entry.since))
    place = f"{entry.character} on {entry.map}" if entry.character else "no character"
    return f"{entry.account}: {place}, at {entry.edge} ({entry.region}) since {since} UTC"
