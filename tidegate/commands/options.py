"""Flags that several commands share, and how they become settings.

Used by the commands in this package; loads nothing slow until ``load`` is called.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from tidegate.settings import Settings

Config = Annotated[
    Path | None,
    typer.Option("--config", "-c", metavar="FILE", help="Settings file (TOML)."),
]
Assignments = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Any setting, such as edge.max_sessions=500. Repeatable."),
]
Game = Annotated[
    str | None,
    typer.Option("--game", metavar="NAME", help="Game pack: pko, echo, generic or raw."),
]
Dialect = Annotated[
    str | None,
    typer.Option("--dialect", metavar="NAME", help="Wire variant of the game."),
]
Listen = Annotated[
    str | None,
    typer.Option("--listen", metavar="HOST:PORT", help="Where to accept connections."),
]
Origin = Annotated[
    str | None,
    typer.Option("--origin", metavar="HOST:PORT", help="The game server."),
]
Cores = Annotated[
    list[str] | None,
    typer.Option("--core", metavar="HOST:PORT", help="The core to attach to; repeat it for others to fall back on."),
]
Name = Annotated[
    str | None,
    typer.Option("--name", metavar="NAME", help="What this relay is called; by default the machine's name."),
]
Region = Annotated[
    str | None,
    typer.Option("--region", metavar="NAME", help="Where this relay stands."),
]
Workers = Annotated[
    str | None,
    typer.Option("--workers", metavar="COUNT", help="Processes that share the port, for several processor cores."),
]
Certificates = Annotated[
    Path | None,
    typer.Option("--certificates", metavar="FOLDER", help="What `tidegate certs issue` made for this relay."),
]
Insecure = Annotated[
    bool,
    typer.Option("--insecure", help="Go without certificates, also between machines; only on a private network."),
]
Http = Annotated[
    str | None,
    typer.Option("--http", metavar="HOST:PORT", help="Where to answer for metrics and health (docs/metrics.md)."),
]
LogLevel = Annotated[
    str | None,
    typer.Option("--log-level", metavar="LEVEL", help="debug, info, warning or error."),
]
LogFormat = Annotated[
    str | None,
    typer.Option("--log-format", metavar="FORMAT", help="auto, json or text."),
]


def load(
    config: Path | None,
    assignments: Iterable[str] | None,
    named: Mapping[str, tuple[str, str | list[str] | None]],
) -> "Settings":
    """Build the process's settings; ``named`` maps dotted keys to an option and its value, None if not given.

    A named option wins over ``--set`` for the same key. Raises SettingsError, and typer's own error where
    ``--set`` has no equals sign.
    """
    from tidegate.settings import load_settings
    from tidegate.settings_sources import Flag

    flags = {key: Flag("--set", value) for key, value in map(_split, assignments or ())}
    flags |= {key: Flag(option, value) for key, (option, value) in named.items() if value is not None}
    return load_settings(config, os.environ, flags)


def certificate_flags(folder: Path | None, *, insecure: bool) -> dict[str, tuple[str, str | list[str] | None]]:
    """Return the settings that ``--certificates`` and ``--insecure`` stand for."""
    flags: dict[str, tuple[str, str | list[str] | None]] = {}
    if folder is not None:
        for name, file in (
            ("certificate_file", "certificate.pem"),
            ("key_file", "key.pem"),
            ("authority_file", "authority.pem"),
            ("revoked_file", "revoked.pem"),
        ):
            flags[f"tls.{name}"] = ("--certificates", str(folder / file))
    if insecure:
        flags["tls.insecure"] = ("--insecure", "true")
    return flags


def _split(assignment: str) -> tuple[str, str]:
    key, equals, value = assignment.partition("=")
    if not equals:
        raise typer.BadParameter(f"{assignment!r}: write KEY=VALUE, such as edge.max_sessions=500", param_hint="--set")
    return key.strip(), value.strip()
