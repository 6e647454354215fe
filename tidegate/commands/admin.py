"""The commands for a running fleet: status, sessions, kick, ban, unban, bans, announce, drain.

Each asks one core, which answers for all (`core.admin`). Exit status 0 done, 1 there is no such thing or it was
refused, 2 wrong use or no core to ask.
"""

import os
import re
import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tidegate.commands.options import Assignments, load

if TYPE_CHECKING:
    from tidegate.admin.client import AdminClient

EXIT_REFUSED = 1
MAX_SECONDS = 3600.0

_DURATION = re.compile(r"([0-9]{1,9})([smhdw])")
_UNIT_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 7 * 86_400.0}


class Kind(StrEnum):
    """What to ban by."""

    ADDRESS = "address"
    ACCOUNT = "account"
    HARDWARE = "hardware"
    CHARACTER = "character"


class Role(StrEnum):
    """What to drain."""

    EDGE = "edge"
    CORE = "core"


class State(StrEnum):
    """How far a player has come."""

    LOGIN = "login"
    LOGGED_IN = "logged_in"
    IN_GAME = "in_game"


_Config = Annotated[Path | None, typer.Option("--config", "-c", metavar="FILE", help="The core's settings (TOML).")]
_Admin = Annotated[
    str | None,
    typer.Option(
        "--admin", metavar="ADDRESS", help="The core to ask: unix:PATH or HOST:PORT; else that of core.listen."
    ),
]
_Certificates = Annotated[
    Path | None,
    typer.Option("--certificates", metavar="FOLDER", help="What `tidegate certs issue admin` made for you."),
]
_Timeout = Annotated[
    float, typer.Option("--timeout", metavar="SECONDS", min=0.1, max=MAX_SECONDS, help="How long to wait for it.")
]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_Edge = Annotated[str, typer.Option("--edge", metavar="NAME", help="Those at this edge.")]
_Core = Annotated[str, typer.Option("--core", metavar="NAME", help="Those at this core.")]
_Region = Annotated[str, typer.Option("--region", metavar="NAME", help="Those at edges of this region.")]
_Account = Annotated[str, typer.Option("--account", metavar="NAME", help="Those of this account.")]
_Character = Annotated[str, typer.Option("--character", metavar="NAME", help="The one with this character.")]
_Address = Annotated[str, typer.Option("--address", metavar="ADDRESS", help="Those from this address or prefix.")]


def status(
    config: _Config = None,
    admin: _Admin = None,
    certificates: _Certificates = None,
    timeout: _Timeout = 5.0,
    assignments: Assignments = None,
    *,
    watch: Annotated[bool, typer.Option("--watch", help="Show it again every second.")] = False,
    json: _Json = False,
) -> None:
    """Show every core and every edge, and how they are.

    Below the table stands what is degraded, and since when.

    \b
    Examples:
      tidegate status
      tidegate status --watch
      tidegate status --json --admin unix:/run/tidegate/admin.sock
    """

    def ask(client: "AdminClient") -> None:
        from tidegate.admin.run import print_status

        print_status(client, json=json, watch_seconds=1.0 if watch else 0.0)

    _carry_out(config, admin, certificates, timeout, assignments, ask)


def sessions(
    session: Annotated[str, typer.Argument(metavar="[SESSION]", help="How a session's id begins.")] = "",
    config: _Config = None,
    admin: _Admin = None,
    certificates: _Certificates = None,
    timeout: _Timeout = 30.0,
    assignments: Assignments = None,
    edge: _Edge = "",
    core: _Core = "",
    region: _Region = "",
    account: _Account = "",
    character: _Character = "",
    address: _Address = "",
    state: Annotated[State | None, typer.Option("--state", help="How far they have come.")] = None,
    limit: Annotated[int, typer.Option("--limit", metavar="COUNT", min=0, max=1_000_000, help="0 is no limit.")] = 100,
    *,
    figures: Annotated[bool, typer.Option("--figures", help="Ask for what they have sent and got.")] = False,
    json: _Json = False,
) -> None:
    """List the sessions of all cores, the longest connected first.

    \b
    Examples:
      tidegate sessions
      tidegate sessions --account bob --json
      tidegate sessions --edge fra-1 --state in_game --limit 0
      tidegate sessions --address 203.0.113.0/24 --figures
    """

    def ask(client: "AdminClient") -> None:
        from tidegate.admin.run import print_sessions

        which = _selection(
            id=session,
            core=core,
            edge=edge,
            region=region,
            account=account,
            character=character,
            address=address,
            state=state.value if state else "",
        )
        print_sessions(client, which, limit=limit, has_figures=figures, json=json)

    _carry_out(config, admin, certificates, timeout, assignments, ask)


