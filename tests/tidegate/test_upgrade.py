"""The upgrade when the successor is no good."""

import asyncio
import socket
import sys

import pytest
from structlog.testing import capture_logs

from edge.handover import HandoverError, Wire
from tidegate.upgrade import Upgrade

DEAF = """
import os, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.write(int(os.environ["TIDEGATE_HANDOVER"]), b"!")
signal.pause()
"""


class FakeEdge:
    """An edge that gives up when its successor has said something."""

    running_sessions = 0

    async def hand_over(self, end: socket.socket) -> None:
        with end:
            await asyncio.to_thread(end.recv, 1)
            raise HandoverError("nothing came from the other process")


async def upgrade_twice() -> list[str]:
    """Try to upgrade, and once more; return why that failed."""
    upgrade = Upgrade(FakeEdge())  # type: ignore[arg-type]
    with capture_logs() as logs:
        for _ in range(2):
            upgrade.start()
            assert upgrade._running is not None
            async with asyncio.timeout(10):
                await upgrade._running
    assert not upgrade.done.is_set()
    return [log["reason"] for log in logs if log["event"] == "upgrade_failed"]


async def test_a_successor_that_heeds_no_signal_does_not_keep_the_next_from_starting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "orig_argv", ["python", "-c", DEAF])
    assert await upgrade_twice() == ["nothing came from the other process"] * 2


async def test_an_upgrade_without_an_interpreter_is_said_and_the_process_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    reasons = await upgrade_twice()
    assert len(reasons) == 2
    assert all("no successor can be started" in reason for reason in reasons)


async def test_to_hang_up_ends_what_another_thread_waits_for() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        wire = Wire(ours, 30.0)
        waiting = asyncio.create_task(asyncio.to_thread(wire.receive, "ready"))
        await asyncio.sleep(0)
        wire.close()
        async with asyncio.timeout(10):
            with pytest.raises(HandoverError):
                await waiting
