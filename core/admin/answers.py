"""What the admin service answers: the fleet, its sessions and its bans as messages of the contract. Pure."""

from __future__ import annotations

from core.admin.entries import CoreEntry, EdgeEntry, SessionEntry
from core.admin.fleet import FleetEdge, FleetState
from core.features.ports import BanEntry, BanKind
from fleet.health import Health
from protos.tidegate.admin.v1 import admin_pb2

BAN_KINDS: dict[admin_pb2.BanKind, BanKind] = {
    admin_pb2.BAN_KIND_ADDRESS: BanKind.ADDRESS,
    admin_pb2.BAN_KIND_ACCOUNT: BanKind.ACCOUNT,
    admin_pb2.BAN_KIND_HARDWARE: BanKind.HARDWARE,
    admin_pb2.BAN_KIND_CHARACTER: BanKind.CHARACTER,
}
_NUMBERS = {kind: number for number, kind in BAN_KINDS.items()}


def status(fleet: FleetState, asked: str) -> admin_pb2.GetStatusResponse:
    """Return the fleet."""
    return admin_pb2.GetStatusResponse(
        cores=[_core(entry) for entry in fleet.cores.values()],
        edges=[_edge(edge) for edge in fleet.edges],
        is_partial=fleet.is_partial,
        problem=fleet.problem,
        unreadable=fleet.unreadable,
        asked=asked,
    )


def session(entry: SessionEntry, figures: tuple[int, int]) -> admin_pb2.Session:
    """Return a session; ``figures`` are the frames to the player and the bytes from it."""
    return admin_pb2.Session(
        **entry.model_dump(exclude={"port"}),
        port=min(entry.port, 65535),
        frames_clientbound=figures[0],
        bytes_serverbound=figures[1],
    )


def ban(entry: BanEntry) -> admin_pb2.Ban:
    """Return a ban; names that are no text are shown as well as can be."""
    return admin_pb2.Ban(
        kind=_NUMBERS[entry.kind],
        value=_text(entry.value),
        reason=_text(entry.reason),
        by=_text(entry.by),
        since=entry.since,
        until=entry.until,
    )


def _core(entry: CoreEntry) -> admin_pb2.Core:
    return admin_pb2.Core(
        name=entry.name,
        region=entry.region,
        version=entry.version,
        game=entry.game,
        address=entry.address,
        worker=_u32(entry.worker),
        workers=_u32(entry.workers),
        epoch=entry.epoch,
        since=entry.since,
        sessions=entry.sessions,
        capacity=entry.capacity,
        edges=entry.edges,
        health=Health(entry.problems, entry.is_draining).word,
        problems=entry.problems,
        frames_per_second=entry.frames_per_second,
        bytes_per_second=entry.bytes_per_second,
        loop_delay_milliseconds=entry.loop_delay_ms,
        bans=entry.bans,
        store=entry.store,
        store_since=entry.store_since,
        store_problem=entry.store_problem,
        store_queued=entry.store_queued,
        discovery=entry.discovery,
        discovery_since=entry.discovery_since,
        discovery_problem=entry.discovery_problem,
        ignored=entry.ignored,
    )


def _edge(edge: FleetEdge) -> admin_pb2.Edge:
    return admin_pb2.Edge(
        name=edge.name,
        region=edge.region,
        version=edge.version,
        workers=edge.workers,
        sessions=_u64(edge.sessions),
        capacity=_u64(edge.capacity),
        health=edge.health.word,
        problems=edge.health.problems[:64],
        frames_per_second=edge.frames_per_second,
        bytes_per_second=edge.bytes_per_second,
        frames_refused=_u64(edge.frames_refused),
        sessions_refused=_u64(edge.sessions_refused),
        players_at=edge.players_at[:64],
        probes_at=edge.probes_at[:64],
        paths=[_path(path) for path in edge.paths],
    )


def _path(path: EdgeEntry) -> admin_pb2.Path:
    return admin_pb2.Path(
        core=path.core,
        away_since=path.away_since,
        round_trip_milliseconds=path.round_trip_ms,
        jitter_milliseconds=path.jitter_ms,
        sessions=path.sessions_here,
    )


def _u32(value: int) -> int:
    return min(value, (1 << 32) - 1)


def _u64(value: int) -> int:
    return min(value, (1 << 64) - 1)


def _text(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
