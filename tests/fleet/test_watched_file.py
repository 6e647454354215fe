"""Watching a file: what counts as a change, and when it is told."""

import asyncio
import os
from pathlib import Path

import pytest

from fleet.watched_file import MAX_UNSETTLED, WatchedFile


class Watcher:
    """Watches a file and keeps what stood in it whenever a change was told."""

    def __init__(self, file: Path) -> None:
        self.told: list[str] = []
        self.was_told = asyncio.Event()
        self.file = file
        self.watched = WatchedFile(str(file))

    def write(self, text: str) -> None:
        self.file.write_text(text)

    async def look(self, times: int = 1) -> list[str]:
        for _ in range(times):
            if self.watched.has_changed():
                await self.tell()
        return self.told

    async def tell(self) -> None:
        self.told.append(self.file.read_text() if self.file.is_file() else "gone")
        self.was_told.set()


@pytest.fixture
def watcher(tmp_path: Path) -> Watcher:
    file = tmp_path / "watched"
    file.write_text("one")
    return Watcher(file)


async def test_no_change_is_none(watcher: Watcher) -> None:
    assert await watcher.look(3) == []


async def test_a_change_is_told_once_when_it_has_settled(watcher: Watcher) -> None:
    watcher.write("half")
    assert await watcher.look() == []
    watcher.write("the whole")
    assert await watcher.look() == [], "it was still being written"
    assert await watcher.look(3) == ["the whole"]


async def test_a_file_that_goes_and_comes_back(watcher: Watcher) -> None:
    watcher.file.unlink()
    assert await watcher.look(3) == ["gone"]
    watcher.write("two")
    assert await watcher.look(3) == ["gone", "two"]


async def test_a_file_put_in_its_place_is_a_change_whatever_its_time(watcher: Watcher) -> None:
    fresh = watcher.file.with_name("fresh")
    fresh.write_text("two")
    status = watcher.file.stat()
    os.utime(fresh, ns=(status.st_atime_ns, status.st_mtime_ns))
    fresh.replace(watcher.file)
    assert await watcher.look(2) == ["two"]


async def test_what_could_not_be_read_is_told_again(watcher: Watcher) -> None:
    watcher.write("two")
    assert await watcher.look(3) == ["two"]
    watcher.watched.try_again()
    assert await watcher.look(3) == ["two", "two"]


async def test_a_file_that_never_settles_is_read_now_and_then(watcher: Watcher) -> None:
    for number in range(4 * MAX_UNSETTLED):
        watcher.write("x" * (number + 10))
        await watcher.look()
    assert [len(each) - 9 for each in watcher.told] == [MAX_UNSETTLED * count for count in (1, 2, 3, 4)]


async def test_who_changes_a_file_and_sets_its_time_back_is_found_out(watcher: Watcher) -> None:
    status = watcher.file.stat()
    while watcher.file.stat().st_ctime_ns == status.st_ctime_ns:  # where the system's clock for files is coarse
        watcher.write("two")
        os.utime(watcher.file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert await watcher.look(2) == ["two"]


async def test_it_looks_by_itself(watcher: Watcher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fleet.watched_file.POLL_SECONDS", 0.001)
    running = asyncio.create_task(watcher.watched.run(watcher.tell))
    watcher.write("two")
    async with asyncio.timeout(5):
        await watcher.was_told.wait()
    running.cancel()
    assert watcher.told == ["two"]
