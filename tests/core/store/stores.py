"""Stores for tests: started, running in the background, and closed at the end."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from core.store.address import make_store
from core.store.protocol import Store

PATIENCE_SECONDS = 10.0


@asynccontextmanager
async def running(store: Store, *, is_closed: bool = True) -> AsyncIterator[Store]:
    """A store that was started and runs; without ``is_closed`` it ends like a process that is killed."""
    await store.start()
    task = asyncio.create_task(store.run())
    try:
        yield store
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        if is_closed:
            await store.close()


@asynccontextmanager
async def running_at(url: str) -> AsyncIterator[Store]:
    """A running store at an address."""
    async with running(make_store(url)) as store:
        yield store


async def until(condition: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> float:
    """Wait for a condition; returns how long it took in seconds."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, "it never came to be"
        await asyncio.sleep(0.005)
    return time.monotonic() - began


async def written(store: Store) -> None:
    """Wait until nothing is queued."""
    await until(lambda: not store.status.is_away and store.status.queued_writes == 0)
