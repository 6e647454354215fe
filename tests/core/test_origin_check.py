"""The origin check: finds out by itself that the game server went and came back, and is quiet while players show it."""

import asyncio
import time

from structlog.testing import capture_logs

from core.origin_check import OriginCheck
from core.origin_watch import OriginWatch
from tests.relays import LOOPBACK, free_port
from tests.servers import serving


class Visits:
    """A game server that counts who connects."""

    def __init__(self) -> None:
        self.count = 0
        self.came = asyncio.Event()

    def __call__(self, *_: object) -> None:
        self.count += 1
        self.came.set()


async def until_problem(watch: OriginWatch, has_problem: bool) -> None:
    async with asyncio.timeout(5):
        while bool(watch.problem) != has_problem:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.005)


async def test_it_finds_out_that_the_game_server_went_and_came_back() -> None:
    port, watch = free_port(), OriginWatch(time.monotonic)
    with capture_logs() as logs:
        task = asyncio.create_task(OriginCheck(LOOPBACK, port, watch, 0.02).run())
        await until_problem(watch, True)
        assert f"the game server does not answer: {LOOPBACK}:{port}: " in watch.problem
        async with serving(Visits(), port):
            await until_problem(watch, False)
        await until_problem(watch, True)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert [log["event"] for log in logs] == ["origin_away"]  # once: it was not back for long


async def test_it_is_quiet_while_players_get_in() -> None:
    now, visits = [100.0], Visits()
    async with serving(visits) as place:
        watch = OriginWatch(lambda: now[0])  # stands still: whoever got in has done so just now
        watch.worked()
        task = asyncio.create_task(OriginCheck(LOOPBACK, place.port, watch, 0.001).run())
        await asyncio.sleep(0.05)
        assert visits.count == 0
        now[0] += 1
        async with asyncio.timeout(5):
            await visits.came.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
