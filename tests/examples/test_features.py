"""The examples of features: their own tests pass, they fit on a screen, and a core loads each of them."""

import subprocess
import sys
from pathlib import Path

import pytest

from core.features.errors import Place
from core.features.loader import Source, load_class, make_feature
from games.registry import load_pack

FOLDER = Path(__file__).parents[2] / "examples" / "features"
FEATURES = sorted(file for file in FOLDER.glob("*.py") if not file.stem.startswith("test_"))

MAX_LINES = 60


@pytest.mark.timeout(60)
def test_their_own_tests_pass() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(FOLDER)]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=FOLDER.parents[1])
    assert finished.returncode == 0, finished.stdout
    for file in FEATURES:
        assert (FOLDER / f"test_{file.name}").exists()


@pytest.mark.timeout(60)
def test_their_types_are_right() -> None:
    command = [sys.executable, "-m", "mypy", "--strict", *map(str, sorted(FOLDER.glob("*.py")))]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=FOLDER.parents[1])
    assert finished.returncode == 0, finished.stdout


def test_there_are_five() -> None:
    assert len(FEATURES) == 5


@pytest.mark.parametrize("file", FEATURES, ids=lambda file: file.stem)
def test_each_is_loaded_from_its_file_with_defaults(file: Path) -> None:
    pack = load_pack("pko")
    source = Source(file.stem, file, {}, Place("features.toml"))
    loaded = make_feature(source, load_class(source), pack.codec(""), pack.name)
    assert type(loaded.feature).__name__.lower() == file.stem.replace("_", "")


@pytest.mark.parametrize("file", FEATURES, ids=lambda file: file.stem)
def test_each_fits_on_a_screen(file: Path) -> None:
    assert len(file.read_text().splitlines()) <= MAX_LINES
