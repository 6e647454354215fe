"""Moderation of chat: mutes, a filter for words, and a limit on how much one player says.

Described in docs/features/moderation.md. Texts are compared as bytes, because the wire does not say their charset;
only ASCII letters are taken for the same in capitals. What breaks no rule goes on byte for byte.
"""

import codecs
import re
from collections import deque
from dataclasses import dataclass, field, replace
from math import ceil
from typing import Literal

from pydantic import Field, PrivateAttr, model_validator

from core.features import DROP, Feature, PerAccount, PerCharacter, Scratch, Session, Settings, Verdict, command, handles
from core.features.builtin._chat_lines import CHANNELS, Channel, Line
from core.features.builtin._words import make_pattern, mask
from games.pko.chat import Say

MAX_WORD_BYTES = 32
MAX_ALL_WORDS_BYTES = 16 * 1024
"""More would take seconds to be made a pattern of, at every load."""

MAX_REASON_BYTES = 120
MAX_NAME_BYTES = 32
MAX_MINUTES = 525_600  # a year

ACCOUNT = "account:"
"""Stands before a name that is an account's and not a character's; no name of a character has a colon in it."""

_MUTE = re.compile(r'(?:"([^"]+)"|([^\s"]\S*))\s+(\d{1,6})(?:\s+(.+))?')


class ModerationSettings(Settings):
    """What may not be said, and what becomes of it."""

    words: list[str] = Field(default=[], max_length=2000, description="words that may not be said")
    charset: str = Field(default="ascii", description="how words are written that are not ASCII, such as cp1251 or gbk")
    match: Literal["word", "anywhere"] = Field(default="word", description="whole words only, or inside of others too")
    action: Literal["mask", "drop", "tell"] = Field(
        default="mask", description="write * over it, swallow the line, or swallow it and say so"
    )
    mute_after_hits: int = Field(default=0, ge=0, le=100, description="lines with such words before a mute; 0: none")
    hits_seconds: float = Field(default=300.0, ge=1, le=86_400, description="within how long")
    flood_lines: int = Field(default=8, ge=0, le=100, description="lines at once that are a flood; 0: none are")
    flood_seconds: float = Field(default=10.0, ge=0.1, le=3600, description="how long at once is")
    equal_lines: int = Field(default=4, ge=0, le=100, description="equal lines in a row that are one; 0: none are")
    equal_seconds: float = Field(default=60.0, ge=1, le=3600, description="between two of them at most")
    mute_minutes: float = Field(default=5.0, ge=0.1, le=MAX_MINUTES, description="how long who did it is muted")
    tell_seconds: float = Field(default=5.0, ge=1, le=3600, description="between two answers to who is muted")
    server_commands: str = Field(default="&", max_length=8, description="how a line of say begins that is left alone")
    channels: list[Channel] = Field(default=list(CHANNELS.values()), description="what is moderated")
    emit_chat: bool = Field(default=False, description="whether events tell what is said")
    emit_channels: list[Channel] = Field(default=["say", "camp", "trade", "all"], description="and where")

    _pattern: re.Pattern[bytes] | None = PrivateAttr(default=None)

    @property
    def pattern(self) -> re.Pattern[bytes] | None:
        """All words as one pattern; None where there are none."""
        return self._pattern

    @model_validator(mode="after")
    def _check_together(self) -> "ModerationSettings":
        """Make the pattern here, because settings are read beside the traffic."""
        try:
            codecs.lookup(self.charset)
            words = [word.encode(self.charset) for word in self.words]
        except LookupError:
            raise ValueError(f"charset {self.charset!r} is not known") from None
        except UnicodeEncodeError as error:
            raise ValueError(f"words: {error.object!r} cannot be written in the charset {self.charset}") from None
        for text, word in zip(self.words, words, strict=True):
            if not 1 <= len(word) <= MAX_WORD_BYTES:
                raise ValueError(f"words: {text!r} has {len(word)} bytes, and 1 to {MAX_WORD_BYTES} are possible")
        if sum(map(len, words)) > MAX_ALL_WORDS_BYTES:
            raise ValueError(f"words: together they may have {MAX_ALL_WORDS_BYTES} bytes")
        if 1 in (self.flood_lines, self.equal_lines):
            raise ValueError("flood_lines, equal_lines: 1 would mute everybody who speaks; 0 is no limit")
        if words:
            self._pattern = make_pattern(words, whole=self.match == "word")
        return self


