"""Tells what a log says about one session, as text for a person at a terminal.

Used by ``tidegate why``. What players sent stands in logs, so every value is shown as printable text only.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from tidegate.session_log import Fields, Line, SessionLog
from wire.reasons import explain

MAX_SHOWN_CHARACTERS = 512

_INDENT = "          "


def tell(found: SessionLog) -> str:
    """Return the story of the session that was found; there must be one."""
    return "\n".join(_tell(found))


def _tell(found: SessionLog) -> Iterator[str]:
    yield f"session   {_show(found.sessions[0])}"
    yield from _tell_opened(found)
    for number in sorted(found.refusals, key=lambda number: (number < 0, abs(number))):
        yield from _tell_refusal(found.refusals[number], found)
    yield from _tell_missing(found)
    for line in found.others:
        values = "  ".join(f"{key}={value}" for key, value in line.fields.items() if key not in ("session", "logger"))
        yield f"also      {_show(line.timestamp)}  {_show(line.event)}  {_show(values)}".rstrip()
    yield from _tell_ended(found)


def _tell_opened(found: SessionLog) -> Iterator[str]:
    summary = found.summary
    if found.opened is not None:
        client, port = found.opened.fields.get("client", "?"), found.opened.fields.get("port")
        address = client if port is None else f"[{client}]:{port}" if ":" in client else f"{client}:{port}"
        yield f"opened    {_show(found.opened.timestamp)}  from {_show(address)}"
    elif summary is not None:
        opened = _before(summary.timestamp, summary.fields.get("open_seconds", "")) or "?"
        yield f"opened    {_show(opened)}  from {_show(summary.fields.get('client', '?'))}"
    else:
        clients = (line.fields["client"] for line in found.refusals.values() if "client" in line.fields)
        known = f"from {_show(client)}" if (client := next(clients, "")) else "from an address the log does not have"
        yield f"opened    at a time the log does not have, {known}"


def _tell_refusal(line: Line, found: SessionLog) -> Iterator[str]:
    fields = line.fields
    reason = fields.get("reason", "?")
    word = "audited " if fields.get("audit", "").lower() == "true" else "refused "
    yield f"{word}  {_show(_when(line, found) or '?')}  {_show(reason)}: {_show(explain(reason))}"
    yield from _tell_part("what", fields.get("detail", "") if fields.get("detail") != explain(reason) else "")
    yield from _tell_part("rule", _describe_rule(fields))
    yield from _tell_part("fields", fields.get("fields", ""))
    yield from _tell_part("bytes", _describe_bytes(fields))


def _tell_part(name: str, value: str) -> Iterator[str]:
    if value:
        yield f"{_INDENT}{name:<7} {_show(value)}"


def _describe_rule(fields: Fields) -> str:
    parts = [fields.get("rule", "")]
    if "opcode" in fields:
        parts.append(f"opcode {fields['opcode']}")
    if "offset" in fields:
        parts.append(f"does not fit from byte {fields['offset']} on")
    return ", ".join(part for part in parts if part)


def _describe_bytes(fields: Fields) -> str:
    shown, size = fields.get("hex", ""), fields.get("frame_bytes", "")
    if not shown:
        return f"{size}, not shown" if size else ""
    is_all = size in ("", str(len(shown) // 2))
    return shown if is_all else f"{shown} (the first {len(shown) // 2} of {size})"


def _tell_missing(found: SessionLog) -> Iterator[str]:
    count = found.summary.fields.get("refusals", "") if found.summary is not None else ""
    missing = int(count) - len(found.refusals) if count.isdecimal() and len(count) < 16 else found.refusals_left_out
    if missing > 0:
        yield f"          {missing} more refusals of which the log has no line"
    elif found.summary is None and found.refusals:
        yield "          and maybe more: the log has no summary of this session"
    if not found.refusals:
        yield "          no refusals in the log"


def _tell_ended(found: SessionLog) -> Iterator[str]:
    line = found.closed or found.summary
    if line is None:
        yield "ended     not as far as the log goes (with log.level=debug it has the end of every session)"
        return
    reason = line.fields.get("reason", "?")
    yield f"ended     {_show(line.timestamp)}  {_show(reason)}: {_show(explain(reason))}"
    yield from _tell_part("what", line.fields.get("detail", ""))


def _when(line: Line, found: SessionLog) -> str | None:
    """Return a refusal's time; what the summary holds has only how long before it was."""
    if line.timestamp or found.summary is None:
        return line.timestamp
    return _before(found.summary.timestamp, line.fields.get("seconds_before", ""))


def _before(timestamp: str, seconds: str) -> str | None:
    try:
        moment = datetime.fromisoformat(timestamp) - timedelta(seconds=float(seconds))
    except (ValueError, OverflowError):
        return None
    return moment.isoformat().replace("+00:00", "Z")


def _show(text: str) -> str:
    """Return text without anything a terminal would obey, bounded."""
    shown = "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in text)
    return shown if len(shown) <= MAX_SHOWN_CHARACTERS else f"{shown[:MAX_SHOWN_CHARACTERS]}..."
