"""Writes effective settings as TOML, each with a comment that says where its value came from.

Called by `tidegate.settings`. What it writes loads back equal; comments are bounded and on one line.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence

MAX_COMMENT_CHARACTERS = 200

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def write_toml(sections: Mapping[str, Mapping[str, object]], origins: Mapping[str, str]) -> str:
    """Write sections of settings; a value that is a table becomes a table of its own behind its section."""
    blocks: list[str] = []
    for section, values in sections.items():
        plain = {name: value for name, value in values.items() if not isinstance(value, Mapping)}
        blocks.append(_write_table(section, plain, origins))
        for name, value in values.items():
            if isinstance(value, Mapping) and value:
                blocks.append(_write_table(f"{section}.{name}", value, origins))
    return "\n".join(blocks)


def _write_table(name: str, values: Mapping[str, object], origins: Mapping[str, str]) -> str:
    rows = [(f"{_write_key(key)} = {_write_value(value)}", f"{name}.{key}") for key, value in values.items()]
    width = max((len(row) for row, _ in rows), default=0)
    lines = (f"{row:<{width}}  # {_comment(origins.get(key, 'default'))}" for row, key in rows)
    return "\n".join((f"[{name}]", *lines, ""))


def _comment(text: str) -> str:
    return "".join(each if each.isprintable() else "?" for each in text[:MAX_COMMENT_CHARACTERS])


def _write_key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else _write_text(key)


def _write_value(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case str():
            return _write_text(value)
        case Mapping():
            return f"{{{', '.join(_write_pairs(value))}}}"
        case Sequence():
            return f"[{', '.join(_write_value(each) for each in value)}]"
        case _:
            return _write_text(str(value))  # an address


def _write_pairs(table: Mapping[str, object]) -> Iterator[str]:
    return (f"{_write_key(key)} = {_write_value(value)}" for key, value in table.items())


def _write_text(text: str) -> str:
    # JSON's escapes are TOML's too, but for DEL, which TOML wants escaped.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
