"""Runs the demo: a scripted game server, a core, edges and bots, and judges what came of it.

The relays and the game server are processes of their own with gRPC and TCP between them; the bots play in this
one. Exit status 0 only if every bot finished and nothing was lost, doubled or reordered, in either direction.
A child that ends early or hangs ends the demo soon, with its name.
"""

import asyncio
import contextlib
import json
import sys
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

from rich.console import Console
from rich.live import Live

from fleet.address import Address
from games.pko.sim.options import PlayerOptions
from tidegate.children import Child, ChildError, OnEvent
from tidegate.demo.table import EdgeFigures, Row, build_table, describe_row
from tidegate.process import run_until_signal
from tidegate.sim.bots import LOGINS_PER_SECOND, BotFleet, FleetOptions
from tidegate.sim.fleet_result import FleetResult
from tidegate.sim.report import describe_fleet, describe_world

STATS_SECONDS = 0.25
REDRAW_SECONDS = 0.5
LINE_SECONDS = 5.0
WATCH_SECONDS = 0.1
PLAY_GRACE_SECONDS = 10.0
"""How much longer than planned the bots may take: less than they would themselves wait for a relay that hangs."""

DRAIN_SECONDS = 2.0
"""Less than a child has to end: a relay must not wait for a neighbour that hangs."""

DEATH_SECONDS = 1.0
"""Bots hear of a death by their sockets, a little before the system reports it."""

ANY_PORT = "127.0.0.1:0"


_Result = TypeVar("_Result")


def run_demo(*, seconds: float, bots: int, edges: int) -> int:
    """Show the network with ``bots`` on ``edges`` for ``seconds``; return the exit status."""
    console = Console()
    return run_until_signal(lambda stopping: Demo(console, seconds, bots, edges).run(stopping))


