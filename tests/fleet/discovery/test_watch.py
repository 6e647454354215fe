"""The watch with answers that no agent gives on demand: an index that goes back, and one that never grows."""

import asyncio
from collections import deque
from collections.abc import Sequence
from random import Random
from typing import cast

from fleet.discovery.consul_client import Answer, ConsulClient, ConsulError
from fleet.discovery.consul_state import ConsulState
from fleet.discovery.found_cache import FoundCache
from fleet.discovery.metadata import Wanted
from fleet.discovery.watch import UNHEARD, Watch
from fleet.records import Found
from tests.fleet.discovery.answers import CORE, entry


class Script:
    """Stands in for the client: gives prepared answers, then none, and keeps what it was asked."""

    def __init__(self, answers: Sequence[Answer | ConsulError]) -> None:
        self._answers = deque(answers)
        self.asked: list[tuple[int, float]] = []
        self.is_over = asyncio.Event()

    async def find(self, service: str, *, index: int, wait_seconds: float) -> Answer:
        self.asked.append((index, wait_seconds))
        if not self._answers:
            self.is_over.set()
            await asyncio.Event().wait()
        answer = self._answers.popleft()
        if isinstance(answer, ConsulError):
            raise answer
        return answer


async def watch(*answers: Answer | ConsulError) -> tuple[Script, list[Found]]:
    """What a watch asks for, and what it tells."""
    script, told, state = Script(answers), list[Found](), ConsulState()
    cache = FoundCache("", "tidegate-core")
    made = Watch(cast("ConsulClient", script), state, "tidegate-core", Wanted("core"), cache, told.append, Random(1))
    assert (made.found.is_stale, made.found.problem) == (True, UNHEARD)
    task = asyncio.create_task(made.run())
    async with asyncio.timeout(10):
        await script.is_over.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    made.close()
    return script, told


async def test_the_index_is_given_back_and_forgotten_when_it_goes_back() -> None:
    good = [entry()]
    script, told = await watch(Answer(100, good), Answer(101, good), Answer(5, good), Answer(6, good))
    assert [index for index, _ in script.asked] == [0, 100, 101, 0, 6]
    assert [found.records for found in told] == [(CORE,)]


async def test_after_an_error_it_asks_without_an_index_and_says_how_old_it_is() -> None:
    script, told = await watch(Answer(100, [entry()]), ConsulError("it is gone"), Answer(3, []))
    assert [index for index, _ in script.asked] == [0, 100, 0, 3]
    assert [found.records for found in told] == [(CORE,)] * 3
    assert [found.problem for found in told] == [
        "",
        "Consul: it is gone",
        "Consul has lost 1 of them at once, which is not believed yet",
    ]
    assert script.asked[-1][1] < 10.1  # it looks again when the loss is due to be believed


async def test_an_index_of_nought_does_not_make_it_spin() -> None:
    began = asyncio.get_running_loop().time()
    script, _ = await watch(*[Answer(0, [])] * 4)
    assert [index for index, _ in script.asked] == [0] * 5
    assert asyncio.get_running_loop().time() - began > 0.9
