"""Bots against the scripted server on real sockets."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from fleet.address import Address
from games.pko.sim.options import PlayerOptions, WorldOptions
from tidegate.sim.bots import BotFleet, FleetOptions
from tidegate.sim.report import describe_fleet, describe_world
from tidegate.sim.server import SimServer

LOOPBACK = Address("127.0.0.1", 0)
LIVELY = PlayerOptions(
    account=b"bot",
    play_seconds=2,
    moves_per_second=5,
    min_move_interval_seconds=0,
    chat_seconds=0.5,
)


def options(bots: int, **player: float) -> FleetOptions:
    pattern = replace(LIVELY, **player)  # type: ignore[arg-type]
    return FleetOptions(bots=bots, logins_per_second=500, player=pattern)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for figures that a program would read now and then: nobody signals their changes."""
    while not condition():  # noqa: ASYNC110 - no event for it
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("dialect", ["classic", "counter", "counter+trailer"])
async def test_fifty_bots_play_and_nothing_is_lost(dialect: str) -> None:
    server = SimServer(LOOPBACK, dialect=dialect)
    address = await server.start()
    fleet = BotFleet([address], replace(options(50), dialect=dialect))
    result = await fleet.run()
    await server.stop()
    assert result.outcomes == {"ok": 50}
    assert result.is_clean
    sent = result.ledger.tally().sent
    assert sent > 50 * 10
    received = server.world.ledger.tally()
    assert (received.received, received.is_clean) == (sent, True)
    assert result.round_trips.count > 400
    json.dumps(result.summary())
    assert "50 bots" in describe_fleet(result.summary())
    assert "logins 50" in describe_world(server.world.report())


async def test_figures_can_be_read_per_target_while_the_bots_play() -> None:
    servers = [SimServer(LOOPBACK), SimServer(LOOPBACK)]
    fleet = BotFleet([await server.start() for server in servers], options(10, play_seconds=1000))
    playing = asyncio.create_task(fleet.run())
    await until(lambda: all(target.playing == 5 and target.round_trips.count > 5 for target in fleet.statistics()))
    for target, server in zip(fleet.statistics(), servers, strict=True):
        assert (target.connected, target.finished, target.failed) == (5, 0, 0)
        assert target.frames_sent > 10
        assert target.frames_received > 10
        assert server.world.playing == 5
    fleet.stop()
    result = await playing
    assert result.outcomes == {"ok": 10}
    assert result.is_clean
    assert [target.finished for target in fleet.statistics()] == [5, 5]
    for server in servers:
        await server.stop()


async def test_stopping_early_starts_no_more_bots() -> None:
    server = SimServer(LOOPBACK)
    fleet = BotFleet([await server.start()], replace(options(1000, play_seconds=1000), logins_per_second=20))
    playing = asyncio.create_task(fleet.run())
    await until(lambda: fleet.statistics()[0].playing > 0)
    fleet.stop()
    result = await playing
    await server.stop()
    assert result.is_clean
    assert 1 <= result.bots < 100


async def test_bots_whose_server_dies_say_so() -> None:
    server = SimServer(LOOPBACK)
    fleet = BotFleet([await server.start()], options(5, play_seconds=1000))
    playing = asyncio.create_task(fleet.run())
    await until(lambda: fleet.statistics()[0].playing == 5)
    await server.stop()
    result = await playing
    assert result.outcomes == {"the connection was closed while it was playing": 5}
    assert not result.is_clean


async def test_bots_that_cannot_connect_say_so() -> None:
    server = SimServer(LOOPBACK)
    address = await server.start()
    await server.stop()
    result = await BotFleet([address], options(3)).run()
    ((outcome, count),) = result.outcomes.items()
    assert outcome.startswith(f"cannot connect to {address}: ")
    assert count == 3
    assert not result.is_clean


async def test_refused_bots_do_not_disturb_the_others() -> None:
    server = SimServer(LOOPBACK, options=WorldOptions(refused_accounts={b"bot00002": 1006}))
    result = await BotFleet([await server.start()], options(4, play_seconds=0.5)).run()
    await server.stop()
    assert result.outcomes == {"ok": 3, "login refused with error 1006": 1}
    assert result.ledger.is_clean
    assert not result.is_clean


async def test_cancelling_drops_all_connections() -> None:
    server = SimServer(LOOPBACK)
    fleet = BotFleet([await server.start()], options(5, play_seconds=1000))
    playing = asyncio.create_task(fleet.run())
    await until(lambda: fleet.statistics()[0].playing == 5)
    playing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await playing
    await until(lambda: server.world.connections == 0)
    await server.stop()
