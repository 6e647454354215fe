"""The whole fleet with a real Consul and Redis, briefly; ``python -m tests.live_fleet`` has the long forms."""

from pathlib import Path

import pytest

from tests.live_fleet import churn, take_away
from tests.live_secrets import Secrets, run_and_look

pytestmark = pytest.mark.timeout(120)


async def test_cores_come_and_go_and_only_those_on_killed_ones_are_lost() -> None:
    churned = await churn(bots=12, changes=5, seed=1)

    # How soon newcomers get in is measured by the long form, on a machine that does nothing else.
    assert churned.sessions_lost <= churned.sessions_of_killed_cores, str(churned)
    assert churned.ledger_is_clean, str(churned)
    assert churned.changes["kill"] >= 1
    assert churned.changes["drain"] >= 1


async def test_consul_and_redis_go_and_come_back_empty() -> None:
    took = await take_away(bots=6, seconds=1)

    assert took["registrations are back"] <= 10
    assert took["both are back"] <= 10


async def test_nothing_that_is_written_holds_a_secret() -> None:
    secrets = await run_and_look(bots=4)

    assert not secrets.found
    assert set(secrets.looked_at) == {"output", "metrics", "Redis", "Consul", "log", "file"}
    assert all(size > 500 for size in secrets.looked_at.values())


def test_secrets_would_be_found(tmp_path: Path) -> None:
    secrets = Secrets({"it": b"NotForAnyLog"})
    secrets.look("log of x", b"a NotForAnyLog b")
    secrets.look("log of y", b"NotForAnyLog".hex().upper().encode())
    (tmp_path / "z").write_bytes(b"NotForAnyLog")
    secrets.look_at_files(tmp_path)
    assert secrets.found == ["it, in log of x", "it, in log of y", "it, in file z"]
