"""Bans by chat command, and the core's own look at who logs in.

The edges keep banned players out (`docs/admission.md`); this feature is how operators ban, and the second line: for a
login through an edge that has not heard yet.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from heapq import nlargest

from pydantic import Field

from core.ban_entries import ban_text, covers, moment_text
from core.bans import BanBook, BanChange
from core.features import BanKind, Feature, Session, Settings, command
from core.features.ports import BanEntry
from wire.errors import MisuseError

_BAN = "/ban account|character|address|hardware NAME 30m|12h|7d|forever REASON"
_UNBAN = "/unban account|character|address|hardware NAME"

_WORD = re.compile(r'\s*(?:"([^"]*)"|(\S+))')
_DURATION = re.compile(r"([0-9]{1,6})([mhdw])")
_UNIT_SECONDS = {"m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 7 * 86_400.0}

SESSIONS_AT_ONCE = 500
"""So many are looked up between two looks at the traffic; that takes about a millisecond."""

BANS_AT_ONCE = 200
"""So many are written out to look for a text in them; that takes about a millisecond, too."""


class BansSettings(Settings):
    """Settings of `Bans`."""

    listed: int = Field(10, ge=1, le=50, description="How many bans /bans shows; the newest come first.")


class Bans(Feature):
    """Bans, lifts bans, refuses banned players and ends their sessions."""

    settings: BansSettings

    def __init__(self) -> None:
        self._is_looking = False
        self._must_look = False
        self._is_answering = False

    def started(self) -> None:
        """Follow the bans."""
        given = self.bans
        self._book = given if isinstance(given, BanBook) else BanBook(self.store, self.wall_time)
        self._unlisten: Callable[[], None] = self._book.listen(self._changed)

    def stopped(self) -> None:
        """Follow them no more."""
        self._unlisten()

    async def admits(self, session: Session) -> str | None:
        """Refuse who is banned, in the words of the ban."""
        found = self._ban_of(session)
        return None if found is None else ban_text(found)

    def entered(self, session: Session) -> None:
        """End the session of a banned character; which one it is was not known before."""
        found = self._ban_of(session)
        if found is not None:
            session.close(ban_text(found))

    # Commands.

    @command("ban", f"keep somebody out: {_BAN}", for_operators=True)
    def ban(self, session: Session, words: str) -> str:
        """Ban somebody."""
        try:
            kind, rest = _kind(words)
            value, rest = _first_word(rest)
            duration, reason = _first_word(rest)
            seconds = _seconds(duration)
            if self._is_own(session, kind, value):
                return "That would ban yourself."
            self._book.add(kind, value, reason=reason.strip(), seconds=seconds, by=session.account)
        except MisuseError as error:
            return f"{error}. Write {_BAN}"
        self.emit(
            "ban", session, ban=kind.value, value=value, seconds=seconds, reason=reason.strip(), by=session.account
        )
        return f"Banned: {kind} {value}, {'for ever' if not seconds else duration}."

    @command("unban", f"let somebody in again: {_UNBAN}", for_operators=True)
    def unban(self, session: Session, words: str) -> str:
        """Lift a ban."""
        try:
            kind, rest = _kind(words)
            value = rest.strip().strip('"')
            was_banned = self._book.remove(kind, value)
        except MisuseError as error:
            return f"{error}. Write {_UNBAN}"
        if not was_banned:
            return f"There is no ban of {kind} {value}; /bans shows those there are."
        self.emit("unban", session, ban=kind.value, value=value, by=session.account)
        return f"Not banned any more: {kind} {value}."

    @command("bans", "the newest bans, or those with a text in them: /bans [TEXT]", for_operators=True)
    def show(self, session: Session, words: str) -> str | None:
        """Show the newest bans, and say how many there are; a moment later, since there may be very many."""
        if self._is_answering:
            return "Somebody has asked just now; ask again."
        self._is_answering = True
        self.spawn(self._answer(session, words.strip().lower()), "bans")
        return None

    # Parts.

    async def _answer(self, session: Session, wanted: str) -> None:
        shown: list[BanEntry] = []
        count = 0
        try:
            entries = self._book.all
            for start in range(0, len(entries), BANS_AT_ONCE):
                some = entries[start : start + BANS_AT_ONCE]
                found = [each for each in some if wanted in _line(each).lower()] if wanted else some
                count += len(found)
                shown = nlargest(self.settings.listed, [*shown, *found], key=lambda each: each.since)
                await asyncio.sleep(0)
        finally:
            self._is_answering = False
        for each in shown:
            session.tell(_line(each))
        session.tell(f"{count} bans" + (f", the newest {len(shown)} are shown." if len(shown) < count else "."))

    def _changed(self, change: BanChange) -> None:
        """End the sessions that a new ban meets, beside the traffic."""
        if not change.added:
            return
        self._must_look = True
        if not self._is_looking:
            self._is_looking = True
            self.spawn(self._end_banned(), "end-banned")

    async def _end_banned(self) -> None:
        try:
            while self._must_look:
                self._must_look = False
                for number, session in enumerate(self.players.here, start=1):
                    if number % SESSIONS_AT_ONCE == 0:
                        await asyncio.sleep(0)
                    found = self._ban_of(session)
                    if found is not None:
                        session.close(ban_text(found))
        finally:
            self._is_looking = False

    def _ban_of(self, session: Session) -> BanEntry | None:
        """Return the ban that meets a player, the one that lasts longest."""
        found = [each for each in self._bans_of(session) if each is not None]
        return max(found, key=lambda each: each.until or float("inf"), default=None)

    def _bans_of(self, session: Session) -> Iterator[BanEntry | None]:
        player, find = session.player, self._book.find
        yield self._book.find_address(session.address)
        for kind, name in (
            (BanKind.ACCOUNT, player.account),
            (BanKind.HARDWARE, player.hardware_address),
            (BanKind.CHARACTER, player.character),
        ):
            if name:
                yield find(kind, name)

    def _is_own(self, session: Session, kind: BanKind, value: str) -> bool:
        """Whether a ban would meet who speaks; raises MisuseError for what cannot be banned."""
        whom = self._book.whom(kind, value)
        if kind is BanKind.ADDRESS:
            return covers(whom, session.address)
        player = session.player
        own = {
            BanKind.ACCOUNT: player.account,
            BanKind.HARDWARE: player.hardware_address,
            BanKind.CHARACTER: player.character,
        }
        return own[kind].lower() == whom.value


def _first_word(words: str) -> tuple[str, str]:
    """Return the first word, or what stands in quotes, and what follows; both may be empty."""
    found = _WORD.match(words)
    return ("", "") if found is None else (found[1] or found[2] or "", words[found.end() :])


def _kind(words: str) -> tuple[BanKind, str]:
    """Return the kind that words begin with, and what follows; raises MisuseError."""
    first, rest = _first_word(words)
    try:
        return BanKind(first.lower()), rest
    except ValueError:
        raise MisuseError(f"{first[:20]!r} is no kind of ban") from None


def _seconds(duration: str) -> float:
    """Return the seconds of ``30m``, ``12h``, ``7d``, ``2w`` or ``forever`` (0); raises MisuseError."""
    if duration.lower() == "forever":
        return 0.0
    found = _DURATION.fullmatch(duration.lower())
    if found is None or not int(found[1]):
        raise MisuseError(f"{duration[:20]!r} is no duration")
    return int(found[1]) * _UNIT_SECONDS[found[2]]


def _line(entry: BanEntry) -> str:
    until = f"until {moment_text(entry.until)}" if entry.until else "for ever"
    by = f" by {entry.by}" if entry.by else ""
    return f"{entry.kind} {entry.value} {until}{by}" + (f": {entry.reason}" if entry.reason else "")
