"""The edges that have a tunnel to this core, as records: by their hello and what they last reported of themselves.

Asked when somebody looks at the list of edges. What an edge says was bounded when it came; an address that is none is
left out here. Several workers of an edge are one record.
"""

from collections.abc import Iterable
from dataclasses import replace

from core.core_tunnel import CoreTunnel
from fleet.address import Address, parse_address
from fleet.health import Health
from fleet.records import Record

AWAY = "it has no connection to its core"
UNKNOWN = Address("", 0)
"""The address of an edge that does not say where players connect."""


def edge_records(tunnels: Iterable[CoreTunnel]) -> list[Record]:
    """Return a record for each edge, in the order of their names."""
    records: dict[str, Record] = {}
    for tunnel in tunnels:
        record = _record(tunnel)
        before = records.get(tunnel.edge_name)
        records[tunnel.edge_name] = record if before is None else _together(before, record)
    return [records[name] for name in sorted(records)]


def _record(tunnel: CoreTunnel) -> Record:
    report = tunnel.report
    if report is None:
        return Record("edge", tunnel.edge_name, UNKNOWN, tunnel.region, health=Health(("it has not reported yet",)))
    problems = tuple(report.problems) if tunnel.is_attached else (*report.problems, AWAY)
    return Record(
        "edge",
        tunnel.edge_name,
        _address(report.players_at) or UNKNOWN,
        tunnel.region,
        capacity=report.max_sessions,
        sessions=report.sessions,
        probes_at=str(_address(report.probes_at) or ""),
        health=Health(problems, report.is_draining),
    )


def _together(one: Record, other: Record) -> Record:
    """Return two workers of one edge as one: it is as well as the better of them."""
    better = one if one.health.is_serving or not other.health.is_serving else other
    return replace(
        better,
        address=better.address if better.address != UNKNOWN else (one if better is other else other).address,
        capacity=one.capacity + other.capacity,
        sessions=one.sessions + other.sessions,
    )


def _address(text: str) -> Address | None:
    """Return an address that one can connect to; None for what is none."""
    try:
        address = parse_address(text)
    except ValueError:
        return None
    return address if address.port else None
