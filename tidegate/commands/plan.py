"""The command ``plan``: machines for a number of players, and a file of variables for Terraform."""

from pathlib import Path
from typing import Annotated

import typer


def plan(
    *,
    regions: Annotated[
        str, typer.Option("--regions", metavar="LIST", help="AWS regions, such as eu-central-1=2000,us-east-1=1000.")
    ],
    players: Annotated[
        int | None,
        typer.Option("--players", metavar="COUNT", min=1, max=1_000_000, help="Players at the peak, in all regions."),
    ] = None,
    game: Annotated[str, typer.Option("--game", metavar="NAME", help="Game pack: pko, echo, generic or raw.")] = "pko",
    instance_type: Annotated[
        str, typer.Option("--instance-type", metavar="TYPE", help="What edges and cores run on.")
    ] = "c7i.large",
    up: Annotated[
        float | None, typer.Option("--up", metavar="RATE", min=0.01, max=1000, help="Frames/s a player sends.")
    ] = None,
    down: Annotated[
        float | None, typer.Option("--down", metavar="RATE", min=0.01, max=10_000, help="Frames/s a player gets.")
    ] = None,
    busy: Annotated[
        int, typer.Option("--busy", metavar="PERCENT", min=5, max=90, help="How busy a worker may be at the peak.")
    ] = 50,
    mean: Annotated[
        int, typer.Option("--mean", metavar="PERCENT", min=1, max=100, help="How many of the peak play on average.")
    ] = 50,
    spare: Annotated[
        int, typer.Option("--spare", metavar="COUNT", min=0, max=10, help="Machines more than needed, everywhere.")
    ] = 1,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write variables for Terraform (.tfvars).")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say how many machines your players need.

    It goes by what the benchmark measured and by what a player of the game
    sends and gets, prints all that is assumed, and writes a file of
    variables for infra/terraform.

    \b
    Examples:
      tidegate plan --players 3000 --regions eu-central-1,us-east-1
      tidegate plan --regions eu-central-1=2000,us-east-1=1000 --out fleet.tfvars
      tidegate plan --players 500 --regions eu-west-1 --up 5 --down 30 --json
    """
    from dataclasses import replace

    from tidegate.capacity import MACHINES, TYPICAL
    from tidegate.errors import StartError
    from tidegate.fleet_plan import Demand, make_plan, read_regions

    if game not in TYPICAL:
        raise StartError(f"--game: there is no game {game!r}; write {', '.join(TYPICAL)}")
    if instance_type not in MACHINES:
        raise StartError(f"--instance-type: {instance_type!r} is not known here; write {', '.join(MACHINES)}")
    traffic = replace(
        TYPICAL[game],
        frames_up_per_second=TYPICAL[game].frames_up_per_second if up is None else up,
        frames_down_per_second=TYPICAL[game].frames_down_per_second if down is None else down,
    )
    demand = Demand(read_regions(regions, players), game, traffic, busy=busy / 100, mean=mean / 100, spare=spare)
    result = make_plan(demand, MACHINES[instance_type])
    from tidegate.fleet_plan_files import describe_plan, print_plan, write_variables

    if out is not None:
        write_variables(result, out, replace=force)
    if json:
        import json as json_module

        print(json_module.dumps(describe_plan(result), indent=2))
    else:
        print_plan(result)
