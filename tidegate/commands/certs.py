"""The commands ``certs init | issue | renew | revoke | list | show``: the operator's own authority, in a folder.

Those that change to another authority, ``certs authority …``, are in `tidegate.commands.certs_authority`.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tidegate.commands.certs_authority import (
    DAYS,
    DEFAULT_FOLDER,
    Days,
    Folder,
    open_folder,
    say_issued,
    saying_what_is_wrong,
)
from tidegate.commands.certs_authority import app as authority_app

if TYPE_CHECKING:
    from fleet.authority.authority import Authority, Issued
    from fleet.authority.ledger import Entry

app = typer.Typer(no_args_is_help=True, help="Certificates for your relays.")
issue_app = typer.Typer(no_args_is_help=True, help="Make a certificate for somebody new.")
app.add_typer(issue_app, name="issue")
app.add_typer(authority_app, name="authority")

RENEW_WITHIN_DAYS = 30

RelayName = Annotated[str, typer.Argument(metavar="NAME", help="What the relay is called; unique for its role.")]


@app.command()
def init(folder: Folder = DEFAULT_FOLDER) -> None:
    """Make an authority of your own.

    Its key signs what relays prove themselves by, for ten years. Who has that
    key can join your fleet: keep the folder off the relays, and a copy of it in
    a safe place.

    \b
    Examples:
      tidegate certs init
      tidegate certs init --folder /root/tidegate-certs
    """
    from fleet.authority.authority import create_authority

    with saying_what_is_wrong():
        authority = create_authority(folder)
    print(f"{folder}: an authority until {authority.certificate.not_valid_after_utc:%Y-%m-%d}")
    print("Now make a certificate for each relay:")
    print("  tidegate certs issue core NAME")
    print("  tidegate certs issue edge NAME --region REGION")


@issue_app.command("edge")
def issue_edge(
    name: RelayName,
    region: Annotated[str, typer.Option("--region", metavar="REGION", help="Where the edge stands.")],
    days: Days = DAYS,
    folder: Folder = DEFAULT_FOLDER,
) -> None:
    """Make a key and a certificate for an edge.

    Copy the folder that is named to the edge's machine, and start the edge with
    --certificates FOLDER. Its name and region are those of the certificate.

    \b
    Examples:
      tidegate certs issue edge fra-1 --region eu-central
    """
    _issue("edge", name, region, days, folder)


@issue_app.command("core")
def issue_core(
    name: RelayName,
    region: Annotated[str, typer.Option("--region", metavar="REGION", help="Where the core stands.")] = "local",
    days: Days = DAYS,
    folder: Folder = DEFAULT_FOLDER,
) -> None:
    """Make a key and a certificate for a core.

    Copy the folder that is named to the core's machine, and start the core with
    --certificates FOLDER. Its name and region are those of the certificate.

    \b
    Examples:
      tidegate certs issue core core-1
      tidegate certs issue core core-2 --region eu-central --days 30
    """
    _issue("core", name, region, days, folder)


@issue_app.command("admin")
def issue_admin(name: RelayName, days: Days = DAYS, folder: Folder = DEFAULT_FOLDER) -> None:
    """Make a key and a certificate for a person who runs commands.

    \b
    Examples:
      tidegate certs issue admin anna
    """
    _issue("admin", name, "", days, folder)


@app.command()
def renew(
    which: Annotated[
        list[str] | None, typer.Argument(metavar="ROLE/NAME", help="Whose, such as edge/fra-1; all that end soon.")
    ] = None,
    within: Annotated[
        int, typer.Option("--within", metavar="DAYS", help="What counts as soon, where nobody is named.")
    ] = RENEW_WITHIN_DAYS,
    days: Days = DAYS,
    folder: Folder = DEFAULT_FOLDER,
) -> None:
    """Make new keys and certificates for the same names.

    Without names, for all whose certificates end within 30 days. Copy the
    folders again: relays that run take the new files within seconds.

    \b
    Examples:
      tidegate certs renew
      tidegate certs renew edge/fra-1 core/core-1
    """
    with saying_what_is_wrong():
        authority = open_folder(folder)
        if which:
            made = [_renew_one(authority, each, days) for each in which]
        else:
            made = authority.renew_soon(within, days)
            authority.refresh()
    for each in made:
        say_issued(each)
    if not made:
        print(f"Nothing ends within {within} days.")


@app.command()
def revoke(
    which: Annotated[
        list[str], typer.Argument(metavar="WHICH", help="A name, ROLE/NAME, or the serial of one certificate.")
    ],
    folder: Folder = DEFAULT_FOLDER,
) -> None:
    """Take certificates back.

    Writes revoked.pem anew, beside the ledger and into every relay's folder.
    Copy it to all relays: within seconds they cut off who was taken back.

    \b
    Examples:
      tidegate certs revoke fra-1
      tidegate certs revoke edge/fra-1
      tidegate certs revoke 5d0c9c0f5a6b1b7f
    """
    with saying_what_is_wrong():
        authority = open_folder(folder)
        taken = [entry for each in which for entry in authority.revoke(each)]
    for entry in taken:
        print(f"revoked: {entry.identity}, serial {entry.serial}")
    print(f"Copy {folder / 'revoked.pem'} to every relay.")


@app.command("list")
def list_certificates(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,  # noqa: FBT002 - typer's way
    everything: Annotated[bool, typer.Option("--all", help="Older ones of each name, too.")] = False,  # noqa: FBT002
    folder: Folder = DEFAULT_FOLDER,
) -> None:
    """List whose certificates there are, and until when.

    \b
    Examples:
      tidegate certs list
      tidegate certs list --all --json
    """
    with saying_what_is_wrong():
        authority = open_folder(folder)
        authority.refresh()
        entries = authority.entries() if everything else authority.newest()
    if as_json:
        print(json.dumps({"certificates": [_fields(entry) for entry in entries]}, indent=2))
        return
    rows = [("ROLE", "NAME", "REGION", "STATE", "EXPIRES", "SERIAL")]
    rows += [
        (each.role, each.name, each.region, str(_fields(each)["state"]), each.expires[:10], each.serial)
        for each in entries
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@app.command()
def show(
    which: Annotated[str, typer.Argument(metavar="WHICH", help="A name, ROLE/NAME, or a serial.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,  # noqa: FBT002 - typer's way
    folder: Folder = DEFAULT_FOLDER,
) -> None:
    """Show all certificates of one name.

    \b
    Examples:
      tidegate certs show fra-1
      tidegate certs show core/core-1 --json
    """
    with saying_what_is_wrong():
        authority = open_folder(folder)
        entries = authority.find(which)
    if as_json:
        print(json.dumps({"certificates": [_fields(entry) for entry in entries]}, indent=2))
        return
    for entry in entries:
        print(f"{entry.identity}: {_fields(entry)['state']}")
        print(f"  serial   {entry.serial}")
        print(f"  issued   {entry.issued}")
        print(f"  expires  {entry.expires}")
        if entry.revoked:
            print(f"  revoked  {entry.revoked}")
        print(f"  files    {authority.folder_of(entry.role, entry.name)}")


def _issue(role: str, name: str, region: str, days: int, folder: Path) -> None:
    from fleet.identity import ROLES, Identity

    with saying_what_is_wrong():
        identity = Identity(next(each for each in ROLES if each == role), name, region)
        issued = open_folder(folder).issue(identity, days)
    say_issued(issued)
    if role == "admin":
        print(f"Whoever gives commands says: --certificates {issued.folder}")
    else:
        print(f"Copy that folder to its machine, and start it there: tidegate {role} --certificates {issued.folder} …")


def _renew_one(authority: "Authority", which: str, days: int) -> "Issued":
    entry = authority.find(which)[-1]
    return authority.renew(entry.role, entry.name, days)


def _fields(entry: "Entry") -> dict[str, object]:
    from dataclasses import asdict
    from datetime import UTC, datetime

    return {**asdict(entry), "state": entry.state(datetime.now(UTC))}
