"""The commands that relay: ``up``, ``edge`` and ``core``. They build the settings and hand them to `tidegate.serve`.

``core drain``, ``edge drain`` and ``edge upgrade`` tell such a process, found by where it listens, what to do.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from tidegate.commands.options import (
    Assignments,
    Certificates,
    Config,
    Cores,
    Dialect,
    Game,
    Http,
    Insecure,
    Listen,
    LogFormat,
    LogLevel,
    Name,
    Origin,
    Region,
    Workers,
    certificate_flags,
    load,
)

if TYPE_CHECKING:
    from tidegate.settings import Settings


edge_app = typer.Typer(invoke_without_command=True)
core_app = typer.Typer(invoke_without_command=True)


def up(
    config: Config = None,
    game: Game = None,
    dialect: Dialect = None,
    listen: Listen = None,
    origin: Origin = None,
    assignments: Assignments = None,
    http: Http = None,
    log_level: LogLevel = None,
    log_format: LogFormat = None,
) -> None:
    """Run edge and core in one process.

    Needs nothing else than a game server; the tunnel between them is the real one.

    \b
    Examples:
      tidegate up --game pko --listen 127.0.0.1:1973 --origin 127.0.0.1:1974
      tidegate up --game generic --set game.framing.length_bytes=4
      tidegate up --game raw --listen 127.0.0.1:6380 --origin 127.0.0.1:6379
    """
    settings = load(
        config,
        assignments,
        {
            "game.name": ("--game", game),
            "game.dialect": ("--dialect", dialect),
            "edge.listen": ("--listen", listen),
            "core.origin": ("--origin", origin),
            "http.listen": ("--http", http),
            "log.level": ("--log-level", log_level),
            "log.format": ("--log-format", log_format),
        },
    )
    from tidegate.serve import serve_up

    _serve(settings, serve_up)


@edge_app.callback()
def edge(
    context: typer.Context,
    config: Config = None,
    listen: Listen = None,
    core: Cores = None,
    name: Name = None,
    region: Region = None,
    workers: Workers = None,
    certificates: Certificates = None,
    insecure: Insecure = False,  # noqa: FBT002 - typer's way
    assignments: Assignments = None,
    http: Http = None,
    log_level: LogLevel = None,
    log_format: LogFormat = None,
) -> None:
    """Run an edge: players connect to it.

    It carries their bytes to a core, and tries again while the core is away.

    \b
    Examples:
      tidegate edge --listen 0.0.0.0:1973 --core 127.0.0.1:7400
      tidegate edge --core 10.0.0.5:7400 --certificates certs/edge-fra-1
      tidegate edge -c tidegate.toml --name fra-1 --region eu-central
      tidegate edge upgrade --listen 0.0.0.0:1973
    """
    if context.invoked_subcommand is not None:
        return
    settings = load(
        config,
        assignments,
        {
            "edge.listen": ("--listen", listen),
            "edge.core": ("--core", core or None),
            "edge.name": ("--name", name),
            "edge.region": ("--region", region),
            "edge.workers": ("--workers", workers),
            **certificate_flags(certificates, insecure=insecure),
            "http.listen": ("--http", http),
            "log.level": ("--log-level", log_level),
            "log.format": ("--log-format", log_format),
        },
    )
    from tidegate.serve import serve_edge

    _serve(settings, serve_edge)


@core_app.callback()
def core(
    context: typer.Context,
    config: Config = None,
    listen: Listen = None,
    origin: Origin = None,
    game: Game = None,
    dialect: Dialect = None,
    name: Name = None,
    region: Region = None,
    workers: Workers = None,
    certificates: Certificates = None,
    insecure: Insecure = False,  # noqa: FBT002 - typer's way
    assignments: Assignments = None,
    http: Http = None,
    log_level: LogLevel = None,
    log_format: LogFormat = None,
) -> None:
    """Run a core: it stands before the game server.

    Edges attach to it, and it opens a connection to the game server for each player.

    \b
    Examples:
      tidegate core --listen 127.0.0.1:7400 --game pko --origin 10.0.0.5:1973
      tidegate core --listen 10.0.0.5:7400 --certificates certs/core-core-1
      tidegate core -c tidegate.toml --set core.max_sessions=2000
      tidegate core drain --listen 127.0.0.1:7400
    """
    if context.invoked_subcommand is not None:
        return
    settings = load(
        config,
        assignments,
        {
            "core.listen": ("--listen", listen),
            "core.origin": ("--origin", origin),
            "game.name": ("--game", game),
            "game.dialect": ("--dialect", dialect),
            "core.name": ("--name", name),
            "core.region": ("--region", region),
            "core.workers": ("--workers", workers),
            **certificate_flags(certificates, insecure=insecure),
            "http.listen": ("--http", http),
            "log.level": ("--log-level", log_level),
            "log.format": ("--log-format", log_format),
        },
    )
    from tidegate.serve import serve_core

    _serve(settings, serve_core)


@core_app.command("drain")
def drain_core(config: Config = None, listen: Listen = None, assignments: Assignments = None) -> None:
    """Drain the core that runs on this machine.

    Edges are told, and bring new players to other cores. Those who play go on
    until core.drain_seconds, of which the rest is sent away one by one.

    \b
    Examples:
      tidegate core drain
      tidegate core drain --listen 127.0.0.1:7400
      tidegate core drain -c tidegate.toml
    """
    settings = load(config, assignments, {"core.listen": ("--listen", listen)})
    from tidegate.running import drain

    raise typer.Exit(drain("core", settings.core.listen, settings.core.drain_seconds, typer.echo))


@edge_app.command("drain")
def drain_edge(config: Config = None, listen: Listen = None, assignments: Assignments = None) -> None:
    """Drain the edge that runs on this machine.

    It lets no new players in. Those who play go on until edge.drain_seconds,
    of which the rest is sent away one by one.

    \b
    Examples:
      tidegate edge drain --listen 0.0.0.0:1973
    """
    settings = load(config, assignments, {"edge.listen": ("--listen", listen)})
    from tidegate.running import drain

    raise typer.Exit(drain("edge", settings.edge.listen, settings.edge.drain_seconds, typer.echo))


@edge_app.command("upgrade")
def upgrade_edge(config: Config = None, listen: Listen = None, assignments: Assignments = None) -> None:
    """Replace the edge that runs here by what is installed now.

    Its own command line is started anew and takes over the port and all
    players; nobody is disconnected. If that fails, the old one goes on.
    With workers they are replaced one after another, and the process stays
    the same; if one fails, that one goes on, and the upgrade can be repeated.

    \b
    Examples:
      tidegate edge upgrade --listen 0.0.0.0:1973
      tidegate edge upgrade -c tidegate.toml
    """
    settings = load(config, assignments, {"edge.listen": ("--listen", listen)})
    from tidegate.running import upgrade

    raise typer.Exit(upgrade(settings.edge.listen, typer.echo))


def worker(relay: str, number: int, settings_file: Path) -> None:
    """Run one worker of an edge or a core; the supervisor calls this."""
    from tidegate.serve import serve_worker
    from tidegate.settings import load_settings

    settings = load_settings(settings_file, {}, {})
    _serve(settings, lambda settings: serve_worker(settings, relay, number))


def _serve(settings: "Settings", serve: "Callable[[Settings], int]") -> None:
    from tidegate.logs import configure_logs

    configure_logs(settings.log.level, settings.log.format, is_final=True)
    raise typer.Exit(serve(settings))
