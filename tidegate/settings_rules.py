"""What would be right: checks one value against its model and says in words what belongs there.

Called by `tidegate.settings` for each value of each source and by the settings page. It knows the models
and nothing of sources.
"""

import difflib
from collections.abc import Iterator, Mapping
from typing import Literal, get_args, get_origin

from annotated_types import Ge, Le
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from fleet.address import Address
from games.registry import load_pack, pack_names
from tidegate.settings_addresses import PrefixTexts, Targets
from tidegate.settings_every_relay import TlsSettings
from tidegate.settings_models import SECTIONS, TEXT_RULES, UNITS
from tidegate.settings_section import ProcessorNumbers
from tidegate.settings_sources import FRAMING, parse_scalar
from tidegate.settings_texts import NAME_RULE
from wire.errors import MisuseError

MAX_SHOWN_CHARACTERS = 60
"""How much of a wrong value a mistake repeats."""


class WrongValueError(Exception):
    """One value breaks its rule; the text says what is wrong and what would be right."""


def all_keys() -> tuple[str, ...]:
    """Return every setting as a dotted key, in the order they are shown."""
    return tuple(f"{section}.{name}" for section, model in SECTIONS.items() for name in model.model_fields)


def field_of(section: str, name: str) -> FieldInfo:
    """Return the model's field of a setting; raises KeyError where there is none."""
    return SECTIONS[section].model_fields[name]


def check_value(key: tuple[str, ...], value: object, *, is_text: bool) -> object:
    """Return the value as its setting's type; raises WrongValueError.

    ``is_text`` says that it came as a bare text (environment, flag), so that ``5`` may mean a number.
    """
    _check_key(key)
    section, name = key[0], key[1]
    if key[:2] == FRAMING and len(key) > 2:
        return parse_scalar(value) if is_text and isinstance(value, str) else value
    if is_text and isinstance(value, str):
        value = _read_bare(value, field_of(section, name))
    try:
        made = SECTIONS[section].model_validate({name: value})
    except ValidationError as error:
        raise WrongValueError(_explain(section, name, value, error)) from error
    return getattr(made, name)


def _check_key(key: tuple[str, ...]) -> None:
    """Refuse keys that are no setting, with the nearest that is."""
    section = key[0]
    if section not in SECTIONS:
        raise WrongValueError(
            f"no such {'setting' if len(key) > 1 else 'section or setting'}; {_suggest_anywhere(key)}"
        )
    fields = SECTIONS[section].model_fields
    if len(key) == 1:
        raise WrongValueError(f"is a section, not a setting; it has {', '.join(fields)}")
    if key[1] not in fields or (len(key) > 2 and key[:2] != FRAMING) or len(key) > 3:
        near = difflib.get_close_matches(".".join(key[1:]), fields, n=1)
        hint = f"did you mean {section}.{near[0]}?" if near else f"[{section}] has {', '.join(fields)}"
        raise WrongValueError(f"no such setting; {hint}")


def _suggest_anywhere(key: tuple[str, ...]) -> str:
    """Name what may have been meant by a key whose first part is no section."""
    if near := difflib.get_close_matches(key[0], SECTIONS, n=1):
        return f"did you mean {near[0]}?"
    keys = [each for each in all_keys() if each.partition(".")[2] == key[-1]]
    if near := keys or difflib.get_close_matches(".".join(key), all_keys(), n=1):
        return f"did you mean {' or '.join(near)}?"
    return f"the sections are {', '.join(SECTIONS)}"


