"""The fleet as the registry has it: cores, edges and sessions of all cores, put together from what each has written.

Read by the admin service, and by whoever publishes lists of edges. What cannot be read is left out and counted.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from itertools import groupby

from core.admin.entries import CORES, EDGES, SELF, SESSIONS, CoreEntry, EdgeEntry, SessionEntry, decode_entry
from core.admin.selection import Matcher
from core.store.protocol import Store
from fleet.health import Health


@dataclass(frozen=True, slots=True)
class FleetEdge:
    """One edge, all its workers together. ``paths`` are its tunnels, by the name of the core and the worker."""

    name: str
    region: str
    version: str
    workers: int
    sessions: int
    capacity: int
    frames_per_second: float
    bytes_per_second: float
    frames_refused: int
    sessions_refused: int
    players_at: tuple[str, ...]
    probes_at: tuple[str, ...]
    health: Health
    paths: tuple[EdgeEntry, ...]


@dataclass(frozen=True, slots=True)
class FleetState:
    """All there is. ``is_partial`` and ``problem``: only this core is known, and why."""

    cores: dict[str, CoreEntry] = field(default_factory=dict)  # by the process's name in the store
    edges: tuple[FleetEdge, ...] = ()
    is_partial: bool = False
    problem: str = ""
    unreadable: int = 0


async def read_fleet(store: Store) -> FleetState:
    """Return cores and edges of all cores that are alive; of this one alone when the store is away."""
    raw_cores, raw_edges = await store.owned(CORES), await store.owned(EDGES)
    cores, edges, unreadable = {}, [], 0
    for owner, fields in raw_cores.items():
        core = decode_entry(CoreEntry, fields.get(SELF, b""))
        if core is None:
            unreadable += 1
        else:
            cores[owner] = core
    for fields in raw_edges.values():
        for raw in fields.values():
            edge = decode_entry(EdgeEntry, raw)
            if edge is None:
                unreadable += 1
            else:
                edges.append(edge)
    status = store.status
    by_name = sorted(cores.items(), key=lambda item: (item[1].name, item[1].worker, item[0]))
    return FleetState(dict(by_name), _put_together(edges), status.is_away, status.problem, unreadable)


async def scan_sessions(store: Store, matcher: Matcher) -> AsyncIterator[SessionEntry]:
    """Yield the sessions of all cores that fit, each once, in no order; traffic goes on between parts."""
    seen: set[str] = set()
    async for _, fields in store.scan_owned(SESSIONS):
        for session_id, raw in fields.items():
            if session_id in seen:
                continue
            entry = decode_entry(SessionEntry, raw)
            if entry is not None and entry.id == session_id and matcher.fits(entry, entry.core):
                seen.add(session_id)
                yield entry
        await asyncio.sleep(0)


def _put_together(entries: Iterable[EdgeEntry]) -> tuple[FleetEdge, ...]:
    ordered = sorted(entries, key=lambda entry: (entry.name, entry.process, entry.core))
    return tuple(_edge(name, tuple(paths)) for name, paths in groupby(ordered, key=lambda entry: entry.name))


def _edge(name: str, paths: tuple[EdgeEntry, ...]) -> FleetEdge:
    workers = [_best(list(same)) for _, same in groupby(paths, key=lambda path: path.process)]
    first = max(paths, key=lambda path: path.since)
    return FleetEdge(
        name=name,
        region=first.region,
        version=first.version,
        workers=len(workers),
        sessions=sum(each.sessions for each in workers),
        capacity=sum(each.capacity for each in workers),
        frames_per_second=round(sum(path.frames_per_second for path in paths), 1),
        bytes_per_second=round(sum(each.bytes_per_second for each in workers), 1),
        frames_refused=sum(each.frames_refused for each in workers),
        sessions_refused=sum(each.sessions_refused for each in workers),
        players_at=tuple(dict.fromkeys(each.players_at for each in workers if each.players_at)),
        probes_at=tuple(dict.fromkeys(each.probes_at for each in workers if each.probes_at)),
        health=_health(workers),
        paths=paths,
    )


def _best(paths: list[EdgeEntry]) -> EdgeEntry:
    """Return what tells most of one worker: an attached tunnel by which it has reported."""
    return max(paths, key=lambda path: (not path.away_since, path.has_reported, path.since))


def _health(workers: list[EdgeEntry]) -> Health:
    problems = dict.fromkeys(problem for each in workers for problem in each.problems)
    if all(each.away_since for each in workers):
        problems["it has no tunnel to any core"] = None
    return Health(tuple(problems), all(each.is_draining for each in workers))
