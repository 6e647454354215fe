"""The siege runs, and its figures are sane: never that a time is small."""

import argparse

import pytest

from bench.siege import siege

CLOSED_AFTER = "closed after (least / median / most)"


def options(kind: str, frame_seconds: float = 1.0) -> argparse.Namespace:
    return argparse.Namespace(
        kind=kind,
        connections=30,
        rate=100.0,
        bots=2,
        moves_per_second=10.0,
        quiet_seconds=1,
        login_seconds=2,
        frame_seconds=frame_seconds,
        limits=False,
    )


@pytest.mark.parametrize("kind", ["drip", "churn"])
async def test_bots_play_through_a_small_siege(kind: str) -> None:
    result = await siege(options(kind))
    assert result["connected"] == 30
    assert result["could not connect"] == 0
    assert result["closed by the edge"] == 30
    assert result["bots"] == {"clean": True, "outcomes": {"ok": 2}}
    assert all(result[f"round trips, {part}, all"]["count"] > 0 for part in ("quiet", "attacked"))
    assert result["most log lines of one second and reason"] <= 1


@pytest.mark.parametrize(("frame_seconds", "deadline"), [(1.0, 1.0), (0.0, 2.0)])
async def test_who_drips_is_closed_at_the_first_deadline_there_is(frame_seconds: float, deadline: float) -> None:
    result = await siege(options("drip", frame_seconds))
    least, median, _ = (float(each) for each in result[CLOSED_AFTER].removesuffix(" s").split(" / "))
    assert deadline - 0.1 <= least <= median
    assert result["closed by the edge"] == 30
