"""The load generator, the echo origin and the attackers: compiled, run, and what the first reports.

The C programs stand in bench/load/ and are compiled when they are needed; nothing here measures.
"""

import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

from bench.accounting import place
from bench.errors import BenchError
from bench.loads import Load
from bench.processes import Process, free_port, running

SOURCES = Path(__file__).parent / "load"
BUILD = Path(__file__).parent / ".build"

COMPILERS = ("cc", "gcc", "clang")

SLACK_SECONDS = 75.0
"""The generator's own bounds on connecting and draining, and a little more."""


@dataclass(frozen=True, slots=True)
class Programs:
    """Where the compiled programs are."""

    load: Path
    origin: Path
    attack: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadResult:
    """What the load generator reports.

    Frames sent and received, and times, are of the measured interval; what went wrong is of the whole run.
    ``unanswered`` frames did not come back by the end, ``held_back`` ones were due but the socket was full,
    and ``late_max_us`` is how far the generator itself fell behind its plan.
    """

    sessions: int
    refused: int
    broken: int
    seconds: float
    sent: int
    received: int
    lost: int
    doubled: int
    reordered: int
    corrupt: int
    unanswered: int
    held_back: int
    late_max_us: float
    p50_us: float
    p99_us: float
    p999_us: float
    max_us: float
    own_cpu_seconds: float
    watched_cpu_seconds: dict[str, float]

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read the generator's line; raises BenchError when it is not one."""
        try:
            values = json.loads(text)
            return cls(**{field.name: values[field.name] for field in fields(cls)})
        except (ValueError, KeyError, TypeError) as error:
            raise BenchError(f"the load generator said {text[:200]!r}: {error!r}") from error

    def cpu_seconds_of(self, pids: Iterable[int]) -> float:
        """Return the CPU time of watched processes together; raises BenchError when one of them ended."""
        times = [self.watched_cpu_seconds[str(pid)] for pid in pids]
        if any(time < 0 for time in times):
            raise BenchError("a process ended while it was measured")
        return sum(times)


def build_programs(folder: Path = BUILD) -> Programs:
    """Compile what is older than its sources; raises BenchError where there is no compiler."""
    folder.mkdir(parents=True, exist_ok=True)
    newest = max(source.stat().st_mtime for source in SOURCES.iterdir())
    programs = Programs(load=folder / "load", origin=folder / "origin", attack=folder / "attack")
    for program in (programs.load, programs.origin, programs.attack):
        if not program.exists() or program.stat().st_mtime < newest:
            _compile(SOURCES / f"{program.name}.c", program)
    return programs


def _compile(source: Path, program: Path) -> None:
    compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
    if compiler is None:
        raise BenchError("no C compiler for what puts the load on. On Debian and Ubuntu: apt-get install gcc libc6-dev")
    new = program.with_suffix(f".{os.getpid()}")  # another run may be using, or making, the same one
    command = [compiler, "-std=gnu11", "-O2", "-Wall", "-Wextra", "-o", str(new), str(source)]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own words
    if finished.returncode:
        raise BenchError(f"{source.name} does not compile:\n{finished.stderr}")
    new.replace(program)


@asynccontextmanager
async def running_origin(programs: Programs, greeting: bytes = b"") -> AsyncIterator[tuple[Process, int]]:
    """The echo origin and its port; it says the greeting to whoever connects."""
    port = free_port()
    async with running("origin", programs.origin, str(port), greeting.hex()) as origin:
        await origin.wait_for(r"ready at")
        yield origin, port


async def run_load(
    programs: Programs,
    load: Load,
    *,
    port: int,
    seconds: float,
    warm_up_seconds: float,
    watched: Iterable[int],
    processor: int | None = None,
    greeting_bytes: int = 0,
    on_measuring: Callable[[], Awaitable[None]] | None = None,
) -> LoadResult:
    """Put a load on a port of this machine; ``on_measuring`` is awaited when the measured interval has begun.

    Each session first passes over ``greeting_bytes`` from the origin. The CPU time of the ``watched`` processes is
    that of the measured interval. ``processor`` is where the load itself runs, if that matters. Raises BenchError.
    """
    options = {
        "port": port,
        "sessions": load.sessions,
        "rate": load.frames_per_second,
        "flight": load.frames_in_flight,
        "frame_bytes": load.frame_bytes,
        "mix": int(load.is_mix),
        "greeting_bytes": greeting_bytes,
        "seconds": seconds,
        "warm_up_seconds": warm_up_seconds,
        "watch": ",".join(map(str, watched)),
    }
    async with running("load", programs.load, *(f"{name}={value}" for name, value in options.items())) as process:
        if processor is not None:
            place(process.pid, processor)
        await process.wait_for("^measuring$", warm_up_seconds + SLACK_SECONDS)
        if on_measuring is not None:
            await on_measuring()
        return LoadResult.from_json(await process.wait_for(r"^\{", seconds + SLACK_SECONDS))
