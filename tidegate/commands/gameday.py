"""The command ``gameday``: breaks a relay network on this machine, a fault per sub-command, and judges it."""

from enum import StrEnum
from typing import Annotated

import typer

from tidegate.commands.gameday_options import BOTS, RATE, SEED, Bots, Edges, Json, Rate, Seed, day_options, play

app = typer.Typer(
    no_args_is_help=True,
    help="Break a relay network while bots play.",
    epilog="Each fault says at the end what had to hold; exit status 0 only if all of it does.",
)


class Kinds(StrEnum):
    """What ``--kind`` takes."""

    CLEAN = "clean"
    HALF_OPEN = "half-open"
    BOTH = "both"


@app.command()
def cut_tunnel(
    *,
    times: Annotated[int, typer.Option(metavar="COUNT", min=1, max=10_000, help="How many cuts.")] = 100,
    shortest: Annotated[float, typer.Option(metavar="SECONDS", min=0.01, max=600, help="The shortest cut.")] = 0.05,
    longest: Annotated[float, typer.Option(metavar="SECONDS", min=0.01, max=600, help="The longest cut.")] = 10.0,
    kind: Annotated[
        Kinds, typer.Option(help="Reset connections (clean), keep them open and silent, or now this now that.")
    ] = Kinds.BOTH,
    edges: Edges = 1,
    bots: Bots = BOTS,
    frames_per_second: Rate = RATE,
    seed: Seed = SEED,
    json: Json = False,
) -> None:
    """Cut the tunnel again and again.

    No session may end, nothing may be lost, doubled or reordered, and for 99 %
    of the bots no cut may last 1.5 s longer than it was.

    \b
    Examples:
      tidegate gameday cut-tunnel
      tidegate gameday cut-tunnel --times 5 --longest 2 --kind clean --bots 50
    """
    if longest < shortest:
        raise typer.BadParameter("the longest cut is shorter than the shortest", param_hint="--longest")
    from tidegate.gameday.conditions import CutKind
    from tidegate.gameday.faults.cut_tunnel import CutTunnel

    kinds = tuple(CutKind) if kind is Kinds.BOTH else (CutKind(kind.value),)
    fault = CutTunnel(times=times, shortest_seconds=shortest, longest_seconds=longest, kinds=kinds, edges=edges)
    play(fault, day_options(bots, frames_per_second, seed, json=json))


@app.command(hidden=True)
def origin(
    port: Annotated[int, typer.Option(metavar="PORT", min=0, max=65535, help="Where; 0 takes any free one.")] = 0,
) -> None:
    """Run gameday's game server; gameday starts it itself.

    \b
    Examples:
      tidegate gameday origin --port 1974
    """
    from tidegate.gameday.origin import run_origin

    raise typer.Exit(run_origin(port=port))
