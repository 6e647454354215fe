"""A plan as a table, as JSON, and as a file of variables for ``infra/terraform``. Called by the command ``plan``."""

import contextlib
import json
import os
import tempfile
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from tidegate.errors import StartError
from tidegate.fleet_plan import FleetPlan, RegionPlan

_COLUMNS = ("region", "players", "edges", "spare", "at least", "a month to players")


def print_plan(plan: FleetPlan) -> None:
    """Print it for people."""
    console = Console(soft_wrap=True)
    table = Table(box=box.SIMPLE_HEAD, title=f"{plan.players} players of {plan.demand.game}", title_justify="left")
    for column in _COLUMNS:
        table.add_column(column, justify="left" if column == "region" else "right")
    for each in plan.regions:
        table.add_row(each.aws_region, *map(str, (each.players, each.needed, each.spare, each.least)), _size(each))
    console.print(table)
    console.print(
        f"An edge or a core on {plan.machine.name} takes {plan.capacity.sessions} players ({plan.capacity.bound_by})."
    )
    console.print(f"Cores: {plan.cores}; {plan.core_egress_bytes / 1e9:.0f} GB a month from them to the edges.")
    console.print("Assumed:")
    for text in plan.assumptions:
        console.print(f"  - {text}")


def describe_plan(plan: FleetPlan) -> dict[str, object]:
    """Return it as JSON has it."""
    return {
        "players": plan.players,
        "game": plan.demand.game,
        "instance_type": plan.machine.name,
        "workers": plan.capacity.workers,
        "sessions_per_instance": plan.capacity.sessions,
        "bound_by": plan.capacity.bound_by,
        "cores": plan.cores,
        "core_egress_bytes_per_month": round(plan.core_egress_bytes),
        "regions": [
            {
                "name": each.name,
                "region": each.aws_region,
                "players": each.players,
                "needed": each.needed,
                "spare": each.spare,
                "min": each.least,
                "max": each.most,
                "egress_bytes_per_month": round(each.egress_bytes),
            }
            for each in plan.regions
        ],
        "assumptions": list(plan.assumptions),
    }


def write_variables(plan: FleetPlan, path: Path, *, replace: bool) -> None:
    """Write the variables ``game``, ``core``, ``edges`` and ``redis``; the file is whole or not there.

    Raises StartError where it is there already and is not to be replaced, or cannot be written.
    """
    if path.suffix != ".tfvars":
        raise StartError(f"--out {path}: Terraform takes files of variables that end with .tfvars")
    if path.exists() and not replace:
        raise StartError(f"{path} is there already; --force replaces it")
    try:
        descriptor, fresh = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(format_variables(plan))
            os.chmod(fresh, 0o644)
            os.replace(fresh, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(fresh)
            raise
    except OSError as error:
        raise StartError(f"cannot write {path}: {error.strerror}") from error


def format_variables(plan: FleetPlan) -> str:
    """Return the file's text."""
    head = [f"# By `tidegate plan`, for {plan.players} players. What it goes by:"]
    head += [f"# - {text}" for text in plan.assumptions]
    core: dict[str, str | int] = {
        "instances": plan.cores,
        "spare": 1,
        "instance_type": plan.machine.name,
        "workers": plan.capacity.workers,
        "max_sessions": _limit(plan),
    }
    lines = [
        *head,
        "",
        f"game = {{ name = {json.dumps(plan.demand.game)} }}",
        "",
        f"core = {_object(core)}",
        "",
        "edges = {",
        *(f"  {each.name} = {_object(_edge(plan, each, index))}" for index, each in enumerate(plan.regions)),
        "}",
        "",
    ]
    if plan.cores > 1:
        lines += [
            "# Several cores share what they remember, and are found by Consul: give `consul` as well.",
            "redis = {}",
            "",
        ]
    return "\n".join(lines)


def _edge(plan: FleetPlan, each: RegionPlan, index: int) -> dict[str, str | int]:
    return {
        "region": each.aws_region,
        "prefix": f"10.{10 + 10 * index}.0.0/20",
        "instance_type": plan.machine.name,
        "workers": plan.capacity.workers,
        "min": each.least,
        "max": each.most,
        "sessions_per_instance": plan.capacity.sessions,
        "max_sessions": _limit(plan),
    }


def _limit(plan: FleetPlan) -> int:
    """Return where a relay refuses more players: as many again as it is meant for, while others start."""
    return min(2 * plan.capacity.sessions, 1_000_000)


def _object(values: dict[str, str | int]) -> str:
    return "{ " + ", ".join(f"{name} = {json.dumps(value)}" for name, value in values.items()) + " }"


def _size(each: RegionPlan) -> str:
    return f"{each.egress_bytes / 1e9:.0f} GB"
