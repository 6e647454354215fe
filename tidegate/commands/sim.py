"""The commands ``sim server`` and ``sim bots``: the scripted game server and the bots, each usable alone."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from fleet.address import Address

app = typer.Typer(
    no_args_is_help=True,
    help="A scripted game server and bots.",
)

_Dialect = Annotated[
    str,
    typer.Option(metavar="NAME", help="classic, counter or counter+trailer; empty for the first."),
]
_Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]


@app.command()
def server(
    *,
    listen: Annotated[str, typer.Option(metavar="HOST:PORT", help="Where to accept players.")] = "127.0.0.1:1974",
    dialect: _Dialect = "",
    json: _Json = False,
) -> None:
    """Run the scripted game server.

    It runs until it is interrupted and then prints its ledger.

    \b
    Examples:
      tidegate sim server
      tidegate sim server --listen 127.0.0.1:0 --dialect counter --json
    """
    address = _parse("--listen", listen)
    from tidegate.sim.server import run_server

    _configure_logs()
    raise typer.Exit(run_server(listen=address, dialect=dialect, json=json))


@app.command()
def bots(
    *,
    connect: Annotated[str, typer.Option(metavar="HOST:PORT", help="An edge, or a game server.")] = "127.0.0.1:1973",
    bots: Annotated[int, typer.Option("--bots", metavar="COUNT", min=1, max=10_000, help="How many bots play.")] = 10,
    seconds: Annotated[float, typer.Option(metavar="SECONDS", min=1, max=86_400, help="How long they play.")] = 15,
    moves_per_second: Annotated[float, typer.Option(metavar="NUMBER", min=0, max=50, help="Moves of each bot.")] = 2.0,
    chat_seconds: Annotated[
        float, typer.Option(metavar="SECONDS", min=0, max=3600, help="Time between chat lines.")
    ] = 3.0,
    dialect: _Dialect = "",
    json: _Json = False,
) -> None:
    """Let bots play, and check what they see.

    They log in, walk, chat and log out.

    Exit status 0 only if every bot finished and nothing was lost, doubled or
    reordered.

    \b
    Examples:
      tidegate sim bots --connect 127.0.0.1:1973 --bots 50
      tidegate sim bots --bots 500 --seconds 30 --moves-per-second 4 --json
    """
    address = _parse("--connect", connect)
    from tidegate.sim.bots import run_bots

    _configure_logs()
    raise typer.Exit(
        run_bots(
            connect=address,
            bots=bots,
            seconds=seconds,
            moves_per_second=moves_per_second,
            chat_seconds=chat_seconds,
            dialect=dialect,
            json=json,
        ),
    )


def _parse(option: str, text: str) -> "Address":
    from fleet.address import parse_address
    from tidegate.errors import Mistake, SettingsError

    try:
        return parse_address(text)
    except ValueError as error:
        raise SettingsError([Mistake(option, "", str(error))]) from error


def _configure_logs() -> None:
    from tidegate.logs import configure_logs

    configure_logs("info", "auto")
