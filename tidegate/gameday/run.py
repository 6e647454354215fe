"""Runs a game day: starts the network and the bots, lets one fault do its work, ends everything, and judges.

The bots and the proxies live in this process, the relays and the origin in processes of their own that end with it.
Ctrl-C ends the fault and heals what it broke; the ledger so far is printed all the same.
"""

import asyncio
import contextlib
import json
import sys
from random import Random
from time import monotonic, process_time

from rich.console import Console

from tidegate.children import ChildError
from tidegate.gameday.crowd import Crowd
from tidegate.gameday.day import DayOptions, Fault, GameDay, Outcome
from tidegate.gameday.network import Network
from tidegate.gameday.progress import showing
from tidegate.gameday.report import Report, describe
from tidegate.gameday.settling import settle
from tidegate.process import run_until_signal, spare_the_collector

JOIN_SECONDS = 60.0
STEADY_SECONDS = 1.0
"""How long the bots play before the first fault."""

DRAIN_SECONDS = 10.0
"""How long frames that are under way at the end may take before they count as lost."""

WATCH_SECONDS = 0.2
EXIT_BAD = 1


def run_gameday(fault: Fault, options: DayOptions) -> int:
    """Run one fault; return the exit status: 0 only if everything it must show holds."""
    console = Console(stderr=options.json)
    return run_until_signal(lambda stopping: _Run(fault, options, console).run(stopping))


class _Run:
    """One game day."""

    def __init__(self, fault: Fault, options: DayOptions, console: Console) -> None:
        self._fault = fault
        self._options = options
        self._console = console
        self._network = Network(fault.layout(options))
        self._crowd: Crowd | None = None

    async def run(self, stopping: asyncio.Event) -> int:
        try:
            day = await self._begin()
            with showing(self._console, day, self._fault.title):
                was_interrupted = await self._play(day, stopping)
            report = await self._end(day, was_interrupted=was_interrupted)
        except (ChildError, OSError, TimeoutError) as error:
            print(f"tidegate gameday: {str(error) or 'the origin does not answer'}", file=sys.stderr)
            return EXIT_BAD
        finally:
            if self._crowd is not None:
                await self._crowd.stop()
            await self._network.stop()
        if self._options.json:
            print(json.dumps(report.as_data()))
        with contextlib.suppress(OSError):  # the terminal was closed
            self._say(describe(report))
        return 0 if report.is_good else EXIT_BAD

    async def _begin(self) -> GameDay:
        options = self._options
        self._say(
            f"{self._fault.name}: {self._fault.title}. {options.bots} bots, {options.frames_per_second:g} frames/s each"
        )
        await self._network.start()
        crowd = self._crowd = Crowd(
            self._network.players_at, bots=options.bots, frames_per_second=options.frames_per_second
        )
        try:
            async with asyncio.timeout(JOIN_SECONDS):
                await crowd.join()
        except TimeoutError:
            why = ", ".join(f"{reason} ({count} times)" for reason, count in crowd.failed_logins.most_common(3))
            raise ChildError(f"{crowd.playing} of {options.bots} bots got to play. {why}") from None
        spare_the_collector()
        await asyncio.sleep(STEADY_SECONDS)
        return GameDay(options, self._network, crowd, Random(options.seed), self._say)  # noqa: S311 - no secret

    async def _play(self, day: GameDay, stopping: asyncio.Event) -> bool:
        """Let the fault do its work; return whether it was interrupted. Raises ChildError when a process dies of it."""
        began, cpu_began = monotonic(), process_time()
        breaking = asyncio.create_task(self._fault.run(day), name="gameday: fault")
        watching = asyncio.create_task(self._watch(), name="gameday: watch")
        told = asyncio.create_task(stopping.wait(), name="gameday: interrupt")
        try:
            await asyncio.wait({breaking, watching, told}, return_when=asyncio.FIRST_COMPLETED)
            if watching.done():
                watching.result()
            if breaking.done():
                breaking.result()
            return not breaking.done()
        finally:
            for task in (breaking, watching, told):
                task.cancel()
            await asyncio.gather(breaking, watching, told, return_exceptions=True)
            lasted = monotonic() - began
            day.figures["fault lasted"] = f"{lasted:.1f} s"
            share = (process_time() - cpu_began) / max(lasted, 1e-3)
            day.figures["bots and proxies took"] = f"{share:.0%} of a processor core"
            await day.restore()

    async def _watch(self) -> None:
        while True:
            self._network.check()
            await asyncio.sleep(WATCH_SECONDS)

    async def _end(self, day: GameDay, *, was_interrupted: bool) -> Report:
        crowd = day.crowd
        ledger, was_drained = await settle(crowd, self._network.origin, day.probe_records, DRAIN_SECONDS)
        ended, failed = crowd.ended, crowd.failed_logins
        await crowd.leave()
        await self._network.stop()
        outcome = Outcome(
            ledger=ledger,
            ended=ended,
            failed_logins=failed,
            closed_by_relays={relay.name: relay.log.closed for relay in self._network.relays},
            refused_by_relays={relay.name: relay.log.refused for relay in self._network.relays},
            complaints={relay.name: relay.log.complaints for relay in self._network.relays},
            was_drained=was_drained,
            was_interrupted=was_interrupted,
        )
        return Report(self._fault.name, self._fault.title, day, outcome, self._fault.musts(day, outcome))

    def _say(self, text: str) -> None:
        with contextlib.suppress(OSError):  # the terminal was closed
            self._console.print(text, highlight=False, markup=False, soft_wrap=True)
