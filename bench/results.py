"""The results as a file: everything that was measured, with machine, versions, commit and settings."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.figures import PEER, Figure, Results
from bench.floors import Verdict
from bench.machine import current_commit, describe_machine, describe_versions
from bench.run import Plan

COMPARED = (Figure.CPU_US_PER_PACKET, Figure.PACKETS_PER_SECOND, Figure.P50_US, Figure.MEMORY_BYTES_PER_SESSION)
"""Of what ratios to the peer are given."""


def collect(plan: Plan, results: Results, verdicts: Sequence[Verdict], *, is_quick: bool) -> dict[str, Any]:
    """Return everything as plain data."""
    return {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": current_commit(),
        "machine": describe_machine(),
        "versions": describe_versions(),
        "settings": {
            "quick": is_quick,
            "seconds": plan.seconds,
            "warm_up_seconds": plan.warm_up_seconds,
            "rounds": plan.rounds,
            "pins": plan.pins,
            "ratios_to": PEER,
        },
        "loads": {load.name: asdict(load) | {"measured": _measured(load.name, plan, results)} for load in plan.loads},
        "floors": [
            {"title": each.floor.title, "limit": each.floor.limit, "value": each.value, "met": each.is_met}
            | ({"reason": each.reason} if each.value is None else {})
            for each in verdicts
        ],
    }


def _measured(load: str, plan: Plan, results: Results) -> dict[str, Any]:
    measured: dict[str, Any] = {}
    for contestant in plan.contestants:
        name = contestant.name
        if (load, name) in results.not_run:
            measured[name] = {"not_run": results.not_run[load, name]}
        elif samples := results.samples.get((load, name)):
            ratios = {figure: results.ratio(load, name, figure) for figure in COMPARED}
            measured[name] = {
                "figures": results.figures(load, name),
                "ratios": {figure: ratio for figure, ratio in ratios.items() if ratio is not None},
                "rounds": [asdict(sample) for sample in samples],
            }
    return measured


def write(folder: Path, collected: dict[str, Any]) -> Path:
    """Write the results to a file named by day and commit, and return where."""
    folder.mkdir(parents=True, exist_ok=True)
    suffix = "-quick" if collected["settings"]["quick"] else ""
    path = folder / f"{collected['when'][:10]}-{collected['commit']}{suffix}.json"
    path.write_text(json.dumps(collected, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path
