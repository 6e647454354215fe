"""What an operator may change of a game's rules: the model of the rules file, and reading it.

The file is TOML with a table ``[session]`` and tables ``[checks.NAME]`` and ``[packets.NAME]``. Every value is checked,
and all mistakes are found at once. What the values mean for a game is in `tidegate.rule_overrides_apply`.
"""

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tidegate.errors import Mistake
from tidegate.settings_sources import Given, read_file
from wire.layout import MAX_FRAME_BYTES
from wire.rules import MAX_BODY_BYTES, MAX_RATE_PER_SECOND, MAX_RULES, MIN_RATE_PER_SECOND, Check

MAX_SHOWN_CHARACTERS = 60
"""How much of a wrong name or value a mistake repeats."""

TABLES = ("session", "checks", "packets")

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")

ModeName = Literal["off", "audit", "enforce"]
ActionName = Literal["pass", "drop", "notify", "answer", "close"]
CheckActionName = Literal["pass", "drop", "notify", "close"]  # an answer is the packet's own

_MODE = '"off", "audit" or "enforce"'
_ACTION = '"pass", "drop", "notify", "answer" or "close"'
_CHECK_ACTION = '"pass", "drop", "notify" or "close"'
_RATE = f"a number from {MIN_RATE_PER_SECOND:g} to {MAX_RATE_PER_SECOND:.0f}"
_BURST = f"a number from 1 to {MAX_RATE_PER_SECOND:.0f}"
_BODY = f"a whole number from 0 to {MAX_BODY_BYTES}"

Rate = Annotated[float, Field(ge=MIN_RATE_PER_SECOND, le=MAX_RATE_PER_SECOND, allow_inf_nan=False)]
Burst = Annotated[float, Field(ge=1, le=MAX_RATE_PER_SECOND, allow_inf_nan=False)]
Cost = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]
Seconds = Annotated[float, Field(ge=0, le=60, allow_inf_nan=False)]
FrameBytes = Annotated[int, Field(ge=1, le=MAX_FRAME_BYTES)]
BodyBytes = Annotated[int, Field(ge=0, le=MAX_BODY_BYTES)]