class Demo:
    """One run of the demo."""

    def __init__(self, console: Console, seconds: float, bots: int, edges: int) -> None:
        self._console = console
        self._seconds = seconds
        self._bots = bots
        self._edge_count = edges
        self._figures: dict[str, EdgeFigures] = {}
        self._children: list[Child] = []
        self._fleet: BotFleet | None = None

    async def run(self, stopping: asyncio.Event) -> int:
        """Start everything, play, end everything, judge."""
        try:
            server, targets = await self._watched(self._start())
            result = await self._watched(self._play(targets, stopping))
            if not self._is_good(result, was_interrupted=stopping.is_set()):
                await self._find_dead()
            report = json.loads(await server.finish())
        except ChildError as error:
            await self._stop_children()
            self._explain(error)
            return 1
        finally:
            await self._stop_children()
        return self._judge(result, report, was_interrupted=stopping.is_set())

    async def _watched(self, doing: Coroutine[Any, Any, _Result]) -> _Result:
        """Do it while all children live; raises ChildError with the name of one that has ended."""
        task = asyncio.create_task(doing, name="demo: doing")
        watching = asyncio.create_task(self._watch(), name="demo: watch")
        try:
            await asyncio.wait({task, watching}, return_when=asyncio.FIRST_COMPLETED)
            if watching.done():
                watching.result()
            return task.result()
        finally:
            for each in (task, watching):
                each.cancel()
            await asyncio.gather(task, watching, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            for child in self._children:
                child.check()
            await asyncio.sleep(WATCH_SECONDS)

    async def _find_dead(self) -> None:
        """Something went wrong: give the system a moment to say which child has ended; raises ChildError."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DEATH_SECONDS):
                await self._watch()

    async def _stop_children(self) -> None:
        await asyncio.gather(*(child.stop() for child in reversed(self._children)))

    def _explain(self, error: ChildError) -> None:
        """Say on standard error what went wrong, and who hung."""
        hung = [
            f"{child.name} did not react to SIGTERM and was killed." for child in self._children if child.was_killed
        ]
        with contextlib.suppress(OSError):
            print("\n".join((f"tidegate demo: {error}", *hung)), file=sys.stderr)

    async def _start(self) -> tuple[Child, list[Address]]:
        self._say(f"Starting a scripted game server, a core and {self._edge_count} edges …")
        server = self._child("game server")
        origin = await server.start("sim", "server", "--listen", ANY_PORT, "--json")
        logging = ("--log-format", "json", "--set", f"log.stats_seconds={STATS_SECONDS}")
        drain = ("--set", f"core.drain_seconds={DRAIN_SECONDS}", "--set", f"edge.drain_seconds={DRAIN_SECONDS}")
        settings = (*logging, *drain)
        core = self._child("core", self._on_core_event)
        tunnels = await core.start(
            "core", "--listen", ANY_PORT, "--game", "pko", "--origin", str(origin), "--name", "core", *settings
        )
        targets: list[Address] = []
        for number in range(1, self._edge_count + 1):
            name = f"edge-{number}"
            figures = self._figures[name] = EdgeFigures(name)
            edge = self._child(name, _edge_reader(figures))
            targets.append(
                await edge.start("edge", "--listen", ANY_PORT, "--core", str(tunnels), "--name", name, *settings)
            )
        where = ", ".join(f"{name} at {address}" for name, address in zip(self._figures, targets, strict=True))
        self._say(f"{where}; core at {tunnels}; game server at {origin}.")
        return server, targets

    def _say(self, text: str, style: str = "") -> None:
        with contextlib.suppress(OSError):  # the terminal was closed
            self._console.print(text, style=style, highlight=False, markup=False, soft_wrap=True)

    def _child(self, name: str, on_event: OnEvent | None = None) -> Child:
        child = Child(name, on_event)
        self._children.append(child)
        return child

    def _on_core_event(self, event: Mapping[str, Any]) -> None:
        if event.get("event") == "core_stats" and event.get("edge") in self._figures:
            self._figures[event["edge"]].take_core_stats(event)

    async def _play(self, targets: list[Address], stopping: asyncio.Event) -> FleetResult:
        player = PlayerOptions(account=b"bot", play_seconds=self._seconds)
        self._fleet = BotFleet(targets, FleetOptions(bots=self._bots, player=player))
        playing = asyncio.create_task(self._fleet.run(), name="demo: bots")
        showing = asyncio.create_task(self._show(), name="demo: table")
        interrupted = asyncio.create_task(stopping.wait(), name="demo: interrupt")
        try:
            limit_seconds = self._seconds + self._bots / LOGINS_PER_SECOND + PLAY_GRACE_SECONDS
            await asyncio.wait({playing, interrupted}, timeout=limit_seconds, return_when=asyncio.FIRST_COMPLETED)
            if interrupted.done():
                self._fleet.stop()
                await asyncio.wait({playing}, timeout=PLAY_GRACE_SECONDS)
            if showing.done():
                showing.result()
            if not playing.done():
                raise ChildError("the bots did not finish in time.")
            return playing.result()
        finally:
            for task in (playing, showing, interrupted):
                task.cancel()
            await asyncio.gather(playing, showing, interrupted, return_exceptions=True)

    async def _show(self) -> None:
        """Redraw the table, or print lines where there is no terminal."""
        if not self._console.is_terminal:
            while True:
                await asyncio.sleep(LINE_SECONDS)
                for row in self._rows():
                    self._say(describe_row(row))
        title = f"{self._bots} bots walking and chatting for {self._seconds:g} s"
        with (
            contextlib.suppress(OSError),  # the terminal was closed
            Live(console=self._console, auto_refresh=False) as live,
            contextlib.suppress(asyncio.CancelledError),
        ):
            while True:
                live.update(build_table(self._rows(), title), refresh=True)
                await asyncio.sleep(REDRAW_SECONDS)

    def _rows(self) -> list[Row]:
        statistics = self._fleet.statistics() if self._fleet is not None else []
        return [
            figures.row(statistics[index] if index < len(statistics) else None)
            for index, figures in enumerate(self._figures.values())
        ]

    def _is_good(self, result: FleetResult, *, was_interrupted: bool) -> bool:
        return result.is_clean and (was_interrupted or result.bots == self._bots)

    def _judge(self, result: FleetResult, report: Mapping[str, Any], *, was_interrupted: bool) -> int:
        """Print the summary and decide: the bots' ledgers say it of one direction, the server's of the other."""
        ledger = report["ledger"]
        server_clean = not (ledger["lost"] or ledger["doubled"] or ledger["reordered"])
        self._say(f"\n{describe_fleet(result.summary())}\n{describe_world(report)}")
        finished = result.outcomes.get("ok", 0)
        good = server_clean and self._is_good(result, was_interrupted=was_interrupted)
        verdict = "nothing lost, doubled or reordered" if result.ledger.is_clean and server_clean else "NOT CLEAN"
        style = "bold green" if good else "bold red"
        self._say(f"{finished} of {self._bots} bots finished; {verdict}.", style)
        return 0 if good else 1


def _edge_reader(figures: EdgeFigures) -> OnEvent:
    def read(event: Mapping[str, Any]) -> None:
        if event.get("event") == "edge_stats":
            figures.take_edge_stats(event)

    return read
