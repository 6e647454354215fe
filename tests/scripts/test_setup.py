"""Building the kernel: where it cannot be compiled it runs interpreted, and one line says so."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of what the build needs, with nothing built in it."""
    for folder in ("wire", "tunnel"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    for name in ("setup.py", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def build(folder: Path, **changes: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "setup.py", "-q", "build_ext", "--inplace"]
    environment = {**os.environ, **changes}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def form(folder: Path) -> str:
    command = [sys.executable, "-c", "from wire.kernel import describe; print(describe())"]
    environment = {"PATH": os.environ["PATH"]}
    finished = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    return finished.stdout.strip()


@pytest.mark.timeout(90)  # it makes an environment
def test_without_a_working_compiler_the_kernel_runs_interpreted(copy: Path) -> None:
    finished = build(copy, CC="false", TIDEGATE_PURE="")
    assert finished.returncode == 0
    said = [line for line in finished.stderr.splitlines() if line.startswith("tidegate: ")]
    assert len(said) == 1
    assert "the kernel is not compiled" in said[0]
    assert "it runs interpreted" in said[0]
    assert form(copy) == "interpreted"


def test_the_environment_can_forbid_it(copy: Path) -> None:
    finished = build(copy, TIDEGATE_PURE="1")
    assert finished.returncode == 0
    assert finished.stderr == ""
    assert form(copy) == "interpreted"
