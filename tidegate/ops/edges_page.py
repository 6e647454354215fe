"""The list of edges for launchers: ``/edges.json`` of a core. Pure; its schema is in docs/steering.md.

It says nothing of any player: where edges are, how they fare, and how full they are, roughly.
"""

import json
from collections.abc import Iterable

from fleet.records import Record

MAX_EDGES = 1024
COARSE_SESSIONS = 10
"""Counts of players are rounded down to multiples of this."""


def edges_page(own: Iterable[Record], fleet: Iterable[Record]) -> bytes:
    """Return the list as JSON: edges with a tunnel to this core, and those that the fleet knows beside them.

    Of two records of one edge the one that knows of more room counts (it has seen more workers), then our own. Edges
    that do not say where players connect are left out.
    """
    edges: dict[str, Record] = {}
    for record in (*own, *fleet):
        before = edges.get(record.name)
        if record.address.port and (before is None or record.capacity > before.capacity):
            edges[record.name] = record
    listed = [_entry(edges[name]) for name in sorted(edges)[:MAX_EDGES]]
    return json.dumps({"version": 1, "edges": listed}, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _entry(record: Record) -> dict[str, object]:
    return {
        "name": record.name,
        "region": record.region,
        "address": str(record.address),
        "probe": record.probes_at,
        "state": record.health.word,
        "load": round(min(1.0, record.load), 2),
        "sessions": record.sessions // COARSE_SESSIONS * COARSE_SESSIONS,
    }
