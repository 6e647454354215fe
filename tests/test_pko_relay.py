"""Frames of a real PKO client cross edge and core byte for byte, whatever the cuts."""

import asyncio
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from games.pko import PACKETS
from games.pko.connection import EnterMap, LoginAccepted
from games.pko.framing import KEEP_ALIVE
from games.registry import load_pack
from tests.relays import (
    core_config,
    edge_config,
    free_port,
    running_core,
    running_edge,
    running_origin,
    running_relay,
)
from tunnel.session import IDLE_FRAMES
from wire.reasons import Reason, explain
from wire.scanner import split_frames

VECTORS = Path(__file__).parent / "data" / "pko-vectors.txt"


def real_frames() -> list[bytes]:
    rows = [line for line in VECTORS.read_text().splitlines() if line and not line.startswith("#")]
    return [bytes.fromhex(row.rpartition("|")[2].strip()) for row in rows]


ANSWERS = {
    431: LoginAccepted(key=bytes(8), characters=()),
    433: EnterMap(map_name=b"garner", character_id=7, world_id=8, name=b"BetaTest3", x=217_000, y=278_000),
}
"""What a game server answers where the client waits for it; everything else it sends back."""


def in_playing_order(frames: list[bytes]) -> list[bytes]:
    """Choosing a character comes before playing it."""
    order = (431, 346, 347, 436, 433, 11, 401)
    return sorted(frames, key=lambda frame: order.index(int.from_bytes(frame[6:8], "big")))


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, received: bytearray) -> None:
    codec = load_pack("pko").codec("classic")
    while head := await reader.readexactly(2):
        received += head
        if head == KEEP_ALIVE:
            continue
        rest = await reader.readexactly(int.from_bytes(head, "big") - 2)
        received += rest
        answer = ANSWERS.get(int.from_bytes(rest[4:6], "big"))
        writer.write(head + rest if answer is None else codec.seal(answer))


@pytest.mark.parametrize("cut_bytes", [1, 2, 3, 7, 64, 100_000])
async def test_real_frames_cross_byte_for_byte(cut_bytes: int) -> None:
    frames = in_playing_order(real_frames())
    assert len(frames) == 7
    received = bytearray()
    async with (
        running_origin(partial(serve, received=received)) as port,
        running_relay("pko", port) as relay,
    ):
        reader, writer = await relay.connect()
        for frame in frames:
            stream = KEEP_ALIVE + frame
            for start in range(0, len(stream), cut_bytes):
                writer.write(stream[start : start + cut_bytes])
                await writer.drain()
            length = await reader.readexactly(2)
            answer = length + await reader.readexactly(int.from_bytes(length, "big") - 2)
            assert answer == frame or frame[6:8] in (b"\x01\xaf", b"\x01\xb1")
        assert bytes(received) == b"".join(KEEP_ALIVE + frame for frame in frames)
        assert relay.edge.counters.frames_serverbound == 14
        assert not relay.edge.counters.frames_refused
        writer.close()
        await relay.settle()


async def test_keep_alives_come_together_until_the_player_speaks_and_all_come() -> None:
    has_heard, has_spoken = asyncio.Event(), asyncio.Event()

    async def serve_idly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(KEEP_ALIVE)
        await has_heard.wait()
        for _ in range(IDLE_FRAMES + 1):
            writer.write(KEEP_ALIVE)
            await writer.drain()
        await reader.readexactly(len(KEEP_ALIVE))
        has_spoken.set()
        await reader.read()
        writer.close()

    async with running_origin(serve_idly) as port, running_relay("pko", port) as relay, asyncio.timeout(10):
        reader, writer = await relay.connect()
        assert await reader.readexactly(len(KEEP_ALIVE)) == KEEP_ALIVE
        has_heard.set()
        assert await reader.readexactly(IDLE_FRAMES * len(KEEP_ALIVE)) == IDLE_FRAMES * KEEP_ALIVE
        writer.write(KEEP_ALIVE)
        assert await reader.readexactly(len(KEEP_ALIVE)) == KEEP_ALIVE
        await has_spoken.wait()
        writer.close()
        await relay.settle()


