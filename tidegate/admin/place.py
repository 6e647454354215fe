"""Where the core is that is to be asked: as a flag says, as the settings say, or the only one on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fleet.address import Address
from fleet.admin_place import (
    UNIX,
    AdminPlace,
    PlaceError,
    check_socket,
    find_sockets,
    folders,
    is_answering,
    parse_place,
    socket_name,
)
from tidegate.errors import Mistake, SettingsError, StartError

_HOW = "name it with --admin unix:PATH or --admin HOST:PORT (docs/admin.md)"


def find_target(flag: str | None, setting: str, listen: Address, environment: Mapping[str, str]) -> str:
    """Return what gRPC connects to; raises StartError where no core is, or several are."""
    if flag is not None:
        return _target(_parse_flag(flag))
    place = parse_place(setting)
    if place.is_off:
        raise StartError(f"the settings say core.admin = off: there is no admin service; {_HOW}")
    if place.path is not None or place.address is not None:
        return _target(place)
    for folder in folders(environment):
        path = folder / socket_name(listen)
        if path.exists() and is_answering(path):
            return _of_path(path)
    found = find_sockets(environment)
    if len(found) == 1:
        return _of_path(found[0])
    if found:
        listed = "".join(f"\n  --admin {UNIX}{path}" for path in found)
        raise StartError(f"several cores run on this machine, none of them at {listen}; say which is meant:{listed}")
    raise StartError(f"no core of yours runs on this machine (looked for one at {listen}); {_HOW}")


def _parse_flag(flag: str) -> AdminPlace:
    try:
        place = parse_place(f"{UNIX}{flag}" if flag.startswith("/") else flag)
    except ValueError as error:
        raise SettingsError([Mistake("--admin", "", str(error))]) from error
    if place.path is None and place.address is None:
        raise SettingsError([Mistake("--admin", "", f"{flag!r} names no core; write unix:PATH or HOST:PORT")])
    return place


def _target(place: AdminPlace) -> str:
    return _of_path(place.path) if place.path is not None else str(place.address)


def _of_path(path: Path) -> str:
    try:
        check_socket(path)
    except (OSError, PlaceError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise StartError(f"no core can be asked at {path}: {why}; {_HOW}") from error
    return f"{UNIX}{path}"
