"""The watchdog, with real signals: what does not come back is stopped, and nothing else ever is."""

import asyncio
import contextlib
import gc
import hashlib
import re
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from core.features import Feature, Session, handles
from core.features.containment import FAILED, Containment, FeatureStoppedError, Loaded
from core.features.watchdog import STOP_SIGNAL, Watchdog
from games.pko.chat import Said, Say
from tests.core.features.road import Road, host_of, loaded_of, login, numbers_of

LIMIT_SECONDS = 0.03
SOON_SECONDS = 2.0
"""What was not stopped by then never is; far from what a busy machine needs."""


class Plain(Feature):
    pass


class Watched:
    """Containment under a real watchdog."""

    def __init__(self, limit_seconds: float) -> None:
        self.watchdog = Watchdog(limit_seconds)
        self.containment = Containment(time.perf_counter_ns, watch=self.watchdog)
        self.loaded = loaded_of(Plain)

    def run(self, call: Callable[..., Any], loaded: Loaded | None = None) -> Any:
        with self._ends():
            return self.containment.run(loaded or self.loaded, call)

    async def steps(self, work: Coroutine[Any, Any, Any]) -> Any:
        with self._ends():
            return await self.containment.steps(self.loaded, work)

    @contextlib.contextmanager
    def _ends(self) -> Iterator[None]:
        """Hold a call against its end, before the tests themselves are stopped in its name."""
        outer = self.watchdog._current
        try:
            yield
        finally:
            still, self.watchdog._current = self.watchdog._current, outer
            assert still is outer, "a call that is over is still watched"


@pytest.fixture
def watched() -> Iterator[Watched]:
    made = Watched(LIMIT_SECONDS)
    made.watchdog.start()
    yield made
    made.watchdog.stop()


def forever() -> None:
    while True:
        pass


def sleeping() -> None:
    time.sleep(SOON_SECONDS)


def catastrophic() -> None:
    re.match(r"(a+)+$", "a" * 27 + "b")  # five seconds, and twice as long with each letter more


def stubborn() -> None:
    """Swallows everything, as a bare except in a loop does; it lets go when it was stopped a second time."""
    stopped = 0
    while stopped < 2:
        try:
            forever()
        except:  # noqa: E722 - the mistake
            stopped += 1
    forever()


def waiting_for_a_lock() -> None:
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


def cleaning_up_forever() -> None:
    try:
        forever()
    finally:
        forever()


@pytest.mark.parametrize("call", [forever, sleeping, catastrophic, stubborn, waiting_for_a_lock, cleaning_up_forever])
def test_a_call_that_does_not_come_back_is_stopped(watched: Watched, call: Callable[[], None]) -> None:
    start = time.monotonic()
    assert watched.run(call) is FAILED
    assert time.monotonic() - start < SOON_SECONDS
    assert (watched.loaded.counts.overruns, watched.loaded.counts.failures) == (1, 0)


def test_a_sleep_of_200_ms_is_stopped_with_the_limit_of_a_core() -> None:
    made = Watched(0.1)
    made.watchdog.start()
    try:
        assert made.run(lambda: time.sleep(0.2)) is FAILED
    finally:
        made.watchdog.stop()


def test_a_library_that_returns_late_with_an_error_harms_nobody(watched: Watched, tmp_path: Path) -> None:
    """A database that is locked waits in C, where no signal gets through, and then raises."""
    owner, other = (sqlite3.connect(tmp_path / "x", isolation_level=None, timeout=t) for t in (0, 5 * LIMIT_SECONDS))
    with contextlib.closing(owner), contextlib.closing(other):
        owner.execute("BEGIN EXCLUSIVE")
        assert watched.run(lambda: other.execute("BEGIN IMMEDIATE")) is FAILED


def test_who_is_told_of_a_collection_of_garbage_may_finish(watched: Watched) -> None:
    """An error raised there would be told as one that nobody could be told of, and would stop nothing."""
    told: list[str] = []

    def be_slow(phase: str, info: dict[str, int]) -> None:
        until = time.monotonic() + 4 * LIMIT_SECONDS
        while phase == "start" and time.monotonic() < until:
            pass
        told.append(phase)

    def collect_and_loop() -> None:
        gc.collect(0)
        forever()

    gc.collect()  # what others have left takes its time
    gc.callbacks.append(be_slow)
    try:
        assert watched.run(collect_and_loop) is FAILED
    finally:
        gc.callbacks.remove(be_slow)
    assert told[:2] == ["start", "stop"]
    assert watched.loaded.counts.overruns == 1


def test_what_is_told_that_an_object_is_gone_may_finish(watched: Watched) -> None:
    told: list[str] = []

    class Gone:
        def __del__(self) -> None:
            until = time.monotonic() + 2 * LIMIT_SECONDS
            while time.monotonic() < until:
                pass
            told.append("gone")

    def drop_and_loop() -> None:
        Gone()
        forever()

    assert watched.run(drop_and_loop) is FAILED
    assert told == ["gone"]
    assert watched.loaded.counts.overruns == 1


def test_what_computes_in_c_beside_the_interpreter_harms_nobody(watched: Watched) -> None:
    """Both clocks have looked when it comes back, and neither may hit what is not the feature's."""
    for _ in range(3):
        assert watched.run(lambda: hashlib.pbkdf2_hmac("sha256", b"x", b"y", 200_000)) is FAILED
        watched.loaded = loaded_of(Plain)


async def test_work_in_such_a_library_harms_nobody(watched: Watched, tmp_path: Path) -> None:
    owner, other = (sqlite3.connect(tmp_path / "x", isolation_level=None, timeout=t) for t in (0, 5 * LIMIT_SECONDS))

    async def work() -> None:
        other.execute("BEGIN IMMEDIATE")

    with contextlib.closing(owner), contextlib.closing(other):
        owner.execute("BEGIN EXCLUSIVE")
        with pytest.raises((sqlite3.OperationalError, FeatureStoppedError)):
            await watched.steps(work())