def rule_of(section: str, name: str) -> str:
    """Say what belongs into a setting: type, bounds and unit."""
    field = field_of(section, name)
    if (section, name) == FRAMING:
        return "a table"
    if field.annotation is Address:
        return "HOST:PORT"
    if field.annotation is Targets:
        return "HOST:PORT, or a list of them"
    if field.annotation is PrefixTexts:
        return "a list of addresses and prefixes"
    if field.annotation is ProcessorNumbers:
        return "a list of numbers of processors"
    if get_origin(field.annotation) is Literal:
        return f"one of {', '.join(get_args(field.annotation))}"
    if field.annotation is bool:
        return "true or false"
    if field.annotation is str:
        if not field.metadata:
            return "a text"
        return TEXT_RULES.get(f"{section}.{name}") or TEXT_RULES.get(name, NAME_RULE)
    kind = "a whole number" if field.annotation is int else "a number"
    low, high = _bounds(field)
    return f"{kind} from {low:.10g} to {high:.10g} ({unit_of(name)})"


def unit_of(name: str) -> str:
    """Return a number's unit, which its name ends with unless `UNITS` has it."""
    return UNITS.get(name) or name.rpartition("_")[2]


def _bounds(field: FieldInfo) -> tuple[float, float]:
    low = next(each.ge for each in field.metadata if isinstance(each, Ge))
    high = next(each.le for each in field.metadata if isinstance(each, Le))
    return float(str(low)), float(str(high))


def _read_bare(text: str, field: FieldInfo) -> object:
    """Read a bare text; where a text belongs, digits stay what they are and only quotes are taken off."""
    scalar = parse_scalar(text)
    wants_text = field.annotation in (str, Address, Targets) or get_origin(field.annotation) is Literal
    return text if wants_text and not isinstance(scalar, str | list) else scalar


def _explain(section: str, name: str, value: object, error: ValidationError) -> str:
    details = error.errors()[0]
    reason = details.get("ctx", {}).get("error")
    if isinstance(reason, ValueError):  # one of our own validators: its text says all
        return str(reason)
    shown = _show(value)
    field = field_of(section, name)
    if get_origin(field.annotation) is Literal and isinstance(value, str):
        near = difflib.get_close_matches(value, get_args(field.annotation), n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        return f"{shown} is not {rule_of(section, name)}{hint}"
    return f"{shown} is not {rule_of(section, name)}"


def _show(value: object) -> str:
    text = repr(value)
    return text if len(text) <= MAX_SHOWN_CHARACTERS else f"{text[:MAX_SHOWN_CHARACTERS]}…"


def check_game(name: str, dialect: str, framing: Mapping[str, object]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the key and the text of each thing that is wrong with the game's settings taken together."""
    if name not in pack_names():
        yield ("game", "name"), f"unknown game {_show(name)}; {_suggest_and_list(name, pack_names())}"
        return
    wrong = dict(_check_framing(name, framing))
    yield from wrong.items()
    if wrong:
        framing = {}
    try:
        dialects = tuple(load_pack(name, framing).dialects)
    except MisuseError as error:  # each alone is right, together they cannot be
        yield FRAMING, str(error)
        return
    if dialect and dialect not in dialects:
        known = _suggest_and_list(dialect, dialects) if dialects else "it has none, so leave this out"
        yield ("game", "dialect"), f"game {name} has no dialect {_show(dialect)}; {known}"


def check_tls(tls: TlsSettings) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the key and the text of each file that is missing beside the others."""
    needed = ("certificate_file", "key_file", "authority_file")
    given = [name for name in (*needed, "revoked_file") if getattr(tls, name)]
    if given:
        for name in needed:
            if name not in given:
                yield (
                    ("tls", name),
                    f"is missing: tls.{given[0]} is set, and all of {', '.join(needed)} belong together",
                )


def _check_framing(name: str, framing: Mapping[str, object]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Offer the pack one setting at a time, so that each mistake is found and named."""
    for key, value in framing.items():
        try:
            load_pack(name, {key: value})
        except MisuseError as error:
            yield (*FRAMING, key), str(error).removeprefix(f"{key}: ")


def _suggest_and_list(wrong: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(wrong, known, n=1)
    return f"{f'did you mean {near[0]}? ' if near else ''}known are: {', '.join(known)}"
