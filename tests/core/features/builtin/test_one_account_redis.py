"""`oneclient` over two cores' stores and a real Redis: 50 logins of one account at once, again and again.

``python -m tests.core.features.builtin.test_one_account_redis --rounds 1000`` is the long form.
"""

import argparse
import asyncio
import time

import pytest

from tests.core.features.builtin.one_account import run_rounds
from tests.core.store.stores import running_at
from tests.redis_server import redis_server

LOGINS = 50


async def race(rounds: int, limit: int) -> float:
    """Run the rounds, which check themselves; returns how many seconds they took."""
    with redis_server() as redis:
        begin = time.monotonic()
        await run_rounds(lambda: running_at(redis.url), lambda: running_at(redis.url), rounds, LOGINS, limit)
        return time.monotonic() - begin


@pytest.mark.parametrize("limit", [1, 3])
async def test_exactly_so_many_get_in(limit: int) -> None:
    await race(rounds=10, limit=limit)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--limit", type=int, default=1)
    options = parser.parse_args()
    took = asyncio.run(race(options.rounds, options.limit))
    print(f"{options.rounds} rounds of {LOGINS} logins at once: exactly {options.limit} got in each time; {took:.0f} s")
