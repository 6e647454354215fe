"""Frames of a real PKO client cross edge and core byte for byte, whatever the cuts."""

import asyncio
from pathlib import Path

import pytest

from games.pko import PACKETS
from games.registry import load_pack
from tests.relays import echo, running_origin, running_relay
from wire.scanner import split_frames

VECTORS = Path(__file__).parent / "data" / "pko-vectors.txt"


def real_frames() -> list[bytes]:
    rows = [line for line in VECTORS.read_text().splitlines() if line and not line.startswith("#")]
    return [bytes.fromhex(row.rpartition("|")[2].strip()) for row in rows]


@pytest.mark.parametrize("cut_bytes", [1, 2, 3, 7, 64, 100_000])
async def test_real_frames_cross_byte_for_byte(cut_bytes: int) -> None:
    frames = real_frames()
    assert len(frames) == 7
    stream = b"\x00\x02".join(frames)
    async with running_origin(echo) as port, running_relay("pko", port) as relay:
        reader, writer = await relay.connect()
        for start in range(0, len(stream), cut_bytes):
            writer.write(stream[start : start + cut_bytes])
            await writer.drain()
        assert await reader.readexactly(len(stream)) == stream
        assert relay.edge.counters.frames_serverbound == 13
        writer.close()
        await relay.settle()


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
