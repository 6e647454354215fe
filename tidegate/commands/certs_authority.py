"""The commands ``certs authority new | switch | retire | show``: a fleet changes to another authority while it runs.

Also what all commands of ``certs`` share: their options, and how they say what was made and what is wrong.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from fleet.authority.authority import Authority, Issued

app = typer.Typer(no_args_is_help=True, help="Change to another authority while the fleet runs.")

DEFAULT_FOLDER = Path("certs")
EXIT_REFUSED = 1
DAYS = 90

Folder = Annotated[
    Path, typer.Option("--folder", metavar="FOLDER", help="Where the authority is; keep it off the relays.")
]
Days = Annotated[int, typer.Option("--days", metavar="DAYS", help="How long a certificate is to hold, 1 to 825.")]


@app.command()
def new(folder: Folder = DEFAULT_FOLDER) -> None:
    """Make a second authority, for all to trust. The first of three steps.

    It issues nothing yet. Copy the folders to all relays, and go on with
    `switch` when each of them trusts both.

    \b
    Examples:
      tidegate certs authority new
    """
    with saying_what_is_wrong():
        made = open_folder(folder).begin_change()
    print(f"{folder}: a second authority, {made.name}, until {made.expires_at:%Y-%m-%d}; it issues nothing yet")
    print("Copy all folders again. When every relay has said certificates_loaded with authorities_trusted=2:")
    print("  tidegate certs authority switch")


@app.command()
def switch(days: Days = DAYS, folder: Folder = DEFAULT_FOLDER) -> None:
    """Issue by the second authority from now on, and renew all. The second step.

    Who does not trust both by now will refuse who has a new certificate. Where
    it was cut short, do it again.

    \b
    Examples:
      tidegate certs authority switch
    """
    with saying_what_is_wrong():
        authority = open_folder(folder)
        made = authority.switch(days)
    for each in made:
        say_issued(each)
    print(f"Copy all folders again. When every relay has said certificates_loaded with {_named(authority)}:")
    print("  tidegate certs authority retire")


@app.command()
def retire(folder: Folder = DEFAULT_FOLDER) -> None:
    """Trust the authority of before no more, and remove its key. The last step.

    Relays cut off who has a certificate of it still, so all are to have their
    new ones.

    \b
    Examples:
      tidegate certs authority retire
    """
    with saying_what_is_wrong():
        old = open_folder(folder).retire()
    print(f"{folder}: the authority {old.name} is trusted no more, and its key is gone")
    print("Copy all folders again, those of edges first: each then makes its tunnels anew by itself.")


@app.command()
def show(folder: Folder = DEFAULT_FOLDER) -> None:
    """Show which authorities there are, and which step is next.

    \b
    Examples:
      tidegate certs authority show
    """
    with saying_what_is_wrong():
        found = open_folder(folder).signers
    rows = [(found.current, "issues certificates")]
    step = "new"
    if found.upcoming is not None:
        rows.append((found.upcoming, "is trusted, and issues nothing yet"))
        step = "switch"
    if found.old is not None:
        rows.append((found.old, "is trusted still, and issues nothing any more"))
        step = "retire"
    for signer, what in rows:
        print(f"{signer.name}  until {signer.expires_at:%Y-%m-%d}  {what}")
    print(f"{'To change it' if step == 'new' else 'Next'}: tidegate certs authority {step}")


def open_folder(folder: Path) -> "Authority":
    """Open the authority of a folder; raises AuthorityError."""
    from fleet.authority.authority import open_authority

    return open_authority(folder)


def say_issued(issued: "Issued") -> None:
    """Print what was made."""
    print(f"{issued.folder}: {issued.entry.identity}, until {issued.entry.expires[:10]}")


@contextlib.contextmanager
def saying_what_is_wrong() -> Iterator[None]:
    """Turn what the authority refuses into the command's text with exit status 1."""
    from fleet.authority.files import AuthorityError

    try:
        yield
    except (AuthorityError, ValueError) as error:
        typer.echo(f"tidegate: {error}", err=True)
        raise typer.Exit(EXIT_REFUSED) from error


def _named(authority: "Authority") -> str:
    return f"authority={authority.signers.current.name}"
