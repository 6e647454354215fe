"""What the operating system says about processes: who belongs together, how much memory they hold, where they run.

The CPU time of a benchmark is read by the load generator, at the very moments when the measured interval begins and
ends; what is read here is good enough to see whether somebody else uses the machine.
"""

import contextlib
import os
import resource
from collections.abc import Iterable, Iterator
from pathlib import Path

from tidegate.gameday.process_figures import field_kibibytes

PROC = Path("/proc")

WANTED_OPEN_FILES = 65_536
"""A proxy holds two sockets for each of 10,000 sessions."""


def families_of(pids: Iterable[int], proc: Path = PROC) -> tuple[int, ...]:
    """Return those of the processes with these ids that are running, and all their descendants."""
    parents = _parents(proc)
    family = set(pids) & parents.keys()
    while more := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= more
    return tuple(sorted(family))


def place(pid: int, processor: int, proc: Path = PROC) -> None:
    """Have a process and its descendants run on one processor; what they start later runs there, too."""
    for task in _tasks_of(families_of([pid], proc), proc):
        with contextlib.suppress(ProcessLookupError):  # a thread that ended meanwhile
            os.sched_setaffinity(task, {processor})


def _tasks_of(pids: Iterable[int], proc: Path) -> Iterator[int]:
    for pid in pids:
        with contextlib.suppress(OSError):  # it ended meanwhile
            yield from [int(task.name) for task in (proc / str(pid) / "task").iterdir()]


def memory_bytes(pids: Iterable[int], proc: Path = PROC) -> int:
    """Return the memory of these processes together.

    By their proportional share (PSS), which counts a page that several map only once; resident size where
    the system does not tell that.
    """
    return sum(_memory_kibibytes(proc / str(pid)) for pid in pids) * 1024


def own_bytes(pids: Iterable[int], proc: Path = PROC) -> int:
    """Return the memory that these processes hold themselves (anonymous), together.

    Told without a walk over their pages, which would hold up what they are measured at.
    """
    return sum(field_kibibytes(proc / str(pid) / "status", "RssAnon") for pid in pids) * 1024


def processor_seconds(pids: Iterable[int], proc: Path = PROC) -> float:
    """Return the processor time that these processes have used, all their threads together."""
    ticks = 0
    for pid in pids:
        with contextlib.suppress(OSError):  # it ended meanwhile
            ticks += sum(map(int, _behind_name(proc / str(pid))[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


def machine_seconds(proc: Path = PROC) -> float:
    """Return the processor time that everybody has used since the machine was started."""
    ticks = [int(word) for word in (proc / "stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")  # without idling and waiting for a disk


def allow_many_open_files() -> int:
    """Raise the limit of open files for the processes to come, as far as the system lets us; return it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for limit in (max(hard, WANTED_OPEN_FILES), hard):  # the first needs root, if it is higher
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(limit, WANTED_OPEN_FILES), limit))
            break
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def _parents(proc: Path) -> dict[int, int]:
    parents = {}
    for stat in proc.glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            parents[int(stat.parent.name)] = int(_behind_name(stat.parent)[1])
    return parents


def _behind_name(folder: Path) -> list[str]:
    """Return the fields of ``stat`` from the third on: the second may hold anything."""
    return (folder / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()


def _memory_kibibytes(folder: Path) -> int:
    return field_kibibytes(folder / "smaps_rollup", "Pss") or field_kibibytes(folder / "status", "VmRSS")
