"""A turn of the loop: what is asked for within it is done once at its end, and what fails there stops nothing else."""

import asyncio
from typing import Any

import pytest

from tunnel.turn import Turn, turn_of_running_loop


async def test_what_is_asked_for_is_done_at_the_end_in_order() -> None:
    turn, done = turn_of_running_loop(), list[str]()
    turn.begin()
    turn.at_end(lambda: done.append("first"))
    turn.begin()  # somebody within it who says so as well
    turn.at_end(lambda: turn.at_end(lambda: done.append("asked for at the end")))
    turn.at_end(lambda: done.append("second"))
    turn.end()
    assert done == []
    turn.end()
    assert done == ["first", "second", "asked for at the end"]
    turn.begin()
    turn.end()
    assert len(done) == 3


async def test_where_there_is_no_turn_it_is_done_soon() -> None:
    done = asyncio.Event()
    turn_of_running_loop().at_end(done.set)
    assert not done.is_set()
    async with asyncio.timeout(5):
        await done.wait()


async def test_what_fails_is_told_and_the_others_have_their_turn() -> None:
    told: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["exception"]))
    turn, done = turn_of_running_loop(), list[str]()

    def fail() -> None:
        raise ValueError("as the test wants it")

    for job in (fail, lambda: done.append("done")):
        turn.begin()
        turn.at_end(job)
        turn.at_end(lambda: done.append("done"))
        turn.end()
    assert done == ["done"] * 3
    assert [str(each) for each in told] == ["as the test wants it"]


def test_each_loop_has_one_turn() -> None:
    async def find() -> Turn:
        assert turn_of_running_loop() is turn_of_running_loop()
        return turn_of_running_loop()

    assert asyncio.run(find()) is not asyncio.run(find())
    with pytest.raises(RuntimeError, match="no running event loop"):
        turn_of_running_loop()