async def test_a_server_that_ends_is_heard_by_a_player_who_has_said_nothing() -> None:
    has_heard = asyncio.Event()

    async def serve_shortly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        del reader
        writer.write(KEEP_ALIVE)
        await has_heard.wait()
        writer.write(KEEP_ALIVE)
        writer.close()

    async with running_origin(serve_shortly) as port, running_relay("pko", port) as relay, asyncio.timeout(10):
        reader, writer = await relay.connect()
        assert await reader.readexactly(len(KEEP_ALIVE)) == KEEP_ALIVE
        has_heard.set()
        assert await reader.read() == KEEP_ALIVE
        writer.close()
        await relay.settle()


async def test_what_no_honest_client_sends_is_told_and_never_reaches_the_server() -> None:
    received = bytearray()
    has_ended = asyncio.Event()
    login = real_frames()[0]

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer, received)
        finally:
            has_ended.set()

    async with running_origin(serve_one) as port, running_relay("pko", port) as relay:
        reader, writer = await relay.connect()
        with capture_logs() as logs:
            writer.write(login + bytes.fromhex("000880000000000f") + bytes.fromhex("00088000000003eb"))
            async with asyncio.timeout(5):
                await reader.read()
            writer.close()
            await relay.settle()
            await has_ended.wait()
        assert bytes(received) == login
        assert relay.edge.counters.frames_refused == {Reason.CLIENT_STATE: 1, Reason.CLIENT_OPCODE: 1}
        refused = {log["reason"]: log for log in logs if log["event"] == "refused"}
        assert set(refused) == {Reason.CLIENT_STATE, Reason.CLIENT_OPCODE}
        assert refused[Reason.CLIENT_OPCODE]["opcode"] == 1003


@pytest.mark.parametrize("length", [0, 1, 3, 4, 5, 6, 7, 16385, 65535])
async def test_a_forbidden_length_never_reaches_the_server_and_is_explained(length: int) -> None:
    got = asyncio.get_running_loop().create_future()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.set_result(await reader.read())

    async with running_origin(listen) as port, running_relay("pko", port) as relay:
        reader, writer = await relay.connect()
        good = real_frames()[0]
        writer.write(good + length.to_bytes(2, "big") + bytes(100))
        async with asyncio.timeout(5):
            notice = await reader.read()
        writer.close()
        await relay.settle()
        assert await got == good
    pack = load_pack("pko")
    (frame,) = split_frames(pack.clientbound, notice)
    assert frame[6:8] == (568).to_bytes(2, "big")
    assert b"a length the game does not allow" in frame


def test_the_pack_has_the_packets_that_real_frames_need() -> None:
    codec = load_pack("pko").codec("classic")
    opcodes = {int.from_bytes(frame[6:8], "big") for frame in real_frames()}
    assert opcodes <= {packet.OPCODE for packet in PACKETS}
    assert codec.dialect.name == "classic"


async def test_an_edge_with_a_policy_on_disk_opens_before_its_core_answers(tmp_path: Path) -> None:
    cache = str(tmp_path / "policy")
    async with running_origin(partial(serve, received=bytearray())) as port:
        config = core_config(port)
        async with (
            running_core(config, load_pack("pko")) as core,
            running_edge(replace(edge_config(core.port), policy_cache=cache)) as edge,
        ):
            await edge.wait_ready()
    async with running_edge(replace(edge_config(free_port()), policy_cache=cache)) as edge:
        assert (await edge.wait_ready()).game == "pko"
        assert edge.tunnel is None
        reader, writer = await asyncio.open_connection(edge.address.host, edge.address.port)
        async with asyncio.timeout(5):
            notice = await reader.read()
        writer.close()
    assert explain(Reason.NO_CORE).encode() in notice
