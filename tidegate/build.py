"""Builds relays from settings: the one place that knows both."""

import resource

import structlog

from core.core import Core, CoreConfig
from core.core_tunnel import CoreLimits
from edge.edge import Edge, EdgeConfig
from edge.tunnel_client import TunnelSettings
from fleet.address import Address
from games.registry import load_pack
from tidegate import __version__
from tidegate.errors import cannot_listen
from tidegate.settings import Settings
from tidegate.settings_models import SECTIONS

_log = structlog.get_logger("tidegate")

RESERVED_FILES = 64
"""What a relay needs besides its sessions: the port, the tunnels, logs, libraries."""

LOOPBACK_ANY_PORT = Address("127.0.0.1", 0)
"""Where the core listens when it shares a process with its edge."""


def make_edge(settings: Settings, core: Address) -> Edge:
    """Build an edge and bind its port; raises StartError when the port cannot be had."""
    ours = settings.edge
    tunnel = TunnelSettings(
        core=str(core),
        edge_name=ours.name,
        region=ours.region,
        software_version=__version__,
        window_bytes=ours.window_bytes,
        flush_window_seconds=ours.flush_window_milliseconds / 1000,
        half_close_seconds=ours.half_close_seconds,
    )
    config = EdgeConfig(
        listen_host=ours.listen.host,
        listen_port=ours.listen.port,
        tunnel=tunnel,
        max_sessions=_within_file_limit("edge", _share(ours.max_sessions, ours.workers)),
        shares_port=ours.workers > 1,
        drain_seconds=ours.drain_seconds,
        linger_seconds=ours.close_linger_seconds,
        backlog=ours.backlog,
    )
    try:
        return Edge(config)
    except OSError as error:
        raise cannot_listen(ours.listen, error, "edge.listen") from error


def make_core(settings: Settings, listen: Address) -> Core:
    """Build a core; its port is bound by `start_core`."""
    ours = settings.core
    limits = CoreLimits(
        window_bytes=ours.window_bytes,
        flush_window_seconds=ours.flush_window_milliseconds / 1000,
        half_close_seconds=ours.half_close_seconds,
        max_sessions=_within_file_limit("core", _share(ours.max_sessions, ours.workers)),
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
    )
    return Core(config, pack)


async def start_core(core: Core, listen: Address) -> None:
    """Have the core listen; raises StartError when the port cannot be had."""
    try:
        await core.start()
    except OSError as error:
        raise cannot_listen(listen, error, "core.listen") from error


def _share(total: int, workers: int) -> int:
    """Return one worker's part of a limit, so that all workers together stay within it."""
    return max(1, total // workers)


def _within_file_limit(relay: str, max_sessions: int) -> int:
    """Return how many sessions fit into the files this process may open; says so when they are fewer than wanted."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - RESERVED_FILES
    if limit == resource.RLIM_INFINITY - RESERVED_FILES or max_sessions <= limit:
        return max_sessions
    if max_sessions != SECTIONS[relay].model_fields["max_sessions"].default:  # nobody asked for the default
        _log.warning("max_sessions_lowered", relay=relay, wanted=max_sessions, possible=limit, why="open files limit")
    return max(1, limit)
