"""The folder of the Unix sockets: whose it is, and what is left of those who were killed."""

import os
import socket
import stat
import tempfile
import time
from pathlib import Path

import pytest

from fleet.tls.private_folder import FRESH_SECONDS, PREFIX, PrivateFolder


@pytest.fixture(autouse=True)
def place(monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place for temporary files with a short name."""
    folder = tempfile.mkdtemp(dir="/tmp")
    monkeypatch.setattr(tempfile, "tempdir", folder)
    return Path(folder)


def left_over(place: Path, name: str, age_seconds: float) -> Path:
    path = place / f"{PREFIX}{name}"
    path.mkdir()
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(path / "grpc"))
    os.utime(path, (time.time() - age_seconds,) * 2)
    return path


def test_only_its_owner_can_enter(place: Path) -> None:
    folder = PrivateFolder()
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    assert len({folder.fresh() for _ in range(10)}) == 10
    folder.close()
    folder.close()
    assert not list(place.iterdir())


def test_what_a_killed_process_left_is_removed_and_nothing_else(place: Path) -> None:
    used = PrivateFolder()
    os.utime(used.path, (time.time() - 2 * FRESH_SECONDS,) * 2)
    old, fresh = left_over(place, "old", 2 * FRESH_SECONDS), left_over(place, "fresh", 0)
    other = left_over(place, "other", 2 * FRESH_SECONDS)
    (other / "data").write_text("somebody's")
    os.utime(other, (time.time() - 2 * FRESH_SECONDS,) * 2)
    (place / f"{PREFIX}link").symlink_to(fresh)
    PrivateFolder().close()
    assert not old.exists()
    assert used.path.exists()
    assert fresh.exists()
    assert (other / "data").exists()
    used.close()


def test_a_place_with_a_long_name_is_said(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = place / ("a" * 90)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    with pytest.raises(OSError, match="set TMPDIR to a shorter one"):
        PrivateFolder()
    assert not list(long.iterdir())
