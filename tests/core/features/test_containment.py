"""Containment: nothing that a feature does comes further than the call."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from core.features import Feature
from core.features.containment import (
    FAILED,
    MAX_FAILURES,
    MAX_OVERRUNS,
    SAY_SECONDS,
    WINDOW_SECONDS,
    Containment,
    FeatureStoppedError,
    Loaded,
    Overrun,
    own_frames,
)
from tests.core.features.road import loaded_of

SECOND = 1_000_000_000


class Plain(Feature):
    pass


class Clock:
    """Moves when it is told to."""

    def __init__(self) -> None:
        self.ns = 1000 * SECOND

    def __call__(self) -> int:
        return self.ns


class Nesting:
    """A watch that holds every call against its end."""

    def __init__(self) -> None:
        self.current: object = None

    def enter(self, feature: str) -> object:
        outer, self.current = self.current, [feature]
        return outer

    def leave(self, outer: object) -> None:
        self.current = outer


class World:
    def __init__(self) -> None:
        self.clock = Clock()
        self.watch = Nesting()
        self.out: list[Loaded] = []
        self.containment = Containment(self.clock, self.out.append, self.watch)
        self.loaded = loaded_of(Plain)

    def run(self, call: Callable[..., Any], *arguments: Any) -> Any:
        result = self.containment.run(self.loaded, call, *arguments)
        assert self.watch.current is None, "a call that is over is still watched"
        return result


def raising(error: BaseException) -> Callable[[], None]:
    def call() -> None:
        raise error

    return call


class UnprintableError(Exception):
    def __str__(self) -> str:
        raise LookupError("this cannot be printed either")


WRONG: dict[str, BaseException] = {
    "a mistake": LookupError("x"),
    "an assertion": AssertionError(),
    "no memory": MemoryError(),
    "too deep": RecursionError(),
    "an exit": SystemExit(3),
    "a cancellation, as of the result of a cancelled task": asyncio.CancelledError(),
    "a generator's exit": GeneratorExit(),
    "the end of an iteration": StopIteration(1),
    "a group": BaseExceptionGroup("x", [SystemExit(1), KeyError("y")]),
    "one that cannot be printed": UnprintableError(),
    "one with a very long text": ValueError("x" * 100_000),
}


@pytest.mark.parametrize("error", WRONG.values(), ids=WRONG)
def test_whatever_is_raised_counts_and_is_over(error: BaseException) -> None:
    world = World()
    assert world.run(raising(error)) is FAILED
    assert world.loaded.counts.failures == 1
    assert not world.loaded.is_out


def test_a_person_who_interrupts_the_core_is_obeyed() -> None:
    world = World()
    with pytest.raises(KeyboardInterrupt):
        world.run(raising(KeyboardInterrupt()))
    assert world.watch.current is None


def test_what_returns_is_returned() -> None:
    world = World()
    assert world.run(lambda a, b: a + b, 1, 2) == 3
    assert world.run(lambda: None) is None
    assert (world.loaded.counts.calls, world.loaded.counts.failures) == (2, 0)


def test_after_repeated_failures_a_feature_is_taken_out() -> None:
    world = World()
    for _ in range(MAX_FAILURES):
        assert not world.loaded.is_out
        world.run(raising(LookupError()))
    assert world.loaded.is_out
    assert world.out == [world.loaded]
    calls = world.loaded.counts.calls
    assert world.run(raising(LookupError())) is FAILED
    assert world.loaded.counts.calls == calls, "it is called no more"
    assert not world.loaded.has_hook("opened")


def test_failures_over_a_long_time_are_borne() -> None:
    world = World()
    for _ in range(10 * MAX_FAILURES):
        world.run(raising(LookupError()))
        world.clock.ns += int(WINDOW_SECONDS / (MAX_FAILURES - 1) * SECOND) + SECOND
    assert not world.loaded.is_out


def test_a_feature_that_is_stopped_again_and_again_is_taken_out() -> None:
    world = World()
    for _ in range(MAX_OVERRUNS):
        assert world.run(raising(Overrun())) is FAILED
    assert world.loaded.is_out
    assert (world.loaded.counts.overruns, world.loaded.counts.failures) == (MAX_OVERRUNS, 0)


def test_a_slow_call_is_named_and_returns() -> None:
    world = World()

    def slow() -> str:
        world.clock.ns += 20_000_000
        return "done"

    with capture_logs() as lines:
        assert world.run(slow) == "done"
    assert world.loaded.counts.over_budget == 1
    assert world.loaded.counts.slowest_ns == 20_000_000
    assert (lines[0]["event"], lines[0]["feature"], lines[0]["took_ms"]) == ("feature_slow", "plain", 20.0)
    assert "slow" in lines[0]["call"]


def test_a_failure_is_said_once_in_a_while_and_the_others_are_counted() -> None:
    world = World()
    with capture_logs() as lines:
        for _ in range(4):
            world.run(raising(LookupError("x")))
        world.clock.ns += int(SAY_SECONDS * SECOND) + 1
        world.run(raising(LookupError("x")))
    assert [line.get("more") for line in lines] == [None, 3]
    assert all(len(str(line["error"])) < 1000 for line in lines)


def test_a_failure_is_told_with_the_features_own_lines() -> None:
    def inner() -> None:
        int("x")

    try:
        inner()
    except ValueError as error:
        found = own_frames(error, __file__)
        others = own_frames(error, "/nowhere.py")
    assert "inner" in found[-1]
    assert 'int("x")' in found[-1]
    assert len(others) == 1


def test_calls_within_calls_are_each_feature_for_itself() -> None:
    world = World()
    other = loaded_of(Plain, name="other")

    def outer() -> str:
        inner = world.containment.run(other, raising(Overrun()))
        assert inner is FAILED
        assert world.watch.current == ["plain"]
        return "fine"

    assert world.run(outer) == "fine"
    assert (other.counts.overruns, world.loaded.counts.overruns) == (1, 0)


# Coroutines.


async def test_work_is_watched_step_by_step() -> None:
    world = World()
    seen: list[object] = []

    async def work() -> str:
        for _ in range(3):
            seen.append(world.watch.current)
            await asyncio.sleep(0)
            seen.append(world.watch.current)
        return "done"

    task = asyncio.create_task(_steps(world, work()))
    while not task.done():
        assert world.watch.current is None
        await asyncio.sleep(0)
    assert task.result() == "done"
    assert seen == [["plain"]] * 6


async def _steps(world: World, work: Any) -> Any:
    return await world.containment.steps(world.loaded, work)


@pytest.mark.parametrize("error", [LookupError("x"), UnprintableError()])
async def test_what_work_raises_is_the_callers_to_count(error: Exception) -> None:
    world = World()

    async def work() -> None:
        await asyncio.sleep(0)
        raise error

    with pytest.raises(type(error)):
        await _steps(world, work())
    assert world.watch.current is None


async def test_work_that_is_stopped_says_so() -> None:
    world = World()

    async def work() -> None:
        raise Overrun

    with pytest.raises(FeatureStoppedError, match="held up all traffic"):
        await _steps(world, work())
    assert world.loaded.counts.overruns == 1


async def test_work_that_exits_does_not_end_the_core() -> None:
    """A task that raises SystemExit ends the event loop."""
    world = World()

    async def work() -> None:
        raise SystemExit(3)

    with pytest.raises(Exception, match="3"):
        await _steps(world, work())
    assert world.watch.current is None


async def test_work_can_be_cancelled_and_may_clean_up() -> None:
    world = World()
    done: list[str] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            done.append("cleaned up")

    task = asyncio.create_task(_steps(world, work()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done == ["cleaned up"]


async def test_results_and_errors_of_what_is_awaited_arrive() -> None:
    world = World()
    good: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    bad: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def work() -> str:
        first = await good
        try:
            await bad
        except LookupError as error:
            return f"{first} {error}"
        return "nothing"

    task = asyncio.create_task(_steps(world, work()))
    await asyncio.sleep(0)
    good.set_result(1)
    await asyncio.sleep(0)
    bad.set_exception(LookupError("two"))
    assert await task == "1 two"
