"""The admin commands: each builds a request, asks the core, and prints what was done."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from protos.tidegate.admin.v1 import admin_pb2
from tidegate.admin import show
from tidegate.admin.client import AdminClient, plain
from tidegate.admin.errors import RefusedError
from tidegate.errors import StartError

DRAINS = {"core": admin_pb2.ROLE_CORE, "edge": admin_pb2.ROLE_EDGE}
KINDS = {
    "address": admin_pb2.BAN_KIND_ADDRESS,
    "account": admin_pb2.BAN_KIND_ACCOUNT,
    "hardware": admin_pb2.BAN_KIND_HARDWARE,
    "character": admin_pb2.BAN_KIND_CHARACTER,
}


def print_status(client: AdminClient, *, json: bool, watch_seconds: float) -> None:
    """Print the fleet, again and again with ``watch_seconds``."""
    if not watch_seconds:
        _print_fleet(client.status(), json=json)
        return
    if json:
        while True:
            _print_fleet(client.status(), json=True)
            time.sleep(watch_seconds)
    _watch(client, watch_seconds)


def _print_fleet(status: admin_pb2.GetStatusResponse, *, json: bool) -> None:
    if json:
        show.print_json(show.as_dict(status))
        return
    show.console().print(show.fleet_table(status))
    for line in show.fleet_lines(status):
        print(plain(line))


def _watch(client: AdminClient, seconds: float) -> None:
    from rich.console import Group
    from rich.live import Live
    from rich.text import Text

    with Live(console=show.console(), screen=False, auto_refresh=False) as live:
        while True:
            try:
                status = client.status()
                lines = [Text(plain(line)) for line in show.fleet_lines(status)]
                live.update(Group(show.fleet_table(status), *lines, Text(f"{show.moment(time.time())} UTC")))
            except StartError as error:  # a core may come back
                live.update(Text(f"{show.moment(time.time())} UTC: {error}"))
            live.refresh()
            time.sleep(seconds)


def print_sessions(
    client: AdminClient, which: admin_pb2.Selection, *, limit: int, has_figures: bool, json: bool
) -> None:
    """Print sessions."""
    request = admin_pb2.ListSessionsRequest(which=which, limit=limit, has_figures=has_figures)
    parts = client.sessions(request)
    sessions = [session for part in parts for session in part.sessions]
    last = parts[-1]
    if json:
        fields = {"total": last.total, "is_partial": last.is_partial, "problem": last.problem}
        show.print_json({"sessions": [show.as_dict(each) for each in sessions], **fields})
        return
    if sessions:
        show.console().print(show.session_table(sessions, has_figures=has_figures))
    shown = "" if len(sessions) == last.total else f", of which the {len(sessions)} longest connected are shown"
    print(f"{_counted(last.total, 'session')}{shown}.")
    if last.is_partial:
        print(f"Other cores' sessions are not known, for the store is away: {plain(last.problem)}")


def kick(client: AdminClient, which: admin_pb2.Selection, *, text: str, json: bool) -> None:
    """End sessions."""
    answer = client.kick(admin_pb2.KickSessionsRequest(which=which, text=text))
    more = "" if answer.count == len(answer.ids) else ", …"
    _say(answer, f"{_counted(answer.count, 'session')} ended: {', '.join(answer.ids)}{more}", json=json)


def ban(client: AdminClient, kind: str, value: str, *, seconds: float, reason: str, by: str, json: bool) -> None:
    """Ban somebody."""
    request = admin_pb2.AddBanRequest(kind=KINDS[kind], value=value, reason=reason, by=by, seconds=seconds)
    answer = client.ban(request)
    until = f"until {show.moment(answer.ban.until)} UTC" if answer.ban.until else "for ever"
    _say(answer, f"banned: {kind} {plain(answer.ban.value)}, {until}{_but(answer)}", json=json)


def unban(client: AdminClient, kind: str, value: str, *, json: bool) -> None:
    """Lift a ban."""
    answer = client.unban(admin_pb2.RemoveBanRequest(kind=KINDS[kind], value=value))
    _say(answer, f"not banned any more: {kind} {plain(value)}{_but(answer)}", json=json)


def print_bans(client: AdminClient, *, kind: str, text: str, limit: int, json: bool) -> None:
    """Print bans."""
    request = admin_pb2.ListBansRequest(kind=KINDS.get(kind), text=text, limit=limit)
    parts = client.bans(request)
    bans = [each for part in parts for each in part.bans]
    if json:
        show.print_json({"bans": [show.as_dict(each) for each in bans], "total": parts[-1].total})
        return
    if bans:
        show.console().print(show.ban_table(bans))
    shown = "" if len(bans) == parts[-1].total else f", of which the newest {len(bans)} are shown"
    print(f"{_counted(parts[-1].total, 'ban')}{shown}.")


def announce(client: AdminClient, which: admin_pb2.Selection, text: str, *, json: bool) -> None:
    """Tell players a text."""
    answer = client.announce(admin_pb2.AnnounceRequest(which=which, text=text))
    others = f"; {answer.others} others are not in the game, or cannot be shown anything" if answer.others else ""
    _say(answer, f"{_counted(answer.count, 'player')} told{others}", json=json)


def drain(client: AdminClient, role: str, name: str, *, json: bool) -> None:
    """Take a relay out."""
    answer = client.drain(admin_pb2.DrainRequest(role=DRAINS[role], name=name))
    already = " already" if answer.was_draining else ""
    text = f"{role} {plain(name)} drains{already}: it takes no new players; {_counted(answer.sessions, 'session')} left"
    _say(answer, text, json=json)


def carry_out(target: str, timeout_seconds: float, command: Callable[[AdminClient], None]) -> str:
    """Run a command; returns why it was refused, or nothing. Raises StartError."""
    with AdminClient(target, timeout_seconds) as client:
        try:
            command(client)
        except RefusedError as error:
            return str(error)
    return ""


def _say(answer: Any, text: str, *, json: bool) -> None:
    if json:
        show.print_json(show.as_dict(answer))
    else:
        print(text)


def _but(answer: Any) -> str:
    return f" ({plain(answer.problem)})" if answer.problem else ""


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
