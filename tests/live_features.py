"""Features on live traffic: real edge, core and bots, while features are reloaded or misbehave.

``python -m tests.live_features reload --bots 200 --times 100`` is the long form of what the tests run briefly. Prints
what players noticed: sessions that ended, frames lost, doubled or reordered, and the round trip.
"""

import argparse
import asyncio
import sys
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from fleet.address import Address
from tests.live_run import ANY_PORT, LOOPBACK, PLAYER, RelayLog
from tidegate.children import Child
from tidegate.sim.bots import BotFleet, FleetOptions
from tidegate.sim.server import SimServer

COUNTING = """\
from dataclasses import dataclass

from core.features import Feature, PerAccount, Session, handles
from games.pko.chat import Say


@dataclass(frozen=True)
class Count:
    said: int = 0


class Counting(Feature):
    VERSION = {number}
    counts = PerAccount(Count)

    @handles
    def said(self, session: Session, packet: Say) -> None:
        self.counts[session] = Count(self.counts[session].said + 1)

    def closed(self, session: Session, reason: str) -> None:
        self.log.info("said", session=session.id, count=self.counts[session].said)
"""

BAD = {
    "raises": "        raise ValueError('no')",
    "sleeps": "        import time; time.sleep(0.2)",
    "loops": "        while True: pass",
    "hides": """\
        while True:
            try:
                while True:
                    pass
            except Exception:
                pass""",
    "leaks": "        self.after(3600, lambda: None); session.scratch[object()] = bytearray(10_000)",
    "nonsense": "        return 'nonsense'",
    "wrong_way": "        return Said(speaker_id=1, text=b'x')",
    "exits": "        raise SystemExit(3)",
}
"""What a feature may do wrong, as the body of its handler of everything said."""

BAD_FEATURE = """\
from core.features import Feature, Session, Verdict, handles
from games.pko.chat import Said, Say


class Bad(Feature):
    @handles
    def said(self, session: Session, packet: Say) -> Verdict:
{body}
"""


@dataclass
class Noticed:
    """What players and the core's log say of a run."""

    outcomes: dict[str, int]
    is_clean: bool
    lost: int
    doubled: int
    reordered: int
    p50_milliseconds: float
    p99_milliseconds: float
    log: RelayLog

    @property
    def went_well(self) -> bool:
        """Whether no session ended before its time, and nothing was lost, doubled or reordered on either way."""
        return self.is_clean and set(self.outcomes) == {"ok"} and not (self.lost or self.doubled or self.reordered)

    def describe(self) -> str:
        """Say it in a few lines."""
        delays = [line["loop_delay_worst_ms"] for line in self.log.named("loop_stats")]
        counts = Counter(line["event"] for line in self.log.lines if line["event"].startswith("feature"))
        return (
            f"sessions: {self.outcomes}; frames lost {self.lost}, doubled {self.doubled}, reordered {self.reordered}; "
            f"round trip p50 {self.p50_milliseconds:.1f} ms, p99 {self.p99_milliseconds:.1f} ms\n"
            f"lines of the core's log: {dict(counts)}\nworst delay of the core's loop, by the second: {delays} ms"
        )


async def play(
    folder: Path, bots: int, meanwhile: Callable[[RelayLog], Awaitable[None]], dialect: str = "classic"
) -> Noticed:
    """Let bots play through an edge and a core with features until something has been done."""
    server = SimServer(Address(LOOPBACK, 0), dialect=dialect)
    origin = await server.start()
    log = RelayLog()
    core, edge = Child("core", log.note), Child("edge")
    game = ("--listen", ANY_PORT, "--game", "pko", "--set", f"game.dialect={dialect}", "--origin", str(origin))
    features = ("--set", f"features.folder={folder}", "--set", "log.stats_seconds=1", "--log-format", "json")
    try:
        tunnels = await core.start("core", *game, *features)
        players = await edge.start("edge", "--listen", ANY_PORT, "--core", str(tunnels), "--log-format", "json")
        fleet = BotFleet([players], FleetOptions(bots=bots, dialect=dialect, player=PLAYER))
        playing = asyncio.create_task(fleet.run())
        await meanwhile(log)
        fleet.stop()
        result = await playing
    finally:
        await edge.stop()
        await core.stop()
        await server.stop()
    ledger = server.world.report()["ledger"]
    assert isinstance(ledger, dict)
    trips = result.round_trips
    return Noticed(
        result.outcomes,
        result.is_clean,
        lost=int(ledger["lost"]),
        doubled=int(ledger["doubled"]),
        reordered=int(ledger["reordered"]),
        p50_milliseconds=trips.percentile(50) * 1000,
        p99_milliseconds=trips.percentile(99) * 1000,
        log=log,
    )


async def reload_under_load(folder: Path, bots: int, times: int, dialect: str = "classic") -> Noticed:
    """Change a feature again and again while bots play."""
    file = folder / "counting.py"
    file.write_text(COUNTING.format(number=0))

    async def change(log: RelayLog) -> None:
        await log.wait_for("loop_stats", 2)
        for number in range(1, times + 1):
            file.write_text(COUNTING.format(number=number))
            await log.wait_for("features_reloaded", number)

    return await play(folder, bots, change, dialect)


async def misbehave(folder: Path, how: str, bots: int, intervals: int, until: str = "loop_stats") -> Noticed:
    """Let bots play beside a feature that does something wrong.

    They play for so many seconds of the core's statistics, and until the core has logged the line ``until``.
    """
    (folder / "bad.py").write_text(BAD_FEATURE.format(body=BAD[how]))

    async def wait(log: RelayLog) -> None:
        await log.wait_for("loop_stats", intervals)
        await log.wait_for(until, 1)

    return await play(folder, bots, wait)


def main(arguments: list[str]) -> int:
    """Run one of the long forms."""
    parser = argparse.ArgumentParser(prog="python -m tests.live_features", description=__doc__)
    parser.add_argument("what", choices=("reload", *BAD))
    parser.add_argument("--bots", type=int, default=200)
    parser.add_argument("--times", type=int, default=100, help="reloads")
    parser.add_argument("--dialect", default="classic")
    parser.add_argument("--seconds", type=int, default=15, help="how long bots play beside a bad feature")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        if options.what == "reload":
            noticed = asyncio.run(reload_under_load(Path(name), options.bots, options.times, options.dialect))
        else:
            noticed = asyncio.run(misbehave(Path(name), options.what, options.bots, options.seconds))
    print(noticed.describe())
    return 0 if noticed.went_well else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
