"""The HTTP server: the pages over real sockets, and that whoever reaches the port can hurt nobody."""

import asyncio
import json
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from fleet.address import Address
from tests.relays import LOOPBACK, Relay, echo, running_origin, running_relay
from tidegate.ops import server as server_module
from tidegate.ops.observed import Observed
from tidegate.ops.server import MAX_CONNECTIONS, MAX_HEAD_BYTES, HttpServer

ANY = Address(LOOPBACK, 0)


@asynccontextmanager
async def serving(observed: Observed) -> AsyncIterator[HttpServer]:
    server = HttpServer(ANY, observed)
    server.bind()
    task = asyncio.create_task(server.run())
    try:
        yield server
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def relay_and_server() -> AsyncIterator[tuple[Relay, HttpServer]]:
    async with (
        running_origin(echo) as port,
        running_relay("echo", port) as relay,
        serving(Observed(edge=relay.edge, core=relay.core)) as server,
    ):
        yield relay, server


async def get(server: HttpServer, path: str, method: str = "GET", **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=f"http://{server.address}", timeout=5) as client:
        return await client.request(method, path, headers=headers)


async def raw(server: HttpServer, data: bytes) -> bytes:
    """What a connection says to these bytes until it ends."""
    assert server.address is not None
    reader, writer = await asyncio.open_connection(server.address.host, server.address.port)
    try:
        writer.write(data)
        return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def test_the_pages() -> None:
    async with relay_and_server() as (_, server):
        metrics = await get(server, "/metrics")
        assert metrics.status_code == 200
        assert metrics.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert "server" not in metrics.headers
        assert (await get(server, "/healthz")).text == "ok\n"
        async with asyncio.timeout(10):  # on a busy machine the loop is late at times
            while (ready := await get(server, "/readyz")).status_code != 200:
                assert "late" in ready.text
        assert ready.json()["ready"] is True
        head = await get(server, "/healthz", "HEAD")
        assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", "3")


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/", "GET", 404),
        ("/metrics/", "GET", 404),
        ("/docs", "GET", 404),
        ("/metrics", "POST", 405),
        ("/readyz", "DELETE", 405),
        ("/edges.json", "PUT", 405),
    ],
)
async def test_nothing_else_is_answered(path: str, method: str, status: int) -> None:
    async with relay_and_server() as (_, server):
        assert (await get(server, path, method)).status_code == status
        assert server.metrics.requests["other", str(status)] == 1


async def test_an_edge_has_no_list_of_edges() -> None:
    async with (
        running_origin(echo) as port,
        running_relay("echo", port) as relay,
        serving(Observed(edge=relay.edge)) as server,
    ):
        assert (await get(server, "/edges.json")).status_code == 404


async def test_readiness_says_why_not() -> None:
    async with relay_and_server() as (relay, server):
        await relay.core.drain()
        ready = await get(server, "/readyz")
        assert ready.status_code == 503
        assert ready.json() == {
            "ready": False,
            "edge": {"state": "critical", "problems": ["no core takes new players"]},
            "core": {"state": "draining", "problems": []},
        }
        assert (await get(server, "/healthz")).status_code == 200


async def test_the_list_of_edges_is_kept_by_its_tag() -> None:
    async with relay_and_server() as (relay, server):
        async with asyncio.timeout(10):
            while not (await get(server, "/edges.json")).json()["edges"]:  # noqa: ASYNC110 - said by a heartbeat
                await asyncio.sleep(0.01)
        page = await get(server, "/edges.json")
        assert page.headers["access-control-allow-origin"] == "*"
        assert page.headers["cache-control"] == "public, max-age=5"
        (edge,) = json.loads(page.content)["edges"]
        assert edge["address"] == f"{relay.edge.address.host}:{relay.edge.address.port}"
        tag = page.headers["etag"]
        for asked in (tag, f'"other", W/{tag}', "*"):
            kept = await get(server, "/edges.json", **{"If-None-Match": asked})
            assert (kept.status_code, kept.content, kept.headers["etag"]) == (304, b"", tag)
        assert (await get(server, "/edges.json", **{"If-None-Match": '"other"'})).status_code == 200


