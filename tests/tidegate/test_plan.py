"""The command ``plan``: what it reckons, refuses and writes; and that its figures are those of the records."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from games.registry import pack_names
from tidegate.capacity import (
    CPU_US_PER_PACKET,
    FEATURES_RECORD,
    IDLE_BYTES_PER_SESSION,
    MACHINES,
    MEMORY_RECORD,
    RELAY_SHARE,
    TYPICAL,
    Machine,
    Traffic,
    measure_capacity,
    processors_used,
)
from tidegate.commands import app
from tidegate.errors import StartError
from tidegate.fleet_plan import Demand, make_plan, read_regions

ROOT = Path(__file__).parents[2]


def record(name: str) -> dict[str, dict[str, dict[str, dict[str, float]]]]:
    loads = json.loads((ROOT / name).read_text())["loads"]
    return {load: each["measured"] for load, each in loads.items()}


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["plan", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def run_json(*arguments: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(run(*arguments, "--json"))
    return found


def test_cost_of_a_packet_is_that_of_the_record() -> None:
    measured = record(FEATURES_RECORD)
    for load, (rate, cost) in zip(("mix-1000x3", "mix-1000x10"), CPU_US_PER_PACKET, strict=True):
        figures = measured[load]["tidegate-features"]["figures"]
        assert figures["packets_per_second"] == pytest.approx(rate, rel=0.01)
        assert figures["cpu_us_per_packet"] == pytest.approx(cost, rel=0.001)


def test_no_relay_had_a_larger_share_than_is_reckoned() -> None:
    loads = json.loads((ROOT / FEATURES_RECORD).read_text())["loads"]
    rounds = [each for load in loads.values() for each in load["measured"]["tidegate-features"]["rounds"]]
    shares = []
    for each in rounds:
        relays = sorted(each["result"]["watched_cpu_seconds"].values())[1:]  # the least is the origin's
        assert sum(relays) == pytest.approx(each["relay_cpu_seconds"], rel=0.01)
        shares.append(max(relays) / sum(relays))
    assert RELAY_SHARE - 0.03 < max(shares) <= RELAY_SHARE


def test_memory_of_a_session_is_that_of_the_record() -> None:
    figures = record(MEMORY_RECORD)["idle"]["tidegate"]["figures"]
    assert figures["memory_bytes_per_session"] == pytest.approx(IDLE_BYTES_PER_SESSION, rel=0.01)


def test_every_game_has_typical_rates() -> None:
    assert set(TYPICAL) == set(pack_names())


def test_the_load_only_grows_with_the_rate() -> None:
    used = [processors_used(float(rate)) for rate in range(0, 50_000, 250)]
    assert used == sorted(used)
    assert used[0] == 0


@pytest.mark.parametrize(
    ("machine", "traffic", "bound_by"),
    [
        (MACHINES["c7i.large"], TYPICAL["pko"], "processor"),
        (Machine("small", 2, (2 << 30)), Traffic(0.01, 0.01, 64, 64), "memory"),
    ],
)
def test_a_machine_is_full_when_one_of_both_is(machine: Machine, traffic: Traffic, bound_by: str) -> None:
    capacity = measure_capacity(machine, traffic, 0.5)
    assert capacity.bound_by == bound_by
    packets = capacity.sessions * traffic.packets_per_second / capacity.workers
    assert processors_used(packets) <= 0.5
    assert (processors_used(packets) > 0.49) is (bound_by == "processor")


def test_twice_as_busy_takes_more_and_twice_the_processors_take_thrice_the_workers() -> None:
    half, full = (measure_capacity(MACHINES["c7i.large"], TYPICAL["pko"], busy) for busy in (0.4, 0.8))
    assert full.sessions > 2 * half.sessions  # fuller batches are cheaper
    large = measure_capacity(MACHINES["c7i.xlarge"], TYPICAL["pko"], 0.4)
    assert (large.workers, large.sessions) == (3, 3 * half.sessions)


@pytest.mark.parametrize(
    ("text", "players", "found"),
    [
        ("eu-central-1=2000,us-east-1=1000", None, {"eu-central-1": 2000, "us-east-1": 1000}),
        ("eu-central-1=2000, us-east-1=1000", 3000, {"eu-central-1": 2000, "us-east-1": 1000}),
        ("eu-central-1,us-east-1,sa-east-1", 1000, {"eu-central-1": 334, "us-east-1": 333, "sa-east-1": 333}),
        ("eu-west-1", 1, {"eu-west-1": 1}),
    ],
)
def test_regions_are_read(text: str, players: int | None, found: dict[str, int]) -> None:
    assert read_regions(text, players) == found


@pytest.mark.parametrize(
    ("text", "players", "problem"),
    [
        ("", None, "names no AWS region"),
        ("mars-1=5", None, "'mars-1=5' names no AWS region"),
        ("eu-west-1=5,eu-west-1=6", None, "eu-west-1 is there twice"),
        ("eu-west-1=0", None, "write 1 to 1000000 players"),
        ("eu-west-1=-4", None, "write 1 to 1000000 players"),
        ("eu-west-1=99999999999999999999", None, "write 1 to 1000000 players"),
        ("eu-west-1=٣", None, "write 1 to 1000000 players"),
        ("eu-west-1=5,us-east-1", None, "write all of them, or none"),
        ("eu-west-1", None, "how many players?"),
        ("eu-west-1,us-east-1", 1, "fewer than the 2 regions"),
        ("eu-west-1=5", 6, "--players is 6, and the regions have 5"),
    ],
)
def test_wrong_regions_are_refused(text: str, players: int | None, problem: str) -> None:
    with pytest.raises(StartError, match=problem.replace("?", r"\?")):
        read_regions(text, players)


def test_machines_carry_their_players_and_one_may_be_lost() -> None:
    plan = make_plan(Demand({"eu-central-1": 5000, "us-east-1": 10}, "pko", TYPICAL["pko"]), MACHINES["c7i.xlarge"])
    for each in plan.regions:
        assert (each.needed - 1) * plan.capacity.sessions < each.players <= each.needed * plan.capacity.sessions
        assert each.most == each.needed + 1
        assert 1 <= each.least <= each.needed
    assert (plan.cores - 1) * plan.capacity.sessions >= 5010
    month = 5000 * 0.5 * 9 * (48 + 52) * 365.25 / 12 * 86400
    assert plan.regions[0].egress_bytes == pytest.approx(month)


def test_more_cores_than_an_edge_knows_are_refused() -> None:
    with pytest.raises(StartError, match="take a larger --instance-type"):
        make_plan(Demand({"eu-west-1": 50_000}, "pko", TYPICAL["pko"]), MACHINES["c7i.large"])


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--regions", "eu-west-1=5", "--game", "chess"), "there is no game 'chess'; write pko"),
        (("--regions", "eu-west-1=5", "--instance-type", "t2.nano"), "'t2.nano' is not known here; write c7i.large"),
        (("--regions", "eu-west-1=5", "--out", "plan.json"), "end with .tfvars"),
        (("--regions", "eu-west-1=5", "--out", "/nowhere/at/all.tfvars"), "cannot write /nowhere/at/all.tfvars"),
    ],
)
def test_wrong_use_is_a_sentence(arguments: tuple[str, ...], problem: str) -> None:
    with pytest.raises(StartError, match=problem):
        run(*arguments)


def test_what_is_assumed_is_said_for_people_and_programs() -> None:
    printed, found = run("--regions", "eu-west-1=500", "--up", "5"), run_json("--regions", "eu-west-1=500", "--up", "5")
    assumptions = found["assumptions"]
    assert isinstance(assumptions, list)
    assert any("sends 5 frames/s" in each for each in assumptions)
    for each in assumptions:
        assert each in printed.replace("\n", " ")


def test_a_file_is_not_replaced_unasked(tmp_path: Path) -> None:
    path = tmp_path / "fleet.tfvars"
    run("--regions", "eu-west-1=500", "--out", str(path))
    before = path.read_text()
    with pytest.raises(StartError, match="is there already; --force replaces it"):
        run("--regions", "eu-west-1=900", "--out", str(path))
    assert path.read_text() == before
    run("--regions", "eu-west-1=900", "--out", str(path), "--force")
    assert "for 900 players" in path.read_text()
    assert [each.name for each in tmp_path.iterdir()] == ["fleet.tfvars"]
