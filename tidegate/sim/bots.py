"""Bots as a program: many scripted players against one or several addresses, in one process.

``run_bots`` is ``tidegate sim bots``; `BotFleet` is for whoever wants the bots inside another process (the
demo's table reads `BotFleet.statistics` while they play). One timer serves all bots.
"""

import asyncio
import contextlib
import json as json_format
from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import monotonic  # a uvloop's own time has whole milliseconds only
from typing import cast

from fleet.address import Address
from games.pko.sim.dialects import scripted_codec
from games.pko.sim.options import PlayerOptions
from games.pko.sim.player import Player
from games.wheel import Wheel
from tidegate.errors import StartError
from tidegate.logs import announce
from tidegate.process import run_until_signal
from tidegate.sim.fleet_result import FleetResult, TargetStatistics
from tidegate.sim.report import describe_fleet, print_report
from wire.errors import MisuseError

TICK_SECONDS = 0.005
"""How late a bot may act: a real client's frame is 40 ms (protocol file, section 6)."""

CONNECT_SECONDS = 10.0
LOGINS_PER_SECOND = 200.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetOptions:
    """How many bots, and what each does.

    ``player`` is the pattern. Bot n logs in as the pattern's account and five digits, from ``first_number``
    on, and n is the seed of its walk: several processes can play on one server side by side.
    """

    bots: int
    dialect: str = ""
    logins_per_second: float = LOGINS_PER_SECOND
    first_number: int = 1
    player: PlayerOptions = PlayerOptions(account=b"bot")  # noqa: RUF009 - frozen, so it can be shared

    def of_bot(self, index: int) -> PlayerOptions:
        """Return the options of one bot, counted from 0."""
        number = self.first_number + index
        return replace(self.player, account=b"%b%05d" % (self.player.account, number), seed=number)


class BotFleet:
    """Bots against ``targets``, dealt out in turn.

    ``run`` plays it all, once, and returns the result; cancelling it drops all connections. ``stop`` makes
    every bot log out early. Raises MisuseError for a dialect that is unknown or not scripted.
    """

    def __init__(self, targets: Sequence[Address], options: FleetOptions) -> None:
        self._codec = scripted_codec(options.dialect)
        self._options = options
        self._targets = [TargetStatistics(address) for address in targets]
        self._bots: set[_Bot] = set()
        self._started = 0
        self._stopping = asyncio.Event()
        self._wheel: Wheel[_Bot] = Wheel()

    def statistics(self) -> Sequence[TargetStatistics]:
        """Return the figures per target; they are living ones and change while the bots play."""
        return self._targets

    def stop(self) -> None:
        """Start no more bots and let the others log out in order."""
        self._stopping.set()
        for bot in tuple(self._bots):
            bot.leave()

    async def run(self) -> FleetResult:
        """Play until every bot is done."""
        started_seconds = monotonic()
        async with asyncio.TaskGroup() as outer:
            ticking = outer.create_task(self._tick(), name="bots: tick")
            async with asyncio.TaskGroup() as playing:
                await self._launch(playing)
            ticking.cancel()
        elapsed_seconds = monotonic() - started_seconds
        return FleetResult(self._started, elapsed_seconds, self._targets)

    async def _launch(self, playing: asyncio.TaskGroup) -> None:
        started_seconds = monotonic()
        for index in range(self._options.bots):
            wait_seconds = started_seconds + index / self._options.logins_per_second - monotonic()
            if wait_seconds > 0:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), wait_seconds)
            if self._stopping.is_set():
                return
            self._started += 1
            playing.create_task(self._play(index), name=f"bots: {index}")

    async def _play(self, index: int) -> None:
        loop = asyncio.get_running_loop()
        target = self._targets[index % len(self._targets)]
        bot = _Bot(self._make_player(index, target), self._wheel)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await loop.create_connection(lambda: bot, target.address.host, target.address.port)
        except OSError as error:  # the timeout's error is one, too
            target.count(f"cannot connect to {target.address}: {error.strerror or 'no answer'}")
            return
        self._bots.add(bot)
        target.add(bot.player)
        if self._stopping.is_set():
            bot.leave()
        try:
            await bot.gone.wait()
        finally:
            bot.drop()
            self._bots.discard(bot)
            target.take(bot.player)

    def _make_player(self, index: int, target: TargetStatistics) -> Player:
        return Player(self._codec, self._options.of_bot(index), monotonic(), target.round_trips)

    async def _tick(self) -> None:
        while True:
            for bot in self._wheel.take_due(monotonic()):
                bot.tick()
            await asyncio.sleep(TICK_SECONDS)


class _Bot(asyncio.Protocol):
    """One bot's socket around its player."""

    def __init__(self, player: Player, wheel: Wheel["_Bot"]) -> None:
        self.player = player
        self.gone = asyncio.Event()
        self._wheel = wheel
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self._carry_out(b"")

    def data_received(self, data: bytes) -> None:
        self._carry_out(self.player.feed(data, monotonic()))

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002
        self._wheel.remove(self)
        self.player.closed(monotonic())
        self.gone.set()

    def tick(self) -> None:
        self._carry_out(self.player.tick(monotonic()))

    def leave(self) -> None:
        self._carry_out(self.player.leave(monotonic()))

    def drop(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _carry_out(self, data: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if data:
            self._transport.write(data)
        if self.player.outcome is None:
            self._wheel.set(self, self.player.due_seconds)
        else:
            self._wheel.remove(self)
            self._transport.abort()


def run_bots(
    *,
    connect: Address,
    bots: int = 10,
    seconds: float = 15.0,
    moves_per_second: float = 2.0,
    chat_seconds: float = 3.0,
    dialect: str = "",
    json: bool = False,
    logins_per_second: float = LOGINS_PER_SECOND,
) -> int:
    """Play with bots, then print what became of them: a table, or with ``json`` one JSON object on a line.

    ``seconds`` is how long each plays, ``moves_per_second`` what it does at once even where a real client
    would be slower; ``chat_seconds`` lies between two lines, 0 for none. Returns 0 if every bot did all it
    had to do and nothing was lost, doubled or reordered, else 1. Raises StartError for a dialect that is
    not scripted and for numbers out of their bounds.
    """
    try:
        player = PlayerOptions(
            account=b"bot",
            play_seconds=seconds,
            moves_per_second=moves_per_second,
            min_move_interval_seconds=0.0,  # the rate was asked for
            chat_seconds=chat_seconds,
        )
        options = FleetOptions(bots=bots, dialect=dialect, logins_per_second=logins_per_second, player=player)
        fleet = BotFleet([connect], options)
    except MisuseError as error:
        raise StartError(str(error)) from error

    async def play(stopping: asyncio.Event) -> int:
        announce(f"tidegate sim bots: {bots} bots to {connect}, {seconds:g} s each")
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(_stop_when(stopping, fleet), name="bots: stop")
            result = await fleet.run()
            watching.cancel()
        summary = result.summary()
        print_report(json_format.dumps(summary) if json else describe_fleet(summary))
        return 0 if result.is_clean else 1

    return run_until_signal(play)


async def _stop_when(stopping: asyncio.Event, fleet: BotFleet) -> None:
    await stopping.wait()
    fleet.stop()
