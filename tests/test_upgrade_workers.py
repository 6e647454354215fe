"""An edge with workers is upgraded, as real processes: each worker is replaced while players play."""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.relays import LOOPBACK, echo, running_origin
from tests.test_admission import knock
from tests.test_processes import ANY_PORT, child
from tests.test_upgrade import Edges, assert_goes_on, edges, frames, newcomers_served
from tests.tidegate.service_manager import service_manager
from tests.tidegate.test_supervisor import Streams, answers, is_alive
from tidegate.running import find_running, is_upgrading, upgrade, workers_of

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="Linux: files without a name"),
    pytest.mark.timeout(120),  # each starts a dozen processes
]

WORKERS = ("--workers", "2")
ENDLESS_RATES = ("--set", "edge.prefix_accepts_per_second=0")


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what other processes do."""
    async with asyncio.timeout(40):
        while not condition():  # noqa: ASYNC110 - no event for it
            await asyncio.sleep(0.01)


async def replaced(edge: Edges) -> set[int]:
    """Upgrade it, as the signal does; return its workers of now, which are all others."""
    before, told = workers_of(edge.pid), len(edge.told("upgraded"))
    assert len(before) == 2
    os.kill(edge.pid, signal.SIGUSR2)
    await until(lambda: len(edge.told("upgraded")) > told and not is_upgrading(edge.pid))
    after = workers_of(edge.pid)
    assert len(after) == 2
    assert not after & before
    assert not any(map(is_alive, before))
    return after


async def test_a_hundred_players_go_on_through_two_upgrades_and_nobody_is_refused() -> None:
    async with edges(*WORKERS, *ENDLESS_RATES) as edge:
        pairs = [await edge.join() for _ in range(100)]
        for player, visit in pairs:
            await assert_goes_on(player, visit)
        whole = frames(range(100))
        for _ in range(2):
            upgrading = asyncio.create_task(replaced(edge))
            for player, visit in pairs:
                for writer in (player[1], visit[1]):
                    writer.write(whole[:303])  # fifty frames and a half
            assert await newcomers_served(edge, upgrading) > 10
            for player, visit in pairs:
                for writer in (player[1], visit[1]):
                    writer.write(whole[303:])
            for player, visit in pairs:
                assert await visit[0].readexactly(len(whole)) == whole
                assert await player[0].readexactly(len(whole)) == whole
        assert edge.server.visits.empty(), "the game server has noticed nothing"
        assert edge.pid == edge.child.pid, "the process is the same"
        taken = [each["sessions"] for each in edge.told("took_over")]
        assert len(taken) == 4
        assert all(taken)
        assert not edge.told("upgrade_failed")


@pytest.mark.parametrize("max_sessions", [1000, 2000], ids=["the same memory", "other memory"])
async def test_who_is_handed_over_counts_once(tmp_path: Path, max_sessions: int) -> None:
    file = tmp_path / "edge.toml"
    limits = "[edge]\nexempt = []\nmax_per_address = 12\nprefix_accepts_per_second = 0\n"
    await asyncio.to_thread(file.write_text, f"{limits}max_sessions = 1000\n")
    async with (
        running_origin(echo) as port,
        child("core", "--listen", ANY_PORT, "--game", "echo", "--origin", f"{LOOPBACK}:{port}") as (_, tunnels),
        child("edge", "--listen", ANY_PORT, "--core", str(tunnels), *WORKERS, "--config", str(file)) as (_, players),
    ):
        inside = await knock(players, 20)
        assert len(inside) == 12
        await asyncio.to_thread(file.write_text, f"{limits}max_sessions = {max_sessions}\n")
        for _ in range(2):
            assert await asyncio.to_thread(upgrade, players, print) == 0
            assert all([await answers(each) for each in inside])
            assert await knock(players, 10) == []
        for _, writer in inside[:5]:
            writer.close()
        more: list[Streams] = []
        async with asyncio.timeout(10):
            while len(more) < 5:  # the edge hears of those who leave by and by
                more += await knock(players, 6)
        assert len(more) == 5
        assert await knock(players, 10) == []
        for _, writer in (*inside, *more):
            writer.transport.abort()


async def test_settings_that_are_no_good_leave_program_and_workers_as_they_are(tmp_path: Path) -> None:
    file = tmp_path / "edge.toml"
    good = "[edge]\nworkers = 2\n"
    await asyncio.to_thread(file.write_text, good)
    async with edges("--config", str(file)) as edge:
        pair = await edge.join()
        before = workers_of(edge.pid)
        for number, (wrong, why) in enumerate(
            (
                ("[edge]\nworkers = 2\nmax_sessions = 'many'\n", "exit status 2"),
                ("[edge]\nworkers = 3\n", "exit status 2"),
                ("[edge]\nworkers = 1\n", "exit status 2"),
            ),
            start=1,
        ):
            await asyncio.to_thread(file.write_text, wrong)
            said: list[str] = []
            assert await asyncio.to_thread(upgrade, edge.players, said.append) == 1
            assert said[-1] == "2 of 2 workers go on as they were; its log says why. Upgrade again"
            assert len(edge.told("upgrade_failed")) == number
            assert why in edge.told("upgrade_failed")[-1]["reason"]
            assert workers_of(edge.pid) == before
            await assert_goes_on(*pair)
        assert "does not change how many workers there are: 2 run, 1 are set" in edge.child.last_words
        await asyncio.to_thread(file.write_text, good)
        await replaced(edge)
        await assert_goes_on(*pair)


async def test_a_worker_whose_successor_fails_goes_on_and_the_upgrade_can_be_repeated(tmp_path: Path) -> None:
    denied = tmp_path / "denied.txt"
    await asyncio.to_thread(denied.write_text, "address 192.0.2.1\n")
    async with edges(*WORKERS, "--set", f"edge.deny_file={denied}") as edge:
        pairs = [await edge.join() for _ in range(20)]
        before = workers_of(edge.pid)
        await asyncio.to_thread(denied.unlink)
        await asyncio.to_thread(denied.mkdir)  # no worker can start with it; the supervisor does not look at it
        said: list[str] = []
        assert await asyncio.to_thread(upgrade, edge.players, said.append) == 1
        assert "2 of 2 workers go on as they were" in said[-1]
        assert [each["worker"] for each in edge.told("upgrade_failed")] == [1, 2]
        assert edge.told("upgrade_incomplete")[0]["as_before"] == "1, 2"
        assert workers_of(edge.pid) == before
        for pair in pairs:
            await assert_goes_on(*pair)
        await asyncio.to_thread(denied.rmdir)
        await asyncio.to_thread(denied.write_text, "address 192.0.2.2\n")
        assert await asyncio.to_thread(upgrade, edge.players, said.append) == 0
        assert "all 2 workers are replaced" in said[-1]
        for pair in pairs:
            await assert_goes_on(*pair)


async def test_a_successor_that_is_killed_and_a_worker_that_hangs_do_not_keep_the_other_from_being_replaced() -> None:
    async with edges(*WORKERS) as edge:
        pairs = [await edge.join() for _ in range(20)]
        before = workers_of(edge.pid)
        hung = min(before)
        os.kill(hung, signal.SIGSTOP)
        os.kill(edge.pid, signal.SIGUSR2)
        await until(lambda: len(workers_of(edge.pid)) == 3)
        (successor,) = workers_of(edge.pid) - before
        os.kill(successor, signal.SIGKILL)
        await until(lambda: bool(edge.told("upgrade_incomplete")))
        os.kill(hung, signal.SIGCONT)
        (failed,) = edge.told("upgrade_failed")
        assert "its successor has ended, status -9" in failed["reason"]
        assert edge.told("upgrade_incomplete")[0]["as_before"] == str(failed["worker"])
        assert workers_of(edge.pid) & before == {hung}
        for pair in pairs:
            await assert_goes_on(*pair)
        await replaced(edge)
        for pair in pairs:
            await assert_goes_on(*pair)


async def test_a_worker_that_is_killed_while_it_is_replaced_is_started_anew() -> None:
    async with edges(*WORKERS) as edge:
        pairs = [await edge.join() for _ in range(20)]
        before = workers_of(edge.pid)
        os.kill(edge.pid, signal.SIGUSR2)
        await until(lambda: bool([each for each in edge.told("upgrading") if each.get("worker") == 1]))
        os.kill(min(before), signal.SIGKILL)
        await until(lambda: bool(edge.told("worker_died") or edge.told("upgraded")))
        await until(lambda: not is_upgrading(edge.pid) and len(workers_of(edge.pid) - before) == 2)
        survivors = 0
        for player, visit in pairs:
            player[1].write(frames([1]))
            survivors += await visit[0].read(6) == frames([1])
        assert 0 < survivors < 20
        await assert_goes_on(*await edge.join())
        await replaced(edge)


async def test_a_drain_goes_before_an_upgrade() -> None:
    async with edges(*WORKERS) as edge:
        pairs = [await edge.join() for _ in range(4)]
        os.kill(edge.pid, signal.SIGUSR2)
        await until(lambda: bool(edge.told("upgrading")))
        os.kill(edge.pid, signal.SIGTERM)
        await until(lambda: len({each["worker"] for each in edge.told("draining")}) == 2)
        os.kill(edge.pid, signal.SIGUSR2)
        await until(lambda: bool(edge.told("upgrade_refused")))
        assert edge.told("upgrade_refused")[0]["why"] == "it is draining"
        for pair in pairs:
            await assert_goes_on(*pair)


async def test_the_service_stays_the_same_process(monkeypatch: pytest.MonkeyPatch) -> None:
    async with service_manager() as manager:
        monkeypatch.setenv("NOTIFY_SOCKET", manager.place)
        monkeypatch.setenv("WATCHDOG_USEC", "5000000")
        async with edges(*WORKERS) as edge:
            await manager.until_field("READY", "1")
            since = len(manager.messages)
            await replaced(edge)
            await manager.until_field("RELOADING", "1", since)
            ready = await manager.until_field("READY", "1", since)
            assert ready.pid == edge.pid
            assert not manager.all("MAINPID")
            await manager.until_field("WATCHDOG", "1", len(manager.messages))
            assert find_running("edge", edge.players).pid == edge.pid
            assert not edge.told("worker_hung")
