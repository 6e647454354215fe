"""Runs several workers of one relay behind one port, and starts a new one when one dies.

The supervisor relays nothing. It reserves the port, starts workers as processes of their own (each listens on the
same port and has its own tunnels, and the system deals connections out), says once that all are ready, passes
signals on, and sees to it that a worker's death costs only that worker's sessions.

A worker gets its settings as a file that only the two can read, says on standard output that it is ready, and
drains when its lifeline ends (`tidegate.process`): then the supervisor is gone. Workers of an edge share the memory
in which they count connections (`edge.shared_counts`); what a dead one had counted is given back at once.

Where a service manager watches the supervisor (`tidegate.service_notify`), the supervisor watches its workers alike:
one whose event loop does not turn for so long is ended, and started anew.
"""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from tempfile import NamedTemporaryFile

import structlog

from edge.shared_counts import SharedCounts, attach_memory, create_memory
from fleet.address import Address
from tidegate.build import counts_geometry, with_place
from tidegate.errors import cannot_listen
from tidegate.logs import announce
from tidegate.process import claim_standard_descriptors, run_until_signal, with_lifeline
from tidegate.service_notify import ALIVE_LINE, ServiceNotifier, for_worker
from tidegate.settings import Settings
from tidegate.upgrade import refuse_reload, refuse_upgrade

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 30.0
STEADY_SECONDS = 10.0
"""A worker that lived this long has started well: its death is not the start's fault."""

LOOKS_A_WATCHDOG = 3

_log = structlog.get_logger("supervisor")


@dataclass(slots=True)
class _Worker:
    """One place among the workers, and the process in it."""

    number: int
    process: asyncio.subprocess.Process | None = None
    ready_line: str = ""
    heard_at: float = 0.0  # by the loop's clock; 0 before it has said that it is alive
    is_condemned: bool = False

    def send_signal(self, number: int) -> None:
        # Not by the process object: that one would look for the exit status first, and take it from asyncio.
        if self.process is not None and self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process.pid, number)


def supervise(relay: str, settings: Settings, listen: Address, count: int) -> int:
    """Run ``count`` workers of ``relay`` ("edge" or "core") until a signal; return the exit status.

    Raises StartError when the port cannot be had or the workers do not start.
    """
    claim_standard_descriptors()
    with (
        reserve(listen, f"{relay}.listen") as reserved,
        NamedTemporaryFile("w", suffix=".toml") as file,
        _share_counts(relay, settings) as shared,
    ):
        file.write(with_listen(settings, relay, Address(listen.host, reserved.getsockname()[1])))
        file.flush()
        has_features = relay == "core" and bool(settings.features.folder)
        supervisor = _Supervisor(relay, file.name, count, shared, passes_hangup=has_features)
        ours = settings.edge if relay == "edge" else settings.core
        notifier = ServiceNotifier.of_process()
        try:
            return run_until_signal(
                lambda stopping: supervisor.run(stopping, notifier, ours.drain_seconds + ours.close_linger_seconds)
            )
        finally:
            notifier.close()


def reserve(listen: Address, key: str) -> socket.socket:
    """Bind the port for all workers without listening on it; raises StartError."""
    family, kind, protocol, _, address = socket.getaddrinfo(listen.host, listen.port, type=socket.SOCK_STREAM)[0]
    reserved = socket.socket(family, kind, protocol)
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        reserved.bind(address)
    except OSError as error:
        reserved.close()
        raise cannot_listen(listen, error, key) from error
    return reserved


def with_listen(settings: Settings, relay: str, listen: Address) -> str:
    """Return the settings as TOML with the real port in them."""
    if relay == "edge":
        return replace(settings, edge=settings.edge.model_copy(update={"listen": listen})).as_toml(shows_secrets=True)
    return replace(settings, core=settings.core.model_copy(update={"listen": listen})).as_toml(shows_secrets=True)


@dataclass(frozen=True, slots=True)
class _Shared:
    """The memory in which the workers of an edge count connections: its open file, and our own view of it."""

    file: int
    counts: SharedCounts


@contextlib.contextmanager
def _share_counts(relay: str, settings: Settings) -> Iterator[_Shared | None]:
    if relay != "edge":
        yield None
        return
    geometry = counts_geometry(settings.edge)
    file = create_memory(geometry)
    try:
        yield _Shared(file, attach_memory(file, geometry, 0))
    finally:
        os.close(file)


