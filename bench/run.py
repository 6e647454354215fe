"""The measurements: every load with every contestant, round after round.

Contestants take turns within a round, so that whatever else the machine does hits all alike. Nothing here
judges or prints; `bench.cli` does.
"""

import asyncio
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from bench.accounting import families_of, memory_bytes, place
from bench.contestants import Contestant, Order
from bench.errors import BenchError
from bench.figures import Results, Sample
from bench.game import greeting
from bench.generator import Programs, run_load, running_origin
from bench.loads import Load

WARM_UP_SECONDS = 1.0
"""Until caches, buffers and flush windows are as they will be; shorter where the measurement itself is."""

LEAST_SHARE_OF_SESSIONS = 0.9


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured: which loads and contestants, how long and how often, with how many open files each.

    With ``pins`` every process has its processor in those loads that say so, if there are two.
    """

    loads: Sequence[Load]
    contestants: Sequence[Contestant]
    seconds: float
    rounds: int
    open_files: int
    pins: bool = True

    @property
    def warm_up_seconds(self) -> float:
        """How long a load runs before it is measured."""
        return min(WARM_UP_SECONDS, self.seconds / 2)

    def turns(self) -> Iterator[tuple[int, Load, Contestant]]:
        """Yield every measurement in its order: the load's which start (from 1), load, contestant."""
        for load in self.loads:
            for number in range(1, self.rounds * load.starts + 1):
                for contestant in self.contestants:
                    if not load.contestants or contestant.name in load.contestants:
                        yield number, load, contestant


async def measure_all(plan: Plan, programs: Programs, on_turn: Callable[[int, Load, Contestant], None]) -> Results:
    """Do the plan. Who cannot be measured is left out from there on, with the reason in the results."""
    results = Results()
    for number, load, contestant in plan.turns():
        key = (load.name, contestant.name)
        if key in results.not_run:
            continue
        if packages := contestant.missing_packages():
            results.not_run[key] = f"install {packages}: apt-get install {packages}"
            continue
        on_turn(number, load, contestant)
        try:
            results.add(*key, await measure(plan, programs, fit(load, contestant, plan.open_files), contestant))
        except BenchError as error:
            results.not_run[key] = str(error)
    return results


def fit(load: Load, contestant: Contestant, open_files: int) -> Load:
    """Return the load with a few sessions less where the limit of open files asks for it; raises BenchError.

    What is compared is per packet and per session, and the result says how many there were.
    """
    possible = contestant.sessions_possible(open_files)
    if possible >= load.sessions:
        return load
    if possible >= load.sessions * LEAST_SHARE_OF_SESSIONS:
        return replace(load, sessions=possible)
    raise BenchError(f"{open_files} open files allow it {possible} sessions; raise the limit (ulimit -Hn)")


@dataclass(frozen=True, slots=True)
class Places:
    """Which processor each process runs on."""

    relays: Sequence[int]
    origin: int
    load: int


def places_of(processors: Sequence[int], relays: int) -> Places | None:
    """Say who runs where; None where there are not two processors.

    With fewer processors than processes, those who talk to each other are on different ones, so that nobody waits for
    the processor of his neighbour.
    """
    if len(processors) < 2:
        return None
    order = [processors[index % len(processors)] for index in range(relays)]
    if len(processors) >= relays + 2:
        return Places(order, origin=processors[relays], load=processors[relays + 1])
    return Places(order, origin=processors[0], load=processors[1])


async def measure(plan: Plan, programs: Programs, load: Load, contestant: Contestant) -> Sample:
    """Measure one contestant under one load, with processes of its own; raises BenchError."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tidegate-bench-")))
        os.chmod(folder, 0o755)  # noqa: S103 - servers that give up root still read their configuration
        said_first = greeting()
        origin, origin_port = await stack.enter_async_context(running_origin(programs, said_first))
        chain = await contestant.start(stack, Order(origin_port, load.sessions, folder))
        processors = sorted(os.sched_getaffinity(0)) if plan.pins and load.is_pinned else []
        if places := places_of(processors, len(chain.relays)):
            place(origin.pid, places.origin)
            for relay, processor in zip(chain.relays, places.relays, strict=True):
                place(relay.pid, processor)
        relays = families_of(relay.pid for relay in chain.relays)
        before = memory_bytes(relays)
        after: list[int] = []

        async def read_memory() -> None:
            after.append(await asyncio.to_thread(memory_bytes, relays))

        result = await run_load(
            programs,
            load,
            port=chain.port,
            seconds=plan.seconds / load.starts,
            warm_up_seconds=plan.warm_up_seconds,
            watched=(*relays, origin.pid),
            processor=places.load if places else None,
            greeting_bytes=len(said_first),
            # Reading it takes the relays' time, so only where there is nothing else to measure.
            on_measuring=read_memory if load.is_idle and relays else None,
        )
        for relay in chain.relays:
            relay.check()
        return Sample(
            result=result,
            relay_cpu_seconds=result.cpu_seconds_of(relays) if relays else None,
            origin_cpu_seconds=result.cpu_seconds_of([origin.pid]),
            memory_bytes=after[0] - before if after else None,
        )
