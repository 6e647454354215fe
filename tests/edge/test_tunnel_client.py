"""The edge against cores that are away, come late, or break the contract."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from structlog.testing import capture_logs

from core.policy import compile_policy
from games.registry import load_pack
from protos.tidegate.tunnel.v1 import tunnel_pb2, tunnel_pb2_grpc
from tests.relays import LOOPBACK, core_config, echo, edge_config, free_port, running_core, running_edge, running_origin
from tunnel.options import PROTOCOL_VERSION
from tunnel.outbox import Outbox
from tunnel.policy import encode_policy

Response = tunnel_pb2.AttachResponse
WELCOME = Response(
    welcome=tunnel_pb2.Welcome(protocol_version=PROTOCOL_VERSION, core_name="core-1", window_bytes=65536)
)
GARBAGE = b"\xff\xff\xff\xff"
POLICY = Response(sequence=1, policy=encode_policy(compile_policy(load_pack("echo"), "plain")))


class ScriptedCore(tunnel_pb2_grpc.TunnelServiceServicer):
    """A core that says what the test wants."""

    def __init__(self, script: Callable[[Any], Awaitable[None]]) -> None:
        self._script = script
        self.attempts = asyncio.Semaphore(0)

    async def Attach(self, request_iterator: object, context: Any) -> None:  # noqa: N802
        self.attempts.release()
        await context.read()
        await self._script(context)


def packed(said: Response | bytes) -> bytes:
    return said if isinstance(said, bytes) else said.SerializeToString()


@asynccontextmanager
async def scripted_core(script: Callable[[Any], Awaitable[None]]) -> AsyncIterator[tuple[ScriptedCore, int]]:
    service = ScriptedCore(script)
    server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
    handler = grpc.stream_stream_rpc_method_handler(
        service.Attach,
        tunnel_pb2.AttachRequest.FromString,
        packed,
    )
    handlers = grpc.method_handlers_generic_handler("tidegate.tunnel.v1.TunnelService", {"Attach": handler})
    server.add_generic_rpc_handlers((handlers,))
    port = server.add_insecure_port(f"{LOOPBACK}:0")
    await server.start()
    try:
        yield service, port
    finally:
        await server.stop(None)


async def test_a_core_that_is_not_there_yet_is_said_once_and_found_when_it_comes() -> None:
    port = free_port()
    with capture_logs() as logs:
        async with running_edge(edge_config(port)) as edge:
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection(LOOPBACK, edge.address.port)
            async with asyncio.timeout(10):
                while not any(log["event"] == "core_away" for log in logs):  # noqa: ASYNC110 - no event for it
                    await asyncio.sleep(0.01)
            async with (
                running_origin(echo) as origin,
                running_core(core_config(origin, port=port), load_pack("echo")),
                asyncio.timeout(10),
            ):
                await edge.wait_ready()
                reader, writer = await asyncio.open_connection(LOOPBACK, edge.address.port)
                writer.write(b"\x00\x03a")
                assert await reader.readexactly(3) == b"\x00\x03a"
                writer.close()
                assert edge.tunnel is not None
                await edge.tunnel.quiet.wait()
                seen = list(logs)
    warnings = [log for log in seen if log["event"] == "core_away" and log["log_level"] == "warning"]
    assert len(warnings) == 1
    assert warnings[0]["core"] == f"{LOOPBACK}:{port}"


async def end(context: Any) -> None:
    await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "protocol version 3: this core speaks version 4")


async def speak_another_version(context: Any) -> None:
    await context.write(Response(welcome=tunnel_pb2.Welcome(protocol_version=99)))


async def grant_no_window(context: Any) -> None:
    await context.write(Response(welcome=tunnel_pb2.Welcome(protocol_version=PROTOCOL_VERSION)))


async def say_much_in_a_welcome(context: Any) -> None:
    much = Response()
    much.CopyFrom(WELCOME)
    much.following.extend(Response() for _ in range(1000))
    await context.write(much)


async def have_a_long_name(context: Any) -> None:
    long = Response()
    long.CopyFrom(WELCOME)
    long.welcome.core_name = "x" * 65
    await context.write(long)


async def skip_the_policy(context: Any) -> None:
    await context.write(WELCOME)
    await context.write(Response(heartbeat=tunnel_pb2.Heartbeat()))


async def send_a_bad_policy(context: Any) -> None:
    await context.write(WELCOME)
    await context.write(Response(policy=tunnel_pb2.Policy(policy=b"junk", sha256=bytes(32))))


async def send_an_unknown_slot(context: Any) -> None:
    await context.write(WELCOME)
    await context.write(POLICY)
    await context.write(Response(sequence=2, close=tunnel_pb2.Close(slot=7, reason="origin_lost")))


async def send_no_message(context: Any) -> None:
    await context.write(WELCOME)
    await context.write(POLICY)
    await context.write(GARBAGE)
    await context.read()
    await context.read()  # the edge leaves; until then the call is not over


async def say_nothing(context: Any) -> None:
    await context.read()


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (end, "this core speaks version 4"),
        (speak_another_version, "the core speaks protocol version 99"),
        (grant_no_window, "window of 0 bytes"),
        (skip_the_policy, "where its policy belongs"),
        (send_a_bad_policy, "checksum"),
        (send_an_unknown_slot, "close for unknown slot 7"),
        (send_no_message, "a message that cannot be read"),
        (say_nothing, "no welcome in time"),
        (say_much_in_a_welcome, "nothing follows it"),
        (have_a_long_name, "more than 64 bytes"),
    ],
)
async def test_a_core_that_breaks_the_contract_is_left_with_a_reason(
    script: Callable[[Any], Awaitable[None]], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.tunnel_client.HELLO_TIMEOUT_SECONDS", 0.05 if script is say_nothing else 5.0)
    with capture_logs() as logs:
        async with scripted_core(script) as (service, port), running_edge(edge_config(port)), asyncio.timeout(10):
            await service.attempts.acquire()
            await service.attempts.acquire()  # it was left and tried again
    reasons = [log["reason"] for log in logs if log["event"] == "core_away"]
    assert reasons
    assert all(said in reason for reason in reasons)
    assert len(reasons) == 1


async def test_a_drain_ends_even_when_the_core_is_gone() -> None:
    async with running_edge(edge_config(free_port())) as edge, asyncio.timeout(5):
        await edge.drain()
        with contextlib.suppress(ConnectionError):
            await asyncio.open_connection(LOOPBACK, edge.address.port)


class StuckQueue:
    """The outbox of a tunnel whose core takes nothing: it is never drained."""

    def __init__(self, queue: Outbox) -> None:
        self._queue = queue

    async def drained(self) -> None:
        await asyncio.Event().wait()

    def __getattr__(self, name: str) -> object:
        return getattr(self._queue, name)


async def test_a_drain_ends_when_the_core_takes_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.tunnel_client.LEAVE_SECONDS", 0.01)
    async with (
        running_origin(echo) as origin,
        running_core(core_config(origin), load_pack("echo")) as core,
        running_edge(edge_config(core.port)) as edge,
        asyncio.timeout(5),
    ):
        await edge.wait_ready()
        assert edge.tunnel is not None
        monkeypatch.setattr(edge.tunnel, "queue", StuckQueue(edge.tunnel.queue))
        await edge.drain()


async def test_an_edge_that_has_left_does_not_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fleet.backoff.Backoff.next_seconds", lambda _: 0.0)
    with capture_logs() as logs:
        async with (
            running_origin(echo) as origin,
            running_core(core_config(origin), load_pack("echo")) as core,
            running_core(core_config(origin), load_pack("echo")) as other,
            running_edge(edge_config(core.port)) as edge,
            asyncio.timeout(10),
        ):
            await edge.wait_ready()
            await edge.drain()
            await core.drain()
            async with running_edge(edge_config(other.port)) as another:  # which takes longer than to come back
                await another.wait_ready()
    attached = [log["core"] for log in logs if log["event"] == "core_attached"]
    assert attached == [f"{LOOPBACK}:{core.port}", f"{LOOPBACK}:{other.port}"]
    assert not [log for log in logs if log["event"] == "attachment_refused"]
