"""The results as a picture: CPU per packet and round trips, for each load and contestant."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.figures import Figure, Results
from bench.run import Plan

Value = Callable[[str, str], float | None]


def draw(path: Path, plan: Plan, results: Results, caption: str) -> None:
    """Write a PNG; raises BenchError where matplotlib is missing."""
    try:
        from matplotlib.figure import Figure as Canvas
    except ImportError as error:
        raise BenchError("no plot: matplotlib is not installed (pip install -e '.[bench]')") from error
    canvas = Canvas(figsize=(12, 8), layout="constrained")
    upper, lower = canvas.subplots(2, 1)
    _draw_bars(upper, plan, lambda load, name: results.figure(load, name, Figure.CPU_US_PER_PACKET))
    upper.set_title("CPU time of both relays, µs per packet (less is better)")
    _draw_bars(lower, plan, lambda load, name: _milliseconds(results.figure(load, name, Figure.P50_US)))
    _draw_bars(lower, plan, lambda load, name: _milliseconds(results.figure(load, name, Figure.P99_US)), is_mark=True)
    lower.set_title("round trip, ms: p50 (bar) and p99 (mark)")
    for axes in (upper, lower):
        axes.set_yscale("log")  # the loads differ by a hundred times
        axes.grid(axis="y", alpha=0.3)
    lower.legend(ncols=3, fontsize="small")
    canvas.suptitle(caption, fontsize="small")
    canvas.savefig(path, dpi=110)


def _milliseconds(microseconds: float | None) -> float | None:
    return None if microseconds is None else microseconds / 1000


def _draw_bars(axes: Any, plan: Plan, value_of: Value, *, is_mark: bool = False) -> None:
    loads = [load for load in plan.loads if not load.is_idle]
    width = 0.8 / max(len(plan.contestants), 1)
    for index, contestant in enumerate(plan.contestants):
        values = [(place, value_of(load.name, contestant.name)) for place, load in enumerate(loads)]
        shown = [(place + (index + 0.5) * width - 0.4, value) for place, value in values if value is not None]
        places, heights = [place for place, _ in shown], [height for _, height in shown]
        if not shown:
            continue
        if is_mark:
            axes.scatter(places, heights, color=f"C{index}", edgecolors="black", linewidths=0.5, zorder=3, s=18)
        else:
            axes.bar(places, heights, width, color=f"C{index}", label=contestant.title)
    axes.set_xticks(range(len(loads)), [load.name for load in loads])
