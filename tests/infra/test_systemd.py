"""The units: as systemd reads them where it is installed, and run as it would run them, with a real notify socket."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.infra.units import FOLDER, PROGRAM, ROOT, UNITS, WITHOUT_CERTIFICATES, read_unit
from tests.relays import LOOPBACK, free_port
from tests.tidegate.service_manager import service_manager
from tidegate.children import Child
from tidegate.commands import app
from tidegate.settings import load_settings

ANALYZE = shutil.which("systemd-analyze")
MOST_EXPOSED = "20"
"""In tenths: what systemd-analyze calls OK ends at 5.0, and these were 1.2 to 1.5 when they were written."""

SETTINGS = "/etc/tidegate/tidegate.toml"
EXAMPLE = {
    "tidegate-edge": "three-regions/edge-eu.toml",
    "tidegate-core": "three-regions/core-eu.toml",
    "tidegate": "one-machine.toml",
}

each_unit = pytest.mark.parametrize("file", UNITS, ids=lambda file: file.stem)


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    assert ANALYZE is not None
    return subprocess.run([ANALYZE, *arguments], capture_output=True, text=True, check=False)


def example_of(file: Path) -> Path:
    return ROOT / "examples" / "settings" / EXAMPLE[file.stem]


def test_there_is_an_example_for_each_unit() -> None:
    assert {file.stem for file in UNITS} == set(EXAMPLE)


@each_unit
def test_a_unit_has_what_the_relay_counts_on(file: Path) -> None:
    unit = read_unit(file)
    service = {key: values for (section, key), values in unit.items() if section == "Service"}
    assert service["Type"] == ["notify"]
    assert service["NotifyAccess"] == ["all" if "edge" in file.stem else "main"]
    assert service["KillMode"] == ["mixed"], "SIGTERM is for the supervisor, which tells its workers"
    assert service["Restart"] == ["on-failure"]
    assert unit["Unit", "StartLimitIntervalSec"] == ["0"]
    assert service["User"] == ["tidegate"]
    assert service["CapabilityBoundingSet"] == [""]
    has_own_users = service.get("PrivateUsers") == ["yes"]
    assert has_own_users == ("upgrade" not in service["ExecReload"][0]), "an upgrade looks for the edge among processes"
    settings = load_settings(example_of(file), {}, {})
    drain_seconds = settings.edge.drain_seconds + settings.core.drain_seconds
    assert int(service["TimeoutStopSec"][0]) + 90 > drain_seconds, "the first message has to come in time"
    assert int(service["WatchdogSec"][0]) >= 10, "a machine that swaps is no loop that hangs"
    for name in ("ConfigurationDirectory", "StateDirectory", "RuntimeDirectory"):
        assert service[name] == ["tidegate"]


@each_unit
@pytest.mark.parametrize("key", ["ExecStart", "ExecReload"])
def test_a_unit_s_command_is_one_of_ours(file: Path, key: str) -> None:
    (line,) = read_unit(file)["Service", key]
    program, *words = line.split()
    if program == "/bin/kill":
        assert (key, words) == ("ExecReload", ["-HUP", "$MAINPID"])
        return
    assert program == PROGRAM
    assert words[-2:] == ["--config", SETTINGS]
    for arguments in ([*words, "--help"], ["check-config", "--config", str(example_of(file))]):
        result = CliRunner().invoke(app, arguments, env=WITHOUT_CERTIFICATES)
        assert result.exit_code == 0, result.output


@each_unit
def test_systemd_finds_nothing_to_complain_about(file: Path, tmp_path: Path) -> None:
    if ANALYZE is None:
        known = {key for other in UNITS for _, key in read_unit(other)}
        assert {key for _, key in read_unit(file)} <= known
        return
    copy = tmp_path / file.name
    copy.write_text(file.read_text().replace(PROGRAM, sys.executable))
    verified = analyze("verify", "--man=no", str(copy))
    assert (verified.returncode, verified.stdout, verified.stderr) == (0, "", "")
    rated = analyze("security", "--offline=true", "--no-pager", f"--threshold={MOST_EXPOSED}", str(copy))
    assert rated.returncode == 0, rated.stdout


def test_the_user_is_made() -> None:
    lines = (FOLDER / "tidegate.sysusers").read_text().splitlines()
    (line,) = [line for line in lines if not line.startswith("#")]
    assert line.split()[:3] == ["u", "tidegate", "-"]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("stem", ["tidegate-core", "tidegate"])
async def test_a_unit_s_command_tells_its_manager_that_it_is_ready(stem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    file = FOLDER / f"{stem}.service"
    (line,) = read_unit(file)["Service", "ExecStart"]
    words = [str(example_of(file)) if word == SETTINGS else word for word in line.split()[1:]]
    monkeypatch.setenv("TIDEGATE_EDGE_LISTEN", f"{LOOPBACK}:0")
    monkeypatch.setenv("TIDEGATE_CORE_LISTEN", f"{LOOPBACK}:0")
    monkeypatch.setenv("TIDEGATE_CORE_ORIGIN", f"{LOOPBACK}:{free_port()}")
    monkeypatch.setenv("TIDEGATE_HTTP_LISTEN", f"{LOOPBACK}:0")
    for name, value in WITHOUT_CERTIFICATES.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("WATCHDOG_USEC", "3000000")
    async with service_manager() as manager:
        monkeypatch.setenv("NOTIFY_SOCKET", manager.place)
        relay = Child(stem)
        try:
            await relay.start(*words)
            assert (await manager.until_field("READY", "1")).pid == relay.pid
            await manager.until_field("WATCHDOG", "1")
            await relay.finish()
            assert manager.all("STOPPING") == ["1"]
        finally:
            await relay.stop()
