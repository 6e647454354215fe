"""Runs a program of ours until it is done or told to stop, on the fastest loop there is.

Used by the relays, the demo, the scripted server and the bots. The first SIGINT or SIGTERM sets the event that
the program watches; a second one exits at once.
"""

import asyncio
import os
import resource
import signal
from collections.abc import Awaitable, Callable


def run_until_signal(program: Callable[[asyncio.Event], Awaitable[int]]) -> int:
    """Run ``program`` with the event that the first signal sets; return its exit status."""
    _raise_file_limit()
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_with_signals(program))


async def _with_signals(program: Callable[[asyncio.Event], Awaitable[int]]) -> int:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal(number: signal.Signals) -> None:
        if stopping.is_set():
            os._exit(128 + number)
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    return await program(stopping)


def _raise_file_limit() -> None:
    """Allow as many sockets as the system lets this process have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop
