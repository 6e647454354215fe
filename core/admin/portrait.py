"""How this core and its edges are, as the registry publishes it: entries made of what the parts of the core say."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass

from core.admin.entries import CoreEntry, EdgeEntry
from core.admin.registry import sentences
from core.bans import BanBook
from core.core_tunnel import CoreTunnel
from core.store.protocol import Store
from core.tunnel_service import TunnelService
from fleet.discovery.discovery import Discovery
from fleet.health import Health
from fleet.loop_delay import LoopDelay
from tunnel.counters import Counters

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Identity:
    """What does not change while a core runs; ``address`` and ``admin`` are known once it listens."""

    name: str
    region: str
    version: str
    game: str
    worker: int
    workers: int
    capacity: int
    address: str = ""
    admin: str = ""


class Rates:
    """Makes rates of counts that only grow, one per name; ``clock`` gives seconds that never go back."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._before: dict[str, tuple[float, int]] = {}

    def of(self, name: str, count: int) -> float:
        """Return how much it grew a second since the last call; 0 at the first, and after it has begun anew."""
        now = self._clock()
        at, before = self._before.get(name, (now, count))
        self._before[name] = (now, count)
        return round(max(0, count - before) / (now - at), 1) if now > at else 0.0

    def keep_only(self, names: set[str]) -> None:
        """Forget those that are gone."""
        for name in self._before.keys() - names:
            del self._before[name]


class Portrait:
    """One core's; ``health`` says how it is; ``discovery`` is set where anything looks for the fleet."""

    def __init__(
        self,
        identity: Identity,
        service: TunnelService,
        store: Store,
        bans: BanBook,
        loop_delay: LoopDelay,
        health: Callable[[], Health],
    ) -> None:
        self.identity = identity
        self.discovery: Discovery | None = None
        self._service = service
        self._store = store
        self._bans = bans
        self._loop_delay = loop_delay
        self._health = health
        self._since = time.time()
        self._rates = Rates()
        self._edge_rates = Rates()

    def core(self) -> CoreEntry:
        """Describe the core."""
        identity, service, status = self.identity, self._service, self._store.status
        health = self._health()
        found = self._found()
        totals = list(service.counters.values())
        return CoreEntry(
            name=identity.name,
            region=identity.region,
            version=identity.version,
            game=identity.game,
            address=identity.address,
            admin=identity.admin,
            worker=identity.worker,
            workers=identity.workers,
            epoch=service.epoch,
            since=self._since,
            sessions=service.running_sessions,
            capacity=identity.capacity,
            edges=len(service.tunnels),
            is_draining=health.is_draining,
            problems=sentences(health.problems),
            frames_per_second=self._rates.of("frames", sum(map(_frames, totals))),
            bytes_per_second=self._rates.of("bytes", sum(map(_bytes, totals))),
            loop_delay_ms=round(self._loop_delay.recent_seconds * 1000, 1),
            bans=len(self._bans),
            store=status.kind,
            store_since=status.since if status.is_away else 0.0,
            store_problem=status.problem[:256],
            store_queued=status.queued_writes,
            discovery=found.kind,
            discovery_since=found.since,
            discovery_problem=found.problem[:256],
            ignored=sentences(found.ignored),
        )

    def edges(self) -> dict[str, EdgeEntry]:
        """Describe the edge at the other end of each tunnel, by a field that keeps the tunnel's id secret."""
        found: dict[str, EdgeEntry] = {}
        counted: set[str] = set()  # counters are by the edge's name: its workers share them
        for tunnel in self._service.tunnels.values():
            field = _hash(tunnel.tunnel_id)
            rate = 0.0
            if tunnel.edge_name not in counted:
                counted.add(tunnel.edge_name)
                rate = self._edge_rates.of(f"frames {tunnel.edge_name}", _frames(tunnel.counters))
            found[field] = self._edge(tunnel, field, rate)
        self._edge_rates.keep_only({f"frames {name}" for name in counted} | {f"bytes {field}" for field in found})
        return found

    def _edge(self, tunnel: CoreTunnel, field: str, frames_per_second: float) -> EdgeEntry:
        report = tunnel.report
        away = 0.0 if tunnel.is_attached else time.time() - tunnel.held_seconds(time.monotonic())
        entry = EdgeEntry(
            name=tunnel.edge_name,
            process=_hash(tunnel.process_id) if tunnel.process_id else field,
            core=self.identity.name,
            region=tunnel.region,
            version=tunnel.software_version,
            since=tunnel.since,
            away_since=away,
            sessions=tunnel.running_sessions,
            sessions_here=tunnel.running_sessions,
            round_trip_ms=round(tunnel.round_trip_seconds * 1000, 2),
            jitter_ms=round(tunnel.jitter_seconds * 1000, 2),
            frames_per_second=frames_per_second,
            can_retire=tunnel.can_retire,
        )
        if report is None:
            return entry
        moved = report.bytes_serverbound + report.bytes_clientbound
        said = {
            "sessions": report.sessions,
            "capacity": report.max_sessions,
            "bytes_per_second": self._edge_rates.of(f"bytes {field}", moved),
            "frames_refused": report.frames_refused,
            "sessions_refused": report.sessions_refused,
            "players_at": report.players_at[:256],
            "probes_at": report.probes_at[:256],
            "is_draining": report.is_draining,
            "problems": sentences(list(report.problems)),
            "has_reported": True,
        }
        return entry.model_copy(update=said)

    def _found(self) -> _Discovery:
        discovery = self.discovery
        if discovery is None:
            return _Discovery("", 0.0, "", [])
        ignored = [f"{one.place}: {one.reason}" for each in discovery.found.values() for one in each.ignored]
        return _Discovery(discovery.kind, discovery.since_seconds, discovery.problem, ignored)


@dataclass(frozen=True, slots=True)
class _Discovery:
    kind: str
    since: float
    problem: str
    ignored: list[str]


def _hash(secret: bytes) -> str:
    return hashlib.sha256(secret).hexdigest()[:16]


def _frames(counters: Counters) -> int:
    return counters.frames_serverbound + counters.frames_clientbound


def _bytes(counters: Counters) -> int:
    return counters.bytes_serverbound + counters.bytes_clientbound
