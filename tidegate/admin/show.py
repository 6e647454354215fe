"""What the admin commands print: tables for people, and JSON for programs.

Names come from outside: nothing of them reaches the terminal as a command (`plain`).
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from protos.tidegate.admin.v1 import admin_pb2
from tidegate.admin.client import plain

FILE_WIDTH = 220
"""Characters of a line that nobody's terminal breaks: in a file or a pipe."""

_STYLES = {"serving": "green", "draining": "yellow", "critical": "red"}
_KIND = "BAN_KIND_"


def console() -> Console:
    """Return where tables go."""
    return Console() if sys.stdout.isatty() else Console(width=FILE_WIDTH)


def print_json(value: object) -> None:
    """Print a value as one line of JSON."""
    print(json.dumps(value), flush=True)


def as_dict(message: Any) -> dict[str, Any]:
    """Return a message as a dictionary, with all its fields and numbers as numbers."""
    return {field.name: _as_value(field, getattr(message, field.name)) for field in message.DESCRIPTOR.fields}


def _as_value(field: Any, value: Any) -> Any:
    if hasattr(value, "DESCRIPTOR"):
        return as_dict(value)
    if field.enum_type is not None:
        return field.enum_type.values_by_number[value].name.removeprefix(_KIND).lower()
    if isinstance(value, str | int | float):
        return value
    return [as_dict(each) if hasattr(each, "DESCRIPTOR") else each for each in value]


def fleet_table(status: admin_pb2.GetStatusResponse) -> Table:
    """Return every core and every edge."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("", "name", "region", "version", "players", "packets/s", "bytes/s", "round trip", "health", "why"):
        right = heading in ("players", "packets/s", "bytes/s", "round trip")
        table.add_column(heading, justify="right" if right else "left", overflow="fold", no_wrap=heading != "why")
    for core in status.cores:
        name = core.name if core.workers == 1 else f"{core.name} {core.worker}/{core.workers}"
        _add(table, "core", name, core, "", core.problems)
    for edge in status.edges:
        name = edge.name if edge.workers == 1 else f"{edge.name} ({edge.workers} workers)"
        away = [f"no way to {path.core} for {spell(time.time() - path.away_since)}" for path in _away(edge)]
        _add(table, "edge", name, edge, _round_trips(edge), [*edge.problems, *away])
    return table


def fleet_lines(status: admin_pb2.GetStatusResponse) -> Iterator[str]:
    """Yield what is degraded, and since when."""
    if status.is_partial:
        yield f"Only what {status.asked} knows is shown, for it cannot reach the store: {status.problem}"
    for core in status.cores:
        if core.store_since:
            queued = f"; {core.store_queued} writes wait" if core.store_queued else ""
            yield f"{core.name}: the store is away {since(core.store_since)}: {core.store_problem}{queued}"
        elif core.store_problem:
            yield f"{core.name}: the store: {core.store_problem}"
        if core.discovery_since or core.discovery_problem:
            begin = f" {since(core.discovery_since)}" if core.discovery_since else ""
            yield f"{core.name}: discovery ({core.discovery}) does not answer{begin}: {core.discovery_problem}"
        for ignored in core.ignored:
            yield f"{core.name}: ignored {ignored}"
    if status.unreadable:
        yield f"{status.unreadable} entries of the registry cannot be read: another version's, or not ours"


def session_table(sessions: Iterable[admin_pb2.Session], *, has_figures: bool) -> Table:
    """Return some sessions."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    headings = ["session", "state", "account", "character", "map", "address", "edge", "region", "core", "since"]
    headings += ["frames to", "bytes from"] if has_figures else []
    for heading in headings:
        table.add_column(heading, overflow="fold", no_wrap=heading == "session")
    for each in sessions:
        words = (each.account, each.character, each.map_name, each.address, each.edge, each.region, each.core)
        cells = [each.id, each.state, *map(plain, words), moment(each.since)]
        cells += [str(each.frames_clientbound), str(each.bytes_serverbound)] if has_figures else []
        table.add_row(*map(Text, cells))
    return table


def ban_table(bans: Iterable[admin_pb2.Ban]) -> Table:
    """Return some bans."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("kind", "whom", "until", "since", "by", "reason"):
        table.add_column(heading, overflow="fold")
    for each in bans:
        until = moment(each.until) if each.until else "for ever"
        cells = (ban_kind(each), plain(each.value), until, moment(each.since), plain(each.by), plain(each.reason))
        table.add_row(*map(Text, cells))
    return table


def ban_kind(ban: admin_pb2.Ban) -> str:
    """Return a ban's kind as people write it."""
    return admin_pb2.BanKind.Name(ban.kind).removeprefix(_KIND).lower()


def moment(seconds: float) -> str:
    """Return a time in UTC."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds))


def since(seconds: float) -> str:
    """Return since when, and how long that is."""
    return f"since {moment(seconds)} UTC ({spell(time.time() - seconds)})"


def spell(seconds: float) -> str:
    """Return a time in its two largest units."""
    whole = max(0, int(seconds))
    for unit, name, part, part_name in ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= unit:
            return f"{whole // unit} {name} {whole % unit // part} {part_name}"
    return f"{whole} s"


def short(number: float) -> str:
    """Return a number of something a second in few characters."""
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if number >= limit:
            return f"{number / (1e3 if unit == 'k' else limit):.1f}{unit}"
    return f"{number:.0f}"


def _add(table: Table, role: str, name: str, relay: Any, round_trip: str, why: Iterable[str]) -> None:
    players = f"{relay.sessions}/{relay.capacity}" if relay.capacity else str(relay.sessions)
    rates = (short(relay.frames_per_second), short(relay.bytes_per_second))
    cells = (role, plain(name), plain(relay.region), plain(relay.version), players, *rates, round_trip)
    health = Text(relay.health, style=_STYLES.get(relay.health, ""))
    table.add_row(*map(Text, cells), health, Text(plain("; ".join(why))))


def _away(edge: admin_pb2.Edge) -> list[admin_pb2.Path]:
    return [path for path in edge.paths if path.away_since]


def _round_trips(edge: admin_pb2.Edge) -> str:
    found = [path.round_trip_milliseconds for path in edge.paths if path.round_trip_milliseconds]
    if not found:
        return ""
    low, high = min(found), max(found)
    return f"{low:.1f} ms" if high - low < 1 else f"{low:.1f} to {high:.1f} ms"
