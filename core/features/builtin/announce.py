"""Announcements: the message of the day, texts at set times, and what operators have to say.

Described in docs/features/announce.md. Every core greets its own players and tells them the texts of the schedule;
what an operator says goes through the store to the players of all cores.
"""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from core.features import Feature, Session, Settings, command
from games.pko.bounds import MAX_NOTICE_BYTES
from games.pko.chat import ColourNotice

PLACEHOLDERS = ("character", "map", "online", "region")

BATCH = 50
BATCH_SECONDS = 0.01
"""A text of the schedule goes to so many players at a time, so that the traffic of the others does not wait for it."""

COUNT_SECONDS = 5.0
"""How long a count of players is good: after a restart everybody comes at once, and everybody is greeted."""

_PLACEHOLDER = re.compile(r"\{([A-Za-z_]+)\}")
_TO_SOMEBODY = re.compile(r'(?:"([^"]+)"|([^\s"]\S*))\s+(.+)')


def _check_placeholders(text: str) -> str:
    unknown = [name for name in _PLACEHOLDER.findall(text) if name not in PLACEHOLDERS]
    if unknown:
        known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
        raise ValueError(f"{{{unknown[0]}}} is no placeholder; there are: {known}")
    return text


Text = Annotated[str, Field(min_length=1, max_length=400), AfterValidator(_check_placeholders)]


class Scheduled(Settings):
    """One text of the schedule."""

    every_minutes: float = Field(ge=0.1, le=10_080, description="how often it is told, first after as long")
    text: Text = Field(description="what is told, with placeholders")
    region: str = Field(default="", max_length=64, description="only players who come in there; empty: all")


class AnnounceSettings(Settings):
    """What is announced, and how it looks."""

    message_of_the_day: list[Text] = Field(
        default_factory=list, max_length=20, description="told to a character that enters the game, line by line"
    )
    style: Literal["chat", "popup", "colour"] = Field(
        default="chat", description="a line in the chat window, a box to close, or a coloured line"
    )
    colour: int = Field(
        default=0xFFFFD700, ge=0, le=0xFFFFFFFF, description="of coloured lines, as the packet has it: 0xAARRGGBB"
    )
    delay_seconds: float = Field(default=0.0, ge=0, le=60, description="between entering the game and the message")
    operator_prefix: str = Field(
        default="[Operator] ", max_length=40, description="stands before what an operator says"
    )
    schedule: list[Scheduled] = Field(default_factory=list, max_length=50, description="texts at set times")


class Announce(Feature):
    """See the module."""

    settings: AnnounceSettings

    _online = 0
    _counted_at = float("-inf")

    def started(self) -> None:
        """Let the time of the schedule run."""
        for scheduled in self.settings.schedule:
            self._wait_for(scheduled)

    def entered(self, session: Session) -> None:
        """Greet a character."""
        if not self.settings.message_of_the_day:
            return
        if self.settings.delay_seconds:
            self.after(self.settings.delay_seconds, lambda: self._greet(session), session=session)
        else:
            self._greet(session)

    def _greet(self, session: Session) -> None:
        if session.is_in_game:
            for line in self.settings.message_of_the_day:
                self._show(session, line)

    # The schedule.

    def _wait_for(self, scheduled: Scheduled) -> None:
        self.after(scheduled.every_minutes * 60, lambda: self._tell_scheduled(scheduled))

    def _tell_scheduled(self, scheduled: Scheduled) -> None:
        self._wait_for(scheduled)
        self._tell_some(scheduled, list(self.players.here))

    def _tell_some(self, scheduled: Scheduled, waiting: list[Session]) -> None:
        """Tell the last of those who wait, and the others later."""
        for session in waiting[-BATCH:]:
            if session.is_open and session.is_in_game and scheduled.region in ("", session.region):
                self._show(session, scheduled.text)
        del waiting[-BATCH:]
        if waiting:
            self.after(BATCH_SECONDS, lambda: self._tell_some(scheduled, waiting))

    # Operators.

    @command("announce", "TEXT: tells everybody", for_operators=True)
    def announce(self, session: Session, words: str) -> str | None:
        """Tell all players of all cores."""
        if not words:
            return "Write /announce TEXT."
        self._tell_fleet(session, words)
        return None

    @command("tell", "CHARACTER TEXT: tells one player", for_operators=True)
    def tell(self, session: Session, words: str) -> str:
        """Tell one player, wherever they are connected."""
        found = _TO_SOMEBODY.fullmatch(words)
        if found is None:
            return 'Write /tell CHARACTER TEXT; a name with blanks as "NAME".'
        name = found[1] or found[2]
        self._tell_fleet(session, found[3], character=name)
        if self.players.find(character=name) is None:
            return f"{name} is not at this core; told if in the game elsewhere."
        return f"{name} is told."

    @command("region", "REGION TEXT: tells the players of a region", for_operators=True)
    def region(self, session: Session, words: str) -> str:
        """Tell the players who come in through one region."""
        found = _TO_SOMEBODY.fullmatch(words)
        if found is None:
            return "Write /region REGION TEXT."
        name = found[1] or found[2]
        self._tell_fleet(session, found[3], region=name)
        return f"The players of the region {name} are told."

    def _tell_fleet(self, operator: Session, words: str, *, character: str = "", region: str = "") -> None:
        text = operator.raw(self.settings.operator_prefix + words)
        if self.settings.style == "colour":
            self.players.send(self._coloured(text), character=character, region=region)
        else:
            popup = self.settings.style == "popup"
            self.players.tell(text, character=character, region=region, popup=popup)
        # Latin-1 has a character for each byte, whatever the charset of the game is.
        said, to_character, to_region = (operator.raw(each).decode("latin-1") for each in (words, character, region))
        self.emit("announcement", operator, text=said, to_character=to_character, to_region=to_region)

    # Texts.

    def _show(self, session: Session, text: str) -> None:
        shown = _PLACEHOLDER.sub(lambda found: self._value_of(found[1], session), text)
        match self.settings.style:
            case "popup":
                session.popup(shown)
            case "colour":
                session.send(self._coloured(session.raw(shown)))
            case "chat":
                session.tell(shown)

    def _coloured(self, text: bytes) -> ColourNotice:
        return ColourNotice(rgb=self.settings.colour, text=text.replace(b"\0", b"?")[:MAX_NOTICE_BYTES])

    def _value_of(self, placeholder: str, session: Session) -> str:
        match placeholder:
            case "character":
                return session.character
            case "map":
                return session.map_name
            case "online":
                return str(self._count())
            case _:
                return session.region

    def _count(self) -> int:
        """Return how many are in the game at this core, not older than COUNT_SECONDS."""
        if self.now() - self._counted_at >= COUNT_SECONDS:
            self._online = sum(session.is_in_game for session in self.players.here)
            self._counted_at = self.now()
        return self._online
