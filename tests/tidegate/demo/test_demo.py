"""The demo as a user runs it, and its children when they fail."""

import asyncio
import sys

import pytest

from games.pko.sim.histogram import Histogram
from tests.relays import LOOPBACK, echo, running_origin
from tidegate.demo.children import Child, ChildError
from tidegate.demo.table import EdgeFigures, build_table, describe_row


async def test_a_short_demo_ends_well_and_says_so() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tidegate", "demo", "--seconds", "2", "--bots", "10", stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    text = output.decode()
    assert process.returncode == 0, text
    assert "10 of 10 bots finished; nothing lost, doubled or reordered." in text
    assert "edge-2 at 127.0.0.1:" in text


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
