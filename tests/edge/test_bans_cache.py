"""The bans on disk: what is kept comes back as long as it holds, and what cannot be trusted is left alone."""

import asyncio
import gc
import os
import time
from collections.abc import Callable
from hashlib import sha256
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from edge import bans_cache
from edge.bans import BanBooks, BanSet
from edge.bans_cache import MAGIC, BansCache
from edge.prefixes import pack_address
from protos.tidegate.tunnel.v1 import tunnel_pb2
from tunnel.bans import MAX_BANS, Ban, BanChanges, Banned, banned_network
from wire.layout import FrameLayout

NOTICE = b"\x00\x06bye!"
FRAMES = FrameLayout(max_frame_bytes=64)
WORDS = (Ban(Banned("account", b"badguy"), 0, NOTICE), Ban(banned_network(ip_network("203.0.113.0/24")), 3600, NOTICE))
DAY_SECONDS = 86_400.0


class Machine:
    """An edge's memory of bans, with clocks that are set by hand; each start begins its own clock anew."""

    def __init__(self, path: Path | str, *, at_seconds: float = 1e9, clock_seconds: float = 50.0) -> None:
        self.wall, self.clock = at_seconds, clock_seconds
        self.attached: set[str] = {"a", "b"}
        self.books = BanBooks(lambda: self.clock, has_tunnel=self.attached.__contains__)
        self.cache = BansCache(str(path), self.books, wall_clock=lambda: self.wall, clock=lambda: self.clock)

    def says(self, core: str, *bans: Ban) -> None:
        """A core tells all of its bans, or more of them than one message may hold."""
        self.books.book(core).take(BanChanges(added=bans, resets=True, is_complete=True))

    def banned(self, *names: str) -> str:
        return "".join(name for name in names if self.books.name_notice("account", name.encode()) is not None)


def ban(name: str, seconds: float = 0.0) -> Ban:
    return Ban(Banned("account", name.encode()), seconds, NOTICE)


async def keep(path: Path, *bans: Ban, at_seconds: float = 1e9) -> None:
    machine = Machine(path, at_seconds=at_seconds)
    machine.says("a", *bans)
    await machine.cache.save()


