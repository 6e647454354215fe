"""A turn: one call of the event loop, and what is to be done at its end.

A packet that comes is handed to a tunnel, and a message to sessions, and what all of them have to send goes out
together when whoever brought it has done. Asking the loop for a call of its own costs a handle and another round of the
loop, which in quiet every packet waits for.
"""

import asyncio
from collections.abc import Callable
from weakref import WeakKeyDictionary


class Turn:
    """Of one event loop. Whoever is called by it says `begin`, and then `end` in any case."""

    __slots__ = ("_depth", "_jobs")

    def __init__(self) -> None:
        self._depth = 0
        self._jobs: list[Callable[[], None]] = []

    def begin(self) -> None:
        """What is asked for from now on can wait for the end."""
        self._depth += 1

    def end(self) -> None:
        """Do what was asked for, and what is asked for by that."""
        try:
            if self._depth == 1 and self._jobs:
                self._do_jobs()
        finally:
            self._depth -= 1

    def _do_jobs(self) -> None:
        jobs = self._jobs
        for job in jobs:  # they may become more
            try:
                job()
            except Exception as error:
                context = {"message": "the end of a turn failed", "exception": error}
                asyncio.get_running_loop().call_exception_handler(context)
        jobs.clear()

    def at_end(self, job: Callable[[], None]) -> None:
        """Do something at the end of the turn; soon where there is none."""
        if self._depth:
            self._jobs.append(job)
        else:
            asyncio.get_running_loop().call_soon(job)


_TURNS: "WeakKeyDictionary[asyncio.AbstractEventLoop, Turn]" = WeakKeyDictionary()


def turn_of_running_loop() -> Turn:
    """Return the turn of the loop that runs; raises RuntimeError where none does."""
    loop = asyncio.get_running_loop()
    turn = _TURNS.get(loop)
    if turn is None:
        turn = _TURNS[loop] = Turn()
    return turn
