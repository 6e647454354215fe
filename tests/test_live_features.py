"""Features on live traffic, briefly; ``python -m tests.live_features`` has the long forms."""

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from tests.live_features import misbehave, reload_under_load
from tests.live_run import ANY_PORT, RelayLog
from tests.relays import LOOPBACK, echo, running_origin
from tidegate.children import Child

STOPPED = {"sleeps", "hides"}


@pytest.mark.parametrize("dialect", ["classic", "counter+trailer"])
async def test_reloads_under_load_cost_nothing(tmp_path: Path, dialect: str) -> None:
    noticed = await reload_under_load(tmp_path, bots=10, times=2, dialect=dialect)

    assert noticed.went_well
    reloads = noticed.log.named("features_reloaded")
    assert [line["loaded"] for line in reloads] == ["counting"] * 2
    counted = [line["count"] for line in noticed.log.named("said")]
    assert len(counted) == 10
    assert all(count > 0 for count in counted)


@pytest.mark.parametrize("how", ["hides", "nonsense", "raises", "sleeps"])
async def test_a_bad_feature_harms_only_itself(tmp_path: Path, how: str) -> None:
    noticed = await misbehave(tmp_path, how, bots=10, intervals=2, until="feature_taken_out")

    assert noticed.went_well
    assert noticed.log.count("feature_stopped" if how in STOPPED else "feature_failed") > 0
    assert noticed.log.named("feature_taken_out")[0]["feature"] == "bad"


@pytest.mark.parametrize("workers", [1, 2])
async def test_sighup_loads_features_anew_and_drains_nobody(tmp_path: Path, workers: int) -> None:
    log = RelayLog()
    core, edge = Child("core", log.note), Child("edge")
    async with running_origin(echo) as port:
        game = ("--listen", ANY_PORT, "--game", "echo", "--origin", f"{LOOPBACK}:{port}", "--log-format", "json")
        folder = ("--set", f"features.folder={tmp_path}", "--workers", str(workers))
        try:
            tunnels = await core.start("core", *game, *folder)
            players = await edge.start("edge", "--listen", ANY_PORT, "--core", str(tunnels), "--log-format", "json")
            reader, writer = await asyncio.open_connection(players.host, players.port)
            core.send_signal(signal.SIGHUP)
            await log.wait_for("features_reloaded", workers)
            writer.write(b"\0\5abc")
            assert await reader.readexactly(5) == b"\0\5abc"
            writer.close()
        finally:
            await edge.stop()
            await core.stop()


async def test_a_core_does_not_start_with_a_feature_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text("from core.features import Feature, handles\n\n\nclass Wrong(Feature) pass\n")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tidegate", "core", "--listen", ANY_PORT, "--set", f"features.folder={tmp_path}"),
        stderr=asyncio.subprocess.PIPE,
    )
    _, error = await process.communicate()

    assert process.returncode == 2
    assert f"{tmp_path}/wrong.py:4: invalid syntax" in error.decode()
    assert "Traceback" not in error.decode()
