"""The text of a new feature and its test, which pass as they are; `tidegate feature new` writes them."""

from __future__ import annotations

import importlib.util
import keyword
import re
from dataclasses import dataclass
from pathlib import Path

from tidegate.errors import StartError

GAMES = ("pko",)
"""Games with a template: features of the others have no packets to handle."""

MAX_NAME_CHARACTERS = 32

_TAKEN = frozenset({"Feature", "PerAccount", "Session", "Settings", "Say", "Heard", "Field", "Kit"})
"""Classes that the template uses itself."""

_NAME = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)

_FEATURE = '''\
"""Answers players who say a certain word, and counts them."""

from dataclasses import dataclass

from pydantic import Field

from core.features import Feature, PerAccount, Session, Settings, command, handles
from games.pko.chat import Say


@dataclass(frozen=True)
class Heard:
    """What is kept of each account: how often it has said the word."""

    times: int = 0


class @CLASS@Settings(Settings):
    """Stands in features.toml as [@NAME@]."""

    word: str = Field("ahoy", min_length=1, max_length=50, description="What players have to say, capitals or not.")
    answer: str = Field("Ahoy, {character}!", max_length=200, description="What they read; {character} is their name.")


class @CLASS@(Feature):
    """See the module."""

    settings: @CLASS@Settings
    heard = PerAccount(Heard)

    @handles
    def said(self, session: Session, packet: Say) -> None:
        """Answer the word. The packet goes on; returning DROP would swallow it."""
        if session.raw(self.settings.word).lower() not in packet.text.lower():
            return
        self.heard[session] = Heard(self.heard[session].times + 1)
        session.tell(self.settings.answer.replace("{character}", session.character))

    @command("@COMMAND@", "how often you have said the word")
    def tell_times(self, session: Session, words: str) -> str:
        """Answer /@COMMAND@, where the feature `commands` is on."""
        return f"You have said it {self.heard[session].times} times."
'''

_TEST = '''\
"""Drives `@NAME@` with the test kit: packets in, actions out, no network and no clock."""

from core.features.kit import Kit
from games.pko.chat import Say
from @NAME@ import @CLASS@


def test_the_word_is_answered_and_goes_on() -> None:
    player = Kit(@CLASS@).player(character="Anna")
    assert player.says(Say(text=b"Ahoy there")) == [Say(text=b"Ahoy there")]
    assert player.texts == [b"Ahoy, Anna!"]


def test_other_words_are_not() -> None:
    player = Kit(@CLASS@, {"word": "land"}).player()
    player.says(Say(text=b"ahoy"))
    assert player.texts == []


def test_the_command_tells_how_often_it_was_also_after_the_next_login() -> None:
    kit = Kit(@CLASS@)
    player = kit.player()
    player.says(Say(text=b"ahoy"))
    player.leave()
    again = kit.player()
    again.says(Say(text=b"ahoy"))
    assert kit.commands["@COMMAND@"].run(again.session, "") == "You have said it 2 times."
'''


@dataclass(frozen=True, slots=True)
class NewFeature:
    """The two files of a new feature."""

    file: Path
    text: str
    test_file: Path
    test_text: str


def draft_feature(name: str, folder: Path, game: str) -> NewFeature:
    """Return a new feature's files; raises StartError for a name or a game that cannot be."""
    if game not in GAMES:
        raise StartError(f"there is no template for the game {game!r}; there is one for: {', '.join(GAMES)}")
    _check_name(name)
    return NewFeature(folder / f"{name}.py", _fill(_FEATURE, name), folder / f"test_{name}.py", _fill(_TEST, name))


def write_feature(new: NewFeature) -> None:
    """Write both files, and the folder where it is missing; raises StartError, and nothing is overwritten."""
    for file in (new.file, new.test_file):
        if file.exists():
            raise StartError(f"{file} exists; nothing is overwritten: choose another name")
    try:
        new.file.parent.mkdir(parents=True, exist_ok=True)
        for file, text in ((new.file, new.text), (new.test_file, new.test_text)):
            with file.open("x", encoding="utf-8") as opened:
                opened.write(text)
    except OSError as error:
        raise StartError(f"{error.filename or new.file.parent}: {error.strerror or error}") from error


def _check_name(name: str) -> None:
    from core.features.loader import builtin_names

    if not _NAME.fullmatch(name) or len(name) > MAX_NAME_CHARACTERS:
        raise StartError(
            f"{name!r} is no name for a feature: small letters, digits and _, a letter first, "
            f"at most {MAX_NAME_CHARACTERS}; such as treasure_hunt"
        )
    if name.startswith("test_"):
        raise StartError(f"{name!r}: files that begin with test_ are tests, no features; choose another name")
    if name in builtin_names():
        raise StartError(f"{name!r} is a feature that comes with the core; choose another name")
    if _class_name(name) in _TAKEN or keyword.iskeyword(name) or importlib.util.find_spec(name) is not None:
        raise StartError(f"{name!r} means something else in Python already; choose another name")


def _fill(text: str, name: str) -> str:
    filled = text.replace("@CLASS@", _class_name(name)).replace("@COMMAND@", name.replace("_", ""))
    return filled.replace("@NAME@", name)


def _class_name(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))
