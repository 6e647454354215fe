"""The command as a whole: that it runs and its figures are sane, never that a time is small."""

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bench import cli, contestants
from bench.accounting import families_of
from bench.figures import Results
from bench.floors import judge_all
from bench.loads import LOADS_BY_NAME
from bench.proxies import find_program
from bench.run import Plan
from tests.bench.samples import sample


def run_bench(*arguments: str) -> tuple[int, str, str]:
    """Run ``python -m bench`` and return its exit status, output and errors."""
    command = [sys.executable, "-m", "bench", *arguments]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    return finished.returncode, finished.stdout, finished.stderr


def test_the_quick_form_runs_and_its_figures_are_sane(tmp_path: Path) -> None:
    assert find_program("haproxy"), "haproxy is missing: 'make programs' says how to install it"
    shortest = ("--seconds", "0.3", "--load", "1000x10,flight", "--only", "tidegate,haproxy,direct")

    status, output, error = run_bench("--quick", *shortest, "--output", str(tmp_path))

    assert status == 0, error
    assert "HAProxy → HAProxy" in output
    [path] = tmp_path.glob("*-quick.json")
    written = json.loads(path.read_text())
    assert {"cpu", "cores", "kernel"} <= written["machine"].keys()
    assert {"python", "tidegate", "grpcio", "haproxy"} <= written["versions"].keys()
    for load in ("1000x10", "flight"):
        measured = written["loads"][load]["measured"]
        assert measured.keys() == {"tidegate", "haproxy", "direct"}
        for name, each in measured.items():
            assert each["figures"]["packets_per_second"] > 0
            assert each["figures"]["p50_us"] > 0
            assert (each["figures"]["lost"], each["figures"]["refused"]) == (0, 0)
            assert each["rounds"][0]["origin_cpu_seconds"] > 0
            assert (each["figures"].get("cpu_us_per_packet", 0) > 0) is (name != "direct")
        assert measured["tidegate"]["ratios"]["cpu_us_per_packet"] > 0


def test_the_naive_relay_and_nginx_lose_nothing_either(tmp_path: Path) -> None:
    names = ["naive"] if contestants.CONTESTANTS_BY_NAME["nginx"].missing_packages() else ["naive", "nginx"]

    status, output, error = run_bench(
        "--quick", "--seconds", "0.2", "--load", "quiet", "--only", ",".join(names), "--output", str(tmp_path)
    )  # fmt: skip

    assert status == 0, error
    assert "haproxy was not asked for" in output or "unknown" in output
    [path] = tmp_path.glob("*.json")
    measured = json.loads(path.read_text())["loads"]["quiet"]["measured"]
    for name in names:
        assert measured[name]["figures"]["packets_per_second"] > 0
        assert measured[name]["figures"]["lost"] == 0
        assert measured[name]["ratios"] == {}


async def test_a_signal_leaves_no_relay_running(tmp_path: Path) -> None:
    command = ("-m", "bench", "--seconds", "60", "--load", "quiet", "--only", "haproxy", "--output", tmp_path)
    process = await asyncio.create_subprocess_exec(sys.executable, *command)
    async with asyncio.timeout(15):
        while len(family := families_of([process.pid])) < 5:  # noqa: ASYNC110 - they are other processes
            await asyncio.sleep(0.01)  # until there are origin, two proxies and the load
    process.send_signal(signal.SIGTERM)

    assert await process.wait() == 130
    assert families_of(family) == ()


def test_a_name_that_is_not_known_is_wrong_use() -> None:
    status, _, error = run_bench("--only", "tidegate,squid")

    assert status == 2
    assert "squid: known are tidegate" in error


@pytest.mark.parametrize("is_quick", [True, False])
def test_a_missing_haproxy_is_a_failure_that_names_it(monkeypatch: pytest.MonkeyPatch, is_quick: bool) -> None:
    monkeypatch.setattr(contestants, "find_program", lambda _: None)
    plan = plan_of("tidegate", "haproxy")
    results = Results()
    results.add("1000x20", "tidegate", sample(cpu_seconds=0.2))
    results.not_run["1000x20", "haproxy"] = "install haproxy"

    complaints = cli._complaints(plan, results, () if is_quick else judge_all(results, {"1000x20"}))

    assert any("install haproxy" in complaint for complaint in complaints)
    assert any("floor unknown" in complaint for complaint in complaints) is not is_quick


def test_missed_floors_are_named_unless_their_peer_was_left_out() -> None:
    results = Results()
    results.add("1000x20", "tidegate", sample(cpu_seconds=0.8))
    results.add("1000x20", "haproxy", sample(cpu_seconds=0.4))
    verdicts = judge_all(results, {"1000x20"})

    assert [text.split(":")[0] for text in cli._complaints(plan_of("tidegate", "haproxy"), results, verdicts)] == [
        "floor missed"
    ]
    assert cli._complaints(plan_of("tidegate"), results, verdicts) == []


def plan_of(*names: str) -> Plan:
    chosen = [contestants.CONTESTANTS_BY_NAME[name] for name in names]
    return Plan(loads=[LOADS_BY_NAME["1000x20"]], contestants=chosen, seconds=1, rounds=1, open_files=1024)
