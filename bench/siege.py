"""``python -m bench.siege``: does an edge keep its players playing while it is attacked?

Starts a scripted game server, a core and an edge, and bots that play all the time: in quiet, through an attack, and in
quiet again. Prints their round trips of both, and what became of the attackers. Everything is on this machine;
attackers come from 127.0.0.2, which the edge does not exempt from its limits.

    silent   connections that say nothing
    drip     connections that send one byte a second
    churn    new connections every second, with browsers', TLS and random bytes

The phases of an attack are told apart: attackers arrive, stand (all are there, none is closed yet), and are closed. Who
sends a byte a second is closed soon after the first one; with `--frame-seconds 0` at the login deadline, as silent ones
are.
"""

import argparse
import asyncio
import json
import math
import os
import re
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import fields
from typing import Any

from bench.accounting import families_of, machine_seconds, own_bytes, processor_seconds
from bench.errors import BenchError
from bench.generator import Programs, build_programs
from bench.processes import LOOPBACK, Process, free_port, running
from bench.siege_bots import ATTACKED, DISTURBED, QUIET
from edge.player_link import Deadlines
from games.pko.sim.options import PlayerOptions

KINDS = ("silent", "drip", "churn")

STANDING_SECONDS = 20
"""How long all attackers are there at once, unless a deadline is asked for."""

SPARE_SECONDS = 20
"""How much longer than it should last an attack is waited for."""

IDLE_SECONDS = 60
"""How much later than the login deadline silence alone would be the reason."""

MEMORY_SECONDS = 2.0
LOGIN_SECONDS = 60.0

WINDOW_SECONDS = 5.0

DISTURBED_PROCESSORS = 0.1
"""Of one processor, used by processes that are none of ours: the window's round trips say nothing about the relays."""

_REFUSED = re.compile(r'"timestamp": "[^"]*T([0-9:]+)[^"]*".*"event": "refused", "reason": "(\w+)"')
_PHASE = re.compile(r"^phase (\w+)$")


@asynccontextmanager
async def relay(
    role: str, *arguments: str, on_line: Callable[[str], object] | None = None
) -> AsyncIterator[tuple[Process, int]]:
    """A running edge or core and its port."""
    port = free_port()
    command = (sys.executable, "-m", "tidegate", role, "--listen", f"{LOOPBACK}:{port}", "--log-format", "json")
    async with running(f"tidegate {role}", *command, *arguments, on_line=on_line) as process:
        await process.wait_for(r"ready")
        yield process, port


@asynccontextmanager
async def patient_server() -> AsyncIterator[int]:
    """A scripted game server that waits for logins longer than any edge does; its port."""
    port = free_port()
    patience = "login_seconds=3600.0, silence_seconds=3600.0, keep_alive_seconds=30.0, max_connections=100_000"
    program = f"run_server(listen=Address('{LOOPBACK}', {port}), options=WorldOptions({patience}))"
    imports = "from fleet.address import Address; from games.pko.sim.options import WorldOptions"
    own = "from tidegate.process import spare_the_collector; from tidegate.sim.server import run_server"
    command = f"{imports}; {own}; spare_the_collector(); {program}"
    async with running("sim server", sys.executable, "-c", command) as process:
        await process.wait_for(r"ready")
        yield port


@asynccontextmanager
async def bots(port: int, options: argparse.Namespace) -> AsyncIterator[Process]:
    """Bots that play, all of them in the world."""
    amount = ("--bots", str(options.bots), "--moves-per-second", str(options.moves_per_second))
    command = (sys.executable, "-m", "bench.siege_bots", "--port", str(port), *amount)
    async with running("bots", *command) as process:
        await process.wait_for(r"^playing$", LOGIN_SECONDS)
        yield process


async def attack(
    programs: Programs, port: int, options: argparse.Namespace, on_phase: Callable[[str], None]
) -> dict[str, Any]:
    """Attack, and return what became of the attackers; times are in seconds."""

    def hear(line: str) -> None:
        if found := _PHASE.match(line):
            on_phase(found.group(1))

    seconds = options.connections / options.rate + deadline_seconds(options) + SPARE_SECONDS
    amount = (f"connections={options.connections}", f"rate={options.rate}", f"seconds={seconds}")
    command = (programs.attack, f"kind={options.kind}", f"port={port}", *amount)
    async with running("attackers", *command, on_line=hear) as process:
        await process.finish()
        report: dict[str, Any] = json.loads(process.last_words.splitlines()[-1])
        return report


class Filing:
    """Tells the bots which phase their round trips belong to, in windows, and whether somebody else disturbed it."""

    def __init__(self, players: Process) -> None:
        self._players = players
        self._phase = ""
        self._since = 0.0
        self._used = 0.0

    def turn(self, phase: str) -> None:
        """File what was since the last turn, and begin a window of this phase."""
        now = time.monotonic()
        used = machine_seconds() - processor_seconds(families_of((os.getpid(),)))
        is_disturbed = used - self._used > DISTURBED_PROCESSORS * (now - self._since)
        self._players.tell(DISTURBED + self._phase if self._phase and is_disturbed else self._phase)
        self._phase, self._since, self._used = phase, now, used

    async def run(self) -> None:
        """Begin windows until cancelled."""
        while True:
            await asyncio.sleep(WINDOW_SECONDS)
            self.turn(self._phase)