def kick(
    session: Annotated[
        str, typer.Argument(metavar="[SESSION]", help="A session's id, or how it begins: at least six characters.")
    ] = "",
    config: _Config = None,
    admin: _Admin = None,
    certificates: _Certificates = None,
    timeout: _Timeout = 5.0,
    assignments: Assignments = None,
    edge: _Edge = "",
    core: _Core = "",
    region: _Region = "",
    account: _Account = "",
    character: _Character = "",
    address: _Address = "",
    text: Annotated[str, typer.Option("--text", metavar="TEXT", help="What the player reads.")] = "",
    *,
    json: _Json = False,
) -> None:
    """End sessions, wherever they are connected.

    With several conditions, those that fit all of them. Exit status 1 if there
    is none.

    \b
    Examples:
      tidegate kick 1f0c22a4
      tidegate kick --account bob --text "Please log in again."
      tidegate kick --address 203.0.113.0/24
    """

    def ask(client: "AdminClient") -> None:
        from tidegate.admin.run import kick as carry_out

        which = _selection(
            id=session, core=core, edge=edge, region=region, account=account, character=character, address=address
        )
        carry_out(client, which, text=text, json=json)

    _carry_out(config, admin, certificates, timeout, assignments, ask)


def ban(
    kind: Annotated[Kind, typer.Argument(help="What to ban by.")],
    value: Annotated[str, typer.Argument(metavar="VALUE", help="An address, a prefix or a name.")],
    config: _Config = None,
    admin: _Admin = None,
    certificates: _Certificates = None,
    timeout: _Timeout = 5.0,
    assignments: Assignments = None,
    duration: Annotated[
        str, typer.Option("--for", metavar="TIME", help="Such as 30m, 12h, 7d, 2w or forever.")
    ] = "forever",
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="What the player reads.")] = "",
    by: Annotated[str | None, typer.Option("--by", metavar="NAME", help="Who bans; by default who you are.")] = None,
    *,
    json: _Json = False,
) -> None:
    """Keep somebody out at all edges.

    Who is connected is sent away. A ban of the same takes the place of an
    earlier one.

    \b
    Examples:
      tidegate ban account bob --for 12h --reason "selling gold"
      tidegate ban address 203.0.113.0/24 --for 2w
      tidegate ban character "Dread Pirate"
    """
    seconds = _seconds(duration)

    def ask(client: "AdminClient") -> None:
        from tidegate.admin.run import ban as carry_out

        who = _user_name() if by is None else by
        carry_out(client, kind.value, value, seconds=seconds, reason=reason, by=who, json=json)

    _carry_out(config, admin, certificates, timeout, assignments, ask)


def unban(
    kind: Annotated[Kind, typer.Argument(help="What was banned by.")],
    value: Annotated[str, typer.Argument(metavar="VALUE", help="The address, the prefix or the name.")],
    config: _Config = None,
    admin: _Admin = None,
    certificates: _Certificates = None,
    timeout: _Timeout = 5.0,
    assignments: Assignments = None,
    *,
    json: _Json = False,
) -> None:
    """Let somebody in again.

    Exit status 1 if there is no such ban.

    \b
    Examples:
      tidegate unban account bob
      tidegate unban address 203.0.113.0/24
    """

    def ask(client: "AdminClient") -> None:
        from tidegate.admin.run import unban as carry_out

        carry_out(client, kind.value, value, json=json)

    _carry_out(config, admin, certificates, timeout, assignments, ask)


