"""The demo as a user runs it, and its children when they fail."""

import asyncio
import contextlib
import io
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from rich.console import Console

from games.pko.sim.histogram import Histogram
from tests.relays import LOOPBACK, echo, running_origin
from tidegate.children import Child, ChildError
from tidegate.demo.run import Demo
from tidegate.demo.table import EdgeFigures, build_table, describe_row


@pytest.mark.timeout(60)  # five processes, one after the other
async def test_a_short_demo_ends_well_and_says_so() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tidegate", "demo", "--seconds", "2", "--bots", "10", stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    text = output.decode()
    assert process.returncode == 0, text
    assert "10 of 10 bots finished; nothing lost, doubled or reordered." in text
    assert "edge-2 at 127.0.0.1:" in text


def children_of(pid: int) -> dict[str, int]:
    """Pids by what they run: ``sim``, ``core``, ``edge`` (one of them)."""
    pids = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    commands = {pid: Path(f"/proc/{pid}/cmdline").read_text().split("\0") for pid in pids}
    return {command[3]: int(pid) for pid, command in commands.items() if len(command) > 3}


def is_alive(pid: int) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    return False


@asynccontextmanager
async def playing_demo() -> AsyncIterator[asyncio.subprocess.Process]:
    """A demo of a minute whose bots have been let in."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tidegate", "demo", "--seconds", "60", "--bots", "10"), stdout=pipe, stderr=pipe
    )
    try:
        assert process.stdout is not None
        while not re.search(rb"core at .*; game server at ", await process.stdout.readline()):
            assert process.returncode is None
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
        await process.communicate()


@pytest.mark.parametrize(("who", "name"), [("core", "core"), ("sim", "game server"), ("edge", "edge-[12]")])
async def test_a_child_that_is_killed_ends_the_demo_with_its_name(who: str, name: str) -> None:
    async with playing_demo() as demo:
        children = children_of(demo.pid)
        os.kill(children[who], signal.SIGKILL)
        async with asyncio.timeout(8):
            output, error = await demo.communicate()
    assert demo.returncode == 1
    assert re.search(f"tidegate demo: {name} ended too early, exit status -9", error.decode())
    assert b"Traceback" not in error
    assert b"bots finished" not in output
    assert not any(map(is_alive, children.values()))


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGKILL])
async def test_no_child_outlives_the_demo(number: signal.Signals) -> None:
    async with playing_demo() as demo:
        children = children_of(demo.pid)
        assert set(children) == {"sim", "core", "edge"}
        demo.send_signal(number)
        await demo.wait()
    assert demo.returncode == (-number if number is signal.SIGKILL else 0)
    async with asyncio.timeout(10):
        while any(map(is_alive, children.values())):  # noqa: ASYNC110 - they are other processes
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("who", ["edge", "sim"])
async def test_a_child_that_hangs_holds_the_demo_up_no_longer_than_its_grace(
    who: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tidegate.demo.run.PLAY_GRACE_SECONDS", 0.5)
    monkeypatch.setattr("tidegate.children.STOP_SECONDS", 4.0)
    output = io.StringIO()
    demo = Demo(Console(file=output, width=200), seconds=2, bots=4, edges=1)
    running = asyncio.create_task(demo.run(asyncio.Event()))
    while "game server at" not in output.getvalue():  # noqa: ASYNC110 - it waits for other processes
        await asyncio.sleep(0.02)
    os.kill(children_of(os.getpid())[who], signal.SIGSTOP)
    async with asyncio.timeout(10):
        assert await running == 1
    name = "edge-1" if who == "edge" else "game server"
    assert (
        f"the bots did not finish in time.\n{name} did not react to SIGTERM and was killed." in capsys.readouterr().err
    )


async def test_a_child_that_ends_badly_has_no_report() -> None:
    child = Child("game server")
    await child.start("sim", "server", "--listen", f"{LOOPBACK}:0", "--json")
    child.send_signal(signal.SIGKILL)
    with pytest.raises(ChildError, match=r"game server .*, exit status -9"):
        await child.finish()
    assert await child.stop() == ""


async def test_a_child_that_cannot_start_says_why() -> None:
    async with running_origin(echo) as port:
        child = Child("core")
        with pytest.raises(ChildError, match="Address already in use"):
            await child.start("core", "--listen", f"{LOOPBACK}:{port}")


async def test_a_child_that_dies_is_noticed() -> None:
    child = Child("game server")
    await child.start("sim", "server", "--listen", f"{LOOPBACK}:0")
    child.check()
    child.send_signal(9)
    assert await child.wait() == -9
    with pytest.raises(ChildError, match="ended too early, exit status -9"):
        child.check()


async def test_a_child_that_was_never_started() -> None:
    child = Child("core")
    assert await child.stop() == ""
    with pytest.raises(ChildError, match="never started"):
        child.send_signal(15)


def test_a_row_has_rates_of_the_last_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("tidegate.demo.table.monotonic", lambda: now[0])
    figures = EdgeFigures("edge-1")
    assert figures.row(None).serverbound_per_second == 0
    for second in range(5):
        now[0] = 100.0 + second
        figures.take_core_stats({"frames_serverbound": 10 * second, "frames_clientbound": 100 * second * second})
    figures.take_edge_stats({"sessions": 7})
    row = figures.row(None)
    assert (row.sessions, row.serverbound_per_second, row.clientbound_per_second) == (7, 10.0, 600.0)
    assert "7 sessions, 10 packets/s to server, 600 to players" in describe_row(row)
    assert build_table([row], "title").row_count == 1
    assert Histogram().percentile(50) == 0
