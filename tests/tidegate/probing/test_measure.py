"""Measuring over real sockets: edges that answer, that answer late or wrongly, and that do not."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from fleet.address import Address, parse_address
from fleet.probe import ProbeReply, ProbeState, decode_request, encode_reply
from tests.edge.test_probes import probes
from tests.relays import LOOPBACK, free_port
from tests.servers import serving
from tidegate.probing.measure import measure, measure_all
from tidegate.probing.result import Result
from tidegate.probing.run import build_table, run_probe
from tidegate.probing.targets import Target


def target(place: object, *, is_players_port: bool = False) -> Target:
    return Target("edge", parse_address(str(place)), is_players_port=is_players_port)


class Odd(asyncio.DatagramProtocol):
    """An edge that answers in a way of its own."""

    def __init__(self, way: str) -> None:
        self.way = way
        self.seen = 0
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: object) -> None:
        self.transport = transport  # type: ignore[assignment]

    def datagram_received(self, data: bytes, source: object) -> None:
        request = decode_request(data)
        assert request is not None
        assert self.transport is not None
        self.seen += 1
        reply = ProbeReply(request.nonce, request.clock_ns, 5, 5, ProbeState(True, False, 0))
        if self.way == "another nonce":
            reply = replace(reply, nonce=request.nonce ^ 1)
        if self.way == "every second" and self.seen % 2:
            return
        if self.way == "strange clocks":
            reply = replace(reply, received_ns=2**64 - 1, sent_ns=0)
        raw = encode_reply(reply)
        if self.way == "garbage":
            raw = b"\xff" * 1400
        if self.way == "twice":
            self.transport.sendto(raw, source)  # type: ignore[arg-type]
        self.transport.sendto(raw, source)  # type: ignore[arg-type]


@asynccontextmanager
async def odd(way: str) -> AsyncIterator[Address]:
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: Odd(way), (LOOPBACK, 0))
    try:
        yield Address(LOOPBACK, transport.get_extra_info("sockname")[1])
    finally:
        transport.close()


async def measured(place: object, *, is_players_port: bool = True, timeout_seconds: float = 2.0) -> Result:
    return await measure(target(place, is_players_port=is_players_port), count=4, timeout_seconds=timeout_seconds)


async def test_a_real_edge_by_udp() -> None:
    async with probes() as made:
        assert made.address is not None
        result = await measured(f"{LOOPBACK}:{made.address.port}")
    assert (result.by, len(result.round_trips), result.loss) == ("UDP", 4, 0.0)
    assert result.state == ProbeState(True, False, 12)
    assert 0 < result.median_seconds < 2
    assert made.udp_outcomes == {"answered": 4}


async def test_a_real_edge_by_http_where_udp_does_not_get_through() -> None:
    async with probes(probe=f"{LOOPBACK}:0") as made:
        assert made.address is not None
        assert made._udp is not None
        made._udp.close()
        result = await measured(f"{LOOPBACK}:{made.address.port}", is_players_port=False)
    assert (result.by, len(result.round_trips)) == ("HTTP", 4)


@pytest.mark.parametrize(
    ("way", "came_back"),
    [("another nonce", 0), ("garbage", 0), ("every second", 2), ("twice", 4), ("strange clocks", 4)],
)
async def test_odd_answers(way: str, came_back: int) -> None:
    async with odd(way) as place:
        result = await measured(place, timeout_seconds=0.2)
    assert len(result.round_trips) == came_back
    assert result.answers == bool(came_back)
    assert all(0 <= each < 1 for each in result.round_trips)
    if not came_back:
        assert result.problem == "no answer by UDP within 0.2 s"


async def test_nobody_there() -> None:
    result = await measured(f"{LOOPBACK}:{free_port()}", is_players_port=False)
    assert not result.answers
    assert result.problem == "Connection refused; by HTTP Connection refused"


async def test_a_name_that_is_none() -> None:
    result = await measure(Target("x", Address("no-such-host.invalid", 1)), count=1, timeout_seconds=0.1)
    assert not result.answers
    assert result.problem


async def test_another_program_there() -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH\r\n" + b"x" * 10_000)

    async with serving(speak) as place:
        result = await measured(place, is_players_port=False, timeout_seconds=0.2)
    assert not result.answers


async def test_a_players_port_gets_no_http() -> None:
    with socket.socket() as players:
        players.bind((LOOPBACK, 0))
        players.listen()
        players.setblocking(False)
        result = await measured(f"{LOOPBACK}:{players.getsockname()[1]}", is_players_port=True)
        assert not result.answers
        with pytest.raises(BlockingIOError):
            players.accept()


async def test_many_edges_a_few_at_a_time() -> None:
    done = 0

    def tell() -> None:
        nonlocal done
        done += 1

    async with probes() as made:
        assert made.address is not None
        place = Address(LOOPBACK, made.address.port)
        many = [Target(str(number), place, is_players_port=True) for number in range(40)]
        results = await measure_all(many, count=1, timeout_seconds=2, on_done=tell)
    assert [each.target.name for each in results] == [str(number) for number in range(40)]
    assert all(each.answers for each in results)
    assert done == 40


def test_the_command_says_why_nobody_answers(capsys: pytest.CaptureFixture[str]) -> None:
    dead = target(f"{LOOPBACK}:{free_port()}", is_players_port=True)
    assert run_probe([dead], count=1, timeout_seconds=0.1, shows_json=False) == 1
    assert "Connection refused" in capsys.readouterr().out
    assert run_probe([dead], count=1, timeout_seconds=0.1, shows_json=True) == 1
    (entry,) = json.loads(capsys.readouterr().out)
    assert (entry["answers"], entry["problem"]) == (False, "Connection refused")


def test_a_table_has_a_row_for_each() -> None:
    state = ProbeState(False, True, 255)
    table = build_table([Result(target("a:1"), 2, (0.01, 0.02), state, "HTTP"), Result(target("b:1"), 2)])
    assert table.row_count == 2
