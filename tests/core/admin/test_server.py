"""The admin service's listener and its manners: whose the socket is, and what hostile callers get."""

import asyncio
import contextlib
import os
import socket
import stat
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from structlog.testing import capture_logs

from core.core import Core
from fleet.address import Address
from fleet.admin_place import AdminPlace, PlaceError, find_sockets
from games.registry import load_pack
from protos.tidegate.admin.v1 import admin_pb2, admin_pb2_grpc
from tests.relays import core_config, echo, edge_config, free_port, running_core, running_edge, running_origin


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that stands for all places where sockets may be."""
    with tempfile.TemporaryDirectory(prefix="tidegate-") as name:
        monkeypatch.setattr("fleet.admin_place.RUN_FOLDER", Path(name) / "run")
        yield Path(name)


@asynccontextmanager
async def core_at(place: AdminPlace, folder: Path) -> AsyncIterator[Core]:
    async with running_origin(echo) as port:
        config = replace(core_config(port), admin=place, environment={"XDG_RUNTIME_DIR": str(folder)})
        async with running_core(config, load_pack("echo")) as core:
            yield core


@asynccontextmanager
async def stub_of(target: str) -> AsyncIterator[admin_pb2_grpc.AdminServiceStub]:
    async with grpc.aio.insecure_channel(target, options=(("grpc.enable_http_proxy", 0),)) as channel:
        yield admin_pb2_grpc.AdminServiceStub(channel)


async def status_at(target: str) -> admin_pb2.GetStatusResponse:
    async with stub_of(target) as stub:
        return await stub.GetStatus(admin_pb2.GetStatusRequest(), timeout=5)  # type: ignore[no-any-return]


async def test_without_a_setting_the_socket_is_ones_own_and_goes_with_the_core(folder: Path) -> None:
    async with core_at(AdminPlace(), folder) as core:
        path = folder / "tidegate" / f"core-127.0.0.1-{core.port}.sock"
        assert core.admin.path == path
        assert stat.S_IMODE(path.lstat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.lstat().st_mode) == 0o700
        assert path in find_sockets({"XDG_RUNTIME_DIR": str(folder)})
        status = await status_at(f"unix:{path}")
        assert [(each.name, each.health, each.store) for each in status.cores] == [("core-1", "serving", "memory")]
    assert not path.exists()


async def test_what_a_killed_core_has_left_is_removed(folder: Path) -> None:
    (folder / "tidegate").mkdir(mode=0o700)
    left = folder / "tidegate" / "core-127.0.0.1-1.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(left))
    async with core_at(AdminPlace(), folder):
        assert not left.exists()


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o722])
async def test_a_folder_where_others_can_write_is_not_used(folder: Path, mode: int) -> None:
    (folder / "tidegate").mkdir()
    (folder / "tidegate").chmod(mode)
    async with core_at(AdminPlace(), folder) as core:
        assert core.admin.path is not None
        assert core.admin.path.parent == folder / "run"


async def test_a_folder_that_is_a_link_is_not_used(folder: Path) -> None:
    (folder / "elsewhere").mkdir(mode=0o700)
    (folder / "tidegate").symlink_to(folder / "elsewhere")
    async with core_at(AdminPlace(), folder) as core:
        assert core.admin.path is not None
        assert core.admin.path.parent == folder / "run"


async def test_a_default_that_cannot_be_had_is_said_and_the_core_runs(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleet.admin_place.folders", lambda environment: iter([folder / "missing" / "deep"]))
    with capture_logs() as logs:
        async with core_at(AdminPlace(), folder) as core:
            assert core.admin.path is None
            assert core.port
    assert [log["event"] for log in logs if log["event"].startswith("admin")] == ["admin_unavailable"]


async def test_a_place_that_was_set_and_cannot_be_had_keeps_the_core_from_starting(folder: Path) -> None:
    with pytest.raises(PlaceError, match="No such file or directory"):
        async with core_at(AdminPlace(path=folder / "missing" / "admin.sock"), folder):
            pass
    (folder / "file.sock").write_text("theirs")
    with pytest.raises(PlaceError, match="something else in the place of the socket"):
        async with core_at(AdminPlace(path=folder / "file.sock"), folder):
            pass
    assert (folder / "file.sock").read_text() == "theirs"
    with pytest.raises(PlaceError, match="other machines can reach that, and without certificates"):
        async with core_at(AdminPlace(address=Address("0.0.0.0", 7402)), folder):
            pass


async def test_a_second_core_does_not_take_the_socket_of_the_first(folder: Path) -> None:
    place = AdminPlace(path=folder / "admin.sock")
    async with core_at(place, folder):
        with pytest.raises(PlaceError, match="another core listens there"):
            async with core_at(place, folder):
                pass
        assert len((await status_at(f"unix:{place.path}")).cores) == 1


async def test_a_loopback_port_answers_beside_the_socket(folder: Path) -> None:
    port = free_port()
    async with core_at(AdminPlace(address=Address("127.0.0.1", port)), folder) as core:
        assert core.admin.path is not None
        assert (await status_at(f"127.0.0.1:{port}")).asked == "core-1"


async def test_off_is_off(folder: Path) -> None:
    async with core_at(AdminPlace(is_off=True), folder) as core:
        assert core.admin.path is None
        assert os.listdir(folder) == []


async def test_another_user_cannot_reach_the_socket(folder: Path) -> None:
    async with core_at(AdminPlace(), folder) as core:
        assert core.admin.path is not None
        os.chmod(folder, 0o755)
        os.chmod(core.admin.path.parent, 0o755)  # the socket's own mode must do
        mode = os.lstat(core.admin.path).st_mode
        assert stat.S_IMODE(mode) & 0o077 == 0
        if os.geteuid() == 0:  # only root can be somebody else
            code = f"import socket; socket.socket(socket.AF_UNIX).connect({str(core.admin.path)!r})"
            process = await asyncio.create_subprocess_exec(
                "/usr/bin/env", "python3", "-S", "-c", code, user=65534, group=65534, stderr=asyncio.subprocess.PIPE
            )
            _, err = await process.communicate()
            assert process.returncode
            assert b"ermission denied" in err


async def test_hostile_calls_get_a_status_and_the_core_goes_on(folder: Path) -> None:
    async with core_at(AdminPlace(), folder) as core, stub_of(f"unix:{core.admin.path}") as stub:
        selection = admin_pb2.Selection
        rows = (
            (stub.KickSessions(admin_pb2.KickSessionsRequest(text="x" * 100_000), timeout=5), "RESOURCE_EXHAUSTED"),
            (stub.KickSessions(admin_pb2.KickSessionsRequest(), timeout=5), "INVALID_ARGUMENT"),
            (
                stub.KickSessions(admin_pb2.KickSessionsRequest(which=selection(id="\x00\x1b")), timeout=5),
                "INVALID_ARGUMENT",
            ),
            (stub.KickSessions(admin_pb2.KickSessionsRequest(which=selection(id="0" * 32)), timeout=5), "NOT_FOUND"),
            (
                stub.KickSessions(admin_pb2.KickSessionsRequest(which=selection(account="x" * 300)), timeout=5),
                "INVALID_ARGUMENT",
            ),
            (
                stub.KickSessions(admin_pb2.KickSessionsRequest(which=selection(account="x"), text="a\nb"), timeout=5),
                "INVALID_ARGUMENT",
            ),
            (
                stub.KickSessions(
                    admin_pb2.KickSessionsRequest(which=selection(account="x"), text="x" * 401), timeout=5
                ),
                "INVALID_ARGUMENT",
            ),
            (stub.AddBan(admin_pb2.AddBanRequest(kind=99, value="x"), timeout=5), "INVALID_ARGUMENT"),  # type: ignore[arg-type]
            (
                stub.AddBan(admin_pb2.AddBanRequest(kind=admin_pb2.BAN_KIND_ADDRESS, value="0.0.0.0/0"), timeout=5),
                "INVALID_ARGUMENT",
            ),
            (
                stub.AddBan(
                    admin_pb2.AddBanRequest(kind=admin_pb2.BAN_KIND_ACCOUNT, value="x", seconds=float("nan")), timeout=5
                ),
                "INVALID_ARGUMENT",
            ),
            (
                stub.AddBan(admin_pb2.AddBanRequest(kind=admin_pb2.BAN_KIND_ACCOUNT, value="x", seconds=-1), timeout=5),
                "INVALID_ARGUMENT",
            ),
            (
                stub.RemoveBan(admin_pb2.RemoveBanRequest(kind=admin_pb2.BAN_KIND_ACCOUNT, value="x"), timeout=5),
                "NOT_FOUND",
            ),
            (stub.Announce(admin_pb2.AnnounceRequest(text="  "), timeout=5), "INVALID_ARGUMENT"),
            (
                stub.Announce(admin_pb2.AnnounceRequest(text="x", which=selection(core="core-9")), timeout=5),
                "NOT_FOUND",
            ),
            (stub.Drain(admin_pb2.DrainRequest(name="core-1"), timeout=5), "INVALID_ARGUMENT"),
            (
                stub.Drain(admin_pb2.DrainRequest(role=admin_pb2.ROLE_CORE, name="core-1"), timeout=5),
                "FAILED_PRECONDITION",
            ),
            (stub.Drain(admin_pb2.DrainRequest(role=admin_pb2.ROLE_EDGE, name="\x1b[2J"), timeout=5), "NOT_FOUND"),
        )
        with capture_logs():
            for call, code in rows:
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await call
                assert caught.value.code().name == code, caught.value.details()
                assert len(caught.value.details() or "") < 1000
        async with asyncio.timeout(5):
            with pytest.raises(grpc.aio.AioRpcError):
                async for _ in stub.ListSessions(admin_pb2.ListSessionsRequest(limit=4_000_000_000)):
                    pass
        assert (await stub.GetStatus(admin_pb2.GetStatusRequest(), timeout=5)).asked == "core-1"


async def test_garbage_on_the_socket_ends_only_that_connection(folder: Path) -> None:
    async with core_at(AdminPlace(), folder) as core:
        for garbage in (
            b"GET / HTTP/1.1\r\n\r\n",
            b"\0" * 10_000,
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 5000,
        ):
            reader, writer = await asyncio.open_unix_connection(str(core.admin.path))
            writer.write(garbage)
            with contextlib.suppress(ConnectionResetError):
                async with asyncio.timeout(10):
                    while await reader.read(65536):
                        pass
            writer.close()
        assert (await status_at(f"unix:{core.admin.path}")).asked == "core-1"


async def test_without_rules_a_session_is_listed_kicked_and_not_announced_to(folder: Path) -> None:
    async with core_at(AdminPlace(), folder) as core, running_edge(edge_config(core.port)) as edge:
        await edge.wait_ready()
        async with stub_of(f"unix:{core.admin.path}") as stub:
            reader, writer = await asyncio.open_connection(edge.address.host, edge.address.port)
            while not core.roster.seats:  # noqa: ASYNC110 - no event
                await asyncio.sleep(0.01)
            (session_id,) = core.roster.seats
            told = await stub.Announce(admin_pb2.AnnounceRequest(text="hello"), timeout=5)
            assert (told.count, told.others) == (0, 1)
            which = admin_pb2.Selection(address="127.0.0.0/8", edge="edge-1")
            kicked = await stub.KickSessions(admin_pb2.KickSessionsRequest(which=which), timeout=5)
            assert (kicked.count, list(kicked.ids)) == (1, [session_id])
            async with asyncio.timeout(5):
                assert await reader.read() == b""
            writer.close()
            assert core.service.counters["edge-1"].sessions_closed["kicked"] == 1