async def test_a_page_that_fails_is_said_and_harms_nothing() -> None:
    def fail() -> Any:
        raise RuntimeError("the registry is broken")

    async with relay_and_server() as (relay, _), serving(Observed(core=relay.core, fleet_edges=fail)) as server:
        with capture_logs() as logs:
            assert (await get(server, "/edges.json")).status_code == 500
        assert "http_failed" in [each["event"] for each in logs]
        assert (await get(server, "/metrics")).status_code == 200


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
        b"GET /metrics HTTP/1.1\r\nX: " + b"x" * (MAX_HEAD_BYTES * 3),
        b"GET /" + b"x" * (MAX_HEAD_BYTES * 3) + b" HTTP/1.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\n\r\n",
    ],
)
async def test_garbage_ends_its_connection_only(data: bytes) -> None:
    async with relay_and_server() as (_, server):
        answer = await raw(server, data)
        assert answer == b"" or answer.startswith(b"HTTP/1.1 4")
        assert (await get(server, "/healthz")).status_code == 200


async def test_a_body_is_not_waited_for() -> None:
    async with relay_and_server() as (_, server):
        answer = await raw(server, b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\nabc")
        assert answer.startswith(b"HTTP/1.1 200")


async def test_two_hundred_slow_connections_keep_nobody_out() -> None:
    async with relay_and_server() as (relay, server):
        assert server.address is not None
        place = (server.address.host, server.address.port)
        slow = []
        for _ in range(200):
            streams = await asyncio.open_connection(*place)
            streams[1].write(b"GET /metr")
            slow.append(streams)
        reader, writer = await relay.connect()
        for _ in range(20):
            assert (await get(server, "/healthz")).status_code == 200
            writer.write(b"\x00\x05abc")
            assert await reader.readexactly(5) == b"\x00\x05abc"
        assert server.metrics.dropped["crowded"] >= 200 - MAX_CONNECTIONS
        for streams in (*slow, (reader, writer)):
            streams[1].close()
        await relay.settle()  # else the player's connection outlives its loop, and another test is blamed


async def test_who_says_nothing_or_stays_too_long_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "REQUEST_SECONDS", 0.05)
    monkeypatch.setattr(server_module, "LIFE_SECONDS", 0.2)
    async with relay_and_server() as (_, server):
        async with asyncio.timeout(5):
            assert await raw(server, b"GET /heal") == b""
            assert server.metrics.dropped == {"slow": 1}
            head = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
            assert (await raw(server, head + b"GET /heal")).count(b"HTTP/1.1 200") == 1
            assert server.metrics.dropped == {"slow": 2}


async def test_signals_stay_the_relays_and_the_end_is_at_once() -> None:
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    async with relay_and_server() as (_, server):
        assert (await get(server, "/healthz")).status_code == 200
        assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before
        assert server.address is not None
        streams = await asyncio.open_connection(server.address.host, server.address.port)
        place = server.address
        server.close()
        assert await streams[0].read() == b""
        streams[1].close()
        with socket.socket() as again:
            again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            again.bind((place.host, place.port))
            again.listen()


async def test_a_port_that_is_taken_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "RETRY_SECONDS", 0.01)
    with socket.socket() as other, capture_logs() as logs:
        other.bind((LOOPBACK, 0))
        other.listen()
        place = Address(LOOPBACK, other.getsockname()[1])
        server = HttpServer(place, Observed())
        with pytest.raises(OSError, match="in use"):
            server.bind()
        task = asyncio.create_task(server.run())
        async with asyncio.timeout(5):
            while not logs:  # noqa: ASYNC110 - no event for it
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.05)
            other.close()
            while server.address is None:  # noqa: ASYNC110 - no event for it
                await asyncio.sleep(0.01)
        assert (await get(server, "/healthz")).status_code == 200
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert [each["event"] for each in logs] == ["http_waits", "http_listening"]
