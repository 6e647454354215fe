"""Features over a fleet: two cores, two edges and a real Redis, as processes, with bots on both edges.

``python -m tests.fleet_features bans``     a ban reaches players at both edges, and who comes back reads why
``python -m tests.fleet_features presence`` a core is killed and started again: who is where is right again
``python -m tests.fleet_features away``     Redis is stopped, emptied and started again: players notice nothing
``python -m tests.fleet_features logins``   fifty logins of one account at once, at both edges: one gets in

The tests run each briefly; ``--seconds`` is how long Redis is away.
"""

import argparse
import asyncio
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from core.bans import BanBook
from core.features.ports import BanKind
from core.store.address import make_store
from core.store.protocol import Store
from fleet.address import Address
from games.pko.chat import PopupNotice
from games.pko.connection import Login, LoginAccepted
from games.registry import load_pack
from tests.live_run import ANY_PORT, LOOPBACK, Bots, RelayLog, until
from tests.redis_server import RedisServer, redis_server
from tidegate.children import Child
from tidegate.sim.server import SimServer

FEATURES = """\
[bans]
[presence]
[oneclient]
per_account = 1
[moderation]
words = ["leecher"]
[commands]
"""

CODEC = load_pack("pko").codec("classic")


@dataclass
class Region:
    """A core and its edge, and what the core logs."""

    core: Child
    edge: Child
    log: RelayLog
    tunnels: Address
    players: Address


@dataclass
class Fleet:
    """Everything that runs; ``store`` is a further process's view of what the cores share: this one's."""

    redis: RedisServer
    store: Store
    bans: BanBook
    origin: Address
    folder: Path
    regions: list[Region] = field(default_factory=list)

    async def presence(self) -> int:
        """Return how many players all cores together say are there."""
        return sum(len(fields) for fields in (await self.store.owned("presence")).values())

    async def start_core(self, name: str, listen: str, log: RelayLog) -> tuple[Child, Address]:
        """Start a core with all features."""
        core = Child(name, log.note)
        flags = (
            *("--listen", listen, "--game", "pko", "--origin", str(self.origin), "--log-format", "json"),
            *("--set", f"core.name={name}", "--set", f"features.folder={self.folder}"),
            *("--set", f"store.url={self.redis.url}", "--set", "log.stats_seconds=1"),
        )
        return core, await core.start("core", *flags)


