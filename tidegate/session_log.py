"""Finds what a log says about one session: line by line, whatever else stands between the lines.

Used by ``tidegate why``. Lines are those of `tidegate.logs` in either form, alone or behind what a log collector
puts in front of them; of everything else nothing is expected. Memory is bounded, however long the log or a line is.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

MAX_LINE_BYTES = 64 * 1024
"""Our own lines are 6 KiB at most, tracebacks apart."""

MAX_REFUSALS = 1000
MAX_OTHER_LINES = 20
MAX_SESSIONS = 10
"""Sessions that a prefix may fit, of which the ids are kept to be named."""

Fields = Mapping[str, str]

_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S*Z (?=[a-z]+ )")
_HEAD = re.compile(r'(?P<timestamp>\S+) (?P<level>[a-z]+) +(?P<event>"(?:[^"\\]|\\.)*"|\S+)')
_FIELD = re.compile(r'(?:  |^)(?P<key>[A-Za-z_][A-Za-z0-9_.]*)=(?P<value>"(?:[^"\\]|\\.)*"|[^ ]*)(?=  |$)')
_REFUSAL_KEY = re.compile(r"refusal_\d+")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a log; all values as text."""

    timestamp: str
    event: str
    fields: Fields


@dataclass(slots=True)
class SessionLog:
    """What was found of the sessions that fit a prefix; the parts below are those of the first of them.

    ``refusals`` are by their number within the session, or negative ones where the log has none. ``lines`` counts all
    lines that were looked through.
    """

    sessions: list[str] = field(default_factory=list)
    opened: Line | None = None
    refusals: dict[int, Line] = field(default_factory=dict)
    summary: Line | None = None
    closed: Line | None = None
    others: list[Line] = field(default_factory=list)
    lines: int = 0
    refusals_left_out: int = 0
    sessions_not_shown: int = 0

    def add(self, line: Line) -> None:
        """Take a line that names the session."""
        match line.event:
            case "session_opened":
                if self.opened is None or "port" in line.fields:  # in one process the core says so, too
                    self.opened = line
            case "session_closed":
                self.closed = self.closed or line
            case "refused":
                self._add_refusal(line)
            case "session_refusals":
                self.summary = line
                for key in filter(_REFUSAL_KEY.fullmatch, line.fields):
                    self._add_refusal(Line("", "refused", parse_fields(line.fields[key])))
            case _:
                if len(self.others) < MAX_OTHER_LINES:
                    self.others.append(line)

    def _add_refusal(self, line: Line) -> None:
        number = line.fields.get("number", "")
        place = int(number) if number.isascii() and number.isdecimal() and len(number) < 16 else -1 - len(self.refusals)
        known = self.refusals.get(place)
        if known is not None:
            # What was logged at once has more fields, the summary may have what was suppressed.
            self.refusals[place] = known if len(known.fields) >= len(line.fields) else line
        elif len(self.refusals) < MAX_REFUSALS:
            self.refusals[place] = line
        else:
            self.refusals_left_out += 1


def find_session(files: Iterable[BinaryIO], prefix: str) -> SessionLog:
    """Return what the logs say about the session whose id begins with ``prefix`` (small hexadecimal digits).

    Raises what reading the files raises.
    """
    found = SessionLog()
    wanted = prefix.encode()
    for file in files:
        for raw in read_lines(file):
            found.lines += 1
            if wanted in raw:
                _take(found, parse_line(raw), prefix)
            elif b"sessions_not_shown" in raw:
                _count_not_shown(found, parse_line(raw))
    return found


def _take(found: SessionLog, line: Line | None, prefix: str) -> None:
    if line is None:
        return
    session = line.fields.get("session", "")
    if session.startswith(prefix):
        if session not in found.sessions and len(found.sessions) < MAX_SESSIONS:
            found.sessions.append(session)
        if session == found.sessions[0]:
            found.add(line)
    _count_not_shown(found, line)


def _count_not_shown(found: SessionLog, line: Line | None) -> None:
    count = line.fields.get("sessions_not_shown", "") if line is not None else ""
    if count.isascii() and count.isdecimal() and len(count) < 16:
        found.sessions_not_shown += int(count)


def read_lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield the lines of a file without their ends; longer ones than MAX_LINE_BYTES as nothing at all.

    A file that is renamed meanwhile is read to its end; one that is cut ends where it is cut.
    """
    while line := file.readline(MAX_LINE_BYTES):
        if len(line) < MAX_LINE_BYTES or line.endswith(b"\n"):
            yield line.rstrip(b"\r\n")
            continue
        while len(line) == MAX_LINE_BYTES and not line.endswith(b"\n"):
            line = file.readline(MAX_LINE_BYTES)
        yield b""


def parse_line(raw: bytes) -> Line | None:
    """Read one line in either form, behind anything; None where it is neither."""
    text = raw.decode("utf-8", errors="replace")
    return _parse_json(text) or _parse_text(text)


def parse_fields(text: str) -> dict[str, str]:
    """Read ``key=value`` texts with two spaces between them, as in text logs and within ``refusal_1``."""
    return {found["key"]: _unquote(found["value"]) for found in _FIELD.finditer(text)}


def _parse_json(text: str) -> Line | None:
    start = text.find("{")
    if start == -1:
        return None
    try:
        value = json.loads(text[start:])
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    fields = {str(key): each if isinstance(each, str) else json.dumps(each) for key, each in value.items()}
    return Line(fields.pop("timestamp", ""), fields.pop("event", ""), fields)


def _parse_text(text: str) -> Line | None:
    start = _TIMESTAMP.search(text)
    head = _HEAD.match(text, start.start()) if start is not None else None
    if head is None:
        return None
    return Line(head["timestamp"], _unquote(head["event"]), parse_fields(text[head.end() :]))


def _unquote(text: str) -> str:
    if not text.startswith('"'):
        return text
    try:
        return str(json.loads(text))
    except ValueError:
        return text
