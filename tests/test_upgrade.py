"""An edge that is upgraded, as real processes: SIGUSR2 while players play, and nobody may notice."""

import asyncio
import contextlib
import ctypes
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from fleet.address import Address
from fleet.identity import Identity
from tests.certificates import office
from tests.relays import LOOPBACK, Server, Streams, reset, server
from tidegate.children import Child
from tidegate.gameday.process_figures import error_output_of, is_running, read_figures, writers_to

pytestmark = [
    pytest.mark.skipif(not hasattr(signal, "SIGUSR2"), reason="signals of Unix"),
    pytest.mark.timeout(120),  # each starts several processes
]

ANY_PORT = f"{LOOPBACK}:0"
PR_SET_CHILD_SUBREAPER = 36
STEP_SECONDS = 0.01


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what other processes do."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - no event for it
            await asyncio.sleep(STEP_SECONDS)


def frames(numbers: Iterable[int], size: int = 6) -> bytes:
    return b"".join(size.to_bytes(2) + number.to_bytes(4) + bytes(size - 6) for number in numbers)


@dataclass
class Edges:
    """An edge, its successors, and the game server."""

    server: Server
    child: Child
    events: list[Mapping[str, Any]]
    players: Address
    pid: int
    error_output: str  # all of them have the same
    opened: list[Streams] = field(default_factory=list)

    def told(self, event: str) -> list[Mapping[str, Any]]:
        return [each for each in self.events if each["event"] == event]

    async def connect(self) -> Streams:
        streams = await asyncio.open_connection(self.players.host, self.players.port)
        self.opened.append(streams)
        return streams

    async def join(self) -> tuple[Streams, Streams]:
        """A new player, and the game server's end of the session."""
        return await self.connect(), await self.server.visits.get()

    async def begin_upgrade(self) -> None:
        """Send the signal, and wait until a successor has the players."""
        before = len(self.told("took_over"))
        os.kill(self.pid, signal.SIGUSR2)
        await until(lambda: len(self.told("took_over")) > before)

    async def end_upgrade(self) -> int:
        """Wait until the old process has ended; return its exit status."""
        old = self.pid
        await until(lambda: not is_running(old))
        (self.pid,) = writers_to(self.error_output) - {old}
        return await self._status_of(old)

    async def upgrade(self) -> None:
        await self.begin_upgrade()
        assert await self.end_upgrade() == 0

    async def drain(self) -> int:
        """Send SIGTERM to the edge of today; return its exit status."""
        if not self.told("draining"):
            os.kill(self.pid, signal.SIGTERM)
        return await self._status_of(self.pid)

    async def _status_of(self, pid: int) -> int:
        """Wait for the end of an edge; 0 where its status is told to somebody else (`edges` looks at the first's)."""
        await until(lambda: not is_running(pid))
        if pid == self.child.pid:
            return 0
        try:
            return os.waitstatus_to_exitcode(os.waitpid(pid, os.WNOHANG)[1])  # noqa: ASYNC222 - it has ended
        except ChildProcessError:
            return 0


@asynccontextmanager
async def edges(*arguments: str, core_arguments: Iterable[str] = ()) -> AsyncIterator[Edges]:
    """A core and an edge with these arguments; processes without parents are ours meanwhile."""
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
    events: list[Mapping[str, Any]] = []
    core, edge = Child("core"), Child("edge", events.append)
    try:
        async with server() as behind:
            game = ("--listen", ANY_PORT, "--game", "echo", "--origin", f"{LOOPBACK}:{behind.port}")
            tunnels = await core.start("core", *game, "--log-format", "json", *core_arguments)
            core_address = ("--core", str(tunnels), "--log-format", "json")
            players = await edge.start("edge", "--listen", ANY_PORT, *core_address, *arguments)
            made = Edges(behind, edge, events, players, edge.pid, error_output_of(edge.pid))
            try:
                yield made
                for streams in (*made.opened, *behind.opened):
                    reset(streams)
                if is_running(made.pid):
                    assert await made.drain() == 0
                assert await edge.wait() == 0, "the first process"
            finally:
                for streams in (*made.opened, *behind.opened):
                    reset(streams)
                with contextlib.suppress(ProcessLookupError):
                    if made.pid != edge.pid:
                        os.kill(made.pid, signal.SIGKILL)
    finally:
        await edge.stop()
        await core.stop()
        libc.prctl(PR_SET_CHILD_SUBREAPER, 0)


