"""The tunnel service against edges that break the contract: each gets a gRPC status and a reason."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import grpc
import pytest
from structlog.testing import capture_logs

from core.core import Core
from core.policy import compile_policy
from games.registry import load_pack
from protos.tidegate.tunnel.v1 import tunnel_pb2, tunnel_pb2_grpc
from tests.relays import LOOPBACK, WINDOW_BYTES, core_config, echo, running_core, running_origin
from tunnel.options import MAX_BATCH_BYTES, PROTOCOL_VERSION
from tunnel.policy import EdgePolicy, decode_policy
from wire.chunks import ChunkKind, append_chunk
from wire.errors import MisuseError

Request = tunnel_pb2.AttachRequest
ADDRESS = bytes([127, 0, 0, 1])


def hello(**changes: Any) -> tunnel_pb2.Hello:
    fields: dict[str, Any] = {
        "protocol_version": PROTOCOL_VERSION,
        "tunnel_id": bytes(range(16)),
        "edge_name": "edge-1",
        "window_bytes": WINDOW_BYTES,
    }
    return tunnel_pb2.Hello(**(fields | changes))


def opening(slot: int = 1, **changes: Any) -> tunnel_pb2.Open:
    fields: dict[str, Any] = {
        "slot": slot,
        "session_id": bytes(16),
        "client_address": ADDRESS,
        "client_port": 1,
        "listen_address": ADDRESS,
        "listen_port": 2,
    }
    return tunnel_pb2.Open(**(fields | changes))


def batch(slot: int, kind: ChunkKind, payload: bytes) -> tunnel_pb2.Batch:
    chunks = bytearray()
    append_chunk(chunks, slot, kind, payload)
    return tunnel_pb2.Batch(chunks=bytes(chunks))


@pytest.fixture
async def core(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Core]:
    monkeypatch.setattr("wire.liveness.SILENT_TICKS", 1_000_000)  # these edges send no heartbeats
    async with running_origin(echo) as port, running_core(core_config(port), load_pack("echo")) as core:
        yield core


@asynccontextmanager
async def calling(core: Core) -> AsyncIterator[Any]:
    """An open call whose messages the test writes itself."""
    async with grpc.aio.insecure_channel(f"{LOOPBACK}:{core.port}") as channel:
        call: Any = tunnel_pb2_grpc.TunnelServiceStub(channel).Attach()
        try:
            yield call
        finally:
            call.cancel()


def with_much_behind(request: Request) -> Request:
    request.following.extend(Request() for _ in range(1000))
    return request


async def read(call: Any) -> Any:
    """Read the next message that is no heartbeat."""
    while (message := await call.read()) is not grpc.aio.EOF and message.WhichOneof("message") == "heartbeat":
        pass
    return message


@asynccontextmanager
async def attached(core: Core, **changes: Any) -> AsyncIterator[Any]:
    """A call that was welcomed."""
    async with calling(core) as call:
        await call.write(Request(hello=hello(**changes)))
        assert (await read(call)).WhichOneof("message") == "welcome"
        assert (await read(call)).WhichOneof("message") == "policy"
        yield call


async def status(call: Any) -> tuple[grpc.StatusCode, str]:
    """Read until the core ends the call."""
    with contextlib.suppress(grpc.aio.AioRpcError):
        while await read(call) is not grpc.aio.EOF:
            pass
    return await call.code(), await call.details()


async def test_a_hello_is_answered_with_welcome_and_policy(core: Core) -> None:
    async with calling(core) as call:
        await call.write(Request(hello=hello()))
        welcome = await read(call)
        assert welcome.welcome.core_name == "core-1"
        assert welcome.welcome.window_bytes == WINDOW_BYTES
        policy = decode_policy((await read(call)).policy)
        assert (policy.game, policy.serverbound) == ("echo", load_pack("echo").serverbound)
        assert b"Please connect again" in policy.closing_notices["tunnel_lost"]


@pytest.mark.parametrize(
    ("first", "code", "said"),
    [
        (
            Request(hello=hello(protocol_version=99)),
            "FAILED_PRECONDITION",
            f"this core speaks version {PROTOCOL_VERSION}",
        ),
        (Request(hello=hello(tunnel_id=b"short")), "INVALID_ARGUMENT", "16 belong"),
        (Request(hello=hello(edge_name="")), "INVALID_ARGUMENT", "edge name"),
        (Request(hello=hello(edge_name="x" * 65)), "INVALID_ARGUMENT", "edge name"),
        (Request(hello=hello(region="x" * 65)), "INVALID_ARGUMENT", "region"),
        (Request(hello=hello(window_bytes=1)), "INVALID_ARGUMENT", "window of 1 bytes"),
        (with_much_behind(Request(hello=hello())), "INVALID_ARGUMENT", "nothing follows it"),
        (Request(hello=hello(place=bytes(5000))), "INVALID_ARGUMENT", "at most 4096"),
        (Request(heartbeat=tunnel_pb2.Heartbeat()), "INVALID_ARGUMENT", "must be a hello"),
        (Request(), "INVALID_ARGUMENT", "must be a hello"),
    ],
)
async def test_a_bad_hello_is_refused(core: Core, first: Request, code: str, said: str) -> None:
    async with calling(core) as call:
        await call.write(first)
        got, details = await status(call)
        assert got.name == code
        assert said in details
    assert not core.service.tunnels


async def test_no_hello_in_time(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.tunnel_service.HELLO_TIMEOUT_SECONDS", 0.01)
    async with calling(core) as call:
        assert (await status(call))[0] is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_a_second_attachment_of_a_tunnel_is_refused_and_the_first_lives_on(core: Core) -> None:
    async with attached(core) as first, calling(core) as second:
        await second.write(Request(hello=hello()))
        code, details = await status(second)
        assert code is grpc.StatusCode.ALREADY_EXISTS
        assert "exists already" in details
        await first.write(Request(sequence=1, open=opening()))
        await first.write(Request(sequence=2, batch=batch(1, ChunkKind.DATA, b"\x00\x03a")))
        answer = await read(first)
        assert answer.batch.chunks.endswith(b"\x00\x03a")


def resuming(core: Core, acknowledged: int = 1, **changes: Any) -> Request:
    """The hello of an edge that comes back for its tunnel and has handled the policy."""
    return Request(acknowledged=acknowledged, hello=hello(**({"resume": True, "epoch": core.service.epoch} | changes)))


async def test_who_comes_back_takes_the_tunnel_from_the_attachment_before(core: Core) -> None:
    async with attached(core) as first, calling(core) as second:
        await first.write(Request(sequence=1, open=opening()))
        await first.write(Request(sequence=2, batch=batch(1, ChunkKind.DATA, b"\x00\x03a")))
        assert (await read(first)).sequence == 2
        await second.write(resuming(core))
        code, details = await status(first)
        assert code is grpc.StatusCode.ABORTED
        assert "attached anew" in details
        welcome = await read(second)
        assert welcome.welcome.resumed
        assert welcome.acknowledged == 2
        again = await read(second)
        assert (again.sequence, again.batch.chunks[-3:]) == (2, b"\x00\x03a"), "it may not have come"
        await second.write(Request(sequence=3, acknowledged=2, batch=batch(1, ChunkKind.DATA, b"\x00\x03b")))
        assert (await read(second)).batch.chunks.endswith(b"\x00\x03b")


async def test_another_edge_does_not_get_the_tunnel(core: Core) -> None:
    async with attached(core) as first, calling(core) as second:
        await second.write(resuming(core, edge_name="edge-2"))
        code, details = await status(second)
        assert code is grpc.StatusCode.PERMISSION_DENIED
        assert "belongs to another edge" in details
        await first.write(Request(sequence=1, open=opening()))
        await first.write(Request(sequence=2, batch=batch(1, ChunkKind.DATA, b"\x00\x03a")))
        assert (await read(first)).batch.chunks.endswith(b"\x00\x03a")


@pytest.mark.parametrize("changes", [{"tunnel_id": bytes(16)}, {"epoch": 1}], ids=["tunnel", "epoch"])
async def test_who_comes_back_for_what_is_not_there_is_told_so(core: Core, changes: dict[str, Any]) -> None:
    async with attached(core) as first, calling(core) as second:
        await second.write(resuming(core, **changes))
        welcome = await read(second)
        assert welcome.WhichOneof("message") == "welcome"
        assert not welcome.welcome.resumed
        assert (await status(second))[0] is grpc.StatusCode.OK
        assert len(core.service.tunnels) == 1
        await first.write(Request(sequence=1, open=opening()))


async def test_who_goes_on_from_where_nobody_can_be_loses_the_tunnel(core: Core) -> None:
    async with attached(core), calling(core) as second:
        await second.write(resuming(core, acknowledged=99))
        code, details = await status(second)
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert "goes on behind 99" in details
        assert not core.service.tunnels


async def test_an_edge_that_leaves_ends_its_tunnel_at_once(core: Core) -> None:
    async with attached(core) as call:
        await call.write(Request(sequence=1, open=opening()))
        await call.write(Request(acknowledged=1, leave=tunnel_pb2.Leave(reason="edge_draining")))
        await status(call)
        assert not core.service.tunnels


async def detached(core: Core, **changes: Any) -> None:
    """An edge that was there, and whose call broke."""
    async with attached(core, **changes):
        (tunnel,) = core.service.tunnels.values()
    async with asyncio.timeout(10):
        while tunnel.is_attached:  # noqa: ASYNC110 - no event for it
            await asyncio.sleep(0.005)


PLACE = bytes(range(100, 116))


@pytest.mark.parametrize(
    ("changes", "is_ended"),
    [({}, True), ({"place": b""}, False), ({"place": bytes(16)}, False), ({"edge_name": "edge-2"}, False)],
    ids=["the same", "no place", "another place", "another edge"],
)
async def test_a_worker_started_anew_ends_what_it_had(core: Core, changes: dict[str, Any], is_ended: bool) -> None:
    await detached(core, place=PLACE)
    async with attached(core, **({"place": PLACE, "tunnel_id": bytes(16)} | changes)):
        assert (bytes(range(16)) not in core.service.tunnels) is is_ended


async def test_a_worker_that_is_there_is_not_ended_by_another_at_its_place(core: Core) -> None:
    async with attached(core, place=PLACE), attached(core, place=PLACE, tunnel_id=bytes(16)):
        assert len(core.service.tunnels) == 2


async def test_a_draining_core_lets_in_whom_an_edge_brought_before_it_knew(core: Core) -> None:
    async with attached(core) as call:
        (tunnel,) = core.service.tunnels.values()
        tunnel.announce_drain(30)
        drain = await read(call)
        assert drain.WhichOneof("message") == "drain"
        await call.write(Request(sequence=1, acknowledged=1, open=opening()))
        await call.write(Request(sequence=2, acknowledged=1, batch=batch(1, ChunkKind.DATA, b"\x00\x03a")))
        assert (await read(call)).batch.chunks.endswith(b"\x00\x03a")
        late = opening(2, session_id=bytes(15) + b"2")
        await call.write(Request(sequence=3, acknowledged=drain.sequence, open=late))
        refused = await read(call)
        assert (refused.close.slot, refused.close.reason) == (2, "core_draining")


async def test_a_draining_core_refuses_new_tunnels(core: Core) -> None:
    await core.drain()
    async with calling(core) as call:
        await call.write(Request(hello=hello()))
        assert (await status(call))[0] is grpc.StatusCode.UNAVAILABLE


DATA = batch(1, ChunkKind.DATA, b"\x00\x03a")


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([Request(sequence=2, open=opening())], "sequence 2 after 0"),
        ([Request(sequence=0, open=opening())], "open with sequence 0"),
        ([Request(sequence=1, heartbeat=tunnel_pb2.Heartbeat())], "heartbeat with sequence 1"),
        ([Request(acknowledged=2, heartbeat=tunnel_pb2.Heartbeat())], "acknowledgement of 2"),
        ([Request(hello=hello())], "unexpected hello"),
        ([Request()], "empty message with sequence 0"),
        ([Request(sequence=1, batch=DATA)], "unknown slot 1"),
        ([Request(sequence=1, batch=tunnel_pb2.Batch(chunks=b"junk"))], "inside a chunk header"),
        ([Request(sequence=1, close=tunnel_pb2.Close(slot=9, reason="x"))], "close for unknown slot 9"),
        ([Request(sequence=1, credit=tunnel_pb2.Credit(slot=9, bytes=1))], "credit for unknown slot 9"),
        ([Request(sequence=1, open=opening(0))], "slot 0 opened after slot 0"),
        ([Request(sequence=1, open=opening(session_id=b"x"))], "session id of 1 bytes"),
        ([Request(sequence=1, open=opening(client_address=b"x"))], "client address of 1 bytes"),
        ([Request(sequence=1, open=opening(listen_port=0))], "listener port 0"),
        ([Request(sequence=1, batch=tunnel_pb2.Batch())], "batch of 0 bytes"),
        ([Request(sequence=1, batch=tunnel_pb2.Batch(chunks=bytes(MAX_BATCH_BYTES + 1)))], "are allowed"),
        ([Request(sequence=1, open=opening()), Request(sequence=2, open=opening())], "slot 1 opened after slot 1"),
        (
            [Request(sequence=1, open=opening()), Request(sequence=2, credit=tunnel_pb2.Credit(slot=1, bytes=1))],
            "credit of 1 bytes returned with 0",
        ),
        (
            [Request(sequence=1, open=opening()), Request(sequence=2, close=tunnel_pb2.Close(slot=1, reason=""))],
            "without a proper reason",
        ),
        (
            [Request(sequence=1, open=opening()), Request(sequence=2, close=tunnel_pb2.Close(slot=1, reason="a\n"))],
            "without a proper reason",
        ),
        (
            [
                Request(sequence=1, open=opening()),
                Request(sequence=2, close=tunnel_pb2.Close(slot=1, reason="client_lost")),
                Request(sequence=3, batch=DATA),
            ],
            "slot 1",
        ),
        (
            [
                Request(sequence=1, open=opening()),
                Request(sequence=2, batch=batch(1, ChunkKind.DATA, bytes(WINDOW_BYTES + 1))),
            ],
            "credit overrun",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_broken_contract_ends_the_tunnel_with_its_reason(
    core: Core, messages: list[Request], said: str
) -> None:
    async with attached(core, tunnel_id=bytes(16)) as bystander, attached(core) as call:
        for message in messages:
            with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
                await call.write(message)
        code, details = await status(call)
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert said in details
        await bystander.write(Request(sequence=1, open=opening()))
        await bystander.write(Request(sequence=2, batch=DATA))
        assert (await read(bystander)).WhichOneof("message") == "batch"


async def test_an_edge_cannot_have_others_accused(core: Core) -> None:
    with capture_logs() as logs:
        async with attached(core) as call:
            await call.write(Request(sequence=1, open=opening()))
            await call.write(Request(sequence=2, close=tunnel_pb2.Close(slot=1, reason="origin_frame_length")))
            while (await read(call)).WhichOneof("message") != "close":
                pass
    assert not [log for log in logs if log["log_level"] == "error"]


@pytest.mark.parametrize(
    "junk",
    [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01" + bytes(300), bytes(range(256)) * 40],
    ids=["browser", "tls", "random"],
)
async def test_junk_on_the_port_disturbs_nobody(core: Core, junk: bytes) -> None:
    async with attached(core) as call:
        reader, writer = await asyncio.open_connection(LOOPBACK, core.port)
        writer.write(junk)
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()
        await call.write(Request(sequence=1, open=opening()))
        await call.write(Request(sequence=2, batch=DATA))
        assert (await read(call)).WhichOneof("message") == "batch"


async def test_an_unknown_method_is_unimplemented(core: Core) -> None:
    async with grpc.aio.insecure_channel(f"{LOOPBACK}:{core.port}") as channel:
        unary: Any = channel.unary_unary("/tidegate.tunnel.v1.TunnelService/Detach")
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await unary(b"")
        assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED


def policy_with_frames_up_to(limit_bytes: int) -> EdgePolicy:
    policy = compile_policy(load_pack("echo"), "plain")
    return replace(policy, serverbound=replace(policy.serverbound, max_frame_bytes=limit_bytes))


async def test_another_policy_reaches_the_edges_of_today_and_those_to_come(core: Core) -> None:
    other = policy_with_frames_up_to(100)
    async with attached(core) as call:
        await call.write(Request(sequence=1, open=opening()))
        await call.write(Request(sequence=2, batch=DATA))
        assert (await read(call)).WhichOneof("message") == "batch"
        core.set_policy(other)
        message = await read(call)
        assert message.WhichOneof("message") == "policy"
        assert decode_policy(message.policy) == other == core.policy
        async with calling(core) as late:
            await late.write(Request(hello=hello(tunnel_id=bytes(16))))
            assert (await read(late)).WhichOneof("message") == "welcome"
            assert decode_policy((await read(late)).policy) == other
        await call.write(Request(sequence=3, batch=DATA))
        assert (await read(call)).batch.chunks.endswith(b"\x00\x03a")


async def test_a_policy_no_edge_would_accept_changes_nothing(core: Core) -> None:
    before = core.policy
    async with attached(core) as call:
        with pytest.raises(MisuseError, match="no edge would accept this policy"):
            core.set_policy(replace(before, game=""))
        assert core.policy is before
        await call.write(Request(sequence=1, open=opening()))
        await call.write(Request(sequence=2, batch=DATA))
        assert (await read(call)).WhichOneof("message") == "batch", "no policy came before it"


async def test_an_edge_may_still_hold_sessions_to_the_policy_before(core: Core) -> None:
    """It has not got the new one yet, or the session is older: that is no fault of the edge."""
    long = b"\x03\xe8" + bytes(998)
    async with attached(core) as call:
        core.set_policy(policy_with_frames_up_to(100))
        await call.write(Request(sequence=1, open=opening()))
        await call.write(Request(sequence=2, batch=batch(1, ChunkKind.DATA, long)))
        assert (await read(call)).WhichOneof("message") == "policy"
        answer = await read(call)
        assert answer.batch.chunks.endswith(long)


async def test_when_the_hold_is_over_the_game_server_gets_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.core_tunnel.CoreTunnel.keep_alive", b"\x00\x03k")
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.put_nowait(await reader.readexactly(3))
        heard.put_nowait(await reader.read())

    async with (
        asyncio.timeout(10),
        running_origin(listen) as port,
        running_core(core_config(port), load_pack("echo")) as core,
    ):
        async with attached(core) as call:
            await call.write(Request(sequence=1, open=opening()))
            await call.write(Request(sequence=2, batch=DATA))
            assert await heard.get() == b"\x00\x03a"
        (tunnel,) = core.service.tunnels.values()
        while tunnel.is_attached:  # noqa: ASYNC110 - no event for it
            await asyncio.sleep(0.01)
        tunnel.held_since_seconds -= 30.0  # as after a sleep
        core.service.tick(time.monotonic())
        assert not core.service.tunnels
        assert await heard.get() == b""


async def test_what_is_no_message_is_a_fault(core: Core) -> None:
    path = "/tidegate.tunnel.v1.TunnelService/Attach"
    async with grpc.aio.insecure_channel(f"{LOOPBACK}:{core.port}") as channel:
        for messages in ([hello_message()], []):
            call: Any = channel.stream_stream(path, None, tunnel_pb2.AttachResponse.FromString)()
            for message in (*messages, b"\xff\xff\xff\xff"):
                await call.write(message)
            code, details = await status(call)
            assert (code, details) == (grpc.StatusCode.INVALID_ARGUMENT, "a message that cannot be read")
    assert not core.service.tunnels


def hello_message() -> bytes:
    return Request(hello=hello()).SerializeToString()
