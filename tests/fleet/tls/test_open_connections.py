"""Connections that are open when a certificate ends or its authority is dropped: who cuts them, and how it counts."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from fleet.identity import Identity
from fleet.road import Passage
from fleet.tls.credentials import Credentials
from fleet.tls.road import SecureRoad
from tests.certificates import Office, files_in, office, trust
from tests.fleet.tls.ends import Watched, watched_gate

EDGE, CORE = Identity("edge", "edge-1", "test"), Identity("core", "core-1", "test")
SECOND = timedelta(seconds=1)


@pytest.fixture
def ours(tmp_path: Path) -> Office:
    return office(tmp_path / "ours")


@pytest.fixture
def theirs(tmp_path: Path) -> Office:
    return office(tmp_path / "theirs")


def at_its_end(of: Credentials, seen_by: Credentials) -> Callable[[float], None]:
    """Return what sets a clock to so many seconds after the end of the other's certificate, and has it looked at."""
    end = of.loaded.expires_at

    def look(seconds: float) -> None:
        seen_by._now = lambda: end + seconds * SECOND
        seen_by.look()

    return look


async def ping(passage: Passage) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_unix_connection(passage.target.removeprefix("unix:"))
    writer.write(b"ping")
    assert await reader.readexactly(4) == b"ping"
    return reader, writer


async def gone(watched: Watched) -> None:
    async with asyncio.timeout(5):
        while watched.gate.connections:  # noqa: ASYNC110 - no event for it
            await asyncio.sleep(0.005)


async def test_a_gate_cuts_off_whose_certificate_ends_and_counts_it_once(ours: Office) -> None:
    edge, core = ours.edge(), ours.core()
    look = at_its_end(edge, core)
    longer = ours.authority.issue(Identity("edge", "edge-2", "test"), 91)
    road, other = SecureRoad(edge), SecureRoad(Credentials(files_in(longer.folder), "edge"))
    async with (
        watched_gate(core) as watched,
        road.open(watched.address) as passage,
        other.open(watched.address) as later,
    ):
        reader, writer = await ping(passage)
        _, other_writer = await ping(later)
        look(-1)
        assert (watched.gate.connections, dict(watched.gate.refused)) == (2, {})
        with capture_logs() as logs:
            look(0)
            look(0)
        assert await reader.read() == b""
        assert dict(watched.gate.refused) == {"expired": 1}
        assert watched.gate.connections == 1
        (said,) = [log for log in logs if log["event"] == "connections_refused"]
        assert said["last_why"].startswith("the certificate of edge edge-1 in test expired on 20")
        writer.close()
        other_writer.close()
    await road.close()
    await other.close()


async def test_a_road_leaves_a_core_whose_certificate_ends(ours: Office) -> None:
    edge, core = ours.edge(), ours.core()
    look = at_its_end(core, edge)
    road = SecureRoad(edge)
    async with watched_gate(core) as watched, road.open(watched.address) as passage:
        reader, writer = await ping(passage)
        look(-1)
        assert passage.say_problem() == ""
        look(0)
        assert await reader.read() == b""
        assert "the certificate of core core-1 in test expired on 20" in passage.say_problem()
        await gone(watched)
        assert not watched.gate.refused
        writer.close()
    await road.close()


@pytest.mark.parametrize("has_renewed", [False, True], ids=["no newer one", "a newer one"])
async def test_a_road_shows_a_newer_certificate_before_the_old_one_ends(ours: Office, has_renewed: bool) -> None:
    edge, core = ours.edge(), ours.core()
    look = at_its_end(edge, edge)
    road = SecureRoad(edge)
    async with watched_gate(core) as watched, road.open(watched.address) as passage:
        reader, writer = await ping(passage)
        if has_renewed:
            ours.authority.renew("edge", "edge-1", 91)
            edge.reload()
        look(-61)
        assert passage.say_problem() == ""
        look(-60)
        assert ("once more, with the new one" in passage.say_problem()) is has_renewed
        if has_renewed:
            assert await reader.read() == b""
            await gone(watched)
        assert not watched.gate.refused
        writer.close()
    await road.close()


async def test_a_gate_cuts_off_whose_authority_is_dropped(ours: Office, theirs: Office) -> None:
    other = SecureRoad(ours.edge("edge-2"))
    core_files, files = ours.issue(CORE), theirs.issue(EDGE)
    for each in (core_files, files):
        trust(each, ours, theirs)
    core = Credentials(core_files, "core")
    road = SecureRoad(Credentials(files, "edge"))
    async with (
        watched_gate(core) as watched,
        road.open(watched.address) as passage,
        other.open(watched.address) as kept,
    ):
        reader, writer = await ping(passage)
        _, kept_writer = await ping(kept)
        core.reload()
        assert (watched.gate.connections, dict(watched.gate.refused)) == (2, {})
        trust(core_files, ours)
        core.reload()
        core.look()
        assert await reader.read() == b""
        assert dict(watched.gate.refused) == {"unknown_authority": 1}
        assert watched.gate.connections == 1
        writer.close()
        kept_writer.close()
    await road.close()
    await other.close()


@pytest.mark.parametrize("whose", ["the core's", "its own"])
async def test_a_road_ends_by_itself_when_an_authority_is_dropped(ours: Office, theirs: Office, whose: str) -> None:
    old, new = ours, theirs
    core_files = (old if whose == "the core's" else new).issue(CORE)
    trust(core_files, old, new)
    edge_files = (new if whose == "the core's" else old).issue(EDGE)
    trust(edge_files, old, new)
    edge = Credentials(edge_files, "edge")
    road = SecureRoad(edge)
    async with watched_gate(Credentials(core_files, "core")) as watched, road.open(watched.address) as passage:
        reader, writer = await ping(passage)
        if whose == "its own":
            renewed = new.issue(EDGE)
            edge_files.key.write_bytes(renewed.key.read_bytes())
            edge_files.certificate.write_bytes(renewed.certificate.read_bytes())
            edge.reload()
            assert edge.loaded.authority in edge.loaded.trusted
        assert passage.say_problem() == ""
        trust(edge_files, new)
        edge.reload()
        assert await reader.read() == b""
        says = "not trusted any more" if whose == "the core's" else "once more, with the new one"
        assert says in passage.say_problem()
        await gone(watched)
        assert not watched.gate.refused
        writer.close()
    await road.close()


async def test_who_closes_a_road_or_a_gate_is_told_no_more(ours: Office) -> None:
    edge, core = ours.edge(), ours.core()
    road = SecureRoad(edge)
    async with watched_gate(core):
        assert len(core.on_look) == len(edge.on_look) == 1
        await road.close()
    assert not core.on_look
    assert not edge.on_look
