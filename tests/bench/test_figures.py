"""From samples to figures, and ratios that exist only where both sides ran."""

from dataclasses import replace

import pytest

from bench.figures import Figure, Results, figures_of
from tests.bench.samples import RESULT, sample


def test_the_figures_of_one_round() -> None:
    figures = sample(cpu_seconds=0.4).figures()

    assert figures[Figure.PACKETS_PER_SECOND] == 10_000
    assert figures[Figure.CPU_US_PER_PACKET] == pytest.approx(20)
    assert figures[Figure.P99_US] == 4000
    assert Figure.MEMORY_BYTES_PER_SESSION not in figures


def test_a_direct_connection_has_no_cpu_time() -> None:
    assert Figure.CPU_US_PER_PACKET not in sample(cpu_seconds=None).figures()


def test_an_idle_load_has_memory_only() -> None:
    figures = sample(memory_bytes=2_048_000, result=replace(RESULT, sent=0, received=0)).figures()

    assert figures == {Figure.LOST: 0, Figure.REFUSED: 0, Figure.MEMORY_BYTES_PER_SESSION: 2048}


def test_everything_that_went_wrong_is_counted() -> None:
    result = replace(RESULT, lost=1, doubled=2, reordered=4, corrupt=8, unanswered=16, refused=32, broken=64)

    figures = sample(result=result).figures()

    assert (figures[Figure.LOST], figures[Figure.REFUSED]) == (31, 96)


def test_the_median_of_the_rounds_counts_and_of_errors_the_worst() -> None:
    rounds = [sample(cpu_seconds=seconds) for seconds in (0.2, 0.9, 0.4)]
    rounds.append(sample(cpu_seconds=0.4, result=replace(RESULT, lost=3)))

    figures = figures_of(rounds)

    assert figures[Figure.CPU_US_PER_PACKET] == pytest.approx(20)
    assert figures[Figure.LOST] == 3


def test_a_ratio_is_to_the_peer() -> None:
    results = Results()
    results.add("load", "tidegate", sample(cpu_seconds=0.2))
    results.add("load", "haproxy", sample(cpu_seconds=0.4))

    assert results.ratio("load", "tidegate", Figure.CPU_US_PER_PACKET) == pytest.approx(0.5)


def test_there_is_no_ratio_to_a_peer_that_did_not_run() -> None:
    results = Results()
    results.add("load", "tidegate", sample())

    assert results.ratio("load", "tidegate", Figure.CPU_US_PER_PACKET) is None
    assert results.why_not("load", "haproxy") == "haproxy was not asked for"


def test_who_failed_in_one_round_has_no_figures() -> None:
    results = Results()
    results.add("load", "haproxy", sample())
    results.not_run["load", "haproxy"] = "it crashed"

    assert results.figures("load", "haproxy") == {}