async def assert_goes_on(one: Streams, other: Streams, numbers: Iterable[int] = (1, 2, 3)) -> None:
    said = frames(numbers)
    for source, target in ((one, other), (other, one)):
        source[1].write(said)
        assert await target[0].readexactly(len(said)) == said


async def test_players_go_on_where_they_were() -> None:
    async with edges() as edge:
        pairs = [await edge.join() for _ in range(5)]
        for player, visit in pairs:
            await assert_goes_on(player, visit)
        whole = frames(range(100))
        for player, visit in pairs:
            for writer in (player[1], visit[1]):
                writer.write(whole[:303])  # fifty frames and a half
        await pairs[0][1][0].readexactly(300)
        os.kill(edge.pid, signal.SIGUSR2)
        for player, visit in pairs:
            for writer in (player[1], visit[1]):
                writer.write(whole[303:597])
        await until(lambda: bool(edge.told("took_over")))
        for player, visit in pairs:
            for writer in (player[1], visit[1]):
                writer.write(whole[597:])
        for number, (player, visit) in enumerate(pairs):
            rest = whole[300:] if number == 0 else whole
            assert await visit[0].readexactly(len(rest)) == rest
            assert await player[0].readexactly(len(whole)) == whole
        await edge.end_upgrade()
        for player, visit in pairs:
            await assert_goes_on(player, visit)
        assert edge.server.visits.empty(), "the game server has noticed nothing"
        assert edge.told("took_over")[0]["sessions"] == 5
        await assert_goes_on(*await edge.join())


async def test_an_upgrade_with_certificates(tmp_path: Path) -> None:
    made = office(tmp_path / "certs")
    ours, theirs = (
        ("--certificates", str(made.authority.issue(identity).folder))
        for identity in (Identity("edge", "fra-1", "eu"), Identity("core", "core-1", "eu"))
    )
    async with edges(*ours, core_arguments=theirs) as edge:
        player, visit = await edge.join()
        await assert_goes_on(player, visit)
        for writer in (player[1], visit[1]):
            writer.write(frames(range(500)))
        await edge.upgrade()
        whole = frames(range(500))
        assert await visit[0].readexactly(len(whole)) == whole
        assert await player[0].readexactly(len(whole)) == whole
        await assert_goes_on(player, visit)
        await assert_goes_on(*await edge.join())
        (back,) = edge.told("core_reattached")
        assert back["sessions"] == 1


async def newcomers_served(edge: Edges, upgrading: "asyncio.Task[Any]") -> int:
    """Have one player after the other come, play and leave until the upgrade is over; return how many did."""
    served = 0
    while not upgrading.done():
        player, visit = await edge.join()
        await assert_goes_on(player, visit)
        for streams in (player, visit):
            streams[1].close()
        served += 1
    await upgrading
    return served


async def test_who_comes_during_an_upgrade_is_served() -> None:
    async with edges("--set", "edge.prefix_accepts_per_second=0") as edge:
        upgrading = asyncio.create_task(edge.begin_upgrade())
        assert await newcomers_served(edge, upgrading) > 3
        await edge.end_upgrade()


async def test_a_player_who_does_not_read_gets_everything_in_order() -> None:
    async with edges() as edge:
        playing, beside = await edge.join()
        slow = socket.socket()
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect((edge.players.host, edge.players.port))
        visit = await edge.server.visits.get()
        whole = frames(range(12_000), size=1000)
        visit[1].write(whole)
        left = -1
        while left != visit[1].transport.get_write_buffer_size():  # until nobody takes a byte any more
            left = visit[1].transport.get_write_buffer_size()
            for _ in range(50):
                await assert_goes_on(playing, beside)
        assert left, "the system cannot hold all of it"
        await edge.begin_upgrade()
        (handed,) = edge.told("handed_over")
        assert handed["still_sending"] == 1
        assert is_running(edge.child.pid), "it sees its own words off"
        await assert_goes_on(playing, beside)
        reader, writer = await asyncio.open_connection(sock=slow)
        edge.opened.append((reader, writer))
        assert await reader.readexactly(len(whole)) == whole
        await assert_goes_on((reader, writer), visit)
        await edge.end_upgrade()
        await assert_goes_on((reader, writer), visit)


