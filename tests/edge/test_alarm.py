"""The alarm: it rings at its time, at an earlier one that somebody names, and for nobody who has gone."""

import asyncio
import time

import pytest

from edge.alarm import Alarm

LONG_SECONDS = 3600.0


async def asleep(alarm: Alarm, due_seconds: float) -> "asyncio.Task[None]":
    task = asyncio.create_task(alarm.sleep_until(due_seconds))
    await asyncio.sleep(0)
    return task


async def test_it_rings_at_its_time_and_at_once_when_that_has_passed() -> None:
    alarm = Alarm()
    due = time.monotonic() + 0.01
    async with asyncio.timeout(5):
        await alarm.sleep_until(due)
        assert time.monotonic() >= due
        await alarm.sleep_until(due - LONG_SECONDS)


async def test_it_is_brought_forward_and_never_put_off() -> None:
    alarm = Alarm()
    task = await asleep(alarm, time.monotonic() + LONG_SECONDS)
    alarm.bring_forward(time.monotonic() + LONG_SECONDS / 2)
    alarm.bring_forward(time.monotonic())
    alarm.bring_forward(time.monotonic() + LONG_SECONDS)
    async with asyncio.timeout(5):
        await task


async def test_nobody_sleeps() -> None:
    alarm = Alarm()
    alarm.bring_forward(time.monotonic())
    task = await asleep(alarm, time.monotonic() + LONG_SECONDS)
    assert not task.done(), "what was named before it is not for it"
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    alarm.bring_forward(time.monotonic())
    await asyncio.sleep(0.01)