class Table(BaseModel):
    """What all tables share. A value that is not written is None, and leaves the rule as the game has it.

    A field's description says what belongs there; it stands in mistakes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    @property
    def written(self) -> tuple[str, ...]:
        """Names of the values that are written."""
        return tuple(name for name, value in self if value is not None)


class SessionOverrides(Table):
    """``[session]``: what holds for all packets of a player together."""

    frames_per_second: Annotated[Rate | None, Field(description=_RATE)] = None
    frames_burst: Annotated[Burst | None, Field(description=_BURST)] = None
    bytes_per_second: Annotated[Rate | None, Field(description=_RATE)] = None
    bytes_burst: Annotated[Burst | None, Field(description=_BURST)] = None
    bare_per_second: Annotated[Rate | None, Field(description=_RATE)] = None
    bare_burst: Annotated[Burst | None, Field(description=_BURST)] = None
    refusals_per_second: Annotated[Rate | None, Field(description=_RATE)] = None
    refusals_burst: Annotated[Burst | None, Field(description=_BURST)] = None
    distance_per_second: Annotated[Rate | None, Field(description=_RATE)] = None
    distance_burst: Annotated[Burst | None, Field(description=_BURST)] = None
    after_change_seconds: Annotated[Seconds | None, Field(description="a number from 0 to 60")] = None
    max_frame_bytes: Annotated[FrameBytes | None, Field(description=f"a whole number from 1 to {MAX_FRAME_BYTES}")] = (
        None
    )


class CheckOverrides(Table):
    """``[checks.NAME]``: how strictly one check is held, for all packets."""

    mode: Annotated[ModeName | None, Field(description=_MODE)] = None
    action: Annotated[CheckActionName | None, Field(description=_CHECK_ACTION)] = None


class PacketOverrides(Table):
    """``[packets.NAME]`` or ``[packets.NUMBER]``: the rule of one packet, or of all packets of one opcode."""

    mode: Annotated[ModeName | None, Field(description=_MODE)] = None
    action: Annotated[ActionName | None, Field(description=_ACTION)] = None
    rate_action: Annotated[ActionName | None, Field(description=_ACTION)] = None
    per_second: Annotated[Rate | None, Field(description=_RATE)] = None
    burst: Annotated[Burst | None, Field(description=_BURST)] = None
    cost: Annotated[Cost | None, Field(description="a number from 0 to 1000000")] = None
    min_body_bytes: Annotated[BodyBytes | None, Field(description=_BODY)] = None
    max_body_bytes: Annotated[BodyBytes | None, Field(description=_BODY)] = None


@dataclass(frozen=True, slots=True)
class RuleOverrides:
    """A rules file as it was read. ``packets`` has the names as written; ``places`` says where a table stands."""

    session: SessionOverrides = field(default_factory=SessionOverrides)
    checks: Mapping[Check, CheckOverrides] = field(default_factory=dict)
    packets: Mapping[str, PacketOverrides] = field(default_factory=dict)
    places: Mapping[tuple[str, ...], str] = field(default_factory=dict)

    def mistake(self, text: str, *key: str) -> Mistake:
        """Make a mistake of a table or of a value in it."""
        place = next((self.places[key[:size]] for size in range(len(key), 0, -1) if key[:size] in self.places), "")
        return Mistake(place, write_key(*key), text)


def read_overrides(path: Path) -> tuple[RuleOverrides, list[Mistake]]:
    """Read a rules file; what is wrong is left out and told. A file that cannot be read is one mistake."""
    given, mistakes = read_file(path, TABLES)
    places = {each.key: each.place for each in given}
    overrides = RuleOverrides(
        session=_read_session(given, places, mistakes),
        checks={Check(name): table for name, table in _read_tables("checks", CheckOverrides, given, mistakes)},
        packets=dict(_read_tables("packets", PacketOverrides, given, mistakes)),
        places=places,
    )
    return overrides, mistakes


def write_key(*key: str) -> str:
    """Return a dotted key as it is written in TOML, each part in quotes where it has to be, on one line."""
    cut = (each if len(each) <= MAX_SHOWN_CHARACTERS else f"{each[:MAX_SHOWN_CHARACTERS]}…" for each in key)
    return ".".join(each if _BARE_KEY.fullmatch(each) else json.dumps(each) for each in cut)


def suggest(name: str, known: Mapping[str, str]) -> str:
    """Ask whether the nearest of the known names was meant, or say nothing; ``known`` maps them to how they look."""
    near = difflib.get_close_matches(name[:MAX_SHOWN_CHARACTERS], known, n=1)
    return f"did you mean {known[near[0]]}?" if near else ""


_Model = TypeVar("_Model", bound=Table)


def _read_session(
    given: list[Given], places: Mapping[tuple[str, ...], str], mistakes: list[Mistake]
) -> SessionOverrides:
    values = {each.key[1]: each.value for each in given if each.key[0] == "session" and len(each.key) == 2}
    for each in given:
        if each.key[0] not in TABLES:
            hint = suggest(each.key[0], {name: name for name in TABLES}) or "there are session, checks and packets"
            mistakes.append(Mistake(each.place, write_key(*each.key), f"no such table; {hint}"))
        elif len(each.key) == 1:
            mistakes.append(Mistake(each.place, write_key(*each.key), "is a table, not a value"))
    table, wrong = _check_values(SessionOverrides, values)
    mistakes += [Mistake(places["session", name], write_key("session", name), text) for name, text in wrong]
    return table


def _read_tables(
    kind: str, model: type[_Model], given: list[Given], mistakes: list[Mistake]
) -> Iterator[tuple[str, _Model]]:
    """Yield the tables of one kind that are right, and note what is wrong with the others."""
    tables = [each for each in given if each.key[0] == kind and len(each.key) == 2]
    if len(tables) > MAX_RULES:
        mistakes.append(Mistake(tables[0].place, kind, f"{len(tables)} tables: at most {MAX_RULES} are allowed"))
        return
    for each in tables:
        name = each.key[1]
        if kind == "checks" and name not in set(Check):
            hint = suggest(name, {str(check): str(check) for check in Check}) or f"the checks are {', '.join(Check)}"
            mistakes.append(Mistake(each.place, write_key(kind, name), f"no such check; {hint}"))
        elif not isinstance(each.value, dict):
            example = write_key(kind, name)
            mistakes.append(Mistake(each.place, example, f"is a table: write [{example}] and what it has below it"))
        else:
            table, wrong = _check_values(model, each.value)
            mistakes += [Mistake(each.place, write_key(kind, name, part), text) for part, text in wrong]
            yield name, table


def _check_values(model: type[_Model], values: Mapping[str, object]) -> tuple[_Model, list[tuple[str, str]]]:
    """Return a table of the values that are right, and by name what is wrong with the others."""
    try:
        return model.model_validate(values), []
    except ValidationError as error:
        wrong = {str(each["loc"][0]) for each in error.errors()}
    right = {name: value for name, value in values.items() if name not in wrong}
    return model.model_validate(right), [
        (name, _explain(model, name, values[name])) for name in values if name in wrong
    ]


def _explain(model: type[Table], name: str, value: object) -> str:
    fields = model.model_fields
    if name not in fields:
        hint = suggest(name, {each: each for each in fields}) or f"there are {', '.join(fields)}"
        return f"no such setting; {hint}"
    shown = repr(value)
    if len(shown) > MAX_SHOWN_CHARACTERS:
        shown = f"{shown[:MAX_SHOWN_CHARACTERS]}…"
    return f"{shown} is not {fields[name].description}"
