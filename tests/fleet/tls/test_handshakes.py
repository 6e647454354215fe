"""Who is refused at a gate and at the end of a road, what is counted, and that gRPC's side sees nothing of it."""

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from fleet.identity import Identity
from fleet.road import RoadError
from fleet.tls.certificate_files import CertificateFiles
from fleet.tls.credentials import Credentials
from fleet.tls.gate import HANDSHAKE_SECONDS
from fleet.tls.road import SecureRoad
from fleet.tls.secure_end import MAX_HANDSHAKE_BYTES, SecureEnd
from tests.certificates import Office, office
from tests.fleet.tls.ends import knock, stranger, watched_gate
from tests.relays import LOOPBACK
from tests.servers import serving

EDGE, CORE, ADMIN = Identity("edge", "e", "r"), Identity("core", "c", "r"), Identity("admin", "a")


@pytest.fixture
def ours(tmp_path: Path) -> Office:
    return office(tmp_path / "ours")


@pytest.fixture
def theirs(tmp_path: Path) -> Office:
    return office(tmp_path / "theirs")


def revoked(who: Office, identity: Identity) -> CertificateFiles:
    files = who.issue(identity)
    who.authority.revoke(f"{identity.role}/{identity.name}")
    return files


def revoked_by_serial(who: Office, identity: Identity) -> CertificateFiles:
    """The older of two of one name: the newer is good."""
    files = who.issue(identity)
    content = files.certificate.read_bytes(), files.key.read_bytes()
    who.authority.renew(identity.role, identity.name)
    files.certificate.write_bytes(content[0])
    files.key.write_bytes(content[1])
    who.authority.revoke(who.authority.entries()[-2].serial)
    return files


Make = Callable[[Office, Office], ssl.SSLContext]

STRANGERS: list[tuple[str, Make, str, str]] = [
    ("none", lambda ours, theirs: stranger(None), "no_certificate", "we sent no certificate"),
    ("another CA's", lambda ours, theirs: stranger(theirs.issue(EDGE)), "unknown_authority", "another authority"),
    ("a core's", lambda ours, theirs: stranger(ours.issue(CORE)), "wrong_role", "of another role"),
    ("an admin's", lambda ours, theirs: stranger(ours.issue(ADMIN)), "wrong_role", "of admin a, and no edge's"),
    ("expired", lambda ours, theirs: stranger(ours.expired(EDGE)), "expired", "has expired"),
    ("not yet valid", lambda ours, theirs: stranger(ours.early(EDGE)), "not_yet_valid", "does not hold"),
    ("revoked", lambda ours, theirs: stranger(revoked(ours, EDGE)), "revoked", "was revoked"),
    ("revoked by serial", lambda ours, theirs: stranger(revoked_by_serial(ours, EDGE)), "revoked", "was revoked"),
    ("TLS 1.2", lambda ours, theirs: stranger(ours.issue(EDGE), ssl.TLSVersion.TLSv1_2), "old_tls", "both must speak"),
]


@pytest.mark.parametrize(("make", "reason", "told"), [row[1:] for row in STRANGERS], ids=[row[0] for row in STRANGERS])
async def test_a_gate_refuses(ours: Office, theirs: Office, make: Make, reason: str, told: str) -> None:
    context = make(ours, theirs)
    async with watched_gate(ours.core()) as watched:
        assert told in await knock(context, watched.port)
        assert await watched.refused() == {reason: 1}
        assert (watched.connections, bytes(watched.received)) == (0, b"")
        assert watched.gate.connections == 0


async def test_a_gate_lets_its_own_in(ours: Office) -> None:
    async with watched_gate(ours.core()) as watched:
        assert await knock(stranger(ours.issue(EDGE)), watched.port) == ""
        assert not watched.gate.refused
        assert watched.gate.accepted == 1


@pytest.mark.parametrize(
    ("role", "told"), [("edge", "is of edge e in r, and no admin's"), ("admin", "")], ids=["edge", "admin"]
)
async def test_a_gate_for_admins(ours: Office, role: str, told: str) -> None:
    files = ours.issue(EDGE if role == "edge" else ADMIN)
    async with watched_gate(ours.core(), ("admin",)) as watched:
        assert told in await knock(stranger(files), watched.port)


