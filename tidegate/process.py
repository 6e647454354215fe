"""Runs a program of ours until it is done or told to stop, on the fastest loop there is.

Used by the relays, the demo, the scripted server and the bots. The first SIGINT, SIGTERM or SIGHUP sets the event
that the program watches; a second SIGINT or SIGTERM exits at once.

A process that must not outlive the one that started it has a lifeline: its standard input is a pipe that the
starter holds and never writes to. However the starter ends, the pipe ends with it, and that counts as the first
signal. `with_lifeline` is what the starter adds to the environment.
"""

import asyncio
import contextlib
import gc
import os
import resource
import signal
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

from tidegate.errors import StartError
from tidegate.logs import flush_logs

STANDARD_INPUT = 0
STANDARD_DESCRIPTORS = (0, 1, 2)

COLLECT_AFTER = (10_000, 5, 4000)
"""Allocations before a look at the youngest objects, and how many looks before one at the next older ones.

The second look walks fifty thousand objects at most, in less than 10 ms: thousands of sessions may come at once.
"""

LIFELINE_VARIABLE = "TIDEGATE_LIFELINE"
"""From one process of ours to another and no setting: people never set it, so no settings page names it."""


def run_until_signal(program: Callable[[asyncio.Event], Awaitable[int]]) -> int:
    """Run ``program`` with the event that the first signal sets; return its exit status."""
    claim_standard_descriptors()
    _raise_file_limit()
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(_with_signals(program))
    finally:
        flush_logs()  # before whoever called us prints why it ended


def schedule_in_batches() -> None:
    """Ask the system not to put this thread, and those it starts, before others each time one wakes.

    For a relay that has its machine to itself: its threads and the other relay's otherwise interrupt one another
    thousands of times a second (the figures are in docs/batching.md). Call it before gRPC starts its threads.
    """
    if hasattr(os, "SCHED_BATCH"):  # Linux only
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def run_on(processors: Sequence[int], number: int, setting: str) -> None:
    """Have this thread, and those it starts, run on the processor that the worker ``number``, from 1, is to have.

    Without any the system chooses. Raises StartError where there is no such processor, or not for us; ``setting`` is
    what names them.
    """
    if not processors:
        return
    found = _own_processors(setting)
    _move_to(processors[(number - 1) % len(processors)], found, setting)
    _Processors.found = found


def check_processors(processors: Sequence[int], workers: int, setting: str) -> None:
    """Raise StartError where one of the workers could not run on the processor that it is to have."""
    if not processors:
        return
    found = _own_processors(setting)
    try:
        for processor in sorted(set(processors[:workers])):
            _move_to(processor, found, setting)
    finally:
        os.sched_setaffinity(0, found)


def _own_processors(setting: str) -> set[int]:
    if not hasattr(os, "sched_getaffinity"):
        raise StartError(f"{setting}: this system does not let a process choose its processor")
    return os.sched_getaffinity(0)


def _move_to(processor: int, found: set[int], setting: str) -> None:
    try:
        os.sched_setaffinity(0, {processor})
    except OSError as error:
        ours = ", ".join(map(str, sorted(found)))
        raise StartError(f"{setting}: this process cannot run on processor {processor}; it has {ours}") from error


@contextlib.contextmanager
def as_found() -> Iterator[None]:
    """Run where the system had us before `run_on`: what is started meanwhile has its own settings for that."""
    if not _Processors.found:
        yield
        return
    own = os.sched_getaffinity(0)
    with contextlib.suppress(OSError):  # the administrator has moved us: then that holds for both
        os.sched_setaffinity(0, _Processors.found)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, own)


class _Processors:
    found: set[int] = set()  # noqa: RUF012 - one for the process; empty while this process was not moved


def spare_the_collector() -> None:
    """Have the garbage collector pass over what is loaded by now, and rarely walk what has lived for long.

    A walk over fifteen hundred sessions stopped all traffic for 50 ms and found nothing: what a session is made of is
    freed when it ends. Young garbage is collected as ever.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)


def with_lifeline(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for a process of ours that gets a pipe as standard input and ends with us."""
    return {**environment, LIFELINE_VARIABLE: "stdin"}


def own_lifeline() -> dict[str, str]:
    """Return what a successor of this process needs in its environment to have the same lifeline."""
    return {LIFELINE_VARIABLE: "stdin"} if _Lifeline.is_watched else {}


class _Lifeline:
    is_watched = False


def claim_standard_descriptors() -> None:
    """Put the null device where standard input, output or error is closed.

    Otherwise the next socket would get that number, and what a library writes to standard error would reach a
    player. Call it before anything is opened; a second call does nothing.
    """
    for descriptor in STANDARD_DESCRIPTORS:
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # noqa: FBT003 - takes the lowest free number


async def _with_signals(program: Callable[[asyncio.Event], Awaitable[int]]) -> int:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal(number: signal.Signals) -> None:
        if stopping.is_set():
            flush_logs()
            os._exit(128 + number)
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    # A terminal that closes sends it more than once, and systemd may send it after SIGTERM: it is never the second
    # one. Who started us with nohup wants us to ignore it.
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        loop.add_signal_handler(signal.SIGHUP, stopping.set)
    if os.environ.pop(LIFELINE_VARIABLE, None) == "stdin":  # what we start has its own lifeline or none
        _Lifeline.is_watched = True
        _watch_lifeline(loop, stopping)
    return await program(stopping)


def _watch_lifeline(loop: asyncio.AbstractEventLoop, stopping: asyncio.Event) -> None:
    def readable() -> None:
        if not os.read(STANDARD_INPUT, 1024):
            loop.remove_reader(STANDARD_INPUT)
            stopping.set()

    loop.add_reader(STANDARD_INPUT, readable)


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
