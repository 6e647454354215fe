"""Finds the relay that runs on this machine by the address it listens at, and tells it things by signals.

For ``tidegate core drain``, ``edge drain`` and ``edge upgrade``. It reads what Linux says about processes and sockets,
so it sees processes of the same user only (all of them as root), and needs no file or port of the relay's own.
"""

import ipaddress
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from fleet.address import Address
from tidegate.errors import StartError

PROC = Path("/proc")
LISTENING = "0A"
"""The state of a listening socket in /proc/net/tcp (include/net/tcp_states.h of Linux)."""

POLL_SECONDS = 0.1
LOOK_SECONDS = 0.02
"""For what may be over soon: that an upgrade runs."""

BEGIN_SECONDS = 5.0
"""How long a supervisor may take to begin to upgrade."""

UPGRADE_FILE = "tidegate-upgrade"
"""What a supervisor has open while it upgrades (`tidegate.supervision`, which would load far more than is needed)."""

SPARE_SECONDS = 30.0
"""How long beyond its deadline a relay may take to end."""


@dataclass(frozen=True, slots=True)
class RunningRelay:
    """One process that can be told things: the relay itself, or the supervisor of its workers."""

    relay: str
    address: Address
    pid: int

    @property
    def is_alive(self) -> bool:
        """Whether the process is still there."""
        try:
            state = (PROC / str(self.pid) / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return False
        return state != "Z"

    def tell(self, number: signal.Signals) -> None:
        """Send a signal; raises StartError when it is gone or somebody else's."""
        try:
            os.kill(self.pid, number)
        except OSError as error:
            raise StartError(f"{self.relay} at {self.address}, process {self.pid}: {error.strerror}") from error


def find_running(relay: str, address: Address) -> RunningRelay:
    """Return the relay ("edge" or "core") that listens at an address; raises StartError with what is there instead."""
    if not (PROC / "net" / "tcp").exists():
        raise StartError(f"this system does not say who listens where; send the {relay}'s process a signal instead")
    inodes = set(_listening_inodes(address))
    owners = {pid for pid in map(int, filter(str.isdigit, os.listdir(PROC))) if _holds(pid, inodes)}
    relays = {_teller(pid) for pid in owners if relay in _words_of(pid)[:4] or relay in _words_of(_parent(pid))[:4]}
    if len(relays) == 1:
        return RunningRelay(relay, address, relays.pop())
    if relays:
        raise StartError(f"several processes are the {relay} at {address}: {', '.join(map(str, sorted(relays)))}")
    if owners:
        there = " ".join(_words_of(min(owners)))[:120]
        raise StartError(f"what listens at {address} is no tidegate {relay}: {there}")
    raise StartError(f"no {relay} of yours listens at {address} on this machine (name its port with --listen)")


def drain(relay: str, address: Address, deadline_seconds: float, say: Callable[[str], None]) -> int:
    """Have a relay drain and wait until it has ended; returns the exit status 0, or 1 when it does not end."""
    running = find_running(relay, address)
    running.tell(signal.SIGTERM)
    say(f"{relay} at {address} (process {running.pid}) drains: it takes no new sessions, and ends the others by and by")
    began = time.monotonic()
    while running.is_alive:
        if time.monotonic() - began > deadline_seconds + SPARE_SECONDS:
            say(f"it has not ended after {deadline_seconds + SPARE_SECONDS:g} s; a second SIGTERM ends it at once")
            return 1
        time.sleep(POLL_SECONDS)
    say(f"it has ended, after {time.monotonic() - began:.1f} s")
    return 0


def upgrade(address: Address, say: Callable[[str], None], patience_seconds: float = 60.0) -> int:
    """Have an edge hand over to a successor and wait until it has; returns the exit status 0, or 1 when it does not.

    Of an edge with workers each one has ``patience_seconds``.
    """
    running = find_running("edge", address)
    workers = workers_of(running.pid)
    if workers:
        return _upgrade_workers(running, workers, say, patience_seconds)
    running.tell(signal.SIGUSR2)
    say(f"edge at {address} (process {running.pid}) starts its successor")
    began = time.monotonic()
    while running.is_alive:
        if time.monotonic() - began > patience_seconds:
            say("it still runs: its log says why it did not hand over")
            return 1
        time.sleep(POLL_SECONDS)
    successor = find_running("edge", address)
    say(f"process {successor.pid} has taken over, after {time.monotonic() - began:.1f} s")
    return 0


def _upgrade_workers(running: RunningRelay, workers: set[int], say: Callable[[str], None], patience: float) -> int:
    running.tell(signal.SIGUSR2)
    say(f"edge at {running.address} (process {running.pid}) replaces its {len(workers)} workers")
    began = time.monotonic()
    while running.is_alive and not is_upgrading(running.pid):
        if time.monotonic() - began > BEGIN_SECONDS:
            say("it has not begun: its log says why")
            return 1
        time.sleep(LOOK_SECONDS)
    while running.is_alive and is_upgrading(running.pid):
        if time.monotonic() - began > patience * len(workers):
            say("it is still at it: its log says how far it is")
            return 1
        time.sleep(POLL_SECONDS)
    if not running.is_alive:
        say("it has ended: its log says why")
        return 1
    as_before = len(workers & workers_of(running.pid))
    if as_before:
        say(f"{as_before} of {len(workers)} workers go on as they were; its log says why. Upgrade again")
        return 1
    say(f"all {len(workers)} workers are replaced, after {time.monotonic() - began:.1f} s")
    return 0


def is_upgrading(pid: int) -> bool:
    """Whether a supervisor is replacing its program or its workers."""
    folder = PROC / str(pid) / "fd"
    try:
        names = [_link(each) for each in folder.iterdir()]
    except OSError:
        return False
    return any(name.startswith(f"/memfd:{UPGRADE_FILE}") for name in names)


def workers_of(pid: int) -> set[int]:
    """Return the workers of a supervisor; none where the process has none."""
    everybody = map(int, filter(str.isdigit, os.listdir(PROC)))
    return {each for each in everybody if _parent(each) == pid and "worker" in _words_of(each)[:2]}


def _listening_inodes(address: Address) -> Iterator[str]:
    for name in ("tcp", "tcp6"):
        try:
            lines = (PROC / "net" / name).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            host, _, port = fields[1].rpartition(":")
            if fields[3] == LISTENING and int(port, 16) == address.port and _is_at(host, address.host):
                yield fields[9]


def _is_at(written: str, host: str) -> bool:
    """Whether a socket's address, as Linux writes it (words of 4 bytes in the machine's order), is where to look."""
    raw = b"".join(bytes.fromhex(written[at : at + 8])[::-1] for at in range(0, len(written), 8))
    found = ipaddress.ip_address(raw)
    found = getattr(found, "ipv4_mapped", None) or found
    try:
        wanted = ipaddress.ip_address(host)
    except ValueError:
        return True  # a name: its port has to do
    return found == wanted or found.is_unspecified or wanted.is_unspecified


def _holds(pid: int, inodes: set[str]) -> bool:
    folder = PROC / str(pid) / "fd"
    try:
        return any(os.readlink(each).removeprefix("socket:[").removesuffix("]") in inodes for each in folder.iterdir())
    except OSError:  # somebody else's, or gone
        return False


def _link(file: Path) -> str:
    try:
        return os.readlink(file)
    except OSError:  # closed meanwhile
        return ""


def _words_of(pid: int) -> list[str]:
    """Return a process's command from ``tidegate`` on; nothing where it is none of ours."""
    try:
        words = (PROC / str(pid) / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []
    ours = next((at for at, word in enumerate(words) if word.rpartition("/")[2] in ("tidegate", "__main__.py")), None)
    return words[ours:] if ours is not None else []


def _parent(pid: int) -> int:
    try:
        return int((PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, ValueError):
        return 0


def _teller(pid: int) -> int:
    """Return who is to be told: a worker's supervisor, or the process itself."""
    return _parent(pid) if "worker" in _words_of(pid)[:2] else pid