async def siege(options: argparse.Namespace) -> dict[str, Any]:
    """Play without an attack, with one, and without again; raises BenchError."""
    programs = build_programs()
    seen: Counter[tuple[str, str]] = Counter()

    def count(line: str) -> None:
        if found := _REFUSED.search(line):
            seen[found.group(1), found.group(2)] += 1

    async with (
        patient_server() as origin,
        relay("core", "--game", "pko", "--origin", f"{LOOPBACK}:{origin}") as (core, core_port),
        relay("edge", "--core", f"{LOOPBACK}:{core_port}", *edge_settings(options), on_line=count) as (edge, port),
        bots(port, options) as players,
    ):
        relays = families_of((edge.pid, core.pid))
        filing = Filing(players)
        windows = asyncio.create_task(filing.run())
        filing.turn(QUIET)
        await asyncio.sleep(options.quiet_seconds)
        before = own_bytes(relays)
        peaks = [before]

        async def watch() -> None:
            while True:
                await asyncio.sleep(MEMORY_SECONDS)
                peaks.append(await asyncio.to_thread(own_bytes, relays))

        watching = asyncio.create_task(watch())
        filing.turn("")  # the attackers' start is nobody's time
        outcome = await attack(programs, port, options, lambda phase: filing.turn(QUIET if phase == "over" else phase))
        watching.cancel()
        await asyncio.sleep(options.quiet_seconds)
        filing.turn("")
        windows.cancel()
        await players.finish()
        report = json.loads(players.last_words.splitlines()[-1])
    phases = report["phases"]
    ratios = {
        name: round(phases[ATTACKED][name] / phases[QUIET][name], 2) if phases[QUIET][name] else "never undisturbed"
        for name in ("p99_milliseconds", "median_window_p99_milliseconds")
    }
    return {
        "bots": {"clean": report["clean"], "outcomes": report["outcomes"]},
        **{f"round trips, {name}": figures for name, figures in phases.items()},
        "attacked to quiet": ratios,
        "connected": outcome["connected"],
        "could not connect": outcome["failed"],
        "closed by the edge": outcome["closed"],
        "login deadline": f"{deadline_seconds(options)} s",
        "deadline of a packet that was begun": f"{options.frame_seconds:g} s" if options.frame_seconds else "none",
        "closed after (least / median / most)": " / ".join(map(str, outcome["closed_after"])) + " s",
        "most KiB per connection, edge and core": round((max(peaks) - before) / 1024 / max(1, outcome["connected"]), 1),
        "most log lines of one second and reason": max(seen.values(), default=0),
    }


def deadline_seconds(options: argparse.Namespace) -> int:
    """Return the login deadline: the one asked for, or one that has all attackers stand there at once."""
    seconds: int = options.login_seconds
    return seconds or math.ceil(options.connections / options.rate) + STANDING_SECONDS


def edge_settings(options: argparse.Namespace) -> list[str]:
    """Return the edge's settings: bots are exempt from limits on addresses, attackers not."""
    room = options.connections + options.bots + 500
    deadline = deadline_seconds(options)
    settings = [f"edge.login_seconds={deadline}", f"edge.idle_seconds={deadline + IDLE_SECONDS}"]
    settings += [f"edge.frame_seconds={options.frame_seconds}"]
    settings += [f'edge.exempt=["{LOOPBACK}/32"]', f"edge.max_sessions={room}"]
    if not options.limits:
        names = ("max_per_address", "max_per_prefix", "prefix_accepts_per_second", "accepts_per_second")
        settings += [f"edge.{name}=0" for name in names]
    return [word for each in settings for word in ("--set", each)]


def main() -> None:
    """Read the options, besiege, print."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.siege", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--rate", type=float, default=100, help="new connections a second")
    parser.add_argument("--bots", type=int, default=200)
    moves = next(each.default for each in fields(PlayerOptions) if each.name == "moves_per_second")
    parser.add_argument("--moves-per-second", type=float, default=moves, help=f"what each bot does; by default {moves}")
    parser.add_argument("--quiet-seconds", type=int, default=30, help="how long bots play before it, and after it")
    parser.add_argument(
        "--login-seconds",
        type=int,
        default=0,
        help=f"the edge's login deadline; 0 has all connections stand there for {STANDING_SECONDS} s",
    )
    parser.add_argument(
        "--frame-seconds",
        type=float,
        default=(usual := Deadlines().frame_seconds),
        help=f"the edge's deadline of a packet that was begun, by default {usual:g}; 0 has connections that send a byte"
        " a second stand there as long as silent ones",
    )
    parser.add_argument("--limits", action="store_true", help="keep the default limits on addresses and rates")
    options = parser.parse_args()
    try:
        for name, value in asyncio.run(siege(options)).items():
            print(f"{name}: {value}", flush=True)
    except BenchError as error:
        print(f"siege: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
