"""Edges and cores with certificates: players play, tunnels come back, names are checked, and who is revoked or whose
certificate ends is cut off."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest
from structlog.testing import capture_logs

from fleet.identity import Identity
from fleet.tls.certificate_files import CertificateFiles
from fleet.tls.credentials import Credentials
from fleet.tls.gate import Gate
from fleet.tls.road import CHANGE_BEFORE
from games.registry import load_pack
from protos.tidegate.tunnel.v1 import tunnel_pb2_grpc
from tests.certificates import Office, office
from tests.fleet.tls.ends import knock, stranger
from tests.relays import core_config, edge_config, running_core, running_edge
from tests.test_breaks import Network, assert_goes_on, frames, network, until
from tidegate.gameday.conditions import CutKind


@pytest.fixture
def ours(tmp_path: Path) -> Office:
    return office(tmp_path / "certs")


@asynccontextmanager
async def secure_network(edge: Credentials, core: Credentials) -> AsyncIterator[Network]:
    async with network(
        edge_like=lambda config: replace(config, credentials=edge),
        core_like=lambda config: replace(config, credentials=core),
    ) as net:
        yield net


def gate_of(net: Network) -> Gate:
    assert net.core.gate is not None
    return net.core.gate


async def test_players_play(ours: Office) -> None:
    async with secure_network(ours.edge(), ours.core()) as net:
        player, visit = await net.join()
        await assert_goes_on(player, visit)
        await assert_goes_on(player, visit, range(5000))
        (tunnel,) = net.core.service.tunnels.values()
        assert tunnel.peer_identity == "tidegate://edge/test/edge-1"
        assert (gate_of(net).connections, gate_of(net).accepted, dict(gate_of(net).refused)) == (1, 1, {})
        assert net.core.health.is_serving
        assert net.edge.health.is_serving


@pytest.mark.parametrize("kind", list(CutKind))
async def test_a_tunnel_comes_back_after_a_cut(ours: Office, kind: CutKind) -> None:
    async with secure_network(ours.edge(), ours.core()) as net:
        player, visit = await net.join()
        await assert_goes_on(player, visit)
        for writer in (player[1], visit[1]):
            writer.write(frames(range(500)))
        with capture_logs() as logs:
            await net.cut(kind)
            await until(lambda: any(log["event"] == "core_away" for log in logs))
        away = [log["reason"] for log in logs if log["event"] == "core_away"]
        assert away
        assert all("UNAVAILABLE" not in reason for reason in away)
        await net.proxy.heal()
        whole = frames(range(500))
        assert await visit[0].readexactly(len(whole)) == whole
        assert await player[0].readexactly(len(whole)) == whole
        await assert_goes_on(player, visit)
        assert net.tunnel.attachments == 2


@pytest.mark.parametrize(
    "identity", [Identity("edge", "edge-2", "test"), Identity("edge", "edge-1", "far")], ids=["name", "region"]
)
async def test_an_edge_of_another_name_or_region_is_refused(ours: Office, identity: Identity) -> None:
    credentials = Credentials(ours.issue(identity), "edge")
    config = replace(core_config(1), credentials=ours.core())
    async with running_core(config, load_pack("echo")) as core:
        with capture_logs() as logs:
            async with running_edge(edge_config(core.port, credentials=credentials)):
                await until(lambda: any(log["event"] == "core_away" for log in logs))
        (away,) = [log for log in logs if log["event"] == "core_away"]
        said = f"PERMISSION_DENIED: it calls itself edge edge-1 in test, and its certificate is of {identity}"
        assert away["reason"] == said
        assert not core.service.tunnels


async def test_a_revoked_edge_is_cut_off_and_does_not_come_back(ours: Office) -> None:
    edge, core = ours.edge(), ours.core()
    async with secure_network(edge, core) as net:
        player, visit = await net.join()
        await assert_goes_on(player, visit)
        ours.authority.revoke("edge-1")
        with capture_logs() as logs:
            await until(lambda: not net.tunnel.is_attached)
            await until(lambda: any("our certificate was revoked" in log.get("reason", "") for log in logs))
        assert gate_of(net).refused["revoked"] >= 2
        assert gate_of(net).connections == 0
        assert not any(tunnel.is_attached for tunnel in net.core.service.tunnels.values())
        refused = [log for log in logs if log["event"] == "connections_refused"]
        assert any("edge edge-1 in test was revoked: cut off" in log["last_why"] for log in refused)


async def test_an_edge_leaves_a_revoked_core(ours: Office) -> None:
    edge_files = ours.issue(Identity("edge", "edge-1", "test"))
    edge, core = Credentials(edge_files, "edge"), ours.core()
    core.poll = lambda: None  # type: ignore[method-assign] # the core's machine has not got the list
    async with secure_network(edge, core) as net:
        ours.authority.revoke("core/core-1")
        with capture_logs() as logs:
            await until(lambda: any("core core-1 in test was revoked" in log.get("reason", "") for log in logs))
        assert not net.tunnel.is_attached


async def test_new_certificates_are_taken_while_players_play(ours: Office) -> None:
    edge, core = ours.edge(), ours.core()
    before = edge.loaded.serial, core.loaded.serial
    async with secure_network(edge, core) as net:
        player, visit = await net.join()
        ours.authority.renew("edge", "edge-1")
        ours.authority.renew("core", "core-1")
        await until(lambda: edge.loaded.serial != before[0] and core.loaded.serial != before[1])
        assert net.tunnel.attachments == 1
        await assert_goes_on(player, visit)
        await net.cut()
        await net.proxy.heal()
        await until(lambda: net.tunnel.is_attached)
        await assert_goes_on(player, visit)
        (peer,) = [each.peer for each in gate_of(net)._open.values()]
        assert peer.serial == edge.loaded.serial


async def test_who_reaches_grpc_but_not_by_the_gate_is_refused(ours: Office) -> None:
    async with (
        secure_network(ours.edge(), ours.core()) as net,
        grpc.aio.insecure_channel(gate_of(net).target) as channel,
    ):
        call = tunnel_pb2_grpc.TunnelServiceStub(channel).Attach()
        assert await call.code() is grpc.StatusCode.UNAUTHENTICATED
        assert "did not come by the gate" in (await call.details() or "")


async def test_an_expired_certificate_is_a_health_problem(ours: Office) -> None:
    edge, core = ours.edge(), ours.core()
    async with secure_network(edge, core) as net:
        for each in (edge, core):
            each._now = lambda each=each: each.loaded.expires_at  # type: ignore[misc]
        for health in (net.edge.health, net.core.health):
            assert not health.is_serving
            assert "expired on" in health.problems[0]


async def test_who_does_not_renew_is_cut_off_at_the_end_and_players_wait_until_he_has(ours: Office) -> None:
    edge, core = Credentials(ours.ending(Identity("edge", "edge-1", "test"), 4), "edge"), ours.core()
    with capture_logs() as logs:
        async with secure_network(edge, core) as net:
            player, visit = await net.join()
            await assert_goes_on(player, visit)
            await until(lambda: bool(gate_of(net).refused["expired"]))
            assert datetime.now(UTC) >= edge.loaded.expires_at
            await until(lambda: not net.tunnel.is_attached)
            assert gate_of(net).connections == 0
            for writer in (player[1], visit[1]):
                writer.write(frames(range(500)))
            await until(lambda: any("our certificate has expired" in log.get("reason", "") for log in logs))
            ours.authority.renew("edge", "edge-1")
            whole = frames(range(500))
            assert await visit[0].readexactly(len(whole)) == whole
            assert await player[0].readexactly(len(whole)) == whole
            await assert_goes_on(player, visit)
            assert net.tunnel.attachments == 2
    refused = [log for log in logs if log["event"] == "connections_refused" and "expired" in log]
    end = f"{edge.identity} expired on "
    assert end in refused[0]["last_why"]
    assert refused[0]["last_why"].endswith("UTC: cut off")


async def test_an_edge_leaves_a_core_whose_certificate_has_ended(ours: Office) -> None:
    edge, core = ours.edge(), Credentials(ours.ending(Identity("core", "core-1", "test"), 4), "core")
    with capture_logs() as logs:
        async with secure_network(edge, core) as net:
            player, visit = await net.join()
            await until(
                lambda: any("certificate of core core-1 in test expired" in each.get("reason", "") for each in logs)
            )
            assert datetime.now(UTC) >= core.loaded.expires_at
            ours.authority.renew("core", "core-1")
            await until(lambda: net.tunnel.is_attached)
            await assert_goes_on(player, visit)


async def test_who_has_renewed_goes_on_beyond_the_end_and_nobody_is_refused(ours: Office) -> None:
    edge, core = ours.edge(), ours.core()
    async with secure_network(edge, core) as net:
        player, visit = await net.join()
        before = edge.loaded
        ours.authority.renew("edge", "edge-1", 91)
        await until(lambda: edge.loaded is not before)
        with capture_logs() as logs:
            edge._now = lambda: before.expires_at - CHANGE_BEFORE
            await until(lambda: net.tunnel.attachments == 2)
        (away,) = [log for log in logs if log["event"] == "core_away"]
        assert "once more, with the new one" in away["reason"]
        (peer,) = [each.peer for each in gate_of(net)._open.values()]
        assert peer.serial == edge.loaded.serial
        core._now = lambda: before.expires_at
        core.look()
        await assert_goes_on(player, visit)
        assert (net.tunnel.attachments, dict(gate_of(net).refused)) == (2, {})


FLOOD_SECONDS = 2.0
FLOOD_PER_SECOND = 250


@pytest.mark.timeout(60)
async def test_a_flood_of_bad_handshakes_does_not_disturb_players(ours: Office, tmp_path: Path) -> None:
    bad: list[CertificateFiles | None] = [None, office(tmp_path / "theirs").issue(Identity("edge", "x", "y"))]
    contexts = [stranger(files) for files in bad]
    async with secure_network(ours.edge(), ours.core()) as net:
        pairs = [await net.join() for _ in range(10)]
        loop = asyncio.get_running_loop()
        began_at, knocking, slowest = loop.time(), set(), 0.0

        async def flood() -> None:
            for number in range(int(FLOOD_SECONDS * FLOOD_PER_SECOND)):
                knocking.add(asyncio.create_task(knock(contexts[number % 2], net.core.port)))
                await asyncio.sleep(1 / FLOOD_PER_SECOND)

        with capture_logs() as logs:
            flooding = asyncio.create_task(flood())
            while loop.time() < began_at + FLOOD_SECONDS:
                for player, visit in pairs:
                    began = loop.time()
                    await assert_goes_on(player, visit)
                    slowest = max(slowest, loop.time() - began)
            await flooding
            await asyncio.gather(*knocking, return_exceptions=True)
        assert net.tunnel.attachments == 1
        assert not net.edge.counters.sessions_closed
        assert slowest < 3.0
        gate = gate_of(net)
        counts = gate.refused
        assert counts["too_many"] > sum(counts.values()) * 0.8, "nearly all are closed before TLS begins"
        assert sum(counts.values()) == len(knocking)
        lines = [log for log in logs if log["event"] == "connections_refused"]
        assert len(lines) <= loop.time() - began_at + 2
        assert len(gate._attempts) == 1
