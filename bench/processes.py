"""Processes of the benchmark: started, waited for by what they print, and ended with all their children.

Used for relays, origin and load generator alike. What they print is read all the time, so that none of them
ever waits for a full pipe; only the last lines are kept.
"""

import asyncio
import contextlib
import os
import random
import re
import signal
import socket
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bench.errors import BenchError

LOOPBACK = "127.0.0.1"
READY_SECONDS = 20.0
KEPT_LINES = 30
FIRST_PORT = 10_000


class Process:
    """One running process; made by `running`."""

    def __init__(
        self, name: str, process: asyncio.subprocess.Process, on_line: Callable[[str], object] | None = None
    ) -> None:
        self.name = name
        self._on_line = on_line
        self.pid = process.pid
        self._process = process
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._pattern = re.compile("")
        self._found: asyncio.Future[str] | None = None
        self._reading = asyncio.create_task(self._read(), name=f"bench: {name}")

    async def wait_for(self, pattern: str, seconds: float = READY_SECONDS) -> str:
        """Wait for a line with this pattern and return it; raises BenchError with the last words otherwise."""
        self._pattern = re.compile(pattern)
        for line in self._lines:
            if self._pattern.search(line):
                return line
        found: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._found = found
        ends: set[asyncio.Future[Any]] = {found, self._reading}
        await asyncio.wait(ends, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if not found.done():
            raise BenchError(f"{self.name} did not say {pattern!r} within {seconds:g} s.\n{self.last_words}")
        return found.result()

    def check(self) -> None:
        """Raise BenchError if it has ended."""
        if self._process.returncode is not None:
            raise BenchError(f"{self.name} ended with status {self._process.returncode}.\n{self.last_words}")

    def tell(self, line: str) -> None:
        """Write a line to its standard input."""
        assert self._process.stdin is not None  # noqa: S101 - asked for
        self._process.stdin.write(line.encode() + b"\n")

    async def finish(self) -> None:
        """End its standard input, and wait until it has ended by itself."""
        assert self._process.stdin is not None  # noqa: S101 - asked for
        self._process.stdin.close()
        await self._process.wait()
        await self._reading

    @property
    def last_words(self) -> str:
        """The last lines it printed."""
        return "\n".join(self._lines) or "It said nothing."

    async def stop(self) -> None:
        """End it and its children at once: nobody has anything to lose."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)  # started as the leader of a group of its own
        await self._process.wait()
        await self._reading

    async def _read(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 - asked for
        async for raw in self._process.stdout:
            line = raw.decode(errors="replace").rstrip()
            self._lines.append(line)
            if self._on_line is not None:
                self._on_line(line)
            if self._found is not None and not self._found.done() and self._pattern.search(line):
                self._found.set_result(line)


@asynccontextmanager
async def running(
    name: str,
    *command: str | Path,
    environment: Mapping[str, str] | None = None,
    on_line: Callable[[str], object] | None = None,
) -> AsyncIterator[Process]:
    """Run a command for as long as the block lasts; ``on_line`` gets each line it prints.

    Its standard input is a pipe that stays open as long.
    """
    started = await asyncio.create_subprocess_exec(
        *command,
        env=environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,  # Ctrl-C is for the benchmark, which ends its children itself
    )
    process = Process(name, started, on_line)
    try:
        yield process
    finally:
        await process.stop()


async def wait_until_accepting(process: Process, port: int) -> None:
    """Wait until the process accepts connections at a port; raises BenchError when it ends or takes too long."""
    deadline = asyncio.get_running_loop().time() + READY_SECONDS
    while True:
        process.check()
        try:
            _, writer = await asyncio.open_connection(LOOPBACK, port)
        except OSError:
            if asyncio.get_running_loop().time() > deadline:
                raise BenchError(f"{process.name} does not accept connections.\n{process.last_words}") from None
            await asyncio.sleep(0.01)
        else:
            writer.close()
            return


def free_port() -> int:
    """Return a port that nobody has: below the range that the system uses for outgoing connections.

    Within that range thousands of sessions of the last measurement may still hold the port that was chosen.
    """
    limits = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()
    for _ in range(100):
        port = random.randrange(FIRST_PORT, max(int(limits[0]), FIRST_PORT + 1000))  # noqa: S311 - no secret
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((LOOPBACK, port))
            return port
    raise BenchError(f"no free port between {FIRST_PORT} and {limits[0]}")
