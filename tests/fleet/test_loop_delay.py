"""How late the event loop is: the worst, the share of late looks, and what is said of a really late one."""

import asyncio
import time

import pytest
from structlog.testing import capture_logs

from fleet import loop_delay
from fleet.loop_delay import LATE_SECONDS, SAID_SECONDS, SAY_INTERVAL_SECONDS, LoopDelay


def test_the_worst_and_the_share_of_late_ones_since_the_last_look() -> None:
    delay = LoopDelay()
    for late in (0.0, LATE_SECONDS, LATE_SECONDS + 0.001, 0.1):
        delay.note(late, 0.0)
    assert delay.take() == {"loop_delay_worst_ms": 100.0, "loop_late_share": 0.5}
    assert delay.take() == {"loop_delay_worst_ms": 0.0, "loop_late_share": 0.0}


@pytest.mark.parametrize(("late", "is_said"), [(SAID_SECONDS, False), (SAID_SECONDS + 0.001, True), (5.0, True)])
def test_a_really_late_one_is_said(late: float, is_said: bool) -> None:
    delay = LoopDelay()
    with capture_logs() as lines:
        delay.note(late, 0.0)
    assert [line["event"] for line in lines] == ["loop_late"] * is_said


def test_it_is_not_said_all_the_time() -> None:
    delay = LoopDelay()
    with capture_logs() as lines:
        for now in (0.0, 1.0, SAY_INTERVAL_SECONDS - 0.1, SAY_INTERVAL_SECONDS, SAY_INTERVAL_SECONDS + 1):
            delay.note(1.0, now)
    assert len(lines) == 2


async def test_a_loop_that_is_held_up_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_delay, "PERIOD_SECONDS", 0.001)
    delay = LoopDelay()
    task = asyncio.create_task(delay.run())
    await asyncio.sleep(0)
    time.sleep(0.03)  # noqa: ASYNC251 - this is what holds it up
    async with asyncio.timeout(5):
        while not delay.worst_seconds:  # noqa: ASYNC110 - it has nothing to wait for
            await asyncio.sleep(0)
    assert delay.take()["loop_delay_worst_ms"] >= 28
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_two_relays_of_one_process_look_once() -> None:
    delay = LoopDelay()
    runs = [asyncio.create_task(delay.run()) for _ in range(2)]
    async with asyncio.timeout(5):
        while delay.delays.count < 3:  # noqa: ASYNC110 - no event for it
            await asyncio.sleep(0.01)
    assert not runs[1].done()
    for each in runs:
        each.cancel()
    await asyncio.gather(*runs, return_exceptions=True)


def test_all_looks_are_counted_by_how_late_they_were() -> None:
    delay = LoopDelay()
    for seconds in (0.0, 0.003, 2.0):
        delay.note(seconds, 0.0)
    delay.take()
    assert (delay.delays.count, delay.delays.total) == (3, 2.003)
    assert delay.recent_seconds > 0
