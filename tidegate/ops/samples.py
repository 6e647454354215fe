"""The figures themselves: reads what edges, cores, features and stores count, at the moment somebody looks.

Called by `tidegate.ops.metrics`, which lets the loop go round between two samples: nothing that may change meanwhile is
walked through here, only copies of it. A sample is a metric's name (see `tidegate.ops.metric_list`), the values of its
labels, and a number or a histogram.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from core.core import Core
from core.feature_service import FeatureService
from core.store.protocol import Store
from edge.edge import Edge
from fleet.health import Health
from fleet.records import Found, Role
from tunnel.counters import Counters
from tunnel.end import TunnelEnd
from tunnel.flow import Flow
from wire.histogram import BYTES_BOUNDS, DELAY_BOUNDS, Histogram

Sample = tuple[str, tuple[str, ...], float | Histogram]


def edge_samples(edge: Edge) -> Iterator[Sample]:
    """Read one edge."""
    counters, start = edge.counters, "tidegate_edge_"
    yield f"{start}sessions", (), edge.running_sessions
    yield f"{start}sessions_opened_total", (), counters.sessions_opened
    yield f"{start}bytes_total", ("serverbound",), counters.bytes_serverbound
    yield f"{start}bytes_total", ("clientbound",), counters.bytes_clientbound
    yield f"{start}frames_total", ("serverbound",), counters.frames_serverbound
    yield from _by_label(f"{start}sessions_refused_total", counters.sessions_refused)
    yield from _by_label(f"{start}frames_refused_total", counters.frames_refused)
    yield from _by_label(f"{start}frames_audited_total", counters.frames_audited)
    yield f"{start}connections", (), edge.connections
    yield f"{start}connections_waiting", (), edge.waiting
    for transport, outcomes in (("udp", edge.probes.udp_outcomes), ("http", edge.probes.http_outcomes)):
        for outcome, count in list(outcomes.items()):
            yield f"{start}probes_total", (transport, outcome), count
    yield from _relay(start, edge.health, edge.max_sessions, edge.ring_bytes, [counters], edge.flows)
    yield from _tunnels(start, ((tunnel.core_name, tunnel) for tunnel in edge.tunnels), edge.flows)


def core_samples(core: Core) -> Iterator[Sample]:
    """Read one core."""
    service, start = core.service, "tidegate_core_"
    for name, counters in list(service.counters.items()):
        yield f"{start}sessions_opened_total", (name,), counters.sessions_opened
        yield f"{start}bytes_total", (name, "serverbound"), counters.bytes_serverbound
        yield f"{start}bytes_total", (name, "clientbound"), counters.bytes_clientbound
        yield f"{start}frames_total", (name, "serverbound"), counters.frames_serverbound
        yield f"{start}frames_total", (name, "clientbound"), counters.frames_clientbound
    tunnels = list(service.tunnels.values())
    for tunnel in tunnels:
        yield f"{start}sessions", (tunnel.edge_name,), tunnel.running_sessions
    yield f"{start}tunnels", (), len(tunnels)
    limits = service.limits
    all_counters = list(service.counters.values())
    yield from _relay(start, core.health, limits.max_sessions, limits.ring_bytes, all_counters, service.flows)
    yield from _tunnels(start, ((tunnel.edge_name, tunnel) for tunnel in tunnels), service.flows)


def feature_samples(features: FeatureService) -> Iterator[Sample]:
    """Read a core's features."""
    start = "tidegate_core_"
    for loaded in tuple(features.host.plan.features):
        label, counts = (loaded.name,), loaded.counts
        yield f"{start}feature_calls_total", label, counts.calls
        yield f"{start}feature_seconds_total", label, counts.total_ns / 1e9
        yield f"{start}feature_slowest_seconds", label, counts.slowest_ns / 1e9
        yield f"{start}feature_failures_total", label, counts.failures
        yield f"{start}feature_overruns_total", label, counts.overruns
        yield f"{start}feature_over_budget_total", label, counts.over_budget
        yield f"{start}feature_out", label, loaded.is_out
    host = features.host
    yield f"{start}feature_unsent_packets_total", (), host.unsent_packets
    yield from _by_label(f"{start}feature_malformed_frames_total", host.malformed_frames)
    yield f"{start}feature_late_admissions_total", (), host.late_admissions
    yield f"{start}feature_lost_events_total", (), host.lost_events


def store_samples(store: Store) -> Iterator[Sample]:
    """Read how the store of a core is."""
    start, status = "tidegate_core_", store.status
    yield f"{start}store_up", (), not status.is_away
    yield f"{start}store_latency_seconds", (), status.latency_seconds
    yield f"{start}store_queued_writes", (), status.queued_writes
    yield f"{start}store_lost_writes_total", (), status.lost_writes
    yield f"{start}store_lost_messages_total", (), status.lost_messages


def discovery_samples(found: Mapping[Role, Found]) -> Iterator[Sample]:
    """Read what discovery has found, by role."""
    for role, answer in list(found.items()):
        yield "tidegate_discovery_relays", (role,), len(answer.records)
        yield "tidegate_discovery_ignored", (role,), len(answer.ignored)
        yield "tidegate_discovery_stale", (role,), answer.is_stale


def _relay(
    start: str,
    health: Health,
    max_sessions: int,
    ring_bytes: int,
    counters: Collection[Counters],
    flows: dict[str, Flow],
) -> Iterator[Sample]:
    yield f"{start}serving", (), health.is_serving
    yield f"{start}draining", (), health.is_draining
    yield f"{start}sessions_limit", (), max_sessions
    yield f"{start}tunnel_ring_limit_bytes", (), ring_bytes
    closed: Counter[str] = Counter()
    for each in counters:
        closed.update(each.sessions_closed)
    yield from _by_label(f"{start}sessions_closed_total", closed)
    yield f"{start}bytes_discarded_total", (), sum(each.bytes_discarded for each in counters)
    yield f"{start}tunnel_faults_total", (), sum(each.tunnel_faults for each in counters)
    all_flows = list(flows.values())
    yield f"{start}batch_sent_bytes", (), Histogram(BYTES_BOUNDS).add(each.batch_sent for each in all_flows)
    yield f"{start}batch_received_bytes", (), Histogram(BYTES_BOUNDS).add(each.batch_received for each in all_flows)
    yield f"{start}flush_delay_seconds", (), Histogram(DELAY_BOUNDS).add(each.flush_delay for each in all_flows)


def _tunnels(start: str, tunnels: Iterable[tuple[str, TunnelEnd[Any]]], flows: dict[str, Flow]) -> Iterator[Sample]:
    for peer, tunnel in tunnels:
        label = (peer,)
        yield f"{start}tunnel_attached", label, tunnel.is_attached
        yield f"{start}tunnel_sessions", label, tunnel.running_sessions
        yield f"{start}tunnel_round_trip_seconds", label, tunnel.round_trip_seconds
        yield f"{start}tunnel_jitter_seconds", label, tunnel.jitter_seconds
        yield f"{start}tunnel_unacknowledged_bytes", label, tunnel.delivery.held_bytes
    for peer, flow in list(flows.items()):
        yield f"{start}tunnel_reattachments_total", (peer,), flow.reattachments
        yield f"{start}tunnel_resent_messages_total", (peer,), flow.resent


def _by_label(name: str, counts: Mapping[str, int]) -> Iterator[Sample]:
    for label, count in list(counts.items()):
        yield name, (label,), count
