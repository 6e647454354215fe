"""``python -m bench.siege_bots``: bots that play through a siege, their round trips counted by phase.

Started by `bench.siege`. Prints ``playing`` when all of them are in the world. Each line of standard input says which
phase the round trips since the line before belong to, so that it can be decided afterwards; an empty line, to none.
When the input ends the bots log out, and one line of JSON says what became of them and how long round trips took.
"""

import argparse
import asyncio
import gc
import json
import os
import sys
from statistics import median

from bench.processes import LOOPBACK
from fleet.address import Address
from games.pko.sim.histogram import Histogram
from games.pko.sim.options import PlayerOptions
from tidegate.process import STANDARD_INPUT, run_until_signal
from tidegate.sim.bots import BotFleet, FleetOptions
from tidegate.sim.fleet_result import TargetStatistics

QUIET = "quiet"
ATTACKED = "attacked"
DISTURBED = "disturbed "
"""Begins the name of a phase while somebody else used the machine."""

FOREVER_SECONDS = 86_400.0
LOOK_SECONDS = 0.1


class Phases:
    """Round trips of one target by phase, each phase in windows."""

    def __init__(self, target: TargetStatistics) -> None:
        self._target = target
        self._before = Histogram()
        self._windows: dict[str, list[Histogram]] = {}

    def file(self, phase: str) -> None:
        """What was recorded since the last call belongs to this phase; with an empty one, to none."""
        so_far = self._target.round_trips.copy()
        if phase:
            self._windows.setdefault(phase, []).append(so_far.since(self._before))
        self._before = so_far

    def summary(self) -> dict[str, dict[str, float]]:
        """Return count and percentiles of each phase, and of quiet and attack with and without what was disturbed."""
        groups = dict(self._windows)
        calm = [name for name in groups if not name.startswith(DISTURBED)]
        names = {
            QUIET: [name for name in calm if name == QUIET],
            ATTACKED: [name for name in calm if name != QUIET],
            f"{QUIET}, all": [name for name in groups if name.removeprefix(DISTURBED) == QUIET],
            f"{ATTACKED}, all": [name for name in groups if name.removeprefix(DISTURBED) != QUIET],
        }
        groups |= {title: [window for name in found for window in groups[name]] for title, found in names.items()}
        return {title: _describe(windows) for title, windows in groups.items() if not title.startswith(DISTURBED)}


def _describe(windows: list[Histogram]) -> dict[str, float]:
    total = Histogram()
    for window in windows:
        total.merge(window)
    summary = total.summary()
    p99s = [window.percentile(99) for window in windows if window.count]
    return {
        "count": summary["count"],
        "windows": len(windows),
        "p50_milliseconds": summary["p50_milliseconds"],
        "p99_milliseconds": summary["p99_milliseconds"],
        "median_window_p99_milliseconds": round(median(p99s) * 1e3, 3) if p99s else 0.0,
    }


async def play(options: argparse.Namespace, stopping: asyncio.Event) -> int:
    """Play until standard input ends."""
    player = PlayerOptions(
        account=b"bot",
        play_seconds=FOREVER_SECONDS,
        moves_per_second=options.moves_per_second,
        min_move_interval_seconds=0.0,
        chat_seconds=3.0,
    )
    fleet = BotFleet([Address(LOOPBACK, options.port)], FleetOptions(bots=options.bots, player=player))
    target = fleet.statistics()[0]
    phases = Phases(target)
    playing = asyncio.ensure_future(fleet.run())
    while target.playing < options.bots and not playing.done() and not stopping.is_set():  # noqa: ASYNC110 - says none
        await asyncio.sleep(LOOK_SECONDS)
    gc.collect()
    gc.freeze()  # the bots' own collector is no part of a round trip
    print("playing", flush=True)
    loop = asyncio.get_running_loop()

    def heard() -> None:
        lines = os.read(STANDARD_INPUT, 4096).decode().splitlines()
        for name in lines:
            phases.file(name)
        if not lines:
            loop.remove_reader(STANDARD_INPUT)
            stopping.set()

    loop.add_reader(STANDARD_INPUT, heard)
    await stopping.wait()
    fleet.stop()
    result = await playing
    print(json.dumps({"clean": result.is_clean, "outcomes": result.outcomes, "phases": phases.summary()}), flush=True)
    return 0 if result.is_clean else 1


def main() -> int:
    """Read the options and play."""
    parser = argparse.ArgumentParser(prog="python -m bench.siege_bots", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--bots", type=int, required=True)
    parser.add_argument("--moves-per-second", type=float, required=True)
    options = parser.parse_args()
    return run_until_signal(lambda stopping: play(options, stopping))


if __name__ == "__main__":
    sys.exit(main())
