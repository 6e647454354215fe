"""Upgrade of a supervisor that has workers of an edge: first its own program, then one worker after the other.

Called by `tidegate.supervisor`. On SIGUSR2 the supervisor tries its own command line, with what is installed and set by
now; when that could go on with what there is (`tidegate.supervision`), it becomes that program, as the same process.
The new program starts a successor for each worker, which takes over port, players and tunnels from it (`edge.upgrade`)
and becomes the supervisor's worker in its place. A worker whose successor fails goes on.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterable
from typing import Any

import structlog

from tidegate.errors import StartError
from tidegate.logs import flush_logs
from tidegate.process import own_lifeline
from tidegate.service_notify import ServiceNotifier, for_worker
from tidegate.supervision import (
    FILE_NAME,
    GO_ON,
    TRIAL,
    TRIAL_LINE,
    Supervision,
    inheritable,
    with_supervision,
)
from tidegate.worker_process import WorkerProcess

TRIAL_SECONDS = 30.0
SETTLE_SECONDS = 0.02
"""For signals that came just before: the loop is to hear of them before it ends."""

HANDOVER_SECONDS = 50.0
"""For a worker and its successor together: what they give each other (`edge.upgrade`) is less."""

ANSWER_SECONDS = 3.0
"""How long a worker whose successor has ended may take to say that it goes on; it hangs otherwise."""

LEAVE_SECONDS = 20.0
"""How long a worker that has handed over may send what players are slow to read: it gives up on them before."""

HELD_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR2)
"""What may come while the next program starts, and has to wait until that listens."""

_log = structlog.get_logger("supervisor")


class SupervisorUpgrade:
    """Makes a running supervisor the next program: on SIGUSR2, one at a time.

    ``keep`` returns what there is to go on with, ``is_stopping`` whether the supervisor drains.
    """

    def __init__(
        self, notifier: ServiceNotifier, keep: Callable[[], Supervision], is_stopping: Callable[[], bool]
    ) -> None:
        self._notifier = notifier
        self._keep = keep
        self._is_stopping = is_stopping
        self._running: asyncio.Task[None] | None = None

    @property
    def is_running(self) -> bool:
        """Whether one is under way."""
        return self._running is not None and not self._running.done()

    def start(self) -> None:
        """Begin, unless one is under way; called for the signal."""
        if self._is_stopping():
            _log.error("upgrade_refused", why="it is draining")
        elif not self.is_running:
            self._running = asyncio.create_task(self._run(), name="supervisor-upgrade")

    async def _run(self) -> None:
        supervision = self._keep()
        _log.info("upgrading", workers=supervision.count)
        self._notifier.reloading()
        file = -1
        try:
            file = _open_file()
            supervision.write(file)
            await _try(file)
            await self._become(file)
        except (StartError, OSError) as error:
            _log.error("upgrade_failed", reason=str(error), action="supervisor and workers go on")
            self._notifier.not_reloaded()
        finally:
            if file >= 0:
                os.close(file)

    async def _become(self, file: int) -> None:
        """Become the next program; returns only by StartError or OSError, and then nothing has changed."""
        signal.pthread_sigmask(signal.SIG_BLOCK, HELD_SIGNALS)  # the next program inherits this, and what waits
        try:
            await asyncio.sleep(SETTLE_SECONDS)
            if self._is_stopping():
                raise StartError("it is draining")
            supervision = self._keep()
            supervision.write(file)
            flush_logs()
            environment = with_supervision({**os.environ, **own_lifeline()}, GO_ON, file)
            with inheritable({file, *supervision.descriptors}):
                os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)  # noqa: S606 - no shell
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD_SIGNALS)


def _open_file() -> int:
    if not hasattr(os, "memfd_create"):
        raise StartError("this system has no files without a name")
    return os.memfd_create(FILE_NAME)


async def _try(file: int) -> None:
    """Have the next program say whether it could go on; raises StartError and OSError."""
    environment = with_supervision(for_worker(os.environ, 0.0), TRIAL, file)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *sys.orig_argv[1:],
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        env=environment,
        pass_fds=(file,),
        start_new_session=True,
    )
    said = b""
    try:
        async with asyncio.timeout(TRIAL_SECONDS):
            said, _ = await process.communicate()
    except TimeoutError:
        raise StartError(f"what is installed now did not start within {TRIAL_SECONDS:g} s") from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
            await process.wait()
    if process.returncode or said.decode(errors="replace").strip() != TRIAL_LINE:
        raise StartError(f"what is installed and set now does not start: exit status {process.returncode}")


async def settle(old: WorkerProcess, new: WorkerProcess) -> str:
    """Wait until a worker's successor has taken over; return why it has not, and the worker goes on then.

    A successor that is ready has taken over, whatever the worker says of it, which may be dead by now.
    """
    await _first((old.answer, new.ready, new.end), HANDOVER_SECONDS)
    if not old.answer.done() and not new.ready.done():
        await _first((old.answer, old.end), ANSWER_SECONDS)
    if new.ready.done():
        return ""
    if old.answer.done():
        return old.answer.result()
    if new.has_ended:
        return f"its successor has ended, status {new.end.result()}"
    return f"its successor has not taken over within {HANDOVER_SECONDS:g} s"


async def _first(futures: Iterable[asyncio.Future[Any]], patience_seconds: float) -> None:
    await asyncio.wait(futures, timeout=patience_seconds, return_when=asyncio.FIRST_COMPLETED)


async def see_off(old: WorkerProcess) -> None:
    """Wait until a worker that has handed over has ended, by force if it takes too long."""
    await asyncio.wait({old.end}, timeout=LEAVE_SECONDS)
    if not old.has_ended:
        _log.error("worker_overstays", worker=old.number, after_seconds=LEAVE_SECONDS, action="ended by force")
        old.send_signal(signal.SIGKILL)
        await asyncio.wait({old.end})