class _Supervisor:
    def __init__(
        self, relay: str, settings_file: str, count: int, shared: _Shared | None, *, passes_hangup: bool
    ) -> None:
        self._relay = relay
        self._passes_hangup = passes_hangup  # workers load features anew on SIGHUP, and do not drain
        self._shared = shared
        self._settings_file = settings_file
        self._workers = [_Worker(number) for number in range(1, count + 1)]
        self._stopping = asyncio.Event()
        self._has_announced = False
        self._notifier = ServiceNotifier()

    async def run(self, stopping: asyncio.Event, notifier: ServiceNotifier, drain_seconds: float) -> int:
        """Keep the workers running until the signal, then wait for them to drain."""
        self._notifier = notifier
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR2, refuse_upgrade)
        if self._passes_hangup:
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._pass_hangup)
        elif notifier.is_service:
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, refuse_reload)
        keeping = [asyncio.create_task(self._keep(worker), name=f"worker-{worker.number}") for worker in self._workers]
        told = asyncio.create_task(stopping.wait(), name="signal")
        side = [
            asyncio.create_task(notifier.run(self._status), name="service-notifier"),
            asyncio.create_task(self._watch(notifier.watchdog_seconds), name="worker-watch"),
        ]
        try:
            await asyncio.wait([*keeping, told], return_when=asyncio.FIRST_COMPLETED)
            self._stopping.set()
            notifier.stopping(drain_seconds)
            for worker in self._workers:
                worker.send_signal(signal.SIGTERM)
            statuses = await asyncio.gather(*keeping)
            return max(statuses)
        finally:
            for task in (told, *side):
                task.cancel()
            for worker in self._workers:
                worker.send_signal(signal.SIGKILL)

    def _status(self) -> str:
        ready = sum(bool(worker.ready_line) for worker in self._workers)
        return f"{'draining, ' if self._stopping.is_set() else ''}{ready} of {len(self._workers)} workers"

    async def _watch(self, limit_seconds: float) -> None:
        """End workers whose event loop does not turn, as the service manager would end this process."""
        clock = asyncio.get_running_loop().time
        look_seconds = limit_seconds / LOOKS_A_WATCHDOG
        while limit_seconds:
            due = clock() + look_seconds
            await asyncio.sleep(look_seconds)
            now = clock()
            slept_seconds = max(0.0, now - due)  # this process did not run, so it could not hear anybody
            for worker in self._workers:
                if not worker.heard_at:
                    continue
                worker.heard_at += slept_seconds
                if worker.is_condemned:
                    worker.send_signal(signal.SIGKILL)
                elif now - worker.heard_at > limit_seconds:
                    worker.is_condemned = True
                    _log.error("worker_hung", relay=self._relay, worker=worker.number, silent_seconds=limit_seconds)
                    worker.send_signal(signal.SIGABRT)  # which shows what it was at

    def _pass_hangup(self) -> None:
        for worker in self._workers:
            if worker.ready_line:  # before that it does not listen for it yet, and reads everything anew anyway
                worker.send_signal(signal.SIGHUP)

    async def _keep(self, worker: _Worker) -> int:
        """Run one worker again and again; return its exit status when it is to stop or cannot start."""
        pause_seconds = FIRST_PAUSE_SECONDS
        while True:
            began = time.monotonic()
            status = await self._run_once(worker)
            if self._stopping.is_set():
                # Told to stop before it could even listen for the signal: nothing was cut short.
                return 0 if status == -signal.SIGTERM and not worker.ready_line else abs(status)
            if not worker.ready_line and not self._has_announced:
                return abs(status)  # it has said why on standard error; nobody is served yet
            lived_seconds = time.monotonic() - began
            pause_seconds = FIRST_PAUSE_SECONDS if lived_seconds > STEADY_SECONDS else pause_seconds * 2
            pause_seconds = min(pause_seconds, LONGEST_PAUSE_SECONDS)
            _log.error(
                "worker_died", relay=self._relay, worker=worker.number, status=status, restart_seconds=pause_seconds
            )
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause_seconds)
            if self._stopping.is_set():
                return 0

    async def _run_once(self, worker: _Worker) -> int:
        shared = self._shared
        environment = for_worker(with_lifeline(os.environ), self._notifier.watchdog_seconds)
        if shared is not None:
            environment = with_place(environment, shared.file, worker.number)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tidegate",
            "worker",
            self._relay,
            str(worker.number),
            self._settings_file,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=environment,
            pass_fds=(shared.file,) if shared is not None else (),
            start_new_session=True,  # Ctrl-C is for the supervisor, which tells its workers
        )
        worker.process = process
        worker.ready_line, worker.heard_at, worker.is_condemned = "", 0.0, False
        if self._stopping.is_set():
            worker.send_signal(signal.SIGTERM)
        while process.stdout is not None and (line := await process.stdout.readline()):
            text = line.decode().strip()
            if text == ALIVE_LINE:
                worker.heard_at = asyncio.get_running_loop().time()
            else:
                self._is_ready(worker, text)
        status = await process.wait()
        if shared is not None:
            shared.counts.forget(worker.number - 1)
        return status

    def _is_ready(self, worker: _Worker, line: str) -> None:
        worker.ready_line = line
        if self._has_announced:
            _log.info("worker_ready", relay=self._relay, worker=worker.number)
        elif all(each.ready_line for each in self._workers):
            self._has_announced = True
            announce(f"{line}, {len(self._workers)} workers")
            self._notifier.ready()
