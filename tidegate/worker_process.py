"""One worker as its supervisor holds it: the process, what it says on standard output, its lifeline, its orders.

Called by `tidegate.supervisor`. All of it is numbers of processes and descriptors, so that a supervisor that starts its
own program anew (`tidegate.supervisor_upgrade`) can keep its workers: they are children of the same process.
"""

import asyncio
import contextlib
import os
import socket
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from tidegate.service_notify import ALIVE_LINE
from tidegate.worker_orders import GOES_ON_LINE, HANDED_OVER_LINE, order_handover
from tidegate.worker_places import WorkerPlaces

READ_BYTES = 65536
NO_DESCRIPTOR = -1


@dataclass(frozen=True, slots=True)
class KeptWorker:
    """What of a worker outlives its supervisor's program: descriptors and numbers. No memory, no orders: -1."""

    number: int
    pid: int
    lifeline: int
    output: int
    orders: int
    memory: int
    place: int
    ready_line: str
    is_heard: bool


class WorkerProcess:
    """A running worker. ``ready`` gets its line when it is, ``answer`` what it says to an order to hand over.

    The answer is empty when it has handed over, and otherwise says why it goes on. ``place`` among ``places`` is given
    back when it has ended; a core's worker has none.
    """

    def __init__(self, kept: KeptWorker, places: WorkerPlaces | None, process: "subprocess.Popen[bytes] | None" = None):
        loop = asyncio.get_running_loop()
        self.number = kept.number
        self.pid = kept.pid
        self.heard_at = loop.time() if kept.is_heard else 0.0  # 0 before it has said that it is alive
        self.is_condemned = False
        self.has_ended = False
        self.ready: asyncio.Future[str] = loop.create_future()
        self.answer: asyncio.Future[str] = loop.create_future()
        self._loop = loop
        self._kept = kept
        self._places = places
        self._orders = socket.socket(fileno=kept.orders) if kept.orders != NO_DESCRIPTOR else None
        self._unread = b""
        self._silent: asyncio.Future[None] = loop.create_future()
        # Not by asyncio: it would know nothing of a child that another program of this process has started.
        self._wait = process.wait if process is not None else partial(_wait_for, kept.pid)
        if kept.ready_line:
            self.ready.set_result(kept.ready_line)
        for each in (kept.lifeline, kept.output, kept.orders):
            if each != NO_DESCRIPTOR:
                os.set_inheritable(each, False)  # noqa: FBT003 - the system's own signature
        os.set_blocking(kept.output, False)
        loop.add_reader(kept.output, self._read)
        self._end = loop.create_task(self._wait_for_end(), name=f"worker-{kept.number}-end")

    @classmethod
    def start(
        cls,
        number: int,
        command: Sequence[str],
        environment: Mapping[str, str],
        descriptors: Sequence[int],
        places: WorkerPlaces | None,
        place: int,
        orders: socket.socket | None,
    ) -> "WorkerProcess":
        """Start a worker that inherits these descriptors; raises OSError. ``orders`` is our end of the pair."""
        theirs, lifeline = os.pipe()
        output, written = os.pipe()
        try:
            process = subprocess.Popen(  # noqa: S603 - our own command
                command,
                stdin=theirs,
                stdout=written,
                env=environment,
                pass_fds=descriptors,
                start_new_session=True,  # Ctrl-C is for the supervisor, which tells its workers
            )
        except OSError:
            os.close(lifeline)
            os.close(output)
            raise
        finally:
            os.close(theirs)
            os.close(written)
        memory = places.file if places is not None else NO_DESCRIPTOR
        held = orders.detach() if orders is not None else NO_DESCRIPTOR
        return cls(
            KeptWorker(number, process.pid, lifeline, output, held, memory, place, "", is_heard=False), places, process
        )

    def keep(self) -> KeptWorker:
        """Return what the next program of this process needs to go on with it."""
        kept = self._kept
        line = self.ready.result() if self.ready.done() else ""
        return KeptWorker(
            *(kept.number, kept.pid, kept.lifeline, kept.output, kept.orders, kept.memory, kept.place),
            ready_line=line,
            is_heard=self.heard_at > 0,
        )

    @property
    def end(self) -> "asyncio.Task[int]":
        """Its exit status when it has ended, below 0 for a signal; shield it from cancellation."""
        return self._end

    @property
    def ready_line(self) -> str:
        """What it said when it was ready; empty before."""
        return self.ready.result() if self.ready.done() else ""

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if not self.has_ended:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def hand_over(self, end: socket.socket) -> None:
        """Order it to hand over to whom it reaches by this end of a pair of sockets; raises OSError."""
        if self._orders is None:
            raise OSError("it takes no orders")
        order_handover(self._orders, end)

    def _read(self) -> None:
        """Take what it says, line by line; nothing waits in between, or it would be lost with this program."""
        try:
            said = os.read(self._kept.output, READ_BYTES)
        except BlockingIOError:
            return
        if not said:
            self._loop.remove_reader(self._kept.output)
            self._silent.set_result(None)
            return
        *lines, self._unread = (self._unread + said).split(b"\n")
        self._unread = self._unread[-READ_BYTES:]
        for line in lines:
            self._hear(line.decode(errors="replace").strip())

    def _hear(self, line: str) -> None:
        if line == ALIVE_LINE:
            self.heard_at = self._loop.time()
        elif line == HANDED_OVER_LINE or line.startswith(GOES_ON_LINE):
            if not self.answer.done():
                self.answer.set_result("" if line == HANDED_OVER_LINE else line.removeprefix(GOES_ON_LINE))
        elif line and not self.ready.done():
            self.ready.set_result(line)

    async def _wait_for_end(self) -> int:
        await self._silent
        status = await asyncio.to_thread(self._wait)
        self.has_ended = True
        for each in (self._kept.lifeline, self._kept.output):
            os.close(each)
        if self._orders is not None:
            self._orders.close()
        if self._places is not None:
            self._places.give_back(self._kept.place)
        return status


def _wait_for(pid: int) -> int:
    """Wait for the end of a child that was started by another program of this process; blocks."""
    try:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    except ChildProcessError:  # its status was told to that program, just before
        return 0
