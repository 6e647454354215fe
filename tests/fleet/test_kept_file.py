"""Files that are kept over a restart: what is written comes back, and what is not whole or ours is refused."""

import os
import stat
from hashlib import sha256
from pathlib import Path

import pytest

from fleet.kept_file import ABANDONED_SECONDS, KeptFileError, Sealed, read_kept, replace_kept

MAGIC = b"tidegate-test\n"
BODY = b"kept"
SEALED = MAGIC + sha256(BODY).digest() + BODY


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "kept"


@pytest.mark.parametrize("body", [BODY, b"", bytes(100_000)])
def test_what_is_written_comes_back(path: Path, body: bytes) -> None:
    replace_kept(path, MAGIC, b"before")
    replace_kept(path, MAGIC, body)
    assert path.read_bytes() == MAGIC + sha256(body).digest() + body
    assert read_kept(path, MAGIC, "a test", path.stat().st_size) == Sealed(sha256(body).digest(), body)
    assert read_kept(path, MAGIC, "a test", path.stat().st_size).checked() == body


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it does not hold a test"),
        (MAGIC[:-1], "it does not hold a test"),
        (b"tidegate-other\n" + SEALED[len(MAGIC) :], "it does not hold a test"),
        (SEALED + b"x", f"it is longer than {len(SEALED)} bytes"),
        (SEALED[:-1], "it does not match its checksum"),
        (SEALED[: len(MAGIC) + 5], "it does not match its checksum"),
        (MAGIC, "it does not match its checksum"),
        (SEALED[:-1] + b"T", "it does not match its checksum"),
    ],
)
def test_what_is_not_whole_or_not_ours_is_refused(path: Path, content: bytes, said: str) -> None:
    path.write_bytes(content)
    with pytest.raises(KeptFileError) as caught:
        read_kept(path, MAGIC, "a test", len(SEALED)).checked()
    assert str(caught.value) == said


def test_what_another_user_put_there_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_bytes(SEALED)
    status = list(path.stat())
    status[stat.ST_UID] = os.geteuid() + 1
    monkeypatch.setattr(os, "fstat", lambda _: os.stat_result(status))
    with pytest.raises(KeptFileError, match="belongs to another user"):
        read_kept(path, MAGIC, "a test", len(SEALED))


def test_what_a_killed_writer_left_is_removed_when_nobody_can_be_at_it_any_more(path: Path) -> None:
    old, young, other = (path.parent / name for name in (".kept.abcdefgh", ".kept.ijklmnop", ".kept-too.abcdefgh"))
    folder = path.parent / ".kept.folder12"
    folder.mkdir()
    for each in (old, young, other):
        each.write_bytes(b"half")
    for each in (old, other, folder):
        os.utime(each, (0, os.stat(each).st_mtime - ABANDONED_SECONDS - 1))

    replace_kept(path, MAGIC, BODY)

    assert sorted(each.name for each in path.parent.iterdir()) == sorted((young.name, other.name, folder.name, "kept"))
