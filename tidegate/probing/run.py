"""Runs the measurement for the command line: progress on a terminal, then a table or JSON."""

import asyncio
import json
import sys
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from tidegate.probing.measure import measure_all
from tidegate.probing.result import Result, rank
from tidegate.probing.targets import Target

EXIT_NO_ANSWER = 1
MIN_TABLE_COLUMNS = 100


def run_probe(targets: Sequence[Target], *, count: int, timeout_seconds: float, shows_json: bool) -> int:
    """Measure, print, and return the exit status: 1 when no edge answers."""
    done = 0

    def tell() -> None:
        nonlocal done
        done += 1
        if sys.stderr.isatty():
            end = "\n" if done == len(targets) else ""
            print(f"\rmeasured {done} of {len(targets)} edges", end=end, file=sys.stderr, flush=True)

    measured = asyncio.run(measure_all(targets, count=count, timeout_seconds=timeout_seconds, on_done=tell))
    ranked = rank(measured)
    if shows_json:
        print(json.dumps([each.as_fields() for each in ranked], ensure_ascii=False, indent=2))
    else:
        console = Console(highlight=False, markup=False)
        console.width = max(console.width, MIN_TABLE_COLUMNS)  # a pipe has no width, and why must not be cut
        console.print(build_table(ranked))
    return 0 if any(each.answers for each in ranked) else EXIT_NO_ANSWER


def build_table(ranked: Sequence[Result]) -> Table:
    """Return the table; edges that do not answer stand at its end, with why."""
    table = Table(box=box.SIMPLE, pad_edge=False)
    for heading in ("", "edge", "region", "state"):
        table.add_column(heading)
    for heading in ("load", "median", "p95", "jitter", "loss"):
        table.add_column(heading, justify="right")
    table.add_column("by")
    for number, each in enumerate(ranked, start=1):
        if not each.answers or each.state is None:
            table.add_row("-", each.target.name, each.target.region, each.problem, *[""] * 6)
            continue
        table.add_row(
            str(number),
            each.target.name,
            each.target.region,
            each.state.word,
            f"{each.state.load / 255:.0%}",
            *(f"{seconds * 1000:.1f} ms" for seconds in (each.median_seconds, each.p95_seconds, each.jitter_seconds)),
            f"{each.loss:.0%}",
            each.by,
        )
    return table
