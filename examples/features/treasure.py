"""Every few minutes a chest lies on one of some maps; the first who writes /dig there has it."""

from dataclasses import dataclass
from itertools import cycle
from typing import Annotated

from pydantic import Field

from core.features import Feature, PerCharacter, Session, Settings, command
from games.pko.chat import ColourNotice

GOLDEN = 0xFFD700


@dataclass(frozen=True)
class Finds:
    """How many chests a character has found."""

    chests: int = 0


class TreasureSettings(Settings):
    """Stands in features.toml as [treasure]."""

    maps: Annotated[tuple[str, ...], Field(strict=False, min_length=1)] = Field(("garner",), description="In turn.")
    wait_seconds: float = Field(600.0, ge=1, le=86_400, description="From one chest to the next.")


class Treasure(Feature):
    """A timer, a command, a packet to one player and a text to all."""

    settings: TreasureSettings
    finds = PerCharacter(Finds)
    where = ""  # the map with the chest; empty while there is none

    def started(self) -> None:
        """Begin the round of the maps."""
        self._maps = cycle(self.settings.maps)
        self.after(self.settings.wait_seconds, self.hide)

    def hide(self) -> None:
        """Wash a chest ashore."""
        self.where = next(self._maps)
        self.players.tell(f"A chest was washed ashore on {self.where}: write /dig there.")

    @command("dig", "look for the chest")
    def dig(self, session: Session, words: str) -> str | None:
        """Give the chest to who is first."""
        if not self.where or session.map_name != self.where:
            return "Nothing but sand."
        self.where = ""
        self.after(self.settings.wait_seconds, self.hide)
        self.finds[session] = found = Finds(self.finds[session].chests + 1)
        session.send(ColourNotice(rgb=GOLDEN, text=session.raw(f"You have it! Chests so far: {found.chests}")))
        self.players.tell(f"{session.character} has found the chest.")
        return None
