"""Features over a fleet with a real Redis, briefly; ``python -m tests.fleet_features`` has the long forms."""

import pytest

from tests.fleet_features import ban_at_two_edges, kill_a_core, log_in_at_once, take_redis_away

pytestmark = pytest.mark.timeout(60)  # each starts four processes and a Redis


async def test_a_ban_holds_at_two_edges_and_the_player_reads_why() -> None:
    took = await ban_at_two_edges(bots=3)

    assert len(took) == 3


async def test_who_is_where_is_right_after_a_core_was_killed() -> None:
    took = await kill_a_core(bots=3)

    assert len(took) == 3


async def test_redis_comes_back_empty_and_all_is_known_again() -> None:
    await take_redis_away(bots=3, seconds=1.5)


async def test_of_fifty_logins_at_once_one_gets_in() -> None:
    assert await log_in_at_once(rounds=3, logins=50) == {"1 in, 49 refused": 3}
