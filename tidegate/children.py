"""Processes of our own command, as demo and gameday need them: started, waited for until ready, read, and ended.

A child says on standard error when it is ready (one plain line) and how it fares (JSON lines). It holds a lifeline
of ours (`tidegate.process`), so it ends with us however we end.
"""

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from fleet.address import Address, parse_address
from tidegate.process import with_lifeline
from wire.errors import TidegateError

READY_SECONDS = 20.0
STOP_SECONDS = 5.0
"""How long a child may take to end in order; the bots have gone by then, so there is nothing to drain."""

KEPT_LINES = 20

OnEvent = Callable[[Mapping[str, Any]], None]

_READY = re.compile(r": ready\b.*? at (\S+?)(?:,|$)")


class ChildError(TidegateError):
    """A child did not start, or ended before its time; the text has its last words."""

    code = "child"


class Child:
    """One process. ``on_event`` gets every JSON line it logs; ``was_killed`` says that it did not end by itself."""

    def __init__(self, name: str, on_event: OnEvent | None = None) -> None:
        self.name = name
        self.was_killed = False
        self._on_event = on_event
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._output: asyncio.Task[bytes] | None = None
        self._address: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._last_words: deque[str] = deque(maxlen=KEPT_LINES)

    async def start(self, *arguments: str) -> Address:
        """Run ``tidegate ARGUMENTS`` and return the first address of its ready line; raises ChildError."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tidegate",
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=with_lifeline(os.environ),
            start_new_session=True,  # Ctrl-C is for us, who end our children in order
        )
        self._reading = asyncio.create_task(self._read(self._process), name=f"child: {self.name}")
        self._output = asyncio.create_task(_stream(self._process.stdout).read(), name=f"child: output of {self.name}")
        await asyncio.wait({self._address, self._reading}, timeout=READY_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if not self._address.done():
            raise ChildError(f"{self.name} did not get ready.\n{await self._describe_end()}")
        address: Address = self._address.result()
        return address

    @property
    def pid(self) -> int:
        """The process id; raises ChildError when it was never started."""
        return self._running().pid

    @property
    def last_words(self) -> str:
        """The last plain lines and complaints it wrote to standard error."""
        return "\n".join(self._last_words)

    def send_signal(self, number: int) -> None:
        """Send the process a signal; nothing happens when it has ended."""
        process = self._running()
        if process.returncode is None:
            # Not by the process object: that one would look for the exit status first, and take it from asyncio.
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, number)

    async def wait(self) -> int:
        """Wait until the process has ended and been read to its end; return its exit status."""
        status = await self._running().wait()
        if self._reading is not None:
            await self._reading
        return status

    def check(self) -> None:
        """Raise ChildError if the process has ended."""
        if self._process is not None and self._process.returncode is not None:
            status = self._process.returncode
            raise ChildError(f"{self.name} ended too early, exit status {status}.\n{self.last_words}".rstrip())

    async def finish(self) -> str:
        """End the process in order and return its standard output; raises ChildError if it did not end well."""
        self.check()
        output = await self.stop()
        status = self._running().returncode
        if status != 0:
            raise ChildError(f"{self.name} did not end in order, exit status {status}.\n{self.last_words}".rstrip())
        return output

    async def stop(self) -> str:
        """End the process in order, by force after a while; return its standard output."""
        process, reading, output = self._process, self._reading, self._output
        if process is None or reading is None or output is None:
            return ""
        if process.returncode is None:
            self.send_signal(signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_SECONDS):
                    await process.wait()
        if process.returncode is None:
            self.was_killed = True
            self.send_signal(signal.SIGKILL)
        ended = asyncio.create_task(process.wait(), name=f"child: end of {self.name}")
        _, late = await asyncio.wait({ended, reading, output}, timeout=STOP_SECONDS)  # its children may hold its pipes
        for each in late:
            each.cancel()
        return "" if output in late or output.cancelled() else output.result().decode()

    async def _describe_end(self) -> str:
        await self.stop()
        return self.last_words or "It said nothing."

    def _running(self) -> asyncio.subprocess.Process:
        if self._process is None:
            raise ChildError(f"{self.name} was never started")
        return self._process

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        async for raw in _stream(process.stderr):
            line = raw.decode(errors="replace").rstrip()
            if not line.startswith("{"):
                self._last_words.append(line)
                found = _READY.search(line)
                if found and not self._address.done():
                    self._address.set_result(parse_address(found[1]))
                continue
            with contextlib.suppress(ValueError):
                event = json.loads(line)
                if event.get("level") in ("warning", "error"):
                    self._last_words.append(line)
                if self._on_event is not None:
                    self._on_event(event)


def _stream(pipe: asyncio.StreamReader | None) -> asyncio.StreamReader:
    if pipe is None:
        raise ChildError("a child without pipes")
    return pipe
