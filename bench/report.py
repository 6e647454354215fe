"""The results on the terminal: one table for each load, then the floors."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from bench.contestants import Contestant
from bench.figures import PEER, Figure, Results
from bench.floors import Verdict
from bench.loads import Load
from bench.run import Plan

NOTHING = "–"

LATE_US = 50_000
"""Ten times a common scheduling delay on a machine with more to do than cores."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: a figure in some unit, or with ``is_ratio`` its ratio to the peer's."""

    heading: str
    figure: Figure
    form: str = "{:.2f}"
    per_unit: float = 1.0
    is_ratio: bool = False


def _ratio(figure: Figure) -> Column:
    return Column("÷ HAProxy", figure, is_ratio=True)


_ERRORS = (Column("lost", Figure.LOST, "{:,.0f}"), Column("refused", Figure.REFUSED, "{:,.0f}"))

BUSY_COLUMNS = (
    Column("packets/s", Figure.PACKETS_PER_SECOND, "{:,.0f}"),
    _ratio(Figure.PACKETS_PER_SECOND),
    Column("CPU µs/packet", Figure.CPU_US_PER_PACKET),
    _ratio(Figure.CPU_US_PER_PACKET),
    Column("p50 ms", Figure.P50_US, per_unit=1000),
    Column("p99 ms", Figure.P99_US, per_unit=1000),
    Column("p99.9 ms", Figure.P999_US, per_unit=1000),
    *_ERRORS,
)
IDLE_COLUMNS = (
    Column("KiB/session", Figure.MEMORY_BYTES_PER_SESSION, per_unit=1024),
    _ratio(Figure.MEMORY_BYTES_PER_SESSION),
    *_ERRORS,
)


def print_results(console: Console, plan: Plan, results: Results) -> None:
    """Print a table for each load, and why somebody is missing from them."""
    for load in plan.loads:
        console.print(_table(load, plan, results))
    for line in (*_missing(results), *_late(plan, results)):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def print_floors(console: Console, verdicts: Sequence[Verdict]) -> None:
    """Print how each floor fared."""
    for verdict in verdicts:
        console.print(verdict.describe(), highlight=False, markup=False, soft_wrap=True)


def _missing(results: Results) -> Iterator[str]:
    reasons: dict[str, list[str]] = {}
    for (load_name, contestant), why in results.not_run.items():
        reasons.setdefault(f"{contestant} was not run: {why}", []).append(load_name)
    for reason, loads in reasons.items():
        yield f"{reason} (in {', '.join(loads)})"


def _late(plan: Plan, results: Results) -> Iterator[str]:
    """Say where the load generator itself fell behind: then it is the machine's limit that was measured."""
    for load in plan.loads:
        for contestant in plan.contestants:
            samples = results.samples.get((load.name, contestant.name), ())
            late_us = max((sample.result.late_max_us for sample in samples), default=0.0)
            if late_us > LATE_US:
                behind = f"the load itself fell up to {late_us / 1000:.0f} ms behind"
                yield f"{load.name}, {contestant.name}: {behind}: the machine was too busy"


def _table(load: Load, plan: Plan, results: Results) -> Table:
    columns = IDLE_COLUMNS if load.is_idle else BUSY_COLUMNS
    title = f"{load.title} (each process on its processor)" if plan.pins and load.is_pinned else load.title
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("")
    for column in columns:
        table.add_column(column.heading, justify="right")
    for contestant in plan.contestants:
        if (load.name, contestant.name) in results.not_run:
            table.add_row(contestant.title, "not run")
        elif (load.name, contestant.name) in results.samples:
            cells = (_cell(column, results, load.name, contestant.name) for column in columns)
            table.add_row(_describe(contestant, load, results), *cells)
    return table


def _describe(contestant: Contestant, load: Load, results: Results) -> str:
    sessions = results.samples[load.name, contestant.name][0].result.sessions
    return contestant.title if sessions == load.sessions else f"{contestant.title}, {sessions:,} sessions"


def _cell(column: Column, results: Results, load: str, contestant: str) -> str:
    if column.is_ratio:
        value = results.ratio(load, contestant, column.figure) if contestant != PEER else None
    else:
        value = results.figure(load, contestant, column.figure)
    return NOTHING if value is None else column.form.format(value / column.per_unit)
