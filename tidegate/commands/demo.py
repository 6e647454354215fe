"""The command ``demo``: a whole relay network with bots, on this machine."""

from typing import Annotated

import typer


def demo(
    seconds: Annotated[float, typer.Option(metavar="SECONDS", min=1, max=3600, help="How long the bots play.")] = 15,
    bots: Annotated[int, typer.Option(metavar="COUNT", min=1, max=2000, help="How many bots play.")] = 50,
    edges: Annotated[int, typer.Option(metavar="COUNT", min=1, max=8, help="How many edges there are.")] = 2,
) -> None:
    """Show a whole relay network with bots, here.

    Runs edges, a core, a scripted game server and bots, with a live table.

    Exit status 0 only if every bot finished and nothing was lost, doubled or
    reordered.

    \b
    Examples:
      tidegate demo
      tidegate demo --bots 200 --edges 3 --seconds 30
    """
    from tidegate.demo import run_demo

    raise typer.Exit(run_demo(seconds=seconds, bots=bots, edges=edges))
