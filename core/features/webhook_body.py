"""What a webhook sends: events as a body in one of two formats, and the signature over it.

Called by the feature `webhook`; knows no network and no clock.

``json``: ``{"events": [{"id", "kind", "at", "account", "character", "region", "feature", "fields"}, …]}``; ``at`` is in
seconds since 1970.

``discord``: ``{"content": …}`` with a line per event. What a player has written can neither call somebody (mentions are
off), nor look like something else (markdown is escaped, a link is none), nor break the line.

The signature is ``sha256=`` and HMAC-SHA256 in hexadecimal of the time as it stands in its header, a full stop and the
body.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from core.features.api import Event

Format = Literal["json", "discord"]
Value = str | int | float

MAX_TEXT_CHARACTERS = 1000
MAX_FIELDS = 32
MAX_BODY_BYTES = 256 * 1024
"""Bounds of one event and one body: events come from features, and features repeat what players write."""

DISCORD_MAX_UNITS = 2000
"""Discord's limit of one message; in UTF-16 units, which is never less than what it counts."""

SUPPRESS_EMBEDS = 1 << 2
"""Discord's message flag: no previews of links."""

_MARKDOWN = frozenset("\\`*_~|<>[]()#@:/-")
_LARGEST_INT = 1 << 63


@dataclass(frozen=True, slots=True)
class Report:
    """An event on its way: ``id`` is its own for ever, ``at`` in seconds since 1970."""

    id: str
    at: float
    event: Event


def make_report(report_id: str, at: float, event: Event) -> Report:
    """Return a report of an event whose texts and fields are cut to their bounds."""
    fields = {_text(str(name)): _value(event.fields[name]) for name in list(event.fields)[:MAX_FIELDS]}
    bounded = replace(
        event,
        kind=_text(event.kind),
        fields=fields,
        account=_text(event.account),
        character=_text(event.character),
        region=_text(event.region),
        feature=_text(event.feature),
    )
    return Report(report_id, at, bounded)


def make_body(form: Format, reports: Sequence[Report]) -> tuple[bytes, int]:
    """Return a body of as many of the reports as fit, from the first on, and how many those are; at least one."""
    return _discord(reports) if form == "discord" else _json(reports)


def sign(secret: bytes, timestamp: int, body: bytes) -> str:
    """Return the signature's header."""
    digest = hmac.new(secret, b"%d.%b" % (timestamp, body), hashlib.sha256).hexdigest()
    return f"sha256={digest}"


def escape(text: str) -> str:
    """Return text so that Discord shows it as it is, in one line."""
    return "".join(_escaped(each) for each in text)


def _json(reports: Sequence[Report]) -> tuple[bytes, int]:
    rows: list[bytes] = []
    used = len(b'{"events":[]}')
    for report in reports:
        event = report.event
        row = {
            "id": report.id,
            "kind": event.kind,
            "at": round(report.at, 3),
            "account": event.account,
            "character": event.character,
            "region": event.region,
            "feature": event.feature,
            "fields": event.fields,
        }
        raw = json.dumps(row, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
        used += len(raw) + 1
        if rows and used > MAX_BODY_BYTES:
            break
        rows.append(raw)
    return b'{"events":[%b]}' % b",".join(rows), len(rows)


def _discord(reports: Sequence[Report]) -> tuple[bytes, int]:
    lines: list[str] = []
    left = DISCORD_MAX_UNITS
    for report in reports:
        line = _line(report.event)
        units = _units(line) + 1
        if lines and units > left:
            break
        lines.append(line)
        left -= units
    message = {"content": "\n".join(lines), "allowed_mentions": {"parse": []}, "flags": SUPPRESS_EMBEDS}
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode(), len(lines)


def _line(event: Event) -> str:
    """Return an event as one line: ``**chat** Anna (anna, eu): text: hello, channel: all``."""
    facts = ", ".join(each for each in (event.account, event.region) if each)
    who = " ".join(each for each in (event.character, f"({facts})" if facts else "") if each)
    fields = ", ".join(f"{name}: {value}" for name, value in event.fields.items())
    said = ": ".join(each for each in (who, fields) if each)
    return _cut(f"**{escape(event.kind)}** ", said)


def _cut(heading: str, text: str) -> str:
    """Return both, the text escaped and cut to what one message holds; no escape is cut in two."""
    left = DISCORD_MAX_UNITS - 1 - _units(heading)
    parts: list[str] = [heading]
    for character in text:
        part = _escaped(character)
        left -= _units(part)
        if left < 1:
            parts.append("…")
            break
        parts.append(part)
    return "".join(parts).rstrip()


def _escaped(character: str) -> str:
    if not character.isprintable():
        return " "  # line ends, and marks that turn the direction of writing
    return f"\\{character}" if character in _MARKDOWN else character


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def _value(value: object) -> Value:
    """Return what JSON can hold of a field."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int) and abs(value) < _LARGEST_INT:
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    return f"({type(value).__name__})"


def _text(text: str) -> str:
    """Cut a text; bytes of a player's that are not of the game's charset become question marks."""
    return text[:MAX_TEXT_CHARACTERS].encode("utf-8", "replace").decode()
