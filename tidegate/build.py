"""Builds relays from settings: the one place that knows both."""

import hashlib
import os
import resource
import socket
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from core.core import Core, CoreConfig
from core.core_tunnel import CoreLimits
from core.feature_service import FeatureConfig
from core.features.errors import FeatureError
from core.shared_state import StoreConfig
from edge.access_lists import ListError
from edge.admission import Limits
from edge.config import AdmissionConfig, EdgeConfig
from edge.door import ROOM_BESIDE_SESSIONS
from edge.edge import Edge
from edge.player_link import Deadlines
from edge.prefixes import PrefixSet, parse_prefix
from edge.shared_counts import Geometry, SharedCounts, attach_memory
from edge.tunnel_client import TunnelSettings
from edge.upgrade import TakenEdge
from fleet.address import Address
from fleet.admin_place import PlaceError, parse_place
from games.registry import load_pack
from tidegate import __version__
from tidegate.errors import StartError, cannot_listen
from tidegate.settings import Settings
from tidegate.settings_edge import EdgeSettings
from tidegate.settings_models import SECTIONS
from wire.errors import MisuseError

if TYPE_CHECKING:
    from fleet.tls.credentials import Credentials

_log = structlog.get_logger("tidegate")

RESERVED_FILES = 64
"""What a relay needs besides its sessions: the port, the tunnels, logs, libraries."""

ENDLESS_FILES = 1 << 20
"""What stands for no limit on open files."""

PLACE_VARIABLE = "TIDEGATE_PLACE"
"""From the supervisor of an edge to its worker, and no setting: where the memory is in which they count together."""

PLACES_FOR_SUCCESSORS = 1
"""Workers of an edge are replaced one after another; meanwhile one more counts."""

LOOPBACK_ANY_PORT = Address("127.0.0.1", 0)
"""Where the core listens when it shares a process with its edge."""


def make_edge(
    settings: Settings,
    cores: Sequence[Address],
    worker: int = 1,
    taken: TakenEdge | None = None,
    credentials: "Credentials | None" = None,
) -> Edge:
    """Build an edge, or one worker of it, and bind its port; raises StartError when the port cannot be had."""
    ours = settings.edge
    max_connections = _file_limit()
    tunnel = TunnelSettings(
        edge_name=ours.name,
        region=ours.region,
        software_version=__version__,
        window_bytes=ours.window_bytes,
        flush_window_seconds=ours.flush_window_milliseconds / 1000,
        half_close_seconds=ours.half_close_seconds,
        hold_seconds=ours.hold_seconds,
        ring_bytes=ours.ring_bytes,
        place=_place_of(ours, worker),
    )
    config = EdgeConfig(
        listen_host=ours.listen.host,
        listen_port=ours.listen.port,
        cores=tuple(map(str, cores)),
        tunnel=tunnel,
        max_sessions=_within_file_limit(
            "edge", _share(ours.max_sessions, ours.workers), max_connections - _room_for_others(max_connections)
        ),
        shares_port=ours.workers > 1,
        drain_seconds=ours.drain_seconds,
        linger_seconds=ours.close_linger_seconds,
        backlog=ours.backlog,
        admission=_make_admission(ours, max_connections),
        policy_cache=ours.policy_cache,
        bans_cache=ours.bans_cache,
        credentials=credentials,
        public=ours.public,
        probe=ours.probe,
    )
    try:
        return Edge(config, taken)
    except ListError as error:
        raise StartError(str(error)) from error
    except OSError as error:
        raise cannot_listen(ours.listen, error, "edge.listen") from error


def _place_of(ours: EdgeSettings, worker: int) -> bytes:
    """Return what tells this worker of this machine from all others, whenever it is started; none for any free port."""
    if ours.listen.port == 0:
        return b""
    what = f"{socket.gethostname()}|{uuid.getnode()}|{ours.listen}|{worker}"
    return hashlib.sha256(what.encode()).digest()[:16]


def make_core(settings: Settings, listen: Address, worker: int = 1, credentials: "Credentials | None" = None) -> Core:
    """Build a core, or one worker of it; its port is bound by `start_core`."""
    ours = settings.core
    limits = CoreLimits(
        window_bytes=ours.window_bytes,
        flush_window_seconds=ours.flush_window_milliseconds / 1000,
        half_close_seconds=ours.half_close_seconds,
        max_sessions=_within_file_limit("core", _share(ours.max_sessions, ours.workers), _file_limit()),
        hold_seconds=ours.hold_seconds,
        ring_bytes=ours.ring_bytes,
        worker=worker,
        workers=ours.workers,
    )
    pack = load_pack(settings.game.name, settings.game.framing)
    config = CoreConfig(
        name=ours.name,
        region=ours.region,
        software_version=__version__,
        listen_host=listen.host,
        listen_port=listen.port,
        origin_host=ours.origin.host,
        origin_port=ours.origin.port,
        shares_port=ours.workers > 1,
        dialect=settings.game.dialect or pack.default_dialect,
        limits=limits,
        connect_timeout_seconds=ours.connect_timeout_seconds,
        drain_seconds=ours.drain_seconds,
        linger_seconds=ours.close_linger_seconds,
        features=_feature_config(settings),
        origin_check_seconds=ours.origin_check_seconds if _is_asked_for_health(settings) else 0.0,
        credentials=credentials,
        store=StoreConfig(settings.store.url, settings.store.prefix, settings.game.charset),
        admin=parse_place(ours.admin),
        environment=os.environ,
    )
    return Core(config, pack)


