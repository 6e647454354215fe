"""Probes over real sockets: who gets an answer, who gets none, and what an edge says of where it is."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from edge.edge_tunnel import SocketAddress
from edge.probe_http import MAX_CONNECTIONS
from edge.probe_limits import ProbeLimits
from edge.probes import Probes
from fleet.probe import PROBE_BYTES, ProbeRequest, ProbeState, decode_reply, encode_request, name_hash
from fleet.probe_http import read_http_reply, write_http_request
from tests.fleet.test_probe import MALFORMED
from tests.relays import LOOPBACK

ANY = SocketAddress(LOOPBACK, 0)
STATE = ProbeState(True, False, 12)
MANY = ProbeLimits(prefix_per_second=1e6, prefix_burst=10**6, per_second=1e6, burst=10**6)


@asynccontextmanager
async def probes(
    limits: ProbeLimits = MANY, *, players: SocketAddress = ANY, probe: str = "", public: str = ""
) -> AsyncIterator[Probes]:
    made = Probes("fra-1", players, probe=probe, public=public, state=lambda: STATE, limits=limits)
    await made.open()
    try:
        yield made
    finally:
        made.close()
        made.close()


@asynccontextmanager
async def asker(place: SocketAddress | None) -> AsyncIterator[socket.socket]:
    assert place is not None
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.setblocking(False)
        asking.connect((place.host, place.port))
        yield asking


async def answer_to(asking: socket.socket, data: bytes) -> bytes:
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(asking, data)
    async with asyncio.timeout(5):
        return await loop.sock_recv(asking, 2000)


async def test_a_probe_is_answered() -> None:
    async with probes() as made, asker(made.address) as asking:
        raw = await answer_to(asking, encode_request(ProbeRequest(5, 6)))
        reply = decode_reply(raw)
    assert reply is not None
    assert len(raw) == PROBE_BYTES
    assert (reply.nonce, reply.clock_ns, reply.state, reply.edge) == (5, 6, STATE, name_hash("fra-1"))
    assert 0 < reply.received_ns <= reply.sent_ns
    assert made.udp_outcomes == {"answered": 1}


async def test_what_is_no_probe_gets_no_answer() -> None:
    async with probes() as made, asker(made.address) as asking:
        for data in MALFORMED:
            asking.send(data)
        raw = await answer_to(asking, encode_request(ProbeRequest(5, 6)))  # behind all others, and the first answer
        reply = decode_reply(raw)
    assert reply is not None
    assert reply.nonce == 5
    assert made.udp_outcomes == {"malformed": len(MALFORMED), "answered": 1}


async def test_a_flood_is_answered_to_its_rate_only() -> None:
    limits = ProbeLimits(prefix_per_second=0.001, prefix_burst=3, per_second=1000, burst=1000)
    async with probes(limits) as made, asker(made.address) as asking:
        for number in range(100):
            asking.send(encode_request(ProbeRequest(number, 0)))
        async with asyncio.timeout(5):
            while made.udp_outcomes.total() < 100:  # noqa: ASYNC110 - no event for it
                await asyncio.sleep(0.001)
        nonces = []
        for _ in range(3):
            reply = decode_reply(asking.recv(100))
            assert reply is not None
            nonces.append(reply.nonce)
        with pytest.raises(BlockingIOError):
            asking.recv(100)
    assert nonces == [0, 1, 2]
    assert made.udp_outcomes == {"answered": 3, "limited": 97}


async def test_a_flood_leaves_the_loop_to_others() -> None:
    async with probes() as made, asker(made.address) as asking:
        sent, worst = 0, 0.0
        loop = asyncio.get_running_loop()
        began = at = loop.time()
        while at - began < 0.4:
            for _ in range(50):
                asking.send(b"garbage")
                sent += 1
            await asyncio.sleep(0)
            worst, at = max(worst, loop.time() - at), loop.time()
        read = made.udp_outcomes.total()
        assert read < sent, "more than may be read"
        assert read <= 160 * 10
        reply = None
        async with asyncio.timeout(5):
            while reply is None:  # it still answers afterwards
                asking.send(encode_request(ProbeRequest(1, 1)))
                await asyncio.sleep(0.02)
                while True:
                    try:
                        reply = decode_reply(asking.recv(100))
                    except BlockingIOError:
                        break


async def http(place: SocketAddress | None, data: bytes) -> bytes:
    assert place is not None
    reader, writer = await asyncio.open_connection(place.host, place.port)
    try:
        writer.write(data)
        async with asyncio.timeout(5):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def test_http_answers_at_the_same_port() -> None:
    async with probes(probe=f"{LOOPBACK}:0") as made:
        request = write_http_request(77, "edge")
        raw = await http(made.address, request)
        reply = read_http_reply(raw)
    assert reply is not None
    assert (reply.nonce, reply.state, reply.edge) == (77, STATE, name_hash("fra-1"))
    assert len(raw) <= len(request)
    assert made.http_outcomes == {"answered": 1}


@pytest.mark.parametrize(
    ("data", "outcome"),
    [
        (b"GET /probe?nonce=1 HTTP/1.1\r\n\r\n", "short"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "malformed"),
        (b"\x16\x03\x01\x02\x00" + bytes(600), "malformed"),
        (write_http_request(1, "x") * 2, "malformed"),
        (b"GET /probe?nonce=1 HTTP/1.1\r\nX: " + b"x" * 5000, "malformed"),
    ],
)
async def test_http_closes_on_what_is_no_probe(data: bytes, outcome: str) -> None:
    async with probes(probe=f"{LOOPBACK}:0") as made:
        assert await http(made.address, data) == b""
        assert made.http_outcomes == {outcome: 1}


async def test_who_says_nothing_is_dropped_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.probe_http.DEADLINE_SECONDS", 0.05)
    async with probes(probe=f"{LOOPBACK}:0") as made:
        assert await http(made.address, b"GET /probe") == b""
        assert made.http_outcomes == {"late": 1}


async def test_a_crowd_of_the_silent_keeps_nobody_out() -> None:
    async with probes(probe=f"{LOOPBACK}:0") as made:
        assert made.address is not None
        place = (made.address.host, made.address.port)
        crowd = [await asyncio.open_connection(*place) for _ in range(3 * MAX_CONNECTIONS)]
        assert read_http_reply(await http(made.address, write_http_request(1, "x"))) is not None
        assert made.http_outcomes["late"] >= 2 * MAX_CONNECTIONS
    for _, writer in crowd:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def test_http_has_a_rate() -> None:
    limits = ProbeLimits(prefix_per_second=0.001, prefix_burst=2, per_second=1000, burst=1000)
    async with probes(limits, probe=f"{LOOPBACK}:0") as made:
        answers = [await http(made.address, write_http_request(1, "x")) for _ in range(4)]
    assert [bool(each) for each in answers] == [True, True, False, False]
    assert made.http_outcomes == {"answered": 2, "limited": 2}


async def test_a_port_that_cannot_be_had_is_a_warning() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other, capture_logs() as logs:
        other.bind((LOOPBACK, 0))
        async with probes(players=SocketAddress(LOOPBACK, other.getsockname()[1])) as made:
            assert made.address is None
            assert made.probes_at == ""
            assert made.players_at.startswith(LOOPBACK)
    assert [(each["event"], each["log_level"], each["by"]) for each in logs] == [
        ("probe_unavailable", "warning", "UDP")
    ]


async def test_http_does_not_share_the_players_port() -> None:
    with socket.socket() as players, capture_logs() as logs:
        players.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        players.bind((LOOPBACK, 0))
        port = players.getsockname()[1]
        async with probes(players=SocketAddress(LOOPBACK, port), probe=f"{LOOPBACK}:{port}") as made:
            assert made.address == SocketAddress(LOOPBACK, port)
    assert [each["by"] for each in logs if each["event"] == "probe_unavailable"] == ["HTTP"]


async def test_old_and_new_process_answer_side_by_side() -> None:
    async with probes(probe=f"{LOOPBACK}:0") as old:
        assert old.address is not None
        async with probes(probe=f"{LOOPBACK}:{old.address.port}") as new:
            assert new.address == old.address
            old.close()
            async with asker(new.address) as asking:
                assert decode_reply(await answer_to(asking, encode_request(ProbeRequest(1, 1)))) is not None
            assert read_http_reply(await http(new.address, write_http_request(1, "x"))) is not None


@pytest.mark.parametrize(
    ("host", "probe", "public", "players_at", "probes_at"),
    [
        (LOOPBACK, "", "", f"{LOOPBACK}:*", f"{LOOPBACK}:*"),
        ("0.0.0.0", "", "", "", ""),
        ("0.0.0.0", "", "play.example:1973", "play.example:1973", "play.example:1973"),
        ("::", f"{LOOPBACK}:0", "", "", f"{LOOPBACK}:*"),
        (LOOPBACK, "0.0.0.0:0", "play.example:1973", "play.example:1973", "play.example:*"),
        ("0.0.0.0", "0.0.0.0:0", "", "", ""),
    ],
)
async def test_where_the_world_finds_it(host: str, probe: str, public: str, players_at: str, probes_at: str) -> None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as players:
        players.bind((host, 0))
        port = players.getsockname()[1]
        async with probes(players=SocketAddress(host, port), probe=probe, public=public) as made:
            assert made.address is not None
            assert made.players_at == players_at.replace("*", str(port))
            assert made.probes_at == probes_at.replace("*", str(made.address.port))
