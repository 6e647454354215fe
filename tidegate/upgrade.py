"""Starts the successor of a running edge, and finds in a successor what it is to take over.

SIGUSR2 has a running edge start its own command line anew, with whatever is installed by now, and hand everything to
the new process (`edge.upgrade`). The two are joined by a pair of sockets; the successor finds its end by a name in the
environment.
"""

import asyncio
import contextlib
import os
import signal
import socket
import sys

import structlog

from edge.edge import Edge
from edge.handover import HandoverError
from edge.upgrade import TakenEdge, take_over
from tidegate.errors import StartError
from tidegate.process import as_found, own_lifeline
from tidegate.service_notify import ServiceNotifier, for_successor

HANDOVER_VARIABLE = "TIDEGATE_HANDOVER"
"""From a running edge to its successor, and no setting: where its end of the pair of sockets is."""

_log = structlog.get_logger("tidegate")


def refuse_upgrade() -> None:
    """Say that this process cannot be upgraded; left to itself, the signal would end it."""
    why = (
        "only an edge can be, by its supervisor where it has workers, and without them not as process 1 of a "
        "container: drain this one, start the other"
    )
    _log.error("upgrade_refused", why=why)


def refuse_reload() -> None:
    """Say that there is nothing to load anew: to hang up means that only where a service manager runs this process."""
    _log.warning("nothing_to_reload", why="a core without features and an edge read their files by themselves")


class Upgrade:
    """Upgrades one edge: on SIGUSR2, one at a time. ``done`` is set when this process has nothing left.

    ``notifier`` tells the service manager whose process the service is.
    """

    def __init__(self, edge: Edge) -> None:
        self.done = asyncio.Event()
        self.notifier = ServiceNotifier()
        self._edge = edge
        self._running: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the successor, unless one is starting; called for the signal."""
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run(), name="edge-upgrade")

    async def _run(self) -> None:
        _log.info("upgrading", sessions=self._edge.running_sessions)
        self.notifier.reloading()
        try:
            ours, process = _start_successor()
        except OSError as error:
            _complain(f"no successor can be started: {error}")
            self.notifier.not_reloaded()
            return
        try:
            await self._edge.hand_over(ours)
        except Exception as error:  # a mistake of ours, too, must not end the players
            reason = str(error) if isinstance(error, HandoverError) else repr(error)
            _complain(reason)
            # It has taken nothing, so it has nothing to end in order, and it may be one that hears no other signal.
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
            await asyncio.to_thread(os.waitpid, process, 0)
            self.notifier.not_reloaded()
            return
        self.notifier.handed_over(process)
        self.done.set()


def _start_successor() -> tuple[socket.socket, int]:
    """Start our own command line anew; return our end of the pair and the process. Raises OSError."""
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.set_inheritable(True)
        environment = {**for_successor(os.environ), **own_lifeline(), HANDOVER_VARIABLE: str(theirs.fileno())}
        try:
            with as_found():
                return ours, os.posix_spawn(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)
        except OSError:
            ours.close()
            raise


def _complain(reason: str) -> None:
    _log.error("upgrade_failed", reason=reason, action="this process goes on")


def taken_from_predecessor() -> TakenEdge | None:
    """Return what a running edge hands to this process; None where it is nobody's successor. Raises StartError."""
    place = os.environ.pop(HANDOVER_VARIABLE, None)
    if place is None:
        return None
    try:
        end = socket.socket(fileno=int(place))
        end.set_inheritable(False)
        return take_over(end)
    except (HandoverError, OSError, ValueError) as error:
        raise StartError(f"a successor is started by a running edge only: {error}") from error


def refuse_predecessor() -> None:
    """Raise StartError where a running edge wants this process to be its successor, but it is to have workers."""
    if HANDOVER_VARIABLE in os.environ:
        raise StartError("an upgrade does not give an edge workers that it had none of: drain it, and start the other")
