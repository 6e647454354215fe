"""A flood of bad handshakes while bots play: ``python -m tests.tls_flood [--rate 500] [--seconds 10] [--addresses 1]``.

A core, an edge and the attacker are processes of their own; the bots and the game server are this one. It prints the
bots' round trips without and with the flood, what the core counted, and its processor time. Exit status 1 when a bot
lost anything or the tunnel broke. ``--addresses`` has the attacker come from so many addresses of 127.0.0.0/8.
"""

import argparse
import asyncio
import contextlib
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fleet.address import Address
from fleet.identity import Identity
from fleet.tls.refusals import HandshakeError
from fleet.tls.secure_end import SecureEnd
from games.pko.sim.options import PlayerOptions
from tests.certificates import files_in, office
from tests.fleet.tls.ends import stranger
from tidegate.children import Child
from tidegate.gameday.process_figures import cpu_seconds
from tidegate.sim.bots import BotFleet, FleetOptions
from tidegate.sim.fleet_result import FleetResult
from tidegate.sim.server import SimServer

LOOPBACK = "127.0.0.1"
AT_ONCE = 500
"""Attempts of the attacker that may be under way: what is slow must not slow it down."""


@dataclass(frozen=True, slots=True)
class Flood:
    """What came of it. Seconds are of processor time of the core, per second."""

    before: FleetResult
    during: FleetResult
    refused: Mapping[str, int]
    cpu_before: float
    cpu_during: float
    sent: int
    broke: int


async def flood(*, bots: int, rate: int, seconds: float, addresses: int) -> Flood:
    """Play without, then with a flood; return what came of it."""
    with tempfile.TemporaryDirectory() as place:
        certs = office(Path(place) / "certs")
        for identity in (Identity("core", "core-1", "x"), Identity("edge", "edge-1", "x")):
            certs.issue(identity)
        office(Path(place) / "theirs").issue(Identity("edge", "edge-1", "x"))
        folder = certs.authority.folder
        events: list[Mapping[str, Any]] = []
        core, edge = Child("core", events.append), Child("edge", events.append)
        server = SimServer(Address(LOOPBACK, 0))
        try:
            origin = await server.start()
            json = ("--log-format", "json")
            ours = ("--certificates", str(folder / "core-core-1"))
            at = await core.start("core", "--listen", f"{LOOPBACK}:0", "--origin", str(origin), *ours, *json)
            theirs = ("--core", str(at), "--certificates", str(folder / "edge-edge-1"))
            players = await edge.start("edge", "--listen", f"{LOOPBACK}:0", *theirs, *json)
            before, cpu_before = await _play(players, bots, 4.0, core.pid)
            attacking = asyncio.create_task(_attack_beside(at.port, rate, seconds, addresses, Path(place) / "theirs"))
            during, cpu_during = await _play(players, bots, seconds, core.pid)
            sent = await attacking
            await asyncio.sleep(1.1)  # the core's line of a second
        finally:
            await edge.stop()
            await core.stop()
            await server.stop()
    refused: Counter[str] = Counter()
    for event in events:
        if event["event"] == "connections_refused":
            refused.update({name: count for name, count in event.items() if isinstance(count, int) and name != "count"})
    broke = sum(event["event"] == "core_away" for event in events)
    return Flood(before, during, refused, cpu_before, cpu_during, sent, broke)


async def _play(players: Address, bots: int, seconds: float, core: int) -> tuple[FleetResult, float]:
    player = PlayerOptions(account=b"bot", play_seconds=seconds)
    cpu, began = cpu_seconds(core), time.monotonic()
    result = await BotFleet([players], FleetOptions(bots=bots, player=player)).run()
    return result, (cpu_seconds(core) - cpu) / (time.monotonic() - began)


async def _attack_beside(port: int, rate: int, seconds: float, addresses: int, theirs: Path) -> int:
    """Run the attacker as a process; return how many attempts it made."""
    numbers = (str(port), str(rate), str(seconds), str(addresses), str(theirs))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.tls_flood", "--attack", *numbers), stdout=asyncio.subprocess.PIPE
    )
    return int((await process.communicate())[0])


async def attack(port: int, rate: int, seconds: float, addresses: int, theirs: Path) -> int:
    """Knock at a gate so often, without a certificate, with another authority's, with garbage, with plain HTTP/2."""
    contexts = stranger(None), stranger(files_in(theirs / "edge-edge-1"))
    room, knocking, number = asyncio.Semaphore(AT_ONCE), set(), 0
    began = time.monotonic()
    while (now := time.monotonic() - began) < seconds:
        while number < now * rate:
            number += 1
            await room.acquire()
            host = f"127.0.{1 + number % addresses // 250}.{1 + number % addresses % 250}" if addresses > 1 else ""
            task = asyncio.create_task(_knock(contexts, number, port, host))
            knocking.add(task)
            task.add_done_callback(lambda _: room.release())
            task.add_done_callback(knocking.discard)
        await asyncio.sleep(0.002)
    await asyncio.gather(*knocking)
    return number


async def _knock(contexts: tuple[Any, Any], number: int, port: int, host: str) -> None:
    loop = asyncio.get_running_loop()
    own = (host or LOOPBACK, 0)
    with contextlib.suppress(OSError, HandshakeError, TimeoutError):
        async with asyncio.timeout(10):
            if number % 4 < 2:
                end = SecureEnd(contexts[number % 2], is_server=False)
                try:
                    await loop.create_connection(lambda: end, LOOPBACK, port, local_addr=own)
                    await end.ready()
                finally:
                    end.abort("over")
                return
            reader, writer = await asyncio.open_connection(LOOPBACK, port, local_addr=own)
            writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" if number % 4 == 2 else bytes(range(256)))
            try:
                await reader.read(100)
            finally:
                writer.transport.abort()


def main() -> int:
    """Run as a program."""
    if sys.argv[1:2] == ["--attack"]:
        port, rate, seconds, addresses, theirs = sys.argv[2:7]
        print(asyncio.run(attack(int(port), int(rate), float(seconds), int(addresses), Path(theirs))))
        return 0
    parser = argparse.ArgumentParser(description="A flood of bad handshakes while bots play.")
    parser.add_argument("--bots", type=int, default=100)
    parser.add_argument("--rate", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--addresses", type=int, default=1)
    options = parser.parse_args()
    made = asyncio.run(flood(**vars(options)))
    for name, result, cpu in (("before", made.before, made.cpu_before), ("during", made.during, made.cpu_during)):
        print(f"{name}: {result.round_trips.summary()}, core {100 * cpu:.0f} % of a processor core")
        print(f"  outcomes {result.outcomes}, clean {result.is_clean}")
    print(f"attempts {made.sent}, refused {dict(made.refused)}, tunnel broke {made.broke} times")
    return 0 if made.during.is_clean and not made.broke else 1


if __name__ == "__main__":
    sys.exit(main())
