"""``python -m bench.siege``: does an edge keep its players playing while it is attacked?

Starts a scripted game server, a core and an edge, lets bots play without an attack, then during one, and prints both
beside what became of the attackers. Everything is on this machine; attackers come from 127.0.0.2, which the edge does
not exempt from its limits.

    silent   connections that say nothing
    drip     connections that send one byte a second
    churn    new connections every second, with browsers', TLS and random bytes
"""

import argparse
import asyncio
import json
import random
import re
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from bench.accounting import families_of, memory_bytes
from bench.processes import LOOPBACK, Process, free_port, running

ATTACKER = "127.0.0.2"
DRIPS = b"\x3f\xff" + b"\x01" * 600
"""The beginning of a long frame that never becomes whole."""

_REFUSED = re.compile(r'"timestamp": "[^"]*T([0-9:]+)[^"]*".*"event": "refused", "reason": "(\w+)"')

WORDS = (
    b"GET / HTTP/1.1\r\nHost: example.org\r\nUser-Agent: Mozilla/5.0\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
)


@dataclass
class Outcome:
    """What became of the attackers."""

    connected: int = 0
    failed: int = 0
    closed_after: list[float] = field(default_factory=list)
    told_bytes: int = 0


class Attacker(asyncio.Protocol):
    """One hostile connection."""

    def __init__(self, outcome: Outcome, word: bytes) -> None:
        self.outcome = outcome
        self.word = word
        self.since = 0.0
        self.dripped = 0
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say the first word; called by the loop."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - TCP
        self.transport = transport
        self.since = time.monotonic()
        self.outcome.connected += 1
        if self.word:
            transport.write(self.word)

    def drip(self) -> None:
        """Send one more byte."""
        if self.transport is not None:
            self.transport.write(DRIPS[self.dripped : self.dripped + 1])
            self.dripped += 1

    def data_received(self, data: bytes) -> None:
        """Count what the edge says; called by the loop."""
        self.outcome.told_bytes += len(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Note how long it lasted; called by the loop."""
        del exc
        self.transport = None
        self.outcome.closed_after.append(time.monotonic() - self.since)


async def attack(kind: str, port: int, options: argparse.Namespace, outcome: Outcome) -> None:
    """Connect at a steady rate, and send what the kind of attack sends, for as long as it lasts."""
    loop = asyncio.get_running_loop()
    chance = random.Random(1)  # noqa: S311 - repeatable
    attackers: list[Attacker] = []
    pending: set[asyncio.Task[object]] = set()
    begin = time.monotonic()
    last_drip = begin

    async def connect() -> None:
        word = b"" if kind != "churn" else chance.choice((*WORDS, chance.randbytes(chance.randint(1, 200))))
        try:
            _, attacker = await loop.create_connection(
                lambda: Attacker(outcome, word), LOOPBACK, port, local_addr=(ATTACKER, 0)
            )
        except OSError:
            outcome.failed += 1
        else:
            attackers.append(attacker)

    number = 0
    while (elapsed := time.monotonic() - begin) < options.seconds:
        while number < min(elapsed * options.rate, options.connections):
            number += 1
            task = loop.create_task(connect())
            pending.add(task)
            task.add_done_callback(pending.discard)
        if kind == "drip" and time.monotonic() - last_drip >= 1:
            last_drip = time.monotonic()
            for attacker in attackers:
                attacker.drip()
        await asyncio.sleep(0.005)
    for attacker in attackers:
        if attacker.transport is not None:
            attacker.transport.abort()


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
    command = f"{imports}; from tidegate.sim.server import run_server; {program}"
    async with running("sim server", sys.executable, "-c", command) as process:
        await process.wait_for(r"ready")
        yield port


async def play(port: int, bots: int, seconds: int) -> dict[str, Any]:
    """Let bots play and return what they report."""
    command = (sys.executable, "-m", "tidegate", "sim", "bots", "--connect", f"{LOOPBACK}:{port}", "--json")
    amount = ("--bots", str(bots), "--seconds", str(seconds), "--moves-per-second", "4")
    process = await asyncio.create_subprocess_exec(*command, *amount, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    report: dict[str, Any] = json.loads(out)
    times = report["round_trips"]
    return {
        "status": process.returncode,
        "outcomes": report["outcomes"],
        "p50_milliseconds": times["p50_milliseconds"],
        "p99_milliseconds": times["p99_milliseconds"],
        "round_trips": times["count"],
    }


async def siege(options: argparse.Namespace) -> dict[str, Any]:
    """Play without an attack, then with one."""
    seen: Counter[tuple[str, str]] = Counter()

    def count(line: str) -> None:
        if found := _REFUSED.search(line):
            seen[found.group(1), found.group(2)] += 1

    async with (
        patient_server() as origin,
        relay("core", "--game", "pko", "--origin", f"{LOOPBACK}:{origin}") as (core, core_port),
        relay("edge", "--core", f"{LOOPBACK}:{core_port}", *edge_settings(options), on_line=count) as (edge, port),
    ):
        quiet = await play(port, options.bots, options.quiet_seconds)
        relays = families_of((edge.pid, core.pid))
        before = memory_bytes(relays)
        peaks = [before]

        async def watch() -> None:
            while True:
                peaks.append(await asyncio.to_thread(memory_bytes, relays))
                await asyncio.sleep(1)

        watching = asyncio.create_task(watch())
        outcome = Outcome()

        async def play_later() -> dict[str, Any]:
            await asyncio.sleep(options.bots_after)
            return await play(port, options.bots, options.seconds - options.bots_after)

        attacked, _ = await asyncio.gather(play_later(), attack(options.kind, port, options, outcome))
        watching.cancel()
    return {
        "bots, quiet": quiet,
        "bots, attacked": attacked,
        "connected": outcome.connected,
        "could not connect": outcome.failed,
        "closed by the edge": len(outcome.closed_after),
        "closed after (least / median / most)": spread(outcome.closed_after),
        "most KiB per connection, edge and core": round((max(peaks) - before) / 1024 / max(1, outcome.connected), 1),
        "most log lines of one second and reason": max(seen.values(), default=0),
    }


def edge_settings(options: argparse.Namespace) -> list[str]:
    """Return the edge's settings: bots are exempt from limits on addresses, attackers not."""
    room = options.connections + options.bots + 500
    settings = [f"edge.login_seconds={options.login_seconds}", f'edge.exempt=["{LOOPBACK}/32"]']
    settings.append(f"edge.max_sessions={room}")
    if not options.limits:
        names = ("max_per_address", "max_per_prefix", "prefix_accepts_per_second", "accepts_per_second")
        settings += [f"edge.{name}=0" for name in names]
    return [word for each in settings for word in ("--set", each)]


def spread(values: list[float]) -> str:
    """Return least, median and most."""
    if not values:
        return "-"
    values = sorted(values)
    return f"{values[0]:.2f} / {values[len(values) // 2]:.2f} / {values[-1]:.2f} s"


def main() -> None:
    """Read the options, besiege, print."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.siege", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kind", choices=["silent", "drip", "churn"])
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--rate", type=float, default=300, help="new connections a second")
    parser.add_argument("--bots", type=int, default=200)
    parser.add_argument("--seconds", type=int, default=90, help="how long the attack lasts and bots play through it")
    parser.add_argument(
        "--bots-after", type=int, default=0, help="let the attack begin so many seconds before the bots"
    )
    parser.add_argument("--quiet-seconds", type=int, default=20, help="how long bots play before it")
    parser.add_argument("--login-seconds", type=int, default=40, help="the edge's login deadline")
    parser.add_argument("--limits", action="store_true", help="keep the default limits on addresses and rates")
    options = parser.parse_args()
    for name, value in asyncio.run(siege(options)).items():
        print(f"{name}: {value}", flush=True)


if __name__ == "__main__":
    main()
