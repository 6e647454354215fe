"""Finding the successor of a process that hands over."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tidegate.children import Child
from tidegate.gameday.faults.upgrade_edge import hand_over
from tidegate.gameday.network import Relay
from tidegate.gameday.process_figures import is_running

SUCCEEDING = """
import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
print("ready", file=sys.stderr, flush=True)
signal.sigwait({signal.SIGUSR2})
if os.fork():
    os._exit(0)
os.execv(sys.executable, [sys.executable, "-c", sys.argv[1], sys.argv[1]])
"""

LONELY = """
import sys
print("ready", file=sys.stderr, flush=True)
sys.stdin.read()
"""


@asynccontextmanager
async def relay(script: str) -> AsyncIterator[tuple[Relay, asyncio.StreamReader]]:
    """A process that stands for an edge, and its standard error."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", script, script, stdin=pipe, stderr=pipe)
    assert process.stderr is not None
    assert process.stdin is not None
    assert await process.stderr.readline() == b"ready\n"
    standing_in = Relay("edge-1", Child("edge-1"), pid=process.pid)
    try:
        yield standing_in, process.stderr
    finally:
        if is_running(standing_in.pid):
            os.kill(standing_in.pid, signal.SIGKILL)
        process.stdin.close()
        await process.stderr.read()
        await process.wait()


async def test_each_successor_is_found() -> None:
    async with relay(SUCCEEDING) as (edge, errors):
        for _ in range(2):
            old = edge.pid
            assert await hand_over(edge)
            assert edge.pid != old
            assert not is_running(old)
            assert await errors.readline() == b"ready\n"


@pytest.mark.parametrize("gone", [False, True])
async def test_a_process_that_only_ends_has_no_successor(gone: bool) -> None:
    async with relay(LONELY) as (edge, errors):
        if gone:
            os.kill(edge.pid, signal.SIGKILL)
            await errors.read()
        assert not await hand_over(edge)
