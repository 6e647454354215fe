"""Races for claims: ``python -m tests.core.store.claims --rounds 1000`` starts a Redis and runs them.

Two stores with owners of their own claim one name fifty times at once; exactly as many as may are let in, whoever
they are, and all others are refused for certain.
"""

import argparse
import asyncio
import time

from core.store.address import make_store
from core.store.protocol import Store
from tests.core.store.stores import running, until
from tests.redis_server import redis_server

CLAIMS = 50


async def race(stores: tuple[Store, Store], number: int) -> bool:
    """One round: fifty claims of a name at once; raises AssertionError. Every third round evicts.

    Returns whether it counts: not where a busy machine kept Redis from answering in time.
    """
    name, limit, evicts = f"race{number % 7}", 1 + number % 3, number % 3 == 2
    holders = [f"{number}.{each}" for each in range(CLAIMS)]
    answers = await asyncio.gather(
        *(stores[index % 2].claim(name, each, limit=limit, evict=evicts) for index, each in enumerate(holders))
    )
    if not all(answer.is_certain for answer in answers):
        await _release(stores, holders, name)
        return False
    granted = [holder for holder, answer in zip(holders, answers, strict=True) if answer.is_granted]
    evicted = [holder for answer in answers for holder in answer.evicted]
    assert len(evicted) == len(set(evicted))
    assert set(evicted) <= set(granted)
    assert len(granted) - len(evicted) == limit, f"round {number}: {len(granted)} let in, {len(evicted)} evicted"
    await _release(stores, holders, name)
    return True


async def _release(stores: tuple[Store, Store], holders: list[str], name: str) -> None:
    await until(lambda: not any(store.status.is_away for store in stores))
    for index, holder in enumerate(holders):
        stores[index % 2].release(name, holder)
    await until(lambda: not any(store.status.queued_writes for store in stores))


async def run_races(url: str, rounds: int) -> None:
    """All rounds, with two stores in this process; nearly all must count."""
    async with running(make_store(url)) as first, running(make_store(url)) as second:
        counted = [await race((first, second), number) for number in range(rounds)]
    assert sum(counted) >= 0.9 * rounds


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m tests.core.store.claims")
    parser.add_argument("--rounds", type=int, default=1000)
    rounds = parser.parse_args().rounds
    with redis_server() as server:
        began = time.monotonic()
        asyncio.run(run_races(server.url, rounds))
        took = time.monotonic() - began
    print(f"{rounds} rounds of {CLAIMS} claims: exactly as many let in as may, {took / rounds * 1000:.1f} ms a round")


if __name__ == "__main__":
    main()
