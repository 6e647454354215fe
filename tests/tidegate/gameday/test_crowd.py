"""Bots against a real origin without relays, and against one that breaks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fleet.address import Address
from tests.relays import free_port
from tidegate.gameday.crowd import Crowd
from tidegate.gameday.login_probe import LoginProbe
from tidegate.gameday.origin import Origin
from tidegate.gameday.origin_control import OriginControl
from tidegate.gameday.records import BotRecord
from tidegate.gameday.settling import settle


@asynccontextmanager
async def crowd_at_origin(bots: int = 10) -> AsyncIterator[tuple[Crowd, Origin, OriginControl]]:
    origin = Origin()
    address = await origin.start()
    control = await OriginControl.connect(address)
    crowd = Crowd([address], bots=bots, frames_per_second=50)
    try:
        await crowd.join()
        yield crowd, origin, control
    finally:
        await crowd.stop()
        await control.close()
        await origin.stop()


async def test_a_clean_day() -> None:
    async with crowd_at_origin() as (crowd, _, control):
        assert crowd.playing == 10
        assert await crowd.until(lambda: crowd.frames_sent > 50)
        ledger, was_drained = await settle(crowd, control, [], 10)
    assert was_drained
    assert ledger.is_clean
    assert ledger.serverbound.sent == ledger.clientbound.received >= 60
    assert not crowd.ended
    assert ledger.unknown_sessions == 0


async def test_bots_leave_and_join() -> None:
    async with crowd_at_origin() as (crowd, _, control):
        await crowd.remove(crowd.bots[:3], 5)
        crowd.add_bot()
        assert await crowd.until(lambda: crowd.playing == 8, 5)
        ledger, was_drained = await settle(crowd, control, [], 10)
    assert was_drained
    assert ledger.is_clean
    assert not crowd.ended


async def test_a_session_that_is_cut_is_counted_and_its_bot_comes_back() -> None:
    async with crowd_at_origin(4) as (crowd, origin, control):
        for session in origin._players()[:2]:
            session.drop()
        assert await crowd.until(lambda: len(crowd.times_to_play) == 2, 5)
        assert await crowd.until(lambda: crowd.playing == 4, 5)
        assert sum(crowd.ended.values()) == 2
        ledger, _ = await settle(crowd, control, [], 5)
        assert ledger.is_clean


async def test_what_one_watch_sees_others_do_not() -> None:
    async with crowd_at_origin() as (crowd, _, _control):
        with crowd.watching_only(crowd.bots[:5]) as watch:
            assert await crowd.until(lambda: watch.round_trips.count > 10, 5)
            apart = watch.round_trips.count
        assert crowd.watch.round_trips.count >= apart


async def test_a_flood_fills_what_a_bot_does_not_read_and_nothing_of_it_is_lost() -> None:
    async with crowd_at_origin(2) as (crowd, _, control):
        session = crowd.bots[0].session
        assert session is not None
        session.stop_reading()
        assert await control.flood([session.number, 999]) == 1
        async with asyncio.timeout(10):
            while not await control.blocked():  # noqa: ASYNC110 - it is asked
                await asyncio.sleep(0.01)
        await control.calm()
        session.read_on()
        ledger, was_drained = await settle(crowd, control, [], 10)
    assert was_drained
    assert ledger.is_clean
    assert ledger.clientbound.received > ledger.serverbound.sent + 10


async def test_the_origin_counts_bytes_on_marked_sessions() -> None:
    async with crowd_at_origin(2) as (crowd, _, control):
        assert await control.mark() == 2
        assert await crowd.until(lambda: crowd.frames_sent > 20, 5)
        assert await crowd.be_silent(5)
        assert await control.bytes_since_mark() > 0
        await control.recount()
        assert await control.bytes_since_mark() == 0


async def test_a_probe_says_from_when_on_logins_work() -> None:
    records: list[BotRecord] = []
    port = free_port()
    loop = asyncio.get_running_loop()
    numbers = iter(range(1, 1000))
    origin = Origin()
    async with LoginProbe([Address("127.0.0.1", port)], lambda: next(numbers), records, every_seconds=0.01) as probe:
        async with asyncio.timeout(5):
            while not probe.failures:  # noqa: ASYNC110 - the probe tells nobody
                await asyncio.sleep(0)
        began = loop.time()
        assert probe.works_after_seconds(0) is None
        await origin.start(port)
        async with asyncio.timeout(5):
            while probe.works_after_seconds(began) is None:  # noqa: ASYNC110
                await asyncio.sleep(0)
    assert set(probe.failures) == {"Connection refused"}
    assert probe.longest_seconds() > 0
    assert all(record.sent == 1 for record in records)
    await origin.stop()


async def test_targets_that_are_gone_are_passed_over() -> None:
    origin = Origin()
    address = await origin.start()
    crowd = Crowd([Address("127.0.0.1", free_port()), address], bots=3, frames_per_second=10)
    try:
        await crowd.join()
        assert crowd.failed_logins["Connection refused"] == 2
        assert {bot.target for bot in crowd.bots} == {address}
    finally:
        await crowd.stop()
        await origin.stop()


async def test_a_frame_that_nobody_answers_holds_the_drain_up_for_its_time_only() -> None:
    async with crowd_at_origin(1) as (crowd, _, _control):
        session = crowd.bots[0].session
        assert session is not None
        session.stop_reading()
        session.say(1)
        assert not await crowd.be_silent(0.05)
