"""Runs several workers of one relay behind one port, and starts a new one when one dies.

The supervisor relays nothing. It reserves the port, starts workers as processes of their own (each listens on the
same port and has its own tunnels, and the system deals connections out), says once that all are ready, passes
signals on, and sees to it that a worker's death costs only that worker's sessions.

A worker gets its settings as a file that only the two can read, says on standard output that it is ready, and
drains when its lifeline ends (`tidegate.process`): then the supervisor is gone. Workers of an edge share the memory
in which they count connections (`edge.shared_counts`); what a dead one had counted is given back at once.

Where a service manager watches the supervisor (`tidegate.service_notify`), the supervisor watches its workers alike:
one whose event loop does not turn for so long is ended, and started anew.

The supervisor of an edge can be upgraded (`tidegate.supervisor_upgrade`): then this program begins with workers that
the one before it had started, and replaces them one by one.
"""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from dataclasses import dataclass, replace
from functools import partial

import structlog

from edge.shared_counts import Geometry
from fleet.address import Address
from tidegate.build import counts_geometry, with_place
from tidegate.errors import cannot_listen
from tidegate.logs import announce
from tidegate.process import claim_standard_descriptors, run_until_signal, with_lifeline
from tidegate.service_notify import ServiceNotifier, for_worker
from tidegate.settings import Settings
from tidegate.supervision import TRIAL_LINE, Kept, Supervision, kept_supervision
from tidegate.supervisor_upgrade import HELD_SIGNALS, SupervisorUpgrade, see_off, settle
from tidegate.upgrade import HANDOVER_VARIABLE, refuse_reload, refuse_upgrade
from tidegate.worker_orders import ORDERS_VARIABLE
from tidegate.worker_places import WorkerPlaces
from tidegate.worker_process import NO_DESCRIPTOR, WorkerProcess
from tidegate.worker_settings import WorkerSettings

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 30.0
STEADY_SECONDS = 10.0
"""A worker that lived this long has started well: its death is not the start's fault."""

LOOKS_A_WATCHDOG = 3

_log = structlog.get_logger("supervisor")


@dataclass(slots=True)
class _Worker:
    """One place among the workers, and the process in it. ``replacing`` is under way while it has a successor."""

    number: int
    process: WorkerProcess | None = None
    successor: WorkerProcess | None = None
    replacing: "asyncio.Task[bool] | None" = None

    @property
    def is_ready(self) -> bool:
        return self.process is not None and bool(self.process.ready_line)

    def send_signal(self, number: int) -> None:
        if self.process is not None:
            self.process.send_signal(number)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """What this program of the supervisor is to run. ``geometry`` is of the memory in which an edge's workers count."""

    relay: str
    count: int
    port: socket.socket
    settings: WorkerSettings
    geometry: Geometry | None
    passes_hangup: bool  # workers load features anew on SIGHUP, and do not drain
    drain_seconds: float


def supervise(relay: str, settings: Settings, listen: Address, count: int) -> int:
    """Run ``count`` workers of ``relay`` ("edge" or "core") until a signal; return the exit status.

    Raises StartError when the port cannot be had or the workers do not start.
    """
    claim_standard_descriptors()
    kept = kept_supervision()
    if kept is not None:
        kept.check(relay, count)
        if kept.is_trial:
            print(TRIAL_LINE, flush=True)
            return 0
    ours = settings.edge if relay == "edge" else settings.core
    with (
        reserve(listen, f"{relay}.listen") if kept is None else kept.port() as port,
        WorkerSettings(with_listen(settings, relay, Address(listen.host, port.getsockname()[1]))) as worker_settings,
    ):
        plan = _Plan(
            relay=relay,
            count=count,
            port=port,
            settings=worker_settings,
            geometry=counts_geometry(settings.edge) if relay == "edge" else None,
            passes_hangup=relay == "core" and bool(settings.features.folder),
            drain_seconds=ours.drain_seconds + ours.close_linger_seconds,
        )
        notifier = ServiceNotifier.of_process()
        try:
            return run_until_signal(lambda stopping: _Supervisor(plan, notifier, kept).run(stopping))
        finally:
            notifier.close()
            if kept is not None:
                kept.close()


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