async def test_work_that_loops_is_stopped_and_the_loop_goes_on(watched: Watched) -> None:
    async def work() -> None:
        await asyncio.sleep(0)
        forever()

    with pytest.raises(FeatureStoppedError):
        await watched.steps(work())
    await asyncio.sleep(0)
    assert watched.loaded.counts.overruns == 1


async def test_work_may_wait_as_long_as_it_likes(watched: Watched) -> None:
    async def work() -> str:
        await asyncio.sleep(4 * LIMIT_SECONDS)
        return "done"

    assert await watched.steps(work()) == "done"
    assert watched.watchdog.stopped_calls == 0


# What the core does for a feature is done to its end.


class Looping(Feature):
    @handles
    def heard(self, session: Session, packet: Said) -> None:
        while True:
            session.send(Say(text=b"x"))

    @handles
    def said(self, session: Session, packet: Say) -> None:
        if packet.text == b"close":
            for other in self.players.here:
                if other is not session:
                    other.close(b"Out.")
            forever()


class SlowRoad(Road):
    """Takes longer than the limit, once, before it does what it is told."""

    is_slow = False

    def inject(self, frames: bytes, *, serverbound: bool) -> None:
        self._be_slow()
        super().inject(frames, serverbound=serverbound)

    def end(self, reason: str) -> None:
        self._be_slow()
        super().end(reason)

    def _be_slow(self) -> None:
        if self.is_slow:
            self.is_slow = False
            time.sleep(2 * LIMIT_SECONDS)


async def test_a_feature_that_is_stopped_while_it_sends_loses_no_number(watched: Watched) -> None:
    host = await host_of(Looping, dialect="counter", watch=watched.watchdog)
    road = SlowRoad(host, "counter")
    road.says(login())
    road.is_slow = True
    road.hears(Said(speaker_id=1, text=b"loop"))
    road.says(Say(text=b"after"))
    assert numbers_of(road.to_server)[:2] == [0, 1]
    assert host.plan.features[0].counts.overruns == 1


async def test_a_feature_that_is_stopped_while_it_ends_others_leaves_none_of_them_half_ended(watched: Watched) -> None:
    host = await host_of(Looping, watch=watched.watchdog)
    road, other = Road(host), SlowRoad(host)
    other.is_slow = True
    road.says(Say(text=b"close"))
    assert (road.reason, other.reason) == ("", "feature_closed")
    assert list(host.crowd.here) == [road.session]
    assert host.plan.features[0].counts.overruns == 1


def test_of_calls_within_calls_the_inner_one_is_stopped_first(watched: Watched) -> None:
    inner = loaded_of(Plain, name="inner")

    def outer() -> str:
        assert watched.run(forever, inner) is FAILED
        return "fine"

    assert watched.run(outer) in ("fine", FAILED)  # time of the inner one counts for the outer one too
    assert inner.counts.overruns == 1


def test_an_outer_call_that_does_not_come_back_is_stopped_too(watched: Watched) -> None:
    inner = loaded_of(Plain, name="inner")

    def outer() -> None:
        watched.run(lambda: None, inner)
        forever()

    assert watched.run(outer) is FAILED
    assert (inner.counts.overruns, watched.loaded.counts.overruns) == (0, 1)


def test_what_is_no_call_of_a_feature_is_never_stopped(watched: Watched) -> None:
    watched.run(lambda: None)
    end = time.monotonic() + 4 * LIMIT_SECONDS
    while time.monotonic() < end:
        pass
    assert watched.watchdog.stopped_calls == 0


def test_many_short_calls_are_never_stopped(watched: Watched) -> None:
    end = time.monotonic() + 4 * LIMIT_SECONDS
    calls = 0
    while time.monotonic() < end:
        calls += watched.run(lambda: 1)
    assert calls == watched.loaded.counts.calls
    assert watched.watchdog.stopped_calls == 0


def test_a_signal_that_comes_late_stops_nothing(watched: Watched) -> None:
    """It was meant for a call that is over, and finds none, or the next one."""
    signal.raise_signal(STOP_SIGNAL)

    def call() -> str:
        signal.raise_signal(STOP_SIGNAL)
        return "fine"

    assert watched.run(call) == "fine"


def test_what_cannot_be_stopped_is_named(watched: Watched) -> None:
    """The signal does not come through, as in a library that holds it back."""
    signal.signal(STOP_SIGNAL, signal.SIG_IGN)
    with capture_logs() as lines:
        watched.run(lambda: time.sleep(14 * LIMIT_SECONDS))
    (said,) = [line for line in lines if line["event"] == "feature_hangs"]
    assert said["feature"] == "plain"
    assert "time.sleep" in " ".join(said["at"])


def test_the_signal_is_given_back_and_a_watchdog_can_start_again() -> None:
    made = Watched(LIMIT_SECONDS)
    made.watchdog.stop()
    for _ in range(2):
        made.watchdog.start()
        assert made.run(forever) is FAILED
        made.watchdog.stop()
        assert signal.getsignal(STOP_SIGNAL) == signal.SIG_DFL
    assert not [each for each in threading.enumerate() if each.name == "feature-watchdog"]


def test_it_starts_in_the_main_thread_only() -> None:
    errors: list[str] = []

    def start() -> None:
        try:
            Watchdog(LIMIT_SECONDS).start()
        except RuntimeError as error:
            errors.append(str(error))

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert errors == ["signals arrive in the main thread only"]


def test_it_does_not_take_the_signal_of_time_limits() -> None:
    assert STOP_SIGNAL not in (signal.SIGALRM, signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)
