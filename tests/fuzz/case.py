"""Runs one case, and says what was wrong: an exception, too much time, or too much memory."""

import signal
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from tests.fuzz.targets import Target

MAX_CASE_SECONDS = 5.0
"""Cases take some microseconds; a busy machine may take its time."""

MEMORY_FACTOR = 10


class FuzzFailure(Exception):  # noqa: N818 - it is what a fuzzer is for
    """A case that found something; ``data`` is its input."""

    def __init__(self, name: str, data: bytes, why: str) -> None:
        super().__init__(f"{name}: {why} with {data[:64].hex()}{'...' if len(data) > 64 else ''}")
        self.name = name
        self.data = data
        self.why = why


class _HangError(BaseException):
    """A case takes too long. No target may catch it."""


def run_case(target: Target, data: bytes) -> None:
    """Run one case; raises FuzzFailure."""
    try:
        target.fuzz_one(data)
    except (Exception, _HangError) as error:
        raise FuzzFailure(target.name, data, f"{type(error).__name__}: {error}") from error


def run_case_measured(target: Target, data: bytes) -> None:
    """Run one case and hold its time and memory to account as well."""
    began = time.monotonic()
    tracemalloc.start()
    try:
        run_case(target, data)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    seconds = time.monotonic() - began
    if seconds > MAX_CASE_SECONDS:
        raise FuzzFailure(target.name, data, f"took {seconds:.1f} seconds")
    if peak_bytes > MEMORY_FACTOR * len(data) + target.spare_bytes:
        raise FuzzFailure(target.name, data, f"took {peak_bytes} bytes for {len(data)}")


@contextmanager
def hang_alarm(seconds: float) -> Iterator[None]:
    """Have whatever takes longer than that end as a failure. For main threads only."""

    def ring(_signal: int, _frame: FrameType | None) -> None:
        raise _HangError(f"not done after {seconds:g} seconds")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