class _Supervisor:
    """The running supervisor. ``kept`` is what the program before this one had; its workers are to be replaced."""

    def __init__(self, plan: _Plan, notifier: ServiceNotifier, kept: Kept | None) -> None:
        self._plan = plan
        self._notifier = notifier
        self._kept = kept
        self._relay = plan.relay
        self._workers = [_Worker(number) for number in range(1, plan.count + 1)]
        self._stopping = asyncio.Event()
        self._has_announced = kept is not None and kept.supervision.has_announced
        self._memories: list[WorkerPlaces] = []
        self._places: WorkerPlaces | None = None  # what new workers count in
        self._upgrade = SupervisorUpgrade(notifier, self._keep_all, self._stopping.is_set)

    async def run(self, stopping: asyncio.Event) -> int:
        """Keep the workers running until the signal, then wait for them to drain."""
        self._handle_signals()
        self._adopt()
        keeping = [asyncio.create_task(self._keep(worker), name=f"worker-{worker.number}") for worker in self._workers]
        told = asyncio.create_task(stopping.wait(), name="signal")
        side = [
            asyncio.create_task(self._notifier.run(self._status), name="service-notifier"),
            asyncio.create_task(self._watch(self._notifier.watchdog_seconds), name="worker-watch"),
            asyncio.create_task(self._replace_all(), name="worker-upgrade"),
        ]
        try:
            await asyncio.wait([*keeping, told], return_when=asyncio.FIRST_COMPLETED)
            self._stopping.set()
            self._notifier.stopping(self._plan.drain_seconds)
            for worker in self._workers:
                worker.send_signal(signal.SIGTERM)
            await asyncio.wait(keeping)  # all of them: a mistake with one worker costs the others no drain
            return max(task.result() for task in keeping)
        finally:
            for task in (told, *side):
                task.cancel()
            for worker in self._workers:
                for process in (worker.process, worker.successor):
                    if process is not None:
                        process.send_signal(signal.SIGKILL)

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGUSR2, self._start_upgrade if self._relay == "edge" else refuse_upgrade)
        if self._plan.passes_hangup:
            loop.add_signal_handler(signal.SIGHUP, self._pass_hangup)
        elif self._notifier.is_service:
            loop.add_signal_handler(signal.SIGHUP, refuse_reload)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD_SIGNALS)  # they were held for the program before this one

    def _status(self) -> str:
        ready = sum(worker.is_ready for worker in self._workers)
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
            for process in (worker.process for worker in self._workers):
                if process is None or not process.heard_at:
                    continue
                process.heard_at += slept_seconds
                if process.is_condemned:
                    process.send_signal(signal.SIGKILL)
                elif now - process.heard_at > limit_seconds:
                    process.is_condemned = True
                    _log.error("worker_hung", relay=self._relay, worker=process.number, silent_seconds=limit_seconds)
                    process.send_signal(signal.SIGABRT)  # which shows what it was at

    def _pass_hangup(self) -> None:
        for worker in self._workers:
            if worker.is_ready:  # before that it does not listen for it yet, and reads everything anew anyway
                worker.send_signal(signal.SIGHUP)

    async def _keep(self, worker: _Worker) -> int:
        """Run one worker again and again; return its exit status when it is to stop or cannot start."""
        pause_seconds = FIRST_PAUSE_SECONDS
        while True:
            began = time.monotonic()
            try:
                process = worker.process = worker.process or self._start(worker)
            except OSError as error:
                if not self._has_announced:
                    raise
                reason = error.strerror or str(error)
                _log.error(
                    "worker_not_started",
                    relay=self._relay,
                    worker=worker.number,
                    reason=reason,
                    restart_seconds=pause_seconds,
                )
                if await self._pause(pause_seconds):
                    return 0
                pause_seconds = min(pause_seconds * 2, LONGEST_PAUSE_SECONDS)
                continue
            if self._stopping.is_set():
                process.send_signal(signal.SIGTERM)
            status = await asyncio.shield(process.end)
            if worker.replacing is not None:
                await asyncio.wait({worker.replacing})
            if worker.process is not process:
                continue  # a successor has its place
            worker.process = None
            if self._stopping.is_set():
                # Told to stop before it could even listen for the signal: nothing was cut short.
                return 0 if status == -signal.SIGTERM and not process.ready_line else abs(status)
            if not process.ready_line and not self._has_announced:
                return abs(status)  # it has said why on standard error; nobody is served yet
            lived_seconds = time.monotonic() - began
            pause_seconds = FIRST_PAUSE_SECONDS if lived_seconds > STEADY_SECONDS else pause_seconds * 2
            pause_seconds = min(pause_seconds, LONGEST_PAUSE_SECONDS)
            _log.error(
                "worker_died", relay=self._relay, worker=worker.number, status=status, restart_seconds=pause_seconds
            )
            if await self._pause(pause_seconds):
                return 0

    async def _pause(self, seconds: float) -> bool:
        """Wait before a worker is started again; whether to stop instead."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)
        return self._stopping.is_set()

    def _start(self, worker: _Worker, successor_end: socket.socket | None = None) -> WorkerProcess:
        """Start a process for a worker; with ``successor_end`` it takes over from the one there is. Raises OSError."""
        environment = for_worker(with_lifeline(os.environ), self._notifier.watchdog_seconds)
        program = (sys.executable, "-m", "tidegate", "worker")
        command = (*program, self._relay, str(worker.number), self._plan.settings.path)
        if self._places is None:
            return self._hear(WorkerProcess.start(worker.number, command, environment, (), None, NO_DESCRIPTOR, None))
        ours, theirs = socket.socketpair()
        place = self._places.take()
        environment = with_place(environment, self._places.file, place)
        environment[ORDERS_VARIABLE] = str(theirs.fileno())
        inherited = [self._places.file, theirs.fileno()]
        if successor_end is not None:
            environment[HANDOVER_VARIABLE] = str(successor_end.fileno())
            inherited.append(successor_end.fileno())
        with theirs:
            try:
                process = WorkerProcess.start(worker.number, command, environment, inherited, self._places, place, ours)
            except OSError:
                ours.close()
                self._places.give_back(place)
                raise
        return self._hear(process)

    def _hear(self, process: WorkerProcess) -> WorkerProcess:
        process.ready.add_done_callback(partial(self._is_ready, process))
        return process

    def _is_ready(self, process: WorkerProcess, line: "asyncio.Future[str]") -> None:
        if line.cancelled():
            return
        if self._has_announced:
            _log.info("worker_ready", relay=self._relay, worker=process.number)
        elif all(each.is_ready for each in self._workers):
            self._has_announced = True
            announce(f"{line.result()}, {len(self._workers)} workers")
            self._notifier.ready()

    # How it is upgraded: `tidegate.supervisor_upgrade`.

    def _start_upgrade(self) -> None:
        if self._kept is None:  # otherwise the last one is not over yet
            self._upgrade.start()

    def _keep_all(self) -> Supervision:
        """Return what the next program needs to go on."""
        return Supervision(
            relay=self._relay,
            count=len(self._workers),
            port=self._plan.port.fileno(),
            settings_file=self._plan.settings.path,
            has_announced=self._has_announced,
            workers=tuple(
                worker.process.keep() for worker in self._workers if worker.process and not worker.process.has_ended
            ),
        )

    def _adopt(self) -> None:
        """Go on with the workers there are. New ones count with them, unless that memory is not what is wanted now."""
        by_file: dict[int, WorkerPlaces | None] = {NO_DESCRIPTOR: None}
        if self._kept is not None:
            self._notifier.reloading()
            for file in self._kept.supervision.memories:
                by_file[file] = WorkerPlaces.adopt(file)
            for each in self._kept.supervision.workers:
                places = by_file[each.memory]
                if places is not None:
                    places.take_again(each.place)
                process = self._workers[each.number - 1].process = WorkerProcess(each, places)
                if not each.ready_line:
                    self._hear(process)
        self._memories = [places for places in by_file.values() if places is not None]
        if self._plan.geometry is None:
            return
        fitting = (places for places in self._memories if places.geometry == self._plan.geometry)
        self._places = next(fitting, None)
        if self._places is None:
            self._places = WorkerPlaces.create(self._plan.geometry)
            self._memories.append(self._places)

    async def _replace_all(self) -> None:
        """Replace the workers of the program before by workers of this one, one after the other."""
        kept = self._kept
        if kept is None:
            return
        before = [(worker, worker.process) for worker in self._workers if worker.process is not None]
        failed = []
        for worker, old in before:
            if worker.process is not old:  # it has died, and was started anew
                continue
            if self._stopping.is_set():
                break
            worker.replacing = asyncio.create_task(self._replace(worker, old), name=f"worker-{worker.number}-upgrade")
            if not await asyncio.shield(worker.replacing):
                failed.append(worker.number)
            worker.replacing = None
        self._forget_unused_memory()
        kept.close()
        self._kept = None
        if self._stopping.is_set():
            _log.warning("upgrade_stopped", why="it is draining")
            return
        if failed:
            action = "workers of both programs go on; upgrade again"
            _log.error("upgrade_incomplete", workers=len(before), as_before=", ".join(map(str, failed)), action=action)
        else:
            _log.info("upgraded", workers=len(before))
        self._notifier.not_reloaded()

    async def _replace(self, worker: _Worker, old: WorkerProcess) -> bool:
        """Have a successor take over from a worker; return whether it has."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            try:
                new = worker.successor = self._start(worker, theirs)
            except OSError as error:
                return self._goes_on(worker, f"its successor cannot be started: {error}")
            with contextlib.suppress(OSError):  # it has just died, or takes no orders: the successor ends then, too
                old.hand_over(ours)
        reason = await settle(old, new)
        worker.successor = None
        if not reason:
            worker.process = new
            if self._stopping.is_set():
                new.send_signal(signal.SIGTERM)
            await see_off(old)
            return True
        new.send_signal(signal.SIGKILL)
        await asyncio.wait({new.end})
        return self._goes_on(worker, reason)

    def _goes_on(self, worker: _Worker, reason: str) -> bool:
        if not self._stopping.is_set():  # it is said once that the upgrade ends with that
            _log.error("upgrade_failed", worker=worker.number, reason=reason, action="this worker goes on")
        return False

    def _forget_unused_memory(self) -> None:
        for places in self._memories:
            if places.is_unused and places is not self._places:
                places.close()
        self._memories = [each for each in self._memories if not each.is_unused or each is self._places]
