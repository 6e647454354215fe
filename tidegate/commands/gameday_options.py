"""Flags that all faults of ``tidegate gameday`` share."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from tidegate.gameday.day import DayOptions, Fault

Bots = Annotated[int, typer.Option(metavar="COUNT", min=1, max=5000, help="How many bots play.")]
Rate = Annotated[
    float,
    typer.Option("--frames-per-second", metavar="NUMBER", min=0.1, max=100, help="Frames each bot says a second."),
]
Seed = Annotated[int, typer.Option(metavar="NUMBER", min=0, help="The same seed breaks things at the same moments.")]
Json = Annotated[bool, typer.Option("--json", help="Print the report as one JSON object.")]
Edges = Annotated[int, typer.Option(metavar="COUNT", min=1, max=8, help="How many edges there are.")]

BOTS = 1000
RATE = 10.0
SEED = 1


def day_options(bots: int, frames_per_second: float, seed: int, *, json: bool) -> "DayOptions":
    """Return the shared flags as one value."""
    from tidegate.gameday.day import DayOptions

    return DayOptions(bots=bots, frames_per_second=frames_per_second, seed=seed, json=json)


def play(fault: "Fault", options: "DayOptions") -> None:
    """Run the fault and exit with its status."""
    from tidegate.gameday.run import run_gameday

    raise typer.Exit(run_gameday(fault, options))