async def load(
    path: Path, layout: FrameLayout | None = FRAMES, *, at_seconds: float = 1e9, clock_seconds: float = 7.0
) -> tuple[Machine, list[str]]:
    """The machine after its start, and what was said."""
    machine = Machine(path, at_seconds=at_seconds, clock_seconds=clock_seconds)
    with capture_logs() as logs:
        await machine.cache.restore(layout)
    return machine, [log["reason"] for log in logs if log["log_level"] == "warning"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "edge.bans"


async def test_what_is_kept_comes_back(path: Path) -> None:
    await keep(path, *WORDS, Ban(banned_network(ip_network("2001:db8::/32"))), Ban(Banned("hardware", b"00-11")))
    machine, said = await load(path)
    assert not said
    assert len(machine.books) == 4
    assert machine.books.name_notice("account", b"badguy") == NOTICE
    assert machine.books.name_notice("hardware", b"00-11") == b""
    assert machine.books.address_notice(pack_address("203.0.113.7")) == NOTICE
    assert machine.books.address_notice(pack_address("2001:db8::7")) == b""
    assert machine.books.address_notice(pack_address("203.0.114.7")) is None
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize(
    ("later_seconds", "banned"),
    [(0, "abcd"), (59, "abcd"), (61, "acd"), (DAY_SECONDS - 1, "acd"), (DAY_SECONDS + 1, "ad"), (-DAY_SECONDS, "abcd")],
)
async def test_a_bans_time_runs_while_nobody_does(path: Path, later_seconds: float, banned: str) -> None:
    await keep(path, ban("a"), ban("b", 60), ban("c", DAY_SECONDS), ban("d", 30 * DAY_SECONDS))
    machine, _ = await load(path, at_seconds=1e9 + later_seconds)
    assert machine.banned(*"abcd") == banned
    machine.clock += 61
    assert "b" not in machine.banned(*"abcd"), "a clock that went back makes no ban longer"
    machine.clock += 31 * DAY_SECONDS
    assert machine.banned(*"abcd") == "a"


async def test_what_is_over_is_not_written(path: Path) -> None:
    machine = Machine(path)
    machine.says("a", ban("a", 5), ban("b"))
    machine.clock += 6
    await machine.cache.save()
    restored, _ = await load(path, clock_seconds=-1000)
    assert len(restored.books) == 1


async def test_of_several_cores_it_keeps_whom_any_has_banned(path: Path) -> None:
    machine = Machine(path)
    machine.says("a", *[ban(f"x{number}") for number in range(600)])
    machine.says("b", *[ban(f"x{number}") for number in range(400, 700)], ban("y"))
    await machine.cache.save()
    restored, said = await load(path)
    assert not said
    assert len(restored.books) == 701
    assert restored.banned("x0", "x699", "y", "z") == "x0x699y"


async def test_what_is_remembered_holds_until_a_core_has_said_all(path: Path) -> None:
    await keep(path, ban("a"), ban("b"))
    machine, _ = await load(path)
    machine.books.book("a").take(BanChanges(added=(ban("c"),)))
    machine.books.book("b").take(BanChanges(added=(ban("d"),), resets=True))
    machine.books.tidy()
    assert machine.banned(*"abcd") == "abc"
    await machine.cache.save()
    again, _ = await load(path)
    assert again.banned(*"abcd") == "abc", "also over another start"
    machine.books.book("b").take(BanChanges(is_complete=True))
    assert machine.banned(*"abcd") == "cd"
    await machine.cache.save()
    assert (await load(path))[0].banned(*"abcd") == "cd"


async def test_what_a_core_said_first_wins(path: Path) -> None:
    await keep(path, ban("a"))
    machine = Machine(path)
    machine.says("a", ban("b"))
    await machine.cache.restore(FRAMES)
    assert machine.banned(*"ab") == "b"


async def test_the_file_is_written_when_bans_change_and_only_then(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bans_cache, "SAVE_SECONDS", 0.05)
    machine = Machine(path)
    task = asyncio.create_task(machine.cache.run())
    try:
        machine.says("a", ban("a"))
        async with asyncio.timeout(5):
            while not os.listdir(path.parent):  # noqa: ASYNC110 - no event for it
                await asyncio.sleep(0.01)
            await machine.cache.save()  # waits for the one under way
            inode = os.stat(path).st_ino
            await asyncio.sleep(0.2)
            assert os.stat(path).st_ino == inode
            for number in range(20):  # in one go
                machine.says("a", ban("a"), ban(f"b{number}"))
            while os.stat(path).st_ino == inode:  # noqa: ASYNC110 - no event for it
                await asyncio.sleep(0.01)
        assert (await load(path))[0].banned("a", "b19") == "ab19"
        machine.cache.close()
        machine.says("a")
        await machine.cache.save()
        assert (await load(path))[0].banned("a") == "a", "the file is another process's now"
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_without_a_path_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    machine = Machine("")
    machine.says("a", ban("a"))
    await machine.cache.run()
    await machine.cache.save()
    await machine.cache.restore(FRAMES)
    assert not os.listdir(tmp_path)


async def test_a_first_start_says_nothing(path: Path) -> None:
    machine, said = await load(path)
    assert not said
    assert not len(machine.books)


@pytest.mark.parametrize("layout", [None, FrameLayout(length_width_bytes=4, min_frame_bytes=4)])
async def test_words_that_cannot_be_told_are_not(path: Path, layout: FrameLayout | None) -> None:
    await keep(path, *WORDS)
    machine, said = await load(path, layout)
    assert not said
    assert machine.books.name_notice("account", b"badguy") == b""


def seal(body: bytes) -> bytes:
    return MAGIC + sha256(body).digest() + body


def damage(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[-3] ^= 1
    path.write_bytes(raw)


def replace_by_a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def replace_by_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


NOW = bytes(8)
NOBODY = tunnel_pb2.BanChanges(added=[tunnel_pb2.Ban(whom=tunnel_pb2.Banned(value=b"x"))]).SerializeToString()
NOBODY = len(NOBODY).to_bytes(4) + NOBODY


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "does not match its checksum"),
        (damage, "does not match its checksum"),
        (lambda path: path.write_bytes(b""), "does not hold bans"),
        (lambda path: path.write_bytes(b"tidegate-policy\n" + bytes(99)), "does not hold bans"),
        (lambda path: path.write_bytes(MAGIC), "does not match its checksum"),
        (lambda path: path.write_bytes(seal(b"")), "it ends too early"),
        (lambda path: path.write_bytes(seal(NOW + b"\0\0")), "message of 0 bytes"),
        (lambda path: path.write_bytes(seal(NOW + bytes(4))), "message of 0 bytes"),
        (lambda path: path.write_bytes(seal(NOW + b"\xff" * 4)), "message of 4294967295 bytes with 0 left"),
        (lambda path: path.write_bytes(seal(NOW + b"\0\0\0\x01\xff")), "cannot be read"),
        (lambda path: path.write_bytes(seal(NOW + NOBODY)), "impossible bans"),
        (lambda path: path.chmod(0o666), "others than its owner may write it"),
        (replace_by_a_pipe, "it is not a file"),
        (replace_by_a_folder, "it cannot be read: Is a directory"),
    ],
)
async def test_what_cannot_be_trusted_is_left_alone(path: Path, spoil: Callable[[Path], object], said: str) -> None:
    await keep(path, *WORDS)
    spoil(path)
    machine, reasons = await load(path)
    assert not len(machine.books)
    assert len(reasons) == 1
    assert said in reasons[0]