RAW = [
    ("plain HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "not_tls"),
    ("an HTTP request", b"GET / HTTP/1.1\r\n\r\n", "not_tls"),
    ("garbage", bytes(range(128, 256)) * 50, "not_tls"),
    ("garbage that begins well", b"\x16\x03\x01\x00\x05" + bytes(300), "broken"),
    ("a record without an end", b"\x16\x03\x01\xff\xff" + bytes(MAX_HANDSHAKE_BYTES), "too_large"),
    ("a handshake message without an end", (b"\x16\x03\x01\x40\x00\x01\xff\xff\xff" + bytes(16380)) * 3, "too_large"),
    ("a byte, and the end", b"\x16", "lost"),
    ("nothing, and the end", b"", "lost"),
]


@pytest.mark.parametrize(("sent", "reason"), [row[1:] for row in RAW], ids=[row[0] for row in RAW])
async def test_a_gate_refuses_what_is_no_handshake(ours: Office, sent: bytes, reason: str) -> None:
    async with watched_gate(ours.core()) as watched:
        _, writer = await asyncio.open_connection(LOOPBACK, watched.port)
        writer.write(sent)
        if reason == "lost":
            writer.write_eof()
        counts = await watched.refused()
        writer.close()
        assert set(counts) <= {reason, "broken", "not_tls"} if reason == "too_large" else counts == {reason: 1}
        assert (watched.connections, bytes(watched.received)) == (0, b"")


async def test_a_slow_handshake_is_ended(ours: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fleet.tls.gate.HANDSHAKE_SECONDS", HANDSHAKE_SECONDS / 50)
    async with watched_gate(ours.core()) as watched:
        reader, writer = await asyncio.open_connection(LOOPBACK, watched.port)
        writer.write(b"\x16\x03")
        assert await watched.refused() == {"too_slow": 1}
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        writer.close()


CORES: list[tuple[str, Callable[[Office, Office], CertificateFiles], str]] = [
    ("an edge's", lambda ours, theirs: ours.issue(EDGE), "of another role"),
    ("another CA's", lambda ours, theirs: theirs.issue(CORE), "of another authority"),
    ("expired", lambda ours, theirs: ours.expired(CORE), "that has expired"),
    ("not yet valid", lambda ours, theirs: ours.early(CORE), "does not hold yet"),
    ("revoked", lambda ours, theirs: revoked(ours, CORE), "that was revoked"),
]


@pytest.mark.parametrize(("make", "told"), [row[1:] for row in CORES], ids=[row[0] for row in CORES])
async def test_a_road_refuses_a_core(
    ours: Office, theirs: Office, make: Callable[[Office, Office], CertificateFiles], told: str
) -> None:
    files = make(ours, theirs)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    road = SecureRoad(ours.edge())
    has_opened = False
    ends: list[SecureEnd] = []

    def make_end() -> SecureEnd:
        ends.append(SecureEnd(context, is_server=True))
        return ends[-1]

    server = await asyncio.get_running_loop().create_server(make_end, LOOPBACK, 0)
    port = server.sockets[0].getsockname()[1]
    try:
        with pytest.raises(RoadError, match=told):
            async with road.open(f"{LOOPBACK}:{port}"):
                has_opened = True
        assert not has_opened
    finally:
        server.close()
        for end in ends:
            end.abort("over")
            await end.closed.wait()
        await road.close()


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (b"\0\0\x12\4\0\0\0\0\0", "does not speak TLS"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not speak TLS"),
        (b"", "closed the connection during the handshake"),
    ],
    ids=["gRPC without TLS", "a web server", "nothing"],
)
async def test_a_road_refuses_what_is_no_gate(ours: Office, said: bytes, told: str) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)

    road = SecureRoad(ours.edge())
    async with serving(answer) as place:
        with pytest.raises(RoadError, match=told):
            async with road.open(str(place)):
                pass
        await road.close()


async def test_a_road_to_nobody(ours: Office, unused_port: int) -> None:
    road = SecureRoad(ours.edge())
    with pytest.raises(RoadError, match="Connection refused"):
        async with road.open(f"{LOOPBACK}:{unused_port}"):
            pass
    await road.close()


async def test_a_road_says_why_a_gate_refused(ours: Office) -> None:
    files = ours.issue(EDGE)
    edge = Credentials(files, "edge")
    ours.authority.revoke("edge/e")
    road = SecureRoad(edge)
    async with watched_gate(ours.core()) as watched:
        with pytest.raises(RoadError, match=f"{watched.address} refused us: our certificate was revoked"):
            async with road.open(watched.address):
                pass
    await road.close()