def bans(
    text: Annotated[str, typer.Argument(metavar="[TEXT]", help="Only those in which this stands.")] = "",
    config: _Config = None,
    admin: _Admin = None,
    certificates: _Certificates = None,
    timeout: _Timeout = 30.0,
    assignments: Assignments = None,
    kind: Annotated[Kind | None, typer.Option("--kind", help="Only those by this.")] = None,
    limit: Annotated[int, typer.Option("--limit", metavar="COUNT", min=0, max=1_000_000, help="0 is no limit.")] = 100,
    *,
    json: _Json = False,
) -> None:
    """List the bans, the newest first.

    \b
    Examples:
      tidegate bans
      tidegate bans bob --kind account
      tidegate bans --limit 0 --json
    """

    def ask(client: "AdminClient") -> None:
        from tidegate.admin.run import print_bans

        print_bans(client, kind=kind.value if kind else "", text=text, limit=limit, json=json)

    _carry_out(config, admin, certificates, timeout, assignments, ask)


def announce(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="One line, in the game's charset.")],
    config: _Config = None,
    admin: _Admin = None,
    certificates: _Certificates = None,
    timeout: _Timeout = 5.0,
    assignments: Assignments = None,
    edge: _Edge = "",
    core: _Core = "",
    region: _Region = "",
    account: _Account = "",
    character: _Character = "",
    *,
    json: _Json = False,
) -> None:
    """Show players in the game a line of text.

    \b
    Examples:
      tidegate announce "The server restarts in ten minutes."
      tidegate announce --region eu-central "The Frankfurt entry moves at noon."
      tidegate announce --account bob "Please see an operator."
    """

    def ask(client: "AdminClient") -> None:
        from tidegate.admin.run import announce as carry_out

        which = _selection(core=core, edge=edge, region=region, account=account, character=character)
        carry_out(client, which, text, json=json)

    _carry_out(config, admin, certificates, timeout, assignments, ask)


def drain(
    role: Annotated[Role, typer.Argument(help="What it is.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is called in the status.")],
    config: _Config = None,
    admin: _Admin = None,
    certificates: _Certificates = None,
    timeout: _Timeout = 5.0,
    assignments: Assignments = None,
    *,
    json: _Json = False,
) -> None:
    """Take an edge or a core out, wherever it runs.

    It takes no new players, lets those who play go on until its own
    drain_seconds, and ends. This command does not wait for that.

    \b
    Examples:
      tidegate drain edge fra-1
      tidegate drain core core-2
    """

    def ask(client: "AdminClient") -> None:
        from tidegate.admin.run import drain as carry_out

        carry_out(client, role.value, name, json=json)

    _carry_out(config, admin, certificates, timeout, assignments, ask)


def add_to(app: typer.Typer) -> None:
    """Give an application these commands."""
    for command in (status, sessions, kick, ban, unban, bans, announce, drain):
        app.command(command.__name__)(command)


def _carry_out(
    config: Path | None,
    admin: str | None,
    certificates: Path | None,
    timeout_seconds: float,
    assignments: list[str] | None,
    ask: "Callable[[AdminClient], None]",
) -> None:
    settings = load(config, assignments, {})
    from tidegate.admin.place import find_target
    from tidegate.admin.run import carry_out

    target = find_target(admin, settings.core.admin, settings.core.listen, os.environ)
    if certificates is None or target.startswith("unix:"):  # a socket asks for none
        refusal = carry_out(target, timeout_seconds, ask)
    else:
        from tidegate.admin.secure_passage import secure_passage

        with secure_passage(target, certificates) as passage:
            refusal = carry_out(passage, timeout_seconds, ask)
    if refusal:
        print(f"tidegate: {refusal}", file=sys.stderr)
        raise typer.Exit(EXIT_REFUSED)


def _selection(**conditions: str) -> Any:
    from protos.tidegate.admin.v1 import admin_pb2

    return admin_pb2.Selection(**conditions)


def _seconds(duration: str) -> float:
    """Return the seconds of ``30m``, ``12h``, ``7d``, ``2w`` or ``forever`` (0)."""
    if duration.lower() == "forever":
        return 0.0
    found = _DURATION.fullmatch(duration.lower())
    if found is None or not int(found[1]):
        raise typer.BadParameter(
            f"{duration!r} is no time: write a number and s, m, h, d or w, such as 12h, or forever", param_hint="--for"
        )
    return int(found[1]) * _UNIT_SECONDS[found[2]]


def _user_name() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user without a name
        return f"user {os.getuid()}"
