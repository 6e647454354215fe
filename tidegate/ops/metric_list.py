"""The metrics by name: what each is, in what unit, with which labels. docs/metrics.md is written from this list.

Names follow Prometheus' conventions: base units, ``_total`` for what only grows, ``_bytes`` and ``_seconds``.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal["gauge", "counter", "histogram"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One family. ``merges`` says what becomes of two values under the same labels."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    merges: Literal["sum", "max"] = "sum"


PROCESS = (
    Metric("tidegate_build_info", "gauge", "Always 1; the labels say what runs.", ("version", "python", "kernel")),
    Metric(
        "tidegate_event_loop_delay_seconds",
        "histogram",
        "How late the event loop was at each of its looks, twenty a second: all traffic waits so long.",
    ),
    Metric("tidegate_event_loop_recent_delay_seconds", "gauge", "The same in the mean over about the last second."),
    Metric("tidegate_http_requests_total", "counter", "Requests to this endpoint.", ("path", "status")),
    Metric("tidegate_http_dropped_total", "counter", "Connections to this endpoint that were dropped.", ("reason",)),
    Metric("tidegate_discovery_relays", "gauge", "Relays that discovery gives now.", ("role",)),
    Metric("tidegate_discovery_ignored", "gauge", "What discovery found and does not use.", ("role",)),
    Metric("tidegate_discovery_stale", "gauge", "1 while discovery goes by its last good answer.", ("role",)),
    Metric(
        "tidegate_tls_certificate_expiry_timestamp_seconds",
        "gauge",
        "When the certificate in use ends.",
    ),
    Metric("tidegate_tls_handshakes_refused_total", "counter", "TLS handshakes that were refused.", ("reason",)),
)

_RELAY = (
    Metric("serving", "gauge", "1 while new players can be let in (as `/readyz` says)."),
    Metric("draining", "gauge", "1 while no new players are let in and the others leave."),
    Metric("sessions_limit", "gauge", "Players it takes at most."),
    Metric("sessions_closed_total", "counter", "Sessions that have ended.", ("reason",)),
    Metric("bytes_discarded_total", "counter", "Bytes that came for sessions that had ended."),
    Metric("tunnel_faults_total", "counter", "Times that the other end, one of ours, broke the tunnel's contract."),
    Metric("batch_sent_bytes", "histogram", "Sizes of the batches sent; its count is how many there were."),
    Metric("batch_received_bytes", "histogram", "Sizes of the batches received."),
    Metric("flush_delay_seconds", "histogram", "How long what was gathered waited before it was written."),
    Metric("tunnel_ring_limit_bytes", "gauge", "What one tunnel may keep for the other end to get again."),
)


def _tunnel(peer: str) -> tuple[Metric, ...]:
    label = (peer,)
    return (
        Metric("tunnel_attached", "gauge", f"Tunnels to the {peer} that are attached now; 0 while held.", label),
        Metric("tunnel_sessions", "gauge", "Players in the tunnel now.", label),
        Metric("tunnel_round_trip_seconds", "gauge", f"The way to the {peer} and back, smoothed.", label, "max"),
        Metric("tunnel_jitter_seconds", "gauge", f"How much the way from the {peer} varies, smoothed.", label, "max"),
        Metric("tunnel_unacknowledged_bytes", "gauge", f"What is kept until the {peer} says that it has it.", label),
        Metric("tunnel_reattachments_total", "counter", "Times that a broken tunnel came back.", label),
        Metric("tunnel_resent_messages_total", "counter", "Messages sent again after a break.", label),
    )


_EDGE = (
    Metric("sessions", "gauge", "Players connected now."),
    Metric("sessions_opened_total", "counter", "Sessions that have begun."),
    Metric("bytes_total", "counter", "Bytes of the game carried.", ("direction",)),
    Metric("frames_total", "counter", "Frames seen; clientbound ones are counted at the core.", ("direction",)),
    Metric("sessions_refused_total", "counter", "Connections that got no session.", ("reason",)),
    Metric("frames_refused_total", "counter", "Frames of players that the rules refused.", ("reason",)),
    Metric("frames_audited_total", "counter", "Frames that would have been refused if enforced.", ("reason",)),
    Metric("connections", "gauge", "Players' connections, with a session or without."),
    Metric("connections_waiting", "gauge", "Players who wait at the door for a tunnel."),
    Metric("probes_total", "counter", "What came to be probed, by what became of it.", ("transport", "outcome")),
)

_CORE = (
    Metric("sessions", "gauge", "Players connected now.", ("edge",)),
    Metric("sessions_opened_total", "counter", "Sessions that have begun.", ("edge",)),
    Metric("bytes_total", "counter", "Bytes of the game carried.", ("edge", "direction")),
    Metric("frames_total", "counter", "Frames seen.", ("edge", "direction")),
    Metric("tunnels", "gauge", "Tunnels there are, attached or held."),
    Metric("store_up", "gauge", "1 while the store answers."),
    Metric("store_latency_seconds", "gauge", "How long its last answer took."),
    Metric("store_queued_writes", "gauge", "Writes that wait for it."),
    Metric("store_lost_writes_total", "counter", "Writes that were given up."),
    Metric("store_lost_messages_total", "counter", "Messages to other cores that were lost."),
)

_FEATURES = (
    Metric("feature_calls_total", "counter", "Calls of a feature's code.", ("feature",)),
    Metric("feature_seconds_total", "counter", "What they took.", ("feature",)),
    Metric("feature_slowest_seconds", "gauge", "The longest of them.", ("feature",), "max"),
    Metric("feature_failures_total", "counter", "Calls that raised.", ("feature",)),
    Metric("feature_overruns_total", "counter", "Calls that were stopped.", ("feature",)),
    Metric("feature_over_budget_total", "counter", "Calls that took longer than the budget.", ("feature",)),
    Metric("feature_out", "gauge", "1 when it was taken out.", ("feature",)),
    Metric("feature_unsent_packets_total", "counter", "Packets of features that could not be sent."),
    Metric("feature_malformed_frames_total", "counter", "Frames that could not be read.", ("packet",)),
    Metric("feature_late_admissions_total", "counter", "Logins that went on without an answer."),
    Metric("feature_lost_events_total", "counter", "Events that were lost: too many waited."),
)


def _named(role: str, metrics: tuple[Metric, ...]) -> Iterator[Metric]:
    for each in metrics:
        yield Metric(f"tidegate_{role}_{each.name}", each.kind, each.help, each.labels, each.merges)


EDGE = tuple(_named("edge", (*_EDGE, *_RELAY, *_tunnel("core"))))
CORE = tuple(_named("core", (*_CORE, *_RELAY, *_tunnel("edge"))))
FEATURES = tuple(_named("core", _FEATURES))
METRICS = {each.name: each for each in (*PROCESS, *EDGE, *CORE, *FEATURES)}