async def test_bytes_go_through_both_ways_and_in_order(ours: Office) -> None:
    road = SecureRoad(ours.edge())
    said = bytes(range(256)) * 20_000
    async with watched_gate(ours.core()) as watched:
        async with road.open(watched.address) as passage:
            reader, writer = await asyncio.open_unix_connection(passage.target.removeprefix("unix:"))
            writer.write(said)
            assert await reader.readexactly(len(said)) == said
            writer.close()
        assert passage.say_problem() == ""
        assert bytes(watched.received) == said
        async with asyncio.timeout(5):
            while watched.gate.connections:  # noqa: ASYNC110 - no event for it
                await asyncio.sleep(0.005)
    await road.close()


async def test_who_does_not_read_stops_who_sends_and_nothing_piles_up(ours: Office) -> None:
    road = SecureRoad(ours.edge())
    chunk = bytes(1 << 16)
    async with watched_gate(ours.core()) as watched, road.open(watched.address) as passage:
        watched.may_read.clear()
        reader, writer = await asyncio.open_unix_connection(passage.target.removeprefix("unix:"))
        sent = 0
        with contextlib.suppress(TimeoutError):
            while sent < 64 << 20:
                writer.write(chunk)
                sent += len(chunk)
                async with asyncio.timeout(1.0):
                    await writer.drain()
        assert sent < 16 << 20, "sockets' buffers and twice the high water of both ends"
        watched.may_read.set()
        got = 0
        async with asyncio.timeout(10):
            while got < sent:
                got += len(await reader.read(1 << 20))
        assert len(watched.received) == got == sent
        writer.close()
    await road.close()


@pytest.mark.parametrize("side", ["gate", "gRPC"])
async def test_a_connection_that_is_cut_ends_at_both_sides(ours: Office, side: str) -> None:
    road = SecureRoad(ours.edge())
    async with watched_gate(ours.core()) as watched, road.open(watched.address) as passage:
        reader, writer = await asyncio.open_unix_connection(passage.target.removeprefix("unix:"))
        writer.write(b"ping")
        assert await reader.readexactly(4) == b"ping"
        if side == "gate":
            for each in watched.gate._open.values():
                each.end.abort("cut")
            assert await reader.read() == b""
            assert passage.say_problem()
            writer.close()
        else:
            writer.transport.abort()
        async with asyncio.timeout(5):
            while watched.gate.connections:  # noqa: ASYNC110 - no event for it
                await asyncio.sleep(0.005)
    await road.close()


async def test_a_certificate_cannot_take_all_connections(ours: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fleet.tls.gate.MAX_CONNECTIONS_EACH", 2)
    one, other = SecureRoad(ours.edge()), SecureRoad(ours.edge("edge-2"))
    async with watched_gate(ours.core()) as watched, one.open(watched.address), one.open(watched.address):
        with pytest.raises(RoadError, match="edge edge-1 in test has 2 connections already"):
            async with one.open(watched.address):
                pass
        async with other.open(watched.address):
            assert watched.gate.connections == 3
        assert watched.gate.refused == {"too_many": 1}
    await one.close()
    await other.close()


async def test_a_known_address_gets_the_place_of_a_stranger(ours: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fleet.tls.gate.MAX_HANDSHAKES", 3)
    road = SecureRoad(ours.edge())
    async with watched_gate(ours.core()) as watched:
        slow = [
            await asyncio.open_connection(LOOPBACK, watched.port, local_addr=(f"127.0.0.{number}", 0))
            for number in (2, 3, 4)
        ]
        async with asyncio.timeout(5):
            while watched.gate.handshakes < 3:  # noqa: ASYNC110 - no event for it
                await asyncio.sleep(0.005)
        with pytest.raises(RoadError):  # a stranger, too, and those have not been there for long
            async with road.open(watched.address):
                pass
        watched.gate._attempts.succeeded(LOOPBACK, 0.0)
        async with road.open(watched.address):
            assert watched.gate.connections == 1
        assert watched.gate.refused["too_many"] == 2
        for _, writer in slow:
            writer.close()
    await road.close()


async def test_an_edge_that_gave_up_on_a_core_that_hung_gets_in_at_once(ours: Office) -> None:
    road = SecureRoad(ours.edge())
    async with watched_gate(ours.core()) as watched:
        async with road.open(watched.address):
            pass
        for _ in range(20):
            _, writer = await asyncio.open_connection(LOOPBACK, watched.port)
            writer.write(b"\x16\x03\x01")
            writer.close()
        assert await watched.refused(20) == {"lost": 20}
        async with road.open(watched.address):
            pass
    await road.close()
