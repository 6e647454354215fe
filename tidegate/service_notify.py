"""Tells the service manager that started this process how it fares, as sd_notify(3) of systemd describes.

Called by `tidegate.serve`, `tidegate.supervisor` and `tidegate.upgrade`. A message is one datagram of NAME=value lines
to the socket that NOTIFY_SOCKET names; without that variable nothing is ever sent. Nothing waits for the manager: what
it does not take at once is sent again with the next beat. Workers have a supervisor instead, which they tell only that
they are alive, by a line on standard output.

With WATCHDOG_USEC the event loop itself says that it turns. When it does not, the manager ends the process with
SIGABRT, and standard error then shows what every thread was at.
"""

import asyncio
import contextlib
import faulthandler
import os
import socket
import time
from collections.abc import Callable, Mapping

import structlog

SOCKET_VARIABLE = "NOTIFY_SOCKET"
WATCHDOG_VARIABLE = "WATCHDOG_USEC"
WATCHDOG_PID_VARIABLE = "WATCHDOG_PID"

STATUS_SECONDS = 5.0
"""How often the status line may change; the manager tells everybody who listens."""

BEATS_A_WATCHDOG = 3
"""Two beats may be late before the third is missed; sd_watchdog_enabled(3) asks for at least two."""

SHORTEST_BEAT_SECONDS = 0.05
LONGEST_WATCHDOG_SECONDS = 86400.0

READY_PATIENCE_SECONDS = 20.0
"""After that a relay counts as started though it lets nobody in yet: an edge may wait for its core for hours, and a
machine must not wait for it to boot. It is below systemd's 90 s for a start."""

STOP_SPARE_SECONDS = 15.0
"""What an orderly end may take beyond the drain."""

LAST_WORD_SECONDS = 5.0
"""How long a process that has handed over waits for a manager that does not read: it would end the successor too."""

MAX_STATUS_CHARACTERS = 256

ALIVE_LINE = "tidegate worker: alive"
"""What a worker says to its supervisor while its event loop turns."""

STANDARD_OUTPUT = 1

Send = Callable[[bytes], bool]

_log = structlog.get_logger("tidegate")


class ServiceNotifier:
    """What one process says to its service manager. ``send`` takes a message and returns whether it is on its way.

    ``watchdog_seconds`` is how long the manager waits for a beat; 0 where it wants none. `run` it beside the service.
    """

    def __init__(
        self, send: Send | None = None, watchdog_seconds: float = 0.0, close: Callable[[], None] | None = None
    ):
        self.watchdog_seconds = watchdog_seconds
        self._send = send
        self._close = close
        self._unsent: dict[str, str] = {}
        self._is_ready = False
        self._is_handing_over = False

    @classmethod
    def of_process(cls) -> "ServiceNotifier":
        """Return what this process says to the manager that its environment names, if any."""
        return cls._with_stacks(cls.from_environment(os.environ))

    @classmethod
    def of_worker(cls) -> "ServiceNotifier":
        """Return what this worker says to its supervisor."""
        limit_seconds = watchdog_seconds(os.environ)
        if not limit_seconds:
            return cls()
        os.set_blocking(STANDARD_OUTPUT, False)  # a supervisor that does not read must not hold up the players
        return cls._with_stacks(cls(_say_alive, limit_seconds))

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "ServiceNotifier":
        """Return the notifier for an environment; one that says nothing where there is no manager."""
        place = environment.get(SOCKET_VARIABLE, "")
        if not place:
            return cls()
        if place[0] not in "/@":
            _log.warning("service_manager_unknown", socket=place, why="neither a path nor an abstract name of a socket")
            return cls()
        datagrams = _Datagrams(place)
        return cls(datagrams.send, watchdog_seconds(environment), datagrams.close)

    @staticmethod
    def _with_stacks(notifier: "ServiceNotifier") -> "ServiceNotifier":
        if notifier.watchdog_seconds:
            faulthandler.enable()  # SIGABRT says where it hung
        return notifier

    @property
    def is_told(self) -> bool:
        """Whether anybody wants to know."""
        return self._send is not None

    @property
    def is_service(self) -> bool:
        """Whether a manager runs this process; a shell may only have inherited the variable, but it has a terminal."""
        return self.is_told and not _has_terminal()

    def ready(self, *, is_successor: bool = False) -> None:
        """It serves, or serves again; a successor says also that it is the service's main process now."""
        self._is_ready = True
        self._unsent.pop("RELOADING", None)
        self._unsent.pop("MONOTONIC_USEC", None)
        self._say(READY="1", **({"MAINPID": str(os.getpid())} if is_successor else {}))

    def reloading(self) -> None:
        """A successor is starting; `ready` or `handed_over` must follow."""
        self._is_handing_over = True
        now_microseconds = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._say(RELOADING="1", MONOTONIC_USEC=str(now_microseconds), STATUS="handing over to a successor")

    def not_reloaded(self) -> None:
        """No successor took over: this process goes on."""
        self._is_handing_over = False
        self.ready()

    def handed_over(self, process: int) -> None:
        """That process is the service now; this one ends without taking it along."""
        self._say(MAINPID=str(process))

    def stopping(self, drain_seconds: float) -> None:
        """It drains, and may take so long; the manager is asked to wait for it, whatever its own limit is."""
        limit_microseconds = round((drain_seconds + STOP_SPARE_SECONDS) * 1_000_000)
        self._say(STOPPING="1", EXTEND_TIMEOUT_USEC=str(limit_microseconds))

    async def run(self, status: Callable[[], str]) -> None:
        """Say the status when it changes, and that the event loop turns, until cancelled."""
        if self._send is None:
            return
        clock = asyncio.get_running_loop().time
        beat_seconds = max(SHORTEST_BEAT_SECONDS, min(STATUS_SECONDS, self.watchdog_seconds / BEATS_A_WATCHDOG))
        if not self.watchdog_seconds:
            beat_seconds = STATUS_SECONDS
        began = clock()
        said, said_at = "", began - STATUS_SECONDS
        while True:
            now = clock()
            if not self._is_ready and now - began >= READY_PATIENCE_SECONDS:
                self.ready()
            if now - said_at >= STATUS_SECONDS and not self._is_handing_over:
                said, before, said_at = _one_line(status()), said, now
                if said != before:
                    self._unsent["STATUS"] = said
            self._say(**({"WATCHDOG": "1"} if self.watchdog_seconds else {}))
            await asyncio.sleep(beat_seconds)

    def close(self) -> None:
        """Say what is left to say, waiting a while only for what the successor's life hangs on, and say no more."""
        self._say()
        deadline = time.monotonic() + LAST_WORD_SECONDS
        while "MAINPID" in self._unsent and time.monotonic() < deadline:
            time.sleep(0.01)
            self._say()
        if self._close is not None:
            self._close()
        self._send = self._close = None

    def _say(self, **fields: str) -> None:
        """Send these fields, and those that could not be sent before; a beat that could not be is not made up for."""
        if self._send is None:
            return
        self._unsent.update(fields)
        if self._unsent and self._send("\n".join(f"{name}={value}" for name, value in self._unsent.items()).encode()):
            self._unsent.clear()
        self._unsent.pop("WATCHDOG", None)


