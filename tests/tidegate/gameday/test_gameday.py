"""Game days as a user runs them: small, short, with real relays."""

import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from tidegate.gameday.process_figures import is_running

SMALL = ("--bots", "20", "--json")


async def play(*arguments: str) -> tuple[int, dict[str, Any], str]:
    """Run ``tidegate gameday ARGUMENTS``; return status, report and what was shown."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tidegate", "gameday", *arguments, *SMALL), stdout=pipe, stderr=pipe
    )
    output, shown = await process.communicate()
    assert process.returncode is not None
    assert output, shown.decode()
    report = json.loads(output)
    assert report["ledger"]["was_drained"]
    return process.returncode, report, shown.decode()


def assert_nothing_lost(report: dict[str, Any]) -> None:
    for way in ("serverbound", "clientbound"):
        tally = report["ledger"][way]
        assert tally["sent"] > 100
        assert (tally["lost"], tally["doubled"], tally["reordered"]) == (0, 0, 0)
    assert report["ledger"]["foreign"] == 0


@pytest.mark.timeout(120)
async def test_cuts_are_judged_by_the_sessions_they_end() -> None:
    status, report, shown = await play("cut-tunnel", "--times", "3", "--shortest", "0.05", "--longest", "0.4")
    assert_nothing_lost(report)
    assert len(report["pauses"]["faults"]) == 3
    ended = sum(report["sessions_ended"].values())
    missed = [must["what"] for must in report["musts"] if not must["holds"]]
    if ended:
        assert "sessions ended" in missed
    assert status == (1 if missed else 0)
    assert report["good"] is not bool(missed)
    assert ("MISSED" in shown) is bool(missed)


@pytest.mark.timeout(120)
async def test_a_far_core_loses_no_throughput() -> None:
    status, report, _ = await play("far-core", "--delay-ms", "40", "--jitter-ms", "10", "--seconds", "2")
    assert_nothing_lost(report)
    assert status == 0, report["musts"]
    assert report["round_trips"]["p99_milliseconds"] >= 60


@pytest.mark.timeout(120)
async def test_players_of_a_killed_edge_are_back_by_the_other() -> None:
    status, report, _ = await play("kill-edge")
    assert_nothing_lost(report)
    assert status == 0, report["musts"]
    assert sum(report["sessions_ended"].values()) == report["times_to_play_seconds"]["count"] == 10


def descendants_of(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.timeout(120)
async def test_ctrl_c_ends_the_day_with_the_ledger_so_far() -> None:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tidegate", "gameday", "cut-tunnel", *SMALL), stdout=pipe, stderr=pipe
    )
    assert process.stderr is not None
    assert process.stdout is not None
    while b"cut 1 of 100" not in await process.stderr.readline():
        assert process.returncode is None
    children = descendants_of(process.pid)
    assert len(children) == 3
    process.send_signal(signal.SIGINT)
    output, shown = await asyncio.gather(process.stdout.read(), process.stderr.read())
    assert await process.wait() == 1
    report = json.loads(output)
    assert report["interrupted"]
    assert_nothing_lost(report)
    assert b"INTERRUPTED" in shown
    assert not any(map(is_running, children))


@pytest.mark.timeout(300)
async def test_three_minutes_of_faults_end_no_session_and_no_relay_grows() -> None:
    """A short form of the half hour: one fault a minute, and as many bots as a busy machine carries."""
    status, report, _ = await play("soak", "--minutes", "3", "--frames-per-second", "5")
    assert_nothing_lost(report)
    assert status == 0, report["musts"]
