"""Where settings are written: a TOML file, the environment, flags. Each is flattened to single settings.

Called by `tidegate.settings` only. Nothing here knows which settings exist, beyond the names of the
sections and that ``game.framing`` is a table; it reads, and remembers where each value stands.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tidegate.errors import Mistake

MAX_FILE_BYTES = 1 << 20
"""A settings file is a page of text; a larger one is something else."""

ENVIRONMENT_PREFIX = "TIDEGATE"
FRAMING = ("game", "framing")

_TABLE = re.compile(r"\s*\[\s*([^\[\]#]+?)\s*\]\s*(?:#.*)?$")
_KEY = re.compile(r"\s*([A-Za-z0-9_\-.\"' ]+?)\s*=")


@dataclass(frozen=True, slots=True)
class Given:
    """One value as somebody wrote it. ``kind`` is file, environment or flag; ``place`` says it for people."""

    key: tuple[str, ...]
    value: object
    kind: str
    place: str

    @property
    def origin(self) -> str:
        """Kind and place, for the effective settings."""
        return f"{self.kind} {self.place}".strip()

    def mistake(self, text: str) -> Mistake:
        """Make the mistake that this value is."""
        return Mistake(self.place or self.kind, ".".join(self.key), text)


@dataclass(frozen=True, slots=True)
class Flag:
    """A value from the command line with the option it came by, such as ``--listen``."""

    option: str
    value: object


def read_file(path: Path, sections: tuple[str, ...]) -> tuple[list[Given], list[Mistake]]:
    """Read a TOML file; a file that cannot be read or is not TOML is one mistake and no values."""
    text, mistake = _read_text(path)
    if mistake is not None:
        return [], [mistake]
    try:
        tree = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # not all are TOMLDecodeError: a number of 5000 digits, [[[[…
        return [], [_syntax_mistake(path, text, str(error))]
    lines = _line_numbers(text)
    given = []
    for key, value in _flatten(tree, sections):
        line = _line_of(key, lines)
        given.append(Given(key, value, "file", f"{path}:{line}" if line else str(path)))
    return given, []


def read_environment(env: Mapping[str, str], sections: tuple[str, ...]) -> list[Given]:
    """Take the names that belong to a section; other names that begin with TIDEGATE_ are not settings."""
    given = []
    for name, value in sorted(env.items()):
        for section in sections:
            start = f"{ENVIRONMENT_PREFIX}_{section.upper()}_"
            if name.startswith(start):
                given.append(Given(_environment_key(section, name.removeprefix(start)), value, "environment", name))
    return given


def read_flags(flags: Mapping[str, object]) -> list[Given]:
    """Take flags by dotted key; a value may be a `Flag`, which names its option."""
    given = []
    for key, value in flags.items():
        option, content = (value.option, value.value) if isinstance(value, Flag) else ("", value)
        given.append(Given(tuple(key.split(".")), content, "flag", option))
    return given


def environment_name(key: tuple[str, ...]) -> str:
    """Return the environment name of a setting."""
    return "_".join((ENVIRONMENT_PREFIX, *key)).upper()


def parse_scalar(text: str) -> object:
    """Read a text as a TOML value; what is none of TOML's numbers, truths, lists or strings stands for itself."""
    try:
        tree = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    value = tree["value"]
    # More than one key means the text held a line break; a date is nothing that any setting takes.
    return value if len(tree) == 1 and isinstance(value, bool | int | float | str | list | dict) else text


def _environment_key(section: str, rest: str) -> tuple[str, ...]:
    name = rest.lower()
    table = f"{FRAMING[1]}_"
    if section == FRAMING[0] and name.startswith(table):
        return (*FRAMING, name.removeprefix(table))
    return (section, name)


def _flatten(tree: Mapping[str, object], sections: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], object]]:
    for section, table in tree.items():
        if section not in sections or not isinstance(table, dict):
            yield (section,), table
            continue
        for name, value in table.items():
            if (section, name) == FRAMING and isinstance(value, dict):
                for inner, inner_value in value.items():
                    yield (*FRAMING, inner), inner_value
            else:
                yield (section, name), value


def _read_text(path: Path) -> tuple[str, Mistake | None]:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        return "", Mistake(str(path), "", f"cannot be read: {error.strerror or error}")
    if len(raw) > MAX_FILE_BYTES:
        return "", Mistake(str(path), "", f"is longer than {MAX_FILE_BYTES} bytes, so it is no settings file")
    try:
        return raw.decode(), None
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        return "", Mistake(f"{path}:{line}", "", "is not UTF-8 text, which TOML must be")


def _syntax_mistake(path: Path, text: str, reason: str) -> Mistake:
    """Turn the parser's message, which ends with the place, into file, line, column and sentence."""
    place = re.search(r" \(at (?:line (\d+), column (\d+)|end of document)\)$", reason)
    if place is None:
        return Mistake(str(path), "", f"is not TOML: {reason}")
    last = text.split("\n")
    line, column = place.groups() if place.group(1) else (len(last), len(last[-1]) + 1)
    return Mistake(
        f"{path}:{line}:{column}", "", f"line {line}, column {column} is not TOML: {reason[: place.start()]}"
    )


def _line_numbers(text: str) -> dict[tuple[str, ...], int]:
    """Find the line of each key and table, near enough for people: TOML's parser does not tell."""
    found: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _TABLE.match(line):
            table = _split_key(header.group(1))
            found.setdefault(table, number)
        elif key := _KEY.match(line):
            found.setdefault((*table, *_split_key(key.group(1))), number)
    return found


def _split_key(text: str) -> tuple[str, ...]:
    return tuple(part.strip(" \"'") for part in text.split("."))


def _line_of(key: tuple[str, ...], lines: Mapping[tuple[str, ...], int]) -> int | None:
    """The line of a key, or of the table or inline table around it."""
    for length in range(len(key), 0, -1):
        if key[:length] in lines:
            return lines[key[:length]]
    return None
