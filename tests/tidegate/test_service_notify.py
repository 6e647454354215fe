"""What a relay says to the service manager that started it: real processes, and a real socket that hears them."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.relays import LOOPBACK, free_port
from tests.test_processes import ANY_PORT, child
from tests.test_upgrade import assert_goes_on, edges
from tests.tidegate.service_manager import Manager, service_manager
from tests.tidegate.test_supervisor import children_of
from tidegate import service_notify
from tidegate.children import Child
from tidegate.process import STANDARD_DESCRIPTORS
from tidegate.service_notify import ServiceNotifier, for_successor, for_worker, watchdog_seconds

pytestmark = pytest.mark.timeout(60)  # most start processes

GAME = ("--listen", ANY_PORT, "--game", "echo")


@pytest.fixture
async def manager(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Manager]:
    """A service manager that our children know."""
    async with service_manager() as manager:
        monkeypatch.setenv("NOTIFY_SOCKET", manager.place)
        yield manager


def origin() -> tuple[str, ...]:
    return ("--origin", f"{LOOPBACK}:{free_port()}")


@pytest.mark.parametrize("is_abstract", [False, True], ids=["path", "abstract"])
async def test_ready_status_and_stopping(monkeypatch: pytest.MonkeyPatch, *, is_abstract: bool) -> None:
    async with service_manager(is_abstract=is_abstract) as manager:
        monkeypatch.setenv("NOTIFY_SOCKET", manager.place)
        monkeypatch.setenv("TIDEGATE_CORE_DRAIN_SECONDS", "100")
        async with child("core", *GAME, *origin()) as (core, _):
            ready = await manager.until_field("READY", "1")
            assert ready.pid == core.pid
            assert "MAINPID" not in ready.fields, "the manager knows whom it has started, we may not know our number"
            status = await manager.until_field("STATUS")
            assert status.fields["STATUS"] == "0 sessions"
            core.send_signal(signal.SIGTERM)
            stopping = await manager.until_field("STOPPING", "1")
            assert int(stopping.fields["EXTEND_TIMEOUT_USEC"]) > 100_000_000
            assert await core.wait() == 0
    assert manager.all("READY") == ["1"]
    assert manager.all("WATCHDOG") == [], "nobody has asked for it"


async def test_an_edge_that_waits_for_its_core_says_so_and_is_not_ready(manager: Manager) -> None:
    edge = Child("edge")
    starting = asyncio.create_task(edge.start("edge", "--listen", ANY_PORT, "--core", f"{LOOPBACK}:{free_port()}"))
    assert (await manager.until_field("STATUS")).fields["STATUS"] == "0 sessions; no core is attached"
    assert manager.all("READY") == []
    edge.send_signal(signal.SIGTERM)
    await manager.until_field("STOPPING")
    assert await edge.wait() == 0
    await asyncio.gather(starting, return_exceptions=True)
    await edge.stop()


async def test_the_event_loop_says_that_it_turns_and_shows_where_it_hung(
    manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "300000")
    core = Child("core")
    await core.start("core", *GAME, *origin())
    try:
        for _ in range(3):
            await manager.until_field("WATCHDOG", "1", since=len(manager.messages))
        # Not while it is stopped: any of its threads takes it then, and shows an event loop that runs on meanwhile.
        core.send_signal(signal.SIGABRT)
        assert await core.wait() == -signal.SIGABRT
        assert "in _run_alone" in core.last_words, f"no stack of the thread with the event loop: {core.last_words}"
    finally:
        await core.stop()


async def test_an_upgrade_tells_whose_process_the_service_is(manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "900000")
    async with edges() as edge:
        player, visit = await edge.join()
        old = edge.pid
        await manager.until(lambda said: said.pid == old and "READY" in said.fields)
        await edge.upgrade()
        new = edge.pid
        told = await manager.until(lambda said: said.pid == old and "MAINPID" in said.fields)
        assert told.fields["MAINPID"] == str(new)
        serving = await manager.until(lambda said: said.pid == new and "READY" in said.fields)
        assert serving.fields["MAINPID"] == str(new)
        await manager.until(lambda said: said.pid == new and "WATCHDOG" in said.fields, since=len(manager.messages))
        await assert_goes_on(player, visit)
        ours = [said for said in manager.messages if said.pid in (old, new)]
        assert [said.pid for said in ours if "RELOADING" in said.fields] == [old]
        assert not any("STOPPING" in said.fields for said in ours), "the service goes on"


async def test_an_upgrade_that_fails_leaves_the_service_running(
    manager: Manager, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "edge.toml"
    await asyncio.to_thread(file.write_text, "[edge]\nmax_sessions = 100\n")
    async with edges("--config", str(file)) as edge:
        await manager.until(lambda said: said.pid == edge.pid and "READY" in said.fields)
        await asyncio.to_thread(file.write_text, "[edge]\nmax_sessions = 'many'\n")
        os.kill(edge.pid, signal.SIGUSR2)
        await manager.until(lambda said: said.pid == edge.pid and "RELOADING" in said.fields)
        since = len(manager.messages)
        await manager.until(lambda said: said.pid == edge.pid and "READY" in said.fields, since)
        await assert_goes_on(*await edge.join())
    assert manager.all("MAINPID") == []


async def test_a_supervisor_speaks_for_its_workers_and_ends_one_that_hangs(
    manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "900000")
    events: list[str] = []
    core = Child("core", lambda event: events.append(str(event["event"])))
    await core.start("core", *GAME, *origin(), "--workers", "2", "--log-format", "json")
    try:
        await manager.until_field("READY", "1")
        await manager.until_field("STATUS", "2 of 2 workers")
        hung, other = children_of(core.pid)
        os.kill(hung, signal.SIGSTOP)
        async with asyncio.timeout(20):
            while hung in children_of(core.pid) or len(children_of(core.pid)) < 2:  # noqa: ASYNC110 - other processes
                await asyncio.sleep(0.02)
        assert other in children_of(core.pid)
        assert events.count("worker_hung") == 1
        core.send_signal(signal.SIGTERM)
        await manager.until_field("STOPPING")
        assert await core.wait() == 0
        assert {said.pid for said in manager.messages} == {core.pid}
    finally:
        await core.stop()


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_where_there_is_nothing_to_reload_a_service_says_so_and_goes_on(manager: Manager, workers: str) -> None:
    async with child("core", *GAME, *origin(), "--workers", workers) as (core, _):
        await manager.until_field("READY")
        core.send_signal(signal.SIGHUP)
        async with asyncio.timeout(10):
            while "nothing_to_reload" not in core.last_words:  # noqa: ASYNC110 - it is another process
                await asyncio.sleep(0.01)
        core.send_signal(signal.SIGTERM)
        assert await core.wait() == 0
    assert core.last_words.count("nothing_to_reload") == 1


async def test_a_variable_that_a_shell_has_inherited_makes_no_service_of_it(manager: Manager) -> None:
    terminal, side = os.openpty()
    code = (
        "import fcntl, os, termios\n"
        "os.setsid(); fcntl.ioctl(0, termios.TIOCSCTTY)\n"
        "from tidegate.service_notify import ServiceNotifier\n"
        "notifier = ServiceNotifier.of_process()\n"
        "print(notifier.is_told, notifier.is_service)"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdin=side, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    os.close(terminal)
    os.close(side)
    assert output == b"True False\n"
    assert manager.messages == []


async def test_after_a_while_a_service_counts_as_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_notify, "READY_PATIENCE_SECONDS", 0.1)
    async with service_manager() as manager:
        notifier = ServiceNotifier.from_environment({"NOTIFY_SOCKET": manager.place, "WATCHDOG_USEC": "150000"})
        running = asyncio.create_task(notifier.run(lambda: "no core\nREADY=0 \x00 yet" + "." * 1000))
        said = await manager.until_field("STATUS")
        assert said.fields["STATUS"].startswith("no core READY=0   yet...")
        assert len(said.fields["STATUS"]) == service_notify.MAX_STATUS_CHARACTERS
        assert "READY" not in said.fields
        await manager.until_field("READY", "1")
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        notifier.close()
        notifier.ready()  # nobody is told any more


def test_what_a_slow_manager_did_not_take_is_said_again_and_beats_are_not() -> None:
    taken: list[str] = []
    is_full = True

    def send(message: bytes) -> bool:
        if not is_full:
            taken.append(message.decode())
        return not is_full

    notifier = ServiceNotifier(send, 1.0)
    notifier.reloading()
    notifier._say(WATCHDOG="1")
    notifier.ready(is_successor=True)
    is_full = False
    notifier._say()
    (said,) = taken
    assert sorted(said.split("\n")) == sorted(
        ["READY=1", f"MAINPID={os.getpid()}", "STATUS=handing over to a successor"]
    )
    notifier._say()
    assert len(taken) == 1, "nothing is left"


def test_a_manager_that_is_away_is_said_once_and_so_is_that_it_is_back(tmp_path: Path) -> None:
    place = tmp_path / "notify"
    notifier = ServiceNotifier.from_environment({"NOTIFY_SOCKET": str(place)})
    with capture_logs() as logs:
        notifier.ready()
        notifier.stopping(1.0)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
            listening.bind(str(place))
            notifier.close()
            message = listening.recv(4096).decode()
    assert {"READY=1", "STOPPING=1"} <= set(message.split("\n"))
    assert [log["event"] for log in logs] == ["service_manager_away", "service_manager_back"]


@pytest.mark.parametrize("has_handed_over", [False, True])
async def test_only_a_process_that_has_handed_over_waits_at_its_end_and_not_for_long(
    monkeypatch: pytest.MonkeyPatch, *, has_handed_over: bool
) -> None:
    naps: list[float] = []
    monkeypatch.setattr(service_notify, "LAST_WORD_SECONDS", 0.05)
    monkeypatch.setattr("time.sleep", naps.append)
    async with service_manager(is_deaf=True) as manager:
        notifier = ServiceNotifier.from_environment({"NOTIFY_SOCKET": manager.place})
        for _ in range(10_000):  # more than any queue of datagrams holds
            notifier.ready()
        assert notifier._unsent == {"READY": "1"}
        if has_handed_over:
            notifier.handed_over(7)
        notifier.close()
    assert bool(naps) == has_handed_over


@pytest.mark.parametrize("place", ["vsock:2:1234", "notify", " /x"])
def test_what_is_no_socket_of_this_machine_is_said_and_left_alone(place: str) -> None:
    with capture_logs() as logs:
        assert not ServiceNotifier.from_environment({"NOTIFY_SOCKET": place}).is_told
    assert [log["event"] for log in logs] == ["service_manager_unknown"]


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({}, 0.0),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, 0.0),
        ({"WATCHDOG_USEC": "soon"}, 0.0),
        ({"WATCHDOG_USEC": "-5"}, 0.0),
        ({"WATCHDOG_USEC": "9" * 30}, service_notify.LONGEST_WATCHDOG_SECONDS),
    ],
)
def test_the_watchdog_is_ours_or_nobody_s(environment: dict[str, str], seconds: float) -> None:
    assert watchdog_seconds(environment) == seconds


def test_what_those_we_start_may_know() -> None:
    environment = {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "1", "WATCHDOG_PID": "7", "PATH": "/bin"}
    assert for_successor(environment) == {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "1", "PATH": "/bin"}
    assert for_worker(environment, 0.0) == {"PATH": "/bin"}
    assert for_worker(environment, 2.5) == {"PATH": "/bin", "WATCHDOG_USEC": "2500000"}
    assert service_notify.STANDARD_OUTPUT in STANDARD_DESCRIPTORS
