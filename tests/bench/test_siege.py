"""The siege runs, and its figures are sane: never that a time is small."""

import argparse

from bench.siege import siege


async def test_bots_play_through_a_small_siege() -> None:
    options = argparse.Namespace(
        kind="churn",
        connections=30,
        rate=100.0,
        bots=2,
        seconds=2,
        bots_after=0,
        quiet_seconds=1,
        login_seconds=5,
        limits=False,
    )
    result = await siege(options)
    assert result["connected"] == 30
    assert result["could not connect"] == 0
    assert result["bots, quiet"]["outcomes"] == result["bots, attacked"]["outcomes"] == {"ok": 2}
    assert result["closed by the edge"] > 0
    assert result["most log lines of one second and reason"] <= 1