@dataclass(frozen=True)
class Mute:
    """Until when somebody is muted, in seconds of `time.time`. Texts are Latin-1, which has any byte.

    ``account`` says, of a character's mute, whose account was muted with it.
    """

    until: float = 0.0
    reason: str = ""
    by: str = ""
    account: str = ""


@dataclass(slots=True)
class Lately:
    """What a session has said of late; its length is bounded by the settings."""

    lines: deque[float] = field(default_factory=lambda: deque(maxlen=100))
    hits: deque[float] = field(default_factory=lambda: deque(maxlen=100))
    last: bytes = b""
    last_at: float = 0.0
    equal: int = 0
    told_at: float = float("-inf")


class Moderation(Feature):
    """See the module."""

    settings: ModerationSettings

    by_account = PerAccount(Mute)
    by_character = PerCharacter(Mute)
    lately = Scratch(Lately)

    def entered(self, session: Session) -> None:
        """Let the mute of a character hold for the account, before another character is chosen."""
        self._find_mute(session)

    @handles
    def said(self, session: Session, packet: Line) -> Verdict:
        """Decide about one line."""
        channel = CHANNELS[type(packet)]
        if channel not in self.settings.channels or not session.is_in_game or self._is_exempt(session, packet):
            return None
        mute = self._find_mute(session)
        if mute is not None:
            self._tell_muted(session, mute)
            return DROP
        if flood := self._find_flood(session, packet.text):
            self._mute(session, flood)
            return DROP
        verdict, text = self._filter(session, packet)
        if verdict is not DROP and self.settings.emit_chat and channel in self.settings.emit_channels:
            self.emit("chat", session, channel=channel, text=text.decode("latin-1"))
        return verdict

    def _is_exempt(self, session: Session, packet: Line) -> bool:
        prefix = self.settings.server_commands.encode()
        is_command = bool(prefix) and isinstance(packet, Say) and packet.text.startswith(prefix)
        return is_command or self.is_operator(session)

    # Words.

    def _filter(self, session: Session, packet: Line) -> tuple[Verdict, bytes]:
        """Return the verdict of the word filter, and the text that goes on."""
        text = packet.text
        pattern = self.settings.pattern
        masked = text if pattern is None else mask(pattern, text)
        if masked == text:
            return None, text
        hits = self.lately[session].hits
        if _is_full(hits, self.settings.mute_after_hits, self.settings.hits_seconds, self.now()):
            self._mute(session, "words")
            return DROP, text
        if self.settings.action == "mask":
            return replace(packet, text=masked), masked
        if self.settings.action == "tell":
            session.tell("That may not be said here.")
        return DROP, text

    # Floods.

    def _find_flood(self, session: Session, text: bytes) -> str:
        """Take note of a line; return why it is too much, or nothing."""
        lately, now, settings = self.lately[session], self.now(), self.settings
        is_equal = text == lately.last and now - lately.last_at <= settings.equal_seconds
        lately.equal = lately.equal + 1 if is_equal else 1
        lately.last, lately.last_at = text, now
        is_flood = _is_full(lately.lines, settings.flood_lines, settings.flood_seconds, now)
        if settings.equal_lines and lately.equal >= settings.equal_lines:
            lately.equal = 0
            return "repetition"
        return "flood" if is_flood else ""

    # Mutes.

    def _find_mute(self, session: Session) -> Mute | None:
        """Return the mute that holds for a session; one of the character is made one of the account, too."""
        now = self.wall_time()
        by_account, by_character = self.by_account[session], self.by_character[session]
        if by_character.until > now:
            account = session.player.account.decode("latin-1")
            if by_character.account != account:
                by_character = self.by_character[session] = replace(by_character, account=account)
            if by_account.until < by_character.until:
                by_account = self.by_account[session] = by_character
        return by_account if by_account.until > now else None

    def _mute(self, session: Session, reason: str) -> None:
        """Mute a player by a rule."""
        until = self.wall_time() + self.settings.mute_minutes * 60
        mute = Mute(until, reason, "moderation", session.player.account.decode("latin-1"))
        self.by_account[session] = mute
        self.by_character[session] = mute
        self.lately[session].told_at = float("-inf")
        self._tell_muted(session, mute)
        self.emit("incident", session, what="mute", reason=reason, by=mute.by, minutes=self.settings.mute_minutes)

    def _tell_muted(self, session: Session, mute: Mute) -> None:
        lately, now = self.lately[session], self.now()
        if now - lately.told_at >= self.settings.tell_seconds:
            lately.told_at = now
            session.tell(_spell_mute(mute, self.wall_time()))

    @command("mute", "NAME MINUTES REASON: lets a character say nothing", for_operators=True)
    def mute(self, session: Session, words: str) -> str:
        """Mute a character, or with ``account:`` an account, wherever they are."""
        found = _MUTE.fullmatch(words)
        name = found and _whom(found[1] or found[2], session)
        if not found or not name or not 1 <= int(found[3]) <= MAX_MINUTES:
            return f"Write /mute NAME MINUTES REASON, with 1 to {MAX_MINUTES} minutes; an account as {ACCOUNT}NAME."
        minutes, now = int(found[3]), self.wall_time()
        reason = session.raw(found[4] or "").decode("latin-1")[:MAX_REASON_BYTES]
        mute = Mute(now + minutes * 60, reason, session.player.account.decode("latin-1"))
        self._change(session, name, mute, _spell_mute(mute, now))
        self._tell_incident("mute", session, name, reason=reason, minutes=minutes)
        return f"{name} is muted for {minutes} min."

    @command("unmute", "NAME: lets a character speak again", for_operators=True)
    def unmute(self, session: Session, words: str) -> str:
        """Lift a mute of a character and of the account it was muted with, or with ``account:`` of an account."""
        name = _whom(words.strip('"'), session)
        if not name:
            return f"Write /unmute NAME; an account as {ACCOUNT}NAME."
        self._change(session, name, Mute(), b"You may speak again.")
        self._tell_incident("unmute", session, name)
        return f"{name} may speak."

    def _change(self, operator: Session, name: str, mute: Mute, text: bytes) -> None:
        """Keep a mute, or that there is none, for a character or an account, and tell them."""
        if name.startswith(ACCOUNT):
            account = name.removeprefix(ACCOUNT)
            self.by_account.keep_for(operator.raw(account), mute)
            self.players.tell(text, account=account)
        else:
            self.spawn(self._change_character(operator.raw(name), name, mute), "mute")
            self.players.tell(text, character=name)

    async def _change_character(self, raw: bytes, name: str, mute: Mute) -> None:
        """Keep it for a character and its account: that of the mute before, or that of who plays it now or later."""
        account = (await self.by_character.of(raw)).account
        self.by_character.keep_for(raw, replace(mute, account=account))
        if account:
            self.by_account.keep_for(account.encode("latin-1"), mute)
        player = self.players.find(character=name)
        if player is not None and player.is_in_game:
            self._find_mute(player)

    def _tell_incident(self, what: str, operator: Session, name: str, **fields: str | float) -> None:
        is_account = name.startswith(ACCOUNT)
        find = self.players.find
        whose = find(account=name.removeprefix(ACCOUNT)) if is_account else find(character=name)
        raw = operator.raw(name).decode("latin-1")
        self.emit("incident", whose, what=what, name=raw, by=operator.account, **fields)


def _whom(name: str, operator: Session) -> str:
    """Return a name that can be one, or nothing."""
    return name if 1 <= len(operator.raw(name.removeprefix(ACCOUNT))) <= MAX_NAME_BYTES else ""


def _is_full(times: deque[float], limit: int, seconds: float, now: float) -> bool:
    """Take note of a time; whether there were ``limit`` of them in so long, which then count no more. 0: no limit."""
    if not limit:
        return False
    times.append(now)
    if len(times) < limit or now - times[-limit] > seconds:
        return False
    times.clear()
    return True


def _spell_mute(mute: Mute, now: float) -> bytes:
    minutes = max(1, ceil((mute.until - now) / 60))
    text = f"You are muted for {minutes} min" + (f": {mute.reason}" if mute.reason else ".")
    return text.encode("latin-1")
