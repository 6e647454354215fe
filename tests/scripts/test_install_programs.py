"""Installing programs: what is said and how it ends where nothing may be installed."""

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "install_programs.sh"


@pytest.fixture
def not_root(tmp_path: Path) -> Path:
    """A folder of programs in which ``id`` says that nobody is root."""
    (tmp_path / "id").write_text("#!/bin/sh\necho 1000\n")
    (tmp_path / "id").chmod(0o755)
    return tmp_path


def install(programs: Path, *names: str, ci: str = "") -> subprocess.CompletedProcess[str]:
    env = os.environ | {"PATH": f"{programs}:{os.environ['PATH']}", "CI": ci}
    return subprocess.run([SCRIPT, *names], env=env, capture_output=True, text=True, timeout=15, check=False)


def test_nothing_missing_is_silent(not_root: Path) -> None:
    finished = install(not_root, "sh", "ls", ci="true")

    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "", "")


def test_says_what_to_install_and_goes_on(not_root: Path) -> None:
    finished = install(not_root, "sh", "no-such-program")

    assert finished.returncode == 0
    expected = "the tests need no-such-program. On Debian and Ubuntu: sudo apt-get install no-such-program"
    assert finished.stderr == f"programs: {expected}\n"


def test_under_ci_a_missing_program_is_a_failure(not_root: Path) -> None:
    assert install(not_root, "no-such-program", ci="true").returncode == 1
