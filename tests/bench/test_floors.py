"""The floors: met, missed, or unknown with the package that is missing."""

from dataclasses import replace

import pytest

from bench.contestants import CONTESTANTS_BY_NAME
from bench.figures import Figure, Results
from bench.floors import FLOORS, Against, Floor, judge, judge_all
from bench.loads import LOADS_BY_NAME
from tests.bench.samples import RESULT, sample

CPU = Floor("CPU", "1000x20", Figure.CPU_US_PER_PACKET, 0.85, Against.PEER)
RATE = Floor("rate", "1000x20", Figure.PACKETS_PER_SECOND, 1.5, Against.PEER, is_minimum=True)
ADDED = Floor("added", "1000x20", Figure.P50_US, 0.6, Against.DIRECT, unit="ms", per_unit=1000)
P99 = Floor("p99", "1000x20", Figure.P99_US, 6, unit="ms", per_unit=1000)


@pytest.fixture
def results() -> Results:
    """Ours needs half the peer's CPU time and takes 1 ms more than a direct connection."""
    results = Results()
    results.add("1000x20", "tidegate", sample(cpu_seconds=0.2))
    results.add("1000x20", "haproxy", sample(cpu_seconds=0.4))
    results.add("1000x20", "direct", sample(cpu_seconds=None, result=replace(RESULT, p50_us=500.0)))
    return results


@pytest.mark.parametrize(
    ("floor", "value", "is_met"),
    [
        (CPU, 0.5, True),
        (replace(CPU, limit=0.4), 0.5, False),
        (RATE, 1.0, False),
        (replace(RATE, limit=1.0), 1.0, True),
        (ADDED, 1.0, False),
        (P99, 4.0, True),
    ],
)
def test_a_floor_is_met_or_missed(results: Results, floor: Floor, value: float, is_met: bool) -> None:
    verdict = judge(floor, results)

    assert verdict.value == pytest.approx(value)
    assert verdict.is_met is is_met
    assert verdict.describe().startswith("met" if is_met else "MISSED")


def test_a_floor_without_its_peer_is_unknown_and_names_the_package(results: Results) -> None:
    results.not_run["1000x20", "haproxy"] = "install haproxy: apt-get install haproxy"

    verdict = judge(CPU, results)

    assert verdict.value is None
    assert not verdict.is_met
    assert "apt-get install haproxy" in verdict.describe()
    assert judge(P99, results).is_met


def test_only_the_floors_of_the_loads_that_ran_are_judged(results: Results) -> None:
    titles = [verdict.floor.load for verdict in judge_all(results, {"1000x20"})]

    assert titles == ["1000x20"] * 4


def test_the_floors_name_loads_and_contestants_that_there_are() -> None:
    for floor in FLOORS:
        assert floor.load in LOADS_BY_NAME
        assert set(floor.contestants) <= CONTESTANTS_BY_NAME.keys()
        allowed = LOADS_BY_NAME[floor.load].contestants
        assert not allowed or set(floor.contestants) <= set(allowed)
