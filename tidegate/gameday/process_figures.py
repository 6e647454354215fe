"""What the operating system says about one process: memory, open files, CPU time."""

import contextlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class ProcessFigures:
    """A process at one moment.

    ``own_bytes`` is its anonymous memory: what it holds itself, whatever else runs from the same files. Where that is
    not told, it is what is resident.
    """

    own_bytes: int
    rss_bytes: int
    open_files: int


def read_figures(pid: int, proc: Path = PROC) -> ProcessFigures:
    """Read a process's figures; zeros when it has ended."""
    folder = proc / str(pid)
    rss = field_kibibytes(folder / "status", "VmRSS")
    own = field_kibibytes(folder / "status", "RssAnon") or rss
    open_files = 0
    with contextlib.suppress(OSError):
        open_files = len(os.listdir(folder / "fd"))
    return ProcessFigures(own * 1024, rss * 1024, open_files)


def cpu_seconds(pid: int, proc: Path = PROC) -> float:
    """Return the CPU time a process has used, in steps of 10 ms; 0 when it has ended."""
    with contextlib.suppress(OSError):
        behind_name = (proc / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
        return (int(behind_name[11]) + int(behind_name[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def socket_memory_bytes(proc: Path = PROC) -> int:
    """Return what the system holds for all TCP sockets of this machine; 0 where it does not say."""
    with contextlib.suppress(OSError):
        found = re.search(r"^TCP: .* mem (\d+)", (proc / "net" / "sockstat").read_text(), re.MULTILINE)
        if found:
            return int(found[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def is_running(pid: int, proc: Path = PROC) -> bool:
    """Return whether a process is there and not merely waiting to be read off."""
    with contextlib.suppress(OSError):
        return "\nState:\tZ" not in (proc / str(pid) / "status").read_text(errors="replace")
    return False


def error_output_of(pid: int, proc: Path = PROC) -> str:
    """Return what a process's standard error is, such as ``pipe:[4711]``; empty when it has ended."""
    with contextlib.suppress(OSError):
        return os.readlink(proc / str(pid) / "fd" / "2")
    return ""


def writers_to(error_output: str, proc: Path = PROC) -> set[int]:
    """Return the processes with this standard error.

    A relay's successor inherits it, so this finds a successor whatever it is called.
    """
    folders = [folder for folder in proc.glob("[0-9]*") if error_output]
    return {int(folder.name) for folder in folders if error_output_of(int(folder.name), proc) == error_output}


def field_kibibytes(file: Path, field: str) -> int:
    """Return a field that one of a process's files gives in kB; 0 where it does not, or the process has ended."""
    with contextlib.suppress(OSError):
        found = re.search(rf"^{field}:\s+(\d+) kB", file.read_text(encoding="utf-8"), re.MULTILINE)
        if found:
            return int(found[1])
    return 0
