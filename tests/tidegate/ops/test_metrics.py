"""The page of metrics: what is counted stands in it, it can be parsed, and labels from outside are bounded."""

import asyncio
from collections import Counter

import pytest
from prometheus_client.parser import text_string_to_metric_families

from edge.edge_tunnel import EdgeTunnel
from fleet.address import Address
from fleet.records import Found, Ignored, Record
from tests.relays import echo, running_origin, running_relay
from tidegate.ops import metrics as metrics_module
from tidegate.ops.metric_list import METRICS
from tidegate.ops.metrics import MAX_VALUES, OTHER, Metrics
from tidegate.ops.observed import Observed
from tunnel.counters import Counters
from wire.reasons import Reason

Values = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture(autouse=True)
def always_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_module, "KEPT_SECONDS", 0.0)


async def values_of(metrics: Metrics) -> Values:
    families = text_string_to_metric_families((await metrics.page()).decode())
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def value(values: Values, name: str, **labels: str) -> float:
    return values[name, tuple(sorted(labels.items()))]


async def test_traffic_is_counted_at_both_ends() -> None:
    async with running_origin(echo) as port, running_relay("echo", port) as relay:
        reader, writer = await relay.connect()
        writer.write(b"\x00\x05abc" * 10)
        assert await reader.readexactly(50) == b"\x00\x05abc" * 10
        values = await values_of(Metrics(Observed(edge=relay.edge, core=relay.core)))
        assert value(values, "tidegate_edge_sessions") == 1
        assert value(values, "tidegate_core_sessions", edge="edge-1") == 1
        assert value(values, "tidegate_edge_connections") == 1
        assert value(values, "tidegate_edge_serving") == value(values, "tidegate_core_serving") == 1
        for direction in ("serverbound", "clientbound"):
            assert value(values, "tidegate_edge_bytes_total", direction=direction) == 50
            assert value(values, "tidegate_core_bytes_total", edge="edge-1", direction=direction) == 50
            assert value(values, "tidegate_core_frames_total", edge="edge-1", direction=direction) == 10
        assert value(values, "tidegate_edge_frames_total", direction="serverbound") == 10
        assert value(values, "tidegate_edge_batch_sent_bytes_count") >= 1
        assert value(values, "tidegate_edge_batch_sent_bytes_sum") >= 58
        assert value(values, "tidegate_edge_tunnel_attached", core="core-1") == 1
        assert value(values, "tidegate_core_tunnels") == 1
        writer.close()
        await relay.settle()
        values = await values_of(Metrics(Observed(edge=relay.edge, core=relay.core)))
        assert value(values, "tidegate_edge_sessions") == 0
        closed = [count for (name, _), count in values.items() if name == "tidegate_edge_sessions_closed_total"]
        assert sum(closed) == 1


async def test_refusals_by_reason_and_draining() -> None:
    async with running_origin(echo) as port, running_relay("echo", port, max_sessions=1) as relay:
        first = await relay.connect()
        first[1].write(b"\x00\x05abc")
        await first[0].readexactly(5)
        reader, writer = await relay.connect()
        await reader.read()
        metrics = Metrics(Observed(edge=relay.edge))
        assert value(await values_of(metrics), "tidegate_edge_sessions_refused_total", reason=Reason.SESSION_LIMIT) == 1
        writer.close()
        first[1].close()
        await relay.edge.drain()
        values = await values_of(metrics)
        assert value(values, "tidegate_edge_draining") == 1
        assert value(values, "tidegate_edge_serving") == 0