async def test_a_file_that_is_too_long_is_not_read_whole(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bans_cache, "MAX_FILE_BYTES", 1000)
    await keep(path, *[ban(f"somebody-{number}") for number in range(100)])
    _, reasons = await load(path)
    assert reasons == ["it is longer than 1000 bytes"]


async def test_too_many_bans_are_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await keep(path, *[ban(f"x{number}") for number in range(20)])
    monkeypatch.setattr("edge.bans.MAX_BANS", 10)
    _, reasons = await load(path)
    assert reasons == ["20 bans in all: at most 10 are allowed"]


async def test_a_disk_that_takes_nothing_is_said_once_and_disturbs_nobody(tmp_path: Path) -> None:
    path = tmp_path / "gone" / "edge.bans"
    machine = Machine(path)
    with capture_logs() as logs:
        for name in "ab":
            machine.says("a", ban(name))
            await machine.cache.save()
    assert [log["event"] for log in logs] == ["bans_cache_unwritable"]
    path.parent.mkdir()
    await machine.cache.save()
    assert (await load(path))[0].banned(*"ab") == "b"


@given(st.binary(max_size=200), st.booleans())
def test_any_content_is_bans_or_a_warning(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, is_sealed: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.bans"
    path.write_bytes(seal(NOW + content) if is_sealed else content)
    machine, reasons = asyncio.run(load(path))
    assert not reasons or not len(machine.books)


async def longest_stretch_during(work: asyncio.Task[None]) -> float:
    """How long this process ran at most before the loop had its turn, in seconds of processor time."""
    longest = 0.0
    while not work.done():
        before = time.process_time()
        await asyncio.sleep(0.001)
        longest = max(longest, time.process_time() - before)
    await work
    return longest


@pytest.mark.timeout(60)
async def test_a_hundred_thousand_bans_do_not_hold_up_the_loop(path: Path) -> None:
    machine, restored = Machine(path), Machine(path, clock_seconds=9)
    bans = BanSet()
    bans.change(BanChanges(added=tuple(ban(f"somebody-{number}", number) for number in range(MAX_BANS))), 0)
    machine.books.book("a").restore(bans)
    gc.disable()  # pytest's own objects are not the edge's: see `tidegate.serve`
    try:
        began = time.process_time()
        stretches = [
            await longest_stretch_during(asyncio.create_task(machine.cache.save())),
            await longest_stretch_during(asyncio.create_task(restored.cache.restore(FRAMES))),
        ]
        took = time.process_time() - began
    finally:
        gc.enable()
    assert len(restored.books) == MAX_BANS - 50, "less those whose time was over"
    assert max(stretches) < min(0.1, took / 10), "the measured figure is in docs/admission.md"
