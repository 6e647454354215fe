"""The figures of an edge, and who is recommended."""

import pytest

from fleet.address import Address
from fleet.probe import ProbeState
from tidegate.probing.result import Result, rank
from tidegate.probing.targets import Target

SERVING = ProbeState(True, False, 51)
DRAINING = ProbeState(False, True, 0)
CRITICAL = ProbeState(False, False, 0)


def result(name: str, *trips: float, sent: int = 5, state: ProbeState | None = SERVING, problem: str = "") -> Result:
    target = Target(name, Address(name, 1))
    return Result(target, sent, trips, state if trips else None, "UDP" if trips else "", problem)


def test_the_figures() -> None:
    measured = result("a", 0.010, 0.014, 0.011, 0.030)
    assert measured.median_seconds == pytest.approx(0.0125)
    assert measured.p95_seconds == 0.030
    assert measured.jitter_seconds == pytest.approx((0.004 + 0.003 + 0.019) / 3)
    assert measured.loss == pytest.approx(0.2)
    assert measured.as_fields() == {
        "name": "a",
        "region": "",
        "probe": "a:1",
        "answers": True,
        "by": "UDP",
        "state": "serving",
        "load": 0.2,
        "median_ms": 12.5,
        "p95_ms": 30.0,
        "jitter_ms": 8.67,
        "loss": 0.2,
    }


def test_one_probe_is_enough_for_figures() -> None:
    assert (result("a", 0.01).p95_seconds, result("a", 0.01).jitter_seconds) == (0.01, 0.0)


def test_p95_of_many_leaves_out_the_worst() -> None:
    assert result("a", *[0.01] * 96, *[9.0] * 4, sent=100).p95_seconds == 0.01


def test_who_takes_players_comes_first_and_the_silent_last() -> None:
    edges = [
        result("silent", problem="no answer"),
        result("near but critical", 0.001, state=CRITICAL),
        result("near but draining", 0.002, state=DRAINING),
        result("far", 0.2),
        result("near", 0.01),
    ]
    assert [each.target.name for each in rank(edges)] == [
        "near",
        "far",
        "near but critical",
        "near but draining",
        "silent",
    ]
    assert edges[0].as_fields()["problem"] == "no answer"
    assert edges[0].loss == 1.0
