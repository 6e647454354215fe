"""Processes of ours under odd conditions: nobody reads their log, streams are closed, their starter is gone."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

import pytest

from fleet.address import Address
from tests.relays import LOOPBACK, echo, free_port, running_origin
from tests.test_processes import ANY_PORT, child, say
from tidegate.process import LIFELINE_VARIABLE, with_lifeline

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]

WAIT_FOR_SIGNAL = """
import asyncio, sys
from tidegate.process import run_until_signal
async def program(stopping):
    print("running", flush=True)
    await stopping.wait()
    print("told", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    return 7
sys.exit(run_until_signal(program))
"""

RUN_ON = """
import os, subprocess, sys
from tidegate.errors import StartError
from tidegate.process import as_found, run_on
found = sorted(os.sched_getaffinity(0))
show = [sys.executable, "-c", "import os; print(sorted(os.sched_getaffinity(0)))"]
run_on([], 1, "edge.processors")
assert sorted(os.sched_getaffinity(0)) == found
with as_found():
    assert sorted(os.sched_getaffinity(0)) == found
for number in (1, 2, 3):
    run_on([found[0], found[-1]], number, "edge.processors")
    own = [found[-1] if number == 2 else found[0]]
    assert sorted(os.sched_getaffinity(0)) == own
    assert eval(subprocess.check_output(show)) == own
    with as_found():
        assert eval(subprocess.check_output(show)) == found
    assert sorted(os.sched_getaffinity(0)) == own
    os.sched_setaffinity(0, found)
try:
    run_on([4095], 1, "edge.processors")
except StartError as error:
    print(error)
"""


@asynccontextmanager
async def running(
    *command: str, stderr: int | None = None, environment: Mapping[str, str] | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process that does not outlive the test."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=stderr, env=environment)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
        await process.communicate()


async def line_of(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    return (await process.stdout.readline()).decode().strip()


def shell(redirection: str, *arguments: str) -> Sequence[str]:
    return ("sh", "-c", f'exec "$@" {redirection}', "sh", sys.executable, "-m", "tidegate", *arguments)


async def connected(address: Address) -> Streams:
    """A session, as soon as there is one to be had."""
    async with asyncio.timeout(15):
        while True:
            with suppress(OSError, asyncio.IncompleteReadError, AssertionError):
                streams = await asyncio.open_connection(address.host, address.port)
                await say(streams)
                return streams
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGINT])
async def test_a_signal_is_told_and_hanging_up_is_never_the_second_one(number: signal.Signals) -> None:
    async with running(sys.executable, "-c", WAIT_FOR_SIGNAL) as process:
        assert await line_of(process) == "running"
        process.send_signal(number)
        assert await line_of(process) == "told"
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGHUP)
        assert process.stdin is not None
        process.stdin.write(b"go on\n")
        assert await process.wait() == 7


async def test_nohup_is_obeyed() -> None:
    async with running("nohup", sys.executable, "-c", WAIT_FOR_SIGNAL, stderr=asyncio.subprocess.DEVNULL) as process:
        assert await line_of(process) == "running"
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGTERM)
        assert await line_of(process) == "told"
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 128 + signal.SIGTERM


async def test_the_end_of_the_lifeline_is_the_first_signal() -> None:
    async with running(sys.executable, "-c", WAIT_FOR_SIGNAL, environment=with_lifeline(os.environ)) as process:
        assert await line_of(process) == "running"
        assert process.stdin is not None
        process.stdin.close()
        assert await line_of(process) == "told"
        assert await process.wait() == 7


async def test_without_a_lifeline_standard_input_means_nothing() -> None:
    assert LIFELINE_VARIABLE not in os.environ
    async with running(sys.executable, "-c", WAIT_FOR_SIGNAL) as process:
        assert await line_of(process) == "running"
        assert process.stdin is not None
        process.stdin.close()
        process.send_signal(signal.SIGTERM)
        assert await line_of(process) == "told"
        assert await process.wait() == 7


async def test_a_log_that_nobody_reads_stops_neither_the_relay_nor_its_end() -> None:
    """An edge that logs to a full pipe: a line for every turn of its clock, and the pipe holds 64 KiB."""
    receiver, sender = os.pipe()
    os.set_blocking(sender, False)
    with suppress(BlockingIOError):
        while True:
            os.write(sender, b"x" * 4096)
    os.set_blocking(sender, True)
    game = ("--listen", ANY_PORT, "--game", "echo")
    port = free_port()
    try:
        async with (
            running_origin(echo) as origin,
            child("core", *game, "--origin", f"{LOOPBACK}:{origin}") as (_, core),
        ):
            where = ("--listen", f"{LOOPBACK}:{port}", "--core", str(core))
            command = (sys.executable, "-m", "tidegate", "edge", *where, "--set", "log.stats_seconds=0.01")
            async with running(*command, stderr=sender) as edge:
                streams = await connected(Address(LOOPBACK, port))
                for _ in range(100):
                    await say(streams)
                streams[1].close()
                edge.send_signal(signal.SIGTERM)
                async with asyncio.timeout(10):
                    assert await edge.wait() == 0
    finally:
        os.close(receiver)
        os.close(sender)


@pytest.mark.parametrize("redirection", ["2>&-", "<&- >&- 2>&-", "2>/dev/full"])
async def test_a_closed_or_full_standard_error_is_silence(redirection: str) -> None:
    port = free_port()
    async with running_origin(echo) as origin:
        where = ("--listen", f"{LOOPBACK}:{port}", "--game", "echo", "--origin", f"{LOOPBACK}:{origin}")
        async with running(*shell(redirection, "up", *where)) as up:
            streams = await connected(Address(LOOPBACK, port))
            links = [os.readlink(f"/proc/{up.pid}/fd/{number}") for number in range(3)]
            assert not any(link.startswith(("socket:[", "anon_inode")) for link in links[2:])
            streams[1].close()
            up.send_signal(signal.SIGTERM)
            assert await up.wait() == 0


async def test_a_closed_standard_error_stops_no_workers() -> None:
    port = free_port()
    arguments = ("core", "--listen", f"{LOOPBACK}:{port}", "--game", "echo", "--workers", "2")
    async with (
        running_origin(echo) as origin,
        running(*shell("2>&-", *arguments, "--origin", f"{LOOPBACK}:{origin}")) as core,
    ):
        async with child("edge", "--listen", ANY_PORT, "--core", f"{LOOPBACK}:{port}") as (_, players):
            streams = await connected(players)
            streams[1].close()
        core.send_signal(signal.SIGTERM)
        assert await core.wait() == 0


async def test_the_last_lines_are_not_lost() -> None:
    """What is logged right before the end is read after it."""
    program = """
import sys
from tidegate.logs import announce, configure_logs, get_logger
from tidegate.process import run_until_signal
configure_logs("info", "json")
async def program(stopping):
    for number in range(1000):
        get_logger("x").info("event", number=number)
    announce("last")
    return 0
run_until_signal(program)
print("after", file=sys.stderr)
get_logger("x").info("very last")
"""
    async with running(sys.executable, "-c", program, stderr=asyncio.subprocess.PIPE) as process:
        _, error = await process.communicate()
    lines = error.decode().splitlines()
    assert len(lines) == 1003
    assert lines[1000:1002] == ["last", "after"]
    assert "very last" in lines[-1]


async def test_a_process_runs_on_its_own_processor_and_what_it_starts_anew_where_it_was_found() -> None:
    async with running(sys.executable, "-c", RUN_ON, stderr=asyncio.subprocess.STDOUT) as process:
        ours = ", ".join(map(str, sorted(os.sched_getaffinity(0))))
        said = await line_of(process)
        assert said == f"edge.processors: this process cannot run on processor 4095; it has {ours}"
        assert await process.wait() == 0