async def test_who_has_said_his_last_word_still_gets_his_answer() -> None:
    async with edges() as edge:
        player, visit = await edge.join()
        other, other_visit = await edge.join()
        player[1].write(frames([1]))
        player[1].write_eof()
        assert await visit[0].read() == frames([1])
        other_visit[1].write(frames([2]))
        other_visit[1].write_eof()
        assert await other[0].read() == frames([2])
        await edge.upgrade()
        visit[1].write(frames([3]))
        visit[1].write_eof()
        assert await player[0].read() == frames([3])
        other[1].write(frames([4]))
        other[1].write_eof()
        assert await other_visit[0].read() == frames([4])


async def test_a_successor_that_cannot_start_leaves_everything_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "edge.toml"
    await asyncio.to_thread(file.write_text, "[edge]\nmax_sessions = 100\n")
    async with edges("--config", str(file)) as edge:
        player, visit = await edge.join()
        await asyncio.to_thread(file.write_text, "[edge]\nmax_sessions = 'many'\n")
        for attempts in (1, 2):
            os.kill(edge.pid, signal.SIGUSR2)
            await until(lambda: len(edge.told("upgrade_failed")) == attempts)  # noqa: B023
            await assert_goes_on(player, visit)
            await assert_goes_on(*await edge.join())
        assert not edge.told("took_over")
        await until(lambda: writers_to(edge.error_output) == {edge.pid})
        await asyncio.to_thread(file.write_text, "[edge]\nmax_sessions = 200\n")
        await edge.upgrade()
        await assert_goes_on(player, visit)


async def test_an_edge_without_workers_gets_none_by_an_upgrade(tmp_path: Path) -> None:
    file = tmp_path / "edge.toml"
    await asyncio.to_thread(file.write_text, "[edge]\nworkers = 1\n")
    async with edges("--config", str(file)) as edge:
        pair = await edge.join()
        await asyncio.to_thread(file.write_text, "[edge]\nworkers = 2\n")
        os.kill(edge.pid, signal.SIGUSR2)
        await until(lambda: bool(edge.told("upgrade_failed")))
        assert "does not give an edge workers" in edge.child.last_words
        await assert_goes_on(*pair)


async def test_a_successor_runs_where_its_own_settings_say(tmp_path: Path) -> None:
    ours = sorted(os.sched_getaffinity(0))
    file = tmp_path / "edge.toml"
    await asyncio.to_thread(file.write_text, f"[edge]\nprocessors = {ours[-1:]}\n")
    async with edges("--config", str(file)) as made:
        assert os.sched_getaffinity(made.pid) == {ours[-1]}
        await asyncio.to_thread(file.write_text, "[edge]\nprocessors = []\n")
        await made.upgrade()
        assert os.sched_getaffinity(made.pid) == set(ours)
        assert await made.drain() == 0


async def test_five_upgrades_leak_nothing() -> None:
    async with edges() as edge:
        pairs = [await edge.join() for _ in range(3)]
        files: list[int] = []
        for _ in range(5):
            await edge.upgrade()
            for player, visit in pairs:
                await assert_goes_on(player, visit)
            if files:
                await until(lambda: read_figures(edge.pid).open_files <= files[0])
            files.append(read_figures(edge.pid).open_files)
        assert edge.server.visits.empty()


async def test_a_successor_drains_as_any_edge() -> None:
    async with edges() as edge:
        player, visit = await edge.join()
        await edge.upgrade()
        os.kill(edge.pid, signal.SIGTERM)
        await until(lambda: bool(edge.told("draining")))
        with contextlib.suppress(ConnectionError):
            late = await edge.connect()
            assert await late[0].read() == b""
        await assert_goes_on(player, visit)
        player[1].close()
        visit[1].close()
        assert await edge.drain() == 0