async def test_a_break_is_counted_with_the_peers_name() -> None:
    async with running_origin(echo) as port, running_relay("echo", port) as relay:
        tunnel = relay.edge.tunnel
        assert isinstance(tunnel, EdgeTunnel)
        assert tunnel.attachment is not None
        again = asyncio.Event()
        tunnel.on_attach.append(again.set)
        tunnel.attachment.give_up("the test says so")
        async with asyncio.timeout(5):
            await again.wait()
        values = await values_of(Metrics(Observed(edge=relay.edge, core=relay.core)))
        assert value(values, "tidegate_edge_tunnel_reattachments_total", core="core-1") == 1
        assert value(values, "tidegate_core_tunnel_reattachments_total", edge="edge-1") == 1


async def test_names_from_outside_are_bounded_and_none_is_lost() -> None:
    async with running_origin(echo) as port, running_relay("echo", port) as relay:
        for number in range(MAX_VALUES + 100):
            counters = relay.core.service.counters[f'edge "{number}"\n\\'] = Counters()
            counters.bytes_serverbound = 1
        metrics = Metrics(Observed(core=relay.core))
        for _ in range(2):  # and the same are shown the next time
            values = await values_of(metrics)
            found = {
                labels: count
                for (name, labels), count in values.items()
                if name == "tidegate_core_bytes_total" and ("direction", "serverbound") in labels
            }
            assert len(found) == MAX_VALUES + 1
            assert sum(found.values()) == MAX_VALUES + 100
            assert value(values, "tidegate_core_bytes_total", edge=OTHER, direction="serverbound") == 101


async def test_what_other_parts_know() -> None:
    record = Record("core", "core-1", Address("a", 1))
    observed = Observed(
        discovery=lambda: {"core": Found((record,), (Ignored("b:1", "of another game"),), is_stale=True)},
        tls_refusals=lambda: Counter(expired=3),
        certificate_expiry_seconds=lambda: 4e9,
    )
    values = await values_of(Metrics(observed))
    assert value(values, "tidegate_discovery_relays", role="core") == 1
    assert value(values, "tidegate_discovery_ignored", role="core") == 1
    assert value(values, "tidegate_discovery_stale", role="core") == 1
    assert value(values, "tidegate_tls_handshakes_refused_total", reason="expired") == 3
    assert value(values, "tidegate_tls_certificate_expiry_timestamp_seconds") == 4e9
    assert value(values, "process_open_fds") > 0


async def test_two_workers_of_an_edge_are_added_up() -> None:
    async with running_origin(echo) as port, running_relay("echo", port) as relay:
        service = relay.core.service
        (tunnel,) = service.tunnels.values()
        service.tunnels[b"another"] = tunnel
        try:
            values = await values_of(Metrics(Observed(core=relay.core)))
        finally:
            del service.tunnels[b"another"]
        assert value(values, "tidegate_core_tunnel_attached", edge="edge-1") == 2
        trip = value(values, "tidegate_core_tunnel_round_trip_seconds", edge="edge-1")
        assert trip == pytest.approx(tunnel.round_trip_seconds)


async def test_a_page_is_not_made_for_each_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_module, "KEPT_SECONDS", 60.0)
    async with running_origin(echo) as port, running_relay("echo", port) as relay:
        metrics = Metrics(Observed(edge=relay.edge))
        page = await metrics.page()
        relay.edge.counters.bytes_serverbound += 1
        assert await metrics.page() is page


async def test_every_name_is_on_the_list() -> None:
    page = (await Metrics(Observed()).page()).decode()
    told = {line.split()[2] for line in page.splitlines() if line.startswith("# TYPE tidegate_")}
    assert told <= set(METRICS)


async def test_a_page_lets_others_go_on_while_it_is_made() -> None:
    async with running_origin(echo) as port, running_relay("echo", port) as relay:
        counters = relay.core.service.counters
        metrics = Metrics(Observed(core=relay.core))
        making = asyncio.create_task(metrics.page())
        turns = 0
        while not making.done():
            counters[f"new-{turns}"] = Counters()  # what is shown changes meanwhile
            turns += 1
            await asyncio.sleep(0)
        assert turns > 20
        assert b"tidegate_core_tunnels 1.0" in making.result()