class _Datagrams:
    """The manager's socket. Says once when it cannot be reached, and once when it is back."""

    def __init__(self, place: str) -> None:
        self._address = "\0" + place[1:] if place.startswith("@") else place
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)  # noqa: FBT003 - it has no other form
        self._is_away = False

    def send(self, message: bytes) -> bool:
        """Send one message; return whether the system took it."""
        try:
            self._socket.sendto(message, self._address)
        except BlockingIOError:
            return False  # it reads slowly
        except OSError as error:
            if not self._is_away:
                _log.warning("service_manager_away", reason=error.strerror or str(error))
            self._is_away = True
            return False
        if self._is_away:
            _log.info("service_manager_back")
        self._is_away = False
        return True

    def close(self) -> None:
        self._socket.close()


def watchdog_seconds(environment: Mapping[str, str]) -> float:
    """Return how long the manager waits for a beat of this process; 0 where it wants none."""
    if environment.get(WATCHDOG_PID_VARIABLE, str(os.getpid())) != str(os.getpid()):
        return 0.0  # another process's
    try:
        microseconds = int(environment.get(WATCHDOG_VARIABLE, "0"))
    except ValueError:
        return 0.0
    return min(max(microseconds, 0) / 1_000_000, LONGEST_WATCHDOG_SECONDS)


def for_successor(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for a process that becomes this service: the watchdog is its own then."""
    return {name: value for name, value in environment.items() if name != WATCHDOG_PID_VARIABLE}


def for_worker(environment: Mapping[str, str], watchdog_seconds: float) -> dict[str, str]:
    """Return the environment for a worker, which has nothing to say to the manager."""
    kept = {name: value for name, value in environment.items() if name not in _VARIABLES}
    return {**kept, WATCHDOG_VARIABLE: str(round(watchdog_seconds * 1_000_000))} if watchdog_seconds else kept


_VARIABLES = (SOCKET_VARIABLE, WATCHDOG_VARIABLE, WATCHDOG_PID_VARIABLE)


def _say_alive(message: bytes) -> bool:
    """Tell the supervisor that this worker's loop turns; what else there is to say is not for it."""
    if b"WATCHDOG=1" in message.split(b"\n"):
        with contextlib.suppress(OSError):  # it does not read, or has ended, which the lifeline says too
            os.write(STANDARD_OUTPUT, f"{ALIVE_LINE}\n".encode())
    return True


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _one_line(text: str) -> str:
    return "".join(each if each.isprintable() else " " for each in text)[:MAX_STATUS_CHARACTERS]
