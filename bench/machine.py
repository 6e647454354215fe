"""Where and with what was measured: machine, versions, commit."""

import os
import platform
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bench.contestants import kernel_environment
from bench.proxies import find_program

ROOT = Path(__file__).parents[1]

NO_COMMIT = "uncommitted"


def describe_machine() -> dict[str, str | int]:
    """Return what the machine is."""
    cpu_info = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    found = re.search(r"^model name\s*:\s*(.+)$", cpu_info, re.MULTILINE)
    return {
        "cpu": found[1] if found else platform.machine(),
        "cores": os.cpu_count() or 0,
        "kernel": platform.release(),
        "system": platform.system(),
    }


def describe_versions() -> dict[str, str]:
    """Return what was compared; a program that is not installed is left out."""
    versions = {
        "python": platform.python_version(),
        "tidegate": _tidegate_version(is_pure=False),
        "tidegate-pure": _tidegate_version(is_pure=True),
        "uvloop": _package_version("uvloop"),
        "grpcio": _package_version("grpcio"),
        "h2": _package_version("h2"),
        "haproxy": _program_version("haproxy"),
        "nginx": _program_version("nginx"),
    }
    return {name: text for name, text in versions.items() if text}


def current_commit() -> str:
    """Return the commit's short name, with a plus where files differ from it."""
    head = _output("git", "-C", str(ROOT), "rev-parse", "--short", "--verify", "HEAD")
    if not head or not re.fullmatch(r"[0-9a-f]+", head):
        return NO_COMMIT
    changed = _output("git", "-C", str(ROOT), "status", "--porcelain", "--untracked-files=no")
    return f"{head}+" if changed else head


def _tidegate_version(*, is_pure: bool) -> str:
    return _output(sys.executable, "-m", "tidegate", "--version", environment=kernel_environment(is_pure=is_pure))


def _package_version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _program_version(name: str) -> str:
    program = find_program(name)
    if program is None:
        return ""
    found = re.search(r"\d+\.\d+\.\d+\S*", _output(program, "-v"))
    return found[0] if found else ""


def _output(*command: str, environment: dict[str, str] | None = None) -> str:
    """Return what a command printed, or nothing where it failed."""
    try:
        finished = subprocess.run(  # noqa: S603 - our own words
            command, capture_output=True, text=True, timeout=20, env=environment, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return "" if finished.returncode else (finished.stdout + finished.stderr).strip()
