"""List files while they change: what is in force, and what is said."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from edge.access_lists import AccessLists, ListError
from edge.list_files import ListFiles
from edge.prefixes import pack_address


@pytest.fixture
def deny(tmp_path: Path) -> Path:
    path = tmp_path / "deny.txt"
    path.write_text("account one\n")
    return path


@pytest.fixture
def logs() -> Iterator[list[EventDict]]:
    with capture_logs() as caught:
        yield caught


def put(path: Path, text: str) -> None:
    path.write_text(text)


def damage_file(path: Path, damage: str) -> None:
    if damage == "wrong":
        path.write_text("account one\n\nacount two\n")
    else:
        path.unlink()
    if damage == "folder":
        path.mkdir()


def repair_file(path: Path, text: str) -> None:
    if path.is_dir():
        path.rmdir()
    path.write_text(text)


def replace_file(path: Path, text: str) -> None:
    """Put another file in its place, with the same time."""
    status = path.stat()
    fresh = path.with_name("fresh")
    fresh.write_text(text)
    os.utime(fresh, ns=(status.st_atime_ns, status.st_mtime_ns))
    fresh.rename(path)


async def settle(files: ListFiles) -> None:
    """Look twice: what changed is read when it has settled."""
    await files.poll()
    await files.poll()


def said(logs: list[EventDict]) -> list[str]:
    return [log["event"] for log in logs]


async def test_no_files_are_no_lists(logs: list[EventDict]) -> None:
    files = ListFiles("", "")
    await settle(files)
    assert files.denied_names() == {"account": frozenset(), "hardware": frozenset(), "character": frozenset()}
    assert not logs


async def test_a_changed_file_is_read_and_told(deny: Path, logs: list[EventDict]) -> None:
    files = ListFiles(str(deny), "")
    told: list[AccessLists] = []
    files.on_change.append(told.append)
    assert files.denied_names()["account"] == {b"one"}
    await settle(files)
    assert not told
    put(deny, "account one\naccount two\naddress 192.0.2.1\n")
    await settle(files)
    assert files.denied_names()["account"] == {b"one", b"two"}
    assert told == [files.lists]
    assert files.lists.denied.covers(pack_address("192.0.2.1"))
    put(deny, "account two\naccount one\naddress 192.0.2.1 # the same in other words\n")
    await settle(files)
    assert len(told) == 1
    assert said(logs) == ["list_loaded", "list_loaded"]


async def test_a_file_of_the_same_size_that_was_put_in_its_place_is_seen(deny: Path) -> None:
    files = ListFiles(str(deny), "")
    replace_file(deny, "account two\n")
    await settle(files)
    assert files.denied_names()["account"] == {b"two"}


async def test_a_file_that_could_not_be_opened_is_tried_again(deny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = ListFiles(str(deny), "")
    replace_file(deny, "account two\n")
    with monkeypatch.context() as patch:
        patch.setattr("builtins.open", refuse_to_open)
        await settle(files)
    assert files.denied_names()["account"] == {b"one"}
    await settle(files)
    assert files.denied_names()["account"] == {b"two"}


async def test_a_file_that_is_just_being_written_is_not_read_half(deny: Path, logs: list[EventDict]) -> None:
    files = ListFiles(str(deny), "")
    put(deny, "address 10.0.0.0/8")
    await files.poll()
    put(deny, "address 10.0.0.0/8\naccount two\n")
    await files.poll()
    assert files.denied_names()["account"] == {b"one"}
    await files.poll()
    assert files.denied_names()["account"] == {b"two"}
    assert said(logs) == ["list_loaded"]


def refuse_to_open(*_: object) -> None:
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


@pytest.mark.parametrize("damage", ["wrong", "gone", "folder"])
async def test_an_unusable_file_leaves_the_old_lists_and_is_said_once(
    deny: Path, logs: list[EventDict], damage: str
) -> None:
    files = ListFiles(str(deny), "")
    told: list[AccessLists] = []
    files.on_change.append(told.append)
    damage_file(deny, damage)
    for _ in range(3):
        await settle(files)
    assert files.denied_names()["account"] == {b"one"}
    assert said(logs) == ["list_unusable"]
    place = f"{deny}:3: " if damage == "wrong" else f"{deny}: cannot be read: "
    assert logs[0]["reason"].startswith(place)
    assert logs[0]["log_level"] == "error"
    repair_file(deny, "account three\n")
    await settle(files)
    assert files.denied_names()["account"] == {b"three"}
    assert len(told) == 1
    damage_file(deny, "gone")
    await settle(files)
    assert said(logs) == ["list_unusable", "list_loaded", "list_unusable"]


async def test_the_other_file_still_counts(deny: Path, tmp_path: Path, logs: list[EventDict]) -> None:
    allow = tmp_path / "allow.txt"
    put(allow, "account two\n")
    files = ListFiles(str(deny), str(allow))
    put(deny, "nonsense\n")
    put(allow, "account one\n")
    await settle(files)
    assert files.denied_names()["account"] == frozenset()


@pytest.mark.parametrize("content", [None, "nonsense\n"])
def test_an_edge_does_not_begin_without_its_lists(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "deny.txt"
    if content is not None:
        put(path, content)
    with pytest.raises(ListError, match=str(path)):
        ListFiles(str(path), "")
