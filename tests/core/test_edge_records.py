"""Edges as records: by what they report, several workers as one, and nothing of what is no address."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from core.edge_records import AWAY, UNKNOWN, edge_records
from fleet.address import Address
from fleet.health import Health
from games.registry import load_pack
from protos.tidegate.tunnel.v1 import tunnel_pb2
from tests.relays import core_config, echo, edge_config, running_core, running_edge, running_origin


@dataclass
class Tunnel:
    """What is asked of a tunnel."""

    edge_name: str = "fra-1"
    region: str = "eu"
    report: tunnel_pb2.Report | None = None
    is_attached: bool = True


def report(**said: Any) -> tunnel_pb2.Report:
    return tunnel_pb2.Report(**{"players_at": "fra-1:1973", "max_sessions": 100, **said})


def records(*tunnels: Tunnel) -> list[Any]:
    return edge_records(tunnels)  # type: ignore[arg-type]


def test_what_an_edge_reports() -> None:
    (record,) = records(Tunnel(report=report(sessions=5, probes_at="fra-1:1974", problems=["late"])))
    assert (record.role, record.name, record.region) == ("edge", "fra-1", "eu")
    assert (record.address, record.probes_at) == (Address("fra-1", 1973), "fra-1:1974")
    assert (record.sessions, record.capacity, record.load) == (5, 100, 0.05)
    assert record.health == Health(("late",))


def test_before_its_first_report_and_without_an_attachment_it_serves_nobody() -> None:
    assert records(Tunnel())[0].health.word == "critical"
    assert records(Tunnel(report=report(), is_attached=False))[0].health.problems == (AWAY,)


@pytest.mark.parametrize("place", ["", "nonsense", "fra-1:0", "fra-1:99999", "a" * 255, "[::1]", "\x00:1", "fra 1:1"])
def test_what_is_no_address_is_left_out(place: str) -> None:
    (record,) = records(Tunnel(report=report(players_at=place, probes_at=place)))
    assert (record.address, record.probes_at) == (UNKNOWN, "")


def test_workers_of_an_edge_are_one() -> None:
    worse = Tunnel(report=report(sessions=3, is_draining=True, players_at=""))
    better = Tunnel(report=report(sessions=4))
    for pair in ((worse, better), (better, worse)):
        (record,) = records(*pair)
        assert record.health.is_serving
        assert (record.sessions, record.capacity, record.address.port) == (7, 200, 1973)


async def test_a_real_edge_says_where_it_is() -> None:
    async with (
        running_origin(echo) as port,
        running_core(core_config(port), load_pack("echo")) as core,
        running_edge(edge_config(core.port)) as edge,
    ):
        await edge.wait_ready()
        async with asyncio.timeout(10):
            while not (found := edge_records(core.service.tunnels.values())) or not found[0].address.port:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert found[0].address == Address(edge.address.host, edge.address.port)
        assert found[0].probes_at == str(found[0].address)
        assert found[0].health.is_serving
