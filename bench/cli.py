"""The benchmark's command line: reads what to measure, has it measured, shows and judges it.

Exit status 0 if everything that was asked for was measured and no floor was missed, 1 otherwise, 2 for wrong
use, 130 after Ctrl-C. With --quick floors are shown but never decide.
"""

import asyncio
import signal
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.console import Console

from bench import plot, report, results
from bench.accounting import allow_many_open_files
from bench.contestants import CONTESTANTS, CONTESTANTS_BY_NAME, Contestant
from bench.errors import BenchError
from bench.figures import PEER, Results
from bench.floors import Verdict, judge_all
from bench.generator import Programs, build_programs
from bench.loads import LOADS, LOADS_BY_NAME, Load
from bench.run import Plan, measure_all

DEFAULT_OUTPUT = Path(__file__).parent / "results"
SECONDS, QUICK_SECONDS = 5.0, 1.5
ROUNDS, QUICK_ROUNDS = 3, 1

TABLE_COLUMNS = 150
"""Width of the tables where the output is no terminal."""

T = TypeVar("T")

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
)


@app.command()
def bench(
    *,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer loads and contestants, one round; a minute.")] = False,
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help=f"Contestants: {', '.join(CONTESTANTS_BY_NAME)}. Repeatable, or with commas."
        ),
    ] = None,
    load: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help=f"Loads: {', '.join(LOADS_BY_NAME)}. Repeatable, or with commas."),
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS", min=0.1, max=300, help=f"Length of a round; {SECONDS:g}, quick {QUICK_SECONDS:g}."
        ),
    ] = None,
    rounds: Annotated[
        int | None, typer.Option(metavar="COUNT", min=1, max=100, help=f"Rounds, of which the median counts; {ROUNDS}.")
    ] = None,
    pin: Annotated[bool, typer.Option(help="Flat out, give each process its processor.")] = True,
    output: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the results go.")] = DEFAULT_OUTPUT,
) -> None:
    """Measure the relay beside a pair of HAProxies and others.

    Everything runs on this machine, over loopback. Prints a table for each
    load, writes JSON and a plot, and holds the result against the floors.

    Exit status 0 only if everything that was asked for ran and no floor was
    missed; with --quick the floors are only shown.

    \b
    Examples:
      python -m bench --quick
      python -m bench
      python -m bench --load 1000x20 --only tidegate,haproxy --seconds 3
      python -m bench --load idle --only tidegate --rounds 1
    """
    loads = _chosen("--load", load, LOADS_BY_NAME) or [each for each in LOADS if each.is_quick or not quick]
    plan = Plan(
        loads=[replace(each, starts=1) for each in loads] if quick else loads,
        contestants=_chosen("--only", only, CONTESTANTS_BY_NAME)
        or [each for each in CONTESTANTS if each.is_quick or not quick],
        seconds=seconds or (QUICK_SECONDS if quick else SECONDS),
        rounds=rounds or (QUICK_ROUNDS if quick else ROUNDS),
        open_files=allow_many_open_files(),
        pins=pin,
    )
    try:
        raise typer.Exit(_measure_and_judge(plan, output, is_quick=quick))
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        raise typer.Exit(1) from None


def main() -> None:
    """Run the command line; does not return."""
    try:
        app(prog_name="python -m bench")
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit(130)


def _measure_and_judge(plan: Plan, output: Path, *, is_quick: bool) -> int:
    programs = build_programs()
    progress = Progress(sum(1 for _ in plan.turns()))
    measured = asyncio.run(_measure(plan, programs, progress))
    progress.clear()
    verdicts = judge_all(measured, {load.name for load in plan.loads})
    console = Console(width=None if sys.stdout.isatty() else TABLE_COLUMNS)
    report.print_results(console, plan, measured)
    report.print_floors(console, verdicts)
    _save(console, plan, measured, verdicts, output, is_quick=is_quick)
    complaints = _complaints(plan, measured, () if is_quick else verdicts)
    for complaint in complaints:
        print(f"bench: {complaint}", file=sys.stderr)
    return 1 if complaints else 0


async def _measure(plan: Plan, programs: Programs, progress: "Progress") -> Results:
    """Measure; SIGTERM ends it as Ctrl-C does, so that no relay is left running."""
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await measure_all(plan, programs, progress.show)


def _complaints(plan: Plan, measured: Results, verdicts: Iterable[Verdict]) -> list[str]:
    """Return why the exit status is not 0: floors, contestants that failed, and a peer that is not installed.

    A floor is not held against a run that left its peer out on purpose.
    """
    asked = {contestant.name: contestant for contestant in plan.contestants}
    missed = [each for each in verdicts if not each.is_met and each.needed <= asked.keys()]
    complaints = [f"floor {'unknown' if each.value is None else 'missed'}: {each.floor.title}" for each in missed]
    for (load, name), reason in measured.not_run.items():
        if name == PEER or not asked[name].missing_packages():
            complaints.append(f"{name} did not run in {load}: {reason}")
    return complaints


def _save(
    console: Console, plan: Plan, measured: Results, verdicts: list[Verdict], output: Path, *, is_quick: bool
) -> None:
    collected = results.collect(plan, measured, verdicts, is_quick=is_quick)
    path = results.write(output, collected)
    console.print(f"written: {path}", highlight=False, soft_wrap=True)
    machine = collected["machine"]
    caption = f"{collected['when'][:10]}, commit {collected['commit']}, {machine['cores']} × {machine['cpu']}"
    try:
        plot.draw(path.with_suffix(".png"), plan, measured, caption)
        console.print(f"written: {path.with_suffix('.png')}", highlight=False, soft_wrap=True)
    except BenchError as error:
        console.print(str(error), highlight=False, markup=False)


def _chosen(option: str, given: list[str] | None, known: Mapping[str, T]) -> list[T]:
    """Return what was named, in the order in which it is known."""
    names = {name.strip() for text in given or () for name in text.split(",") if name.strip()}
    if wrong := sorted(names - known.keys()):
        raise typer.BadParameter(f"{', '.join(wrong)}: known are {', '.join(known)}", param_hint=option)
    return [value for name, value in known.items() if name in names]


class Progress:
    """One line on standard error that says what is being measured."""

    def __init__(self, turns: int) -> None:
        self._turns = turns
        self._done = 0

    def show(self, number: int, load: Load, contestant: Contestant) -> None:
        """Say what comes now."""
        self._done += 1
        what = "round" if load.starts == 1 else "start"
        text = f"{self._done}/{self._turns}  {load.title}: {contestant.title}, {what} {number}"
        if sys.stderr.isatty():
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
        else:
            print(text, file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Remove the line again."""
        if sys.stderr.isatty():
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
