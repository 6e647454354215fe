"""Features on live traffic, briefly; ``python -m tests.live_features`` has the long forms."""

from pathlib import Path

import pytest

from tests.live_features import misbehave, reload_under_load

STOPPED = {"sleeps", "hides"}


@pytest.mark.parametrize("dialect", ["classic", "counter+trailer"])
async def test_reloads_under_load_cost_nothing(tmp_path: Path, dialect: str) -> None:
    noticed = await reload_under_load(tmp_path, bots=10, times=2, dialect=dialect)

    assert noticed.went_well
    reloads = noticed.log.lines["features_reloaded"]
    assert [line["loaded"] for line in reloads] == ["counting"] * 2
    counted = [line["count"] for line in noticed.log.lines["said"]]
    assert len(counted) == 10
    assert all(count > 0 for count in counted)


@pytest.mark.parametrize("how", ["hides", "nonsense", "raises", "sleeps"])
async def test_a_bad_feature_harms_only_itself(tmp_path: Path, how: str) -> None:
    noticed = await misbehave(tmp_path, how, bots=10, intervals=2, until="feature_taken_out")

    assert noticed.went_well
    assert noticed.log.count("feature_stopped" if how in STOPPED else "feature_failed") > 0
    assert noticed.log.lines["feature_taken_out"][0]["feature"] == "bad"