async def start_core(core: Core, listen: Address) -> None:
    """Have the core listen; raises StartError when the port cannot be had."""
    try:
        await core.start()
    except (FeatureError, PlaceError) as error:
        raise StartError(str(error)) from error
    except OSError as error:
        raise cannot_listen(listen, error, "core.listen") from error


def _is_asked_for_health(settings: Settings) -> bool:
    """Whether anybody goes by what a core says of its health while no player connects."""
    return settings.discovery.kind == "consul" or bool(settings.http.listen)


def _feature_config(settings: Settings) -> FeatureConfig | None:
    """Return what features need; None where there is no folder to load them from."""
    ours = settings.features
    if not ours.folder:
        return None
    return FeatureConfig(
        folder=Path(ours.folder),
        budget_seconds=ours.call_budget_milliseconds / 1000,
        limit_seconds=ours.call_limit_milliseconds / 1000,
    )


def _make_admission(ours: EdgeSettings, max_connections: int) -> AdmissionConfig:
    """Build what the door goes by; raises StartError when the supervisor's memory is not what it should be."""
    return AdmissionConfig(
        limits=Limits(
            per_address=ours.max_per_address,
            per_prefix=ours.max_per_prefix,
            ipv6_prefix_bits=ours.ipv6_prefix_bits,
            prefix_accepts_per_second=ours.prefix_accepts_per_second,
            prefix_accepts_burst=ours.prefix_accepts_burst,
            accepts_per_second=ours.accepts_per_second,
            accepts_burst=ours.accepts_burst,
        ),
        deadlines=Deadlines(
            login_seconds=ours.login_seconds,
            frame_seconds=ours.frame_seconds,
            idle_seconds=ours.idle_seconds,
            header_seconds=ours.proxy_header_seconds,
        ),
        exempt=PrefixSet(map(parse_prefix, ours.exempt)),
        proxy_from=PrefixSet(map(parse_prefix, ours.proxy_from)),
        deny_file=ours.deny_file,
        allow_file=ours.allow_file,
        counts=_shared_counts(ours),
        max_connections=min(max_connections, counts_geometry(ours).connections),
    )


def _share(total: int, workers: int) -> int:
    """Return one worker's part of a limit, so that all workers together stay within it."""
    return max(1, total // workers)


def counts_geometry(ours: EdgeSettings) -> Geometry:
    """Return how the memory is laid out that the workers of an edge share."""
    return Geometry(
        ours.workers + PLACES_FOR_SUCCESSORS, _share(ours.max_sessions, ours.workers) + ROOM_BESIDE_SESSIONS
    )


def with_place(environment: Mapping[str, str], file: int, place: int) -> dict[str, str]:
    """Return the environment of a worker that inherits the memory's open file; ``place`` is its own there, from 0."""
    return {**environment, PLACE_VARIABLE: f"{file}:{place}"}


def _shared_counts(ours: EdgeSettings) -> SharedCounts | None:
    """Map the supervisor's memory; None in an edge that is one process."""
    place = os.environ.pop(PLACE_VARIABLE, None)  # what we start has no place of its own
    if place is None:
        return None
    try:
        file, number = (int(each) for each in place.split(":"))
        return attach_memory(file, counts_geometry(ours), number)
    except (MisuseError, OSError, ValueError) as error:
        raise StartError(f"a worker is started by its supervisor only: {error}") from error


def _file_limit() -> int:
    """Return how many sockets this process may have for players or for game servers."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return ENDLESS_FILES if limit == resource.RLIM_INFINITY else max(1, limit - RESERVED_FILES)


def _room_for_others(max_connections: int) -> int:
    """Return how many of an edge's sockets are kept for players who cannot have a session and are told so."""
    return min(ROOM_BESIDE_SESSIONS, max_connections // 16)


def _within_file_limit(relay: str, max_sessions: int, limit: int) -> int:
    """Return how many sessions fit into the files this process may open; says so when they are fewer than wanted."""
    if max_sessions <= limit:
        return max_sessions
    if max_sessions != SECTIONS[relay].model_fields["max_sessions"].default:  # nobody asked for the default
        _log.warning("max_sessions_lowered", relay=relay, wanted=max_sessions, possible=limit, why="open files limit")
    return max(1, limit)