@asynccontextmanager
async def running_fleet(regions: int = 2) -> AsyncIterator[Fleet]:
    """Start it all, and end it all."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "features.toml").write_text(FEATURES)
        redis = stack.enter_context(redis_server())
        server = SimServer(Address(LOOPBACK, 0))
        origin = await server.start()
        stack.push_async_callback(server.stop)
        store = make_store(redis.url)
        await store.start()
        stack.push_async_callback(store.close)
        running = asyncio.create_task(store.run())
        stack.callback(running.cancel)
        fleet = Fleet(redis, store, BanBook(store), origin, folder)
        for number in range(regions):
            log = RelayLog()
            core, tunnels = await fleet.start_core(f"core-{number}", ANY_PORT, log)
            stack.push_async_callback(core.stop)
            edge = Child(f"edge-{number}")
            flags = (
                "--listen",
                ANY_PORT,
                "--core",
                str(tunnels),
                "--log-format",
                "json",
                "--set",
                "edge.hold_seconds=1",
            )
            players = await edge.start("edge", *flags, "--set", f"edge.region=region-{number}")
            stack.push_async_callback(edge.stop)
            fleet.regions.append(Region(core, edge, log, tunnels, players))
        yield fleet


async def read_to_the_end(players: Address) -> bytes:
    """Connect and return everything that comes until the connection is closed."""
    reader, writer = await asyncio.open_connection(players.host, players.port)
    try:
        return await reader.read()
    finally:
        writer.close()


async def ban_at_two_edges(bots: int) -> dict[str, float]:
    """Ban accounts and an address while bots play; returns after how many seconds it held at each edge."""
    async with running_fleet() as fleet:
        playing = [Bots([region.players], bots, 1 + 1000 * number) for number, region in enumerate(fleet.regions)]
        await until(lambda: _has(fleet, 2 * bots), 20, "all bots are in the game")
        took: dict[str, float] = {}
        for number in range(2):
            fleet.bans.add(BanKind.ACCOUNT, f"bot{1 + 1000 * number:05}", reason="cheating", by="root", seconds=60)
        took["two accounts, a player at each edge gone"] = await until(
            lambda: _has(fleet, 2 * bots - 2), 5, "the banned players are gone"
        )
        results = [await each.stop() for each in playing]
        for result in results:
            assert result.outcomes.get("ok") == bots - 1, result.outcomes
        begin = time.monotonic()
        fleet.bans.add(BanKind.ADDRESS, LOOPBACK, reason="flooding", by="root")
        for number, region in enumerate(fleet.regions):
            while b"flooding" not in await read_to_the_end(region.players):
                assert time.monotonic() - begin < 5
            took[f"an address, refused at edge {number} with the reason"] = time.monotonic() - begin
        return took


async def kill_a_core(bots: int) -> dict[str, float]:
    """Kill a core and start it again; returns after how many seconds presence was right, both times."""
    async with running_fleet() as fleet:
        first, second = fleet.regions
        lost = Bots([first.players], bots, 1)
        kept = Bots([second.players], bots, 1001)
        await until(lambda: _has(fleet, 2 * bots), 20, "all bots are in the game")
        took: dict[str, float] = {}
        first.core.send_signal(signal.SIGKILL)
        took["the killed core's players are not there any more"] = await until(
            lambda: _has(fleet, bots), 10, "the killed core's players vanish"
        )
        await lost.stop()
        core, _ = await fleet.start_core("core-0", str(first.tunnels), first.log)
        try:
            begin = time.monotonic()
            again = await _play_when_possible(first.players, bots)
            took["ready and logged in again"] = time.monotonic() - begin
            took["after the logins, all are there again"] = await until(
                lambda: _has(fleet, 2 * bots), 10, "the players are there again"
            )
            for each in (again, kept):
                assert (await each.stop()).outcomes == {"ok": bots}
        finally:
            await core.stop()
        return took


async def take_redis_away(bots: int, seconds: float) -> dict[str, float]:
    """Stop Redis, and start it again empty, while bots play; returns after how many seconds all was known again."""
    async with running_fleet() as fleet:
        fleet.bans.add(BanKind.ACCOUNT, "mallory", reason="cheating")
        playing = [Bots([region.players], bots, 1 + 1000 * number) for number, region in enumerate(fleet.regions)]
        await until(lambda: _has(fleet, 2 * bots), 20, "all bots are in the game")
        fleet.redis.stop()
        begin = time.monotonic()
        newcomers = Bots([fleet.regions[0].players], bots, 2001)
        await asyncio.sleep(max(0.0, begin + seconds - time.monotonic()))
        fleet.redis.start()
        took = {"presence whole again": await until(lambda: _has(fleet, 3 * bots), 10, "presence is whole again")}
        begin = time.monotonic()
        while b"mallory" not in fleet.redis.say("HGETALL", "{tidegate}:table:bans"):
            assert time.monotonic() - begin < 10
            await asyncio.sleep(0.01)
        took["bans there again, after that"] = time.monotonic() - begin
        for each in (*playing, newcomers):
            result = await each.stop()
            assert result.is_clean, result.outcomes
            took["round trip p99 of the bots, at most"] = max(
                took.get("round trip p99 of the bots, at most", 0), result.round_trips.percentile(99)
            )
        for region in fleet.regions:
            assert region.log.count("store_away") == region.log.count("store_back") == 1
        return took


async def log_in_at_once(rounds: int, logins: int) -> dict[str, int]:
    """Log one account in many times at once, half at each edge, again and again; returns how often it went how."""
    async with running_fleet() as fleet:
        outcomes: Counter[str] = Counter()
        for number in range(rounds):
            start = asyncio.Barrier(logins)
            account = b"one%05d" % number
            clients = [_log_in(fleet.regions[each % 2].players, account, start) for each in range(logins)]
            ends = await asyncio.gather(*clients)
            counts = Counter(end for end, _ in ends)
            outcomes[", ".join(f"{count} {end}" for end, count in sorted(counts.items()))] += 1
            for _, writer in ends:
                writer.close()
        return dict(outcomes)


async def _log_in(players: Address, account: bytes, start: asyncio.Barrier) -> tuple[str, asyncio.StreamWriter]:
    """Connect, log in together with the others, and return what came of it."""
    reader, writer = await asyncio.open_connection(players.host, players.port)
    await next_opcode(reader)
    await start.wait()
    login = Login(account=account, password=bytes(24), mac=b"00-11-22-33-44-55", version=136)
    writer.write(CODEC.seal(login))
    async with asyncio.timeout(10):
        while (opcode := await next_opcode(reader)) not in (LoginAccepted.OPCODE, PopupNotice.OPCODE):
            pass
    return "in" if opcode == LoginAccepted.OPCODE else "refused", writer


async def next_opcode(reader: asyncio.StreamReader) -> int:
    """Read a frame and return its opcode, 0 for a keep-alive."""
    size = int.from_bytes(await reader.readexactly(2))
    frame = await reader.readexactly(size - 2)
    return int.from_bytes(frame[4:6])


async def _has(fleet: Fleet, count: int) -> bool:
    return await fleet.presence() == count


async def _play_when_possible(players: Address, bots: int) -> Bots:
    """Let bots play as soon as the edge lets one in that is not told to come back."""
    async with asyncio.timeout(20):
        while True:
            reader, writer = await asyncio.open_connection(players.host, players.port)
            greeting = await reader.read(10)
            writer.close()
            if greeting[6:8] == b"\x03\xac":  # 940, the server's own first words
                return Bots([players], bots, 1)
            await asyncio.sleep(0.05)


def main(arguments: list[str]) -> int:
    """Run one of them and print the figures."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.fleet_features", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("bans", "presence", "away", "logins"))
    parser.add_argument("--bots", type=int, default=100, help="at each edge")
    parser.add_argument("--rounds", type=int, default=300, help="of logins at once")
    parser.add_argument("--seconds", type=float, default=60, help="how long Redis is away")
    options = parser.parse_args(arguments)
    took: dict[str, float]
    match options.what:
        case "logins":
            for outcome, times in asyncio.run(log_in_at_once(options.rounds, logins=50)).items():
                print(f"{times:5} times  {outcome}")
            return 0
        case "bans":
            took = asyncio.run(ban_at_two_edges(options.bots))
        case "presence":
            took = asyncio.run(kill_a_core(options.bots))
        case _:
            took = asyncio.run(take_redis_away(options.bots, options.seconds))
    for what, seconds in took.items():
        print(f"{seconds:8.3f} s  {what}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
