"""Finds a pack by name and builds it from settings.

A new game is one folder and one line here. Packs are imported only when asked for.
"""

from collections.abc import Callable, Mapping
from importlib import import_module

from games.pack import Pack
from wire.errors import MisuseError

_PACKS = {
    "pko": "games.pko",
    "echo": "games.echo",
    "generic": "games.generic",
    "raw": "games.raw",
}


def pack_names() -> tuple[str, ...]:
    """Return the names of all packs, the main one first."""
    return tuple(_PACKS)


def load_pack(name: str, framing: Mapping[str, object] | None = None) -> Pack:
    """Build the pack called ``name``; ``framing`` holds its own settings (only `generic` has any).

    Raises MisuseError for an unknown name or settings the pack does not take.
    """
    if name not in _PACKS:
        raise MisuseError(f"unknown game {name!r}; known are: {', '.join(_PACKS)}")
    build: Callable[[Mapping[str, object]], Pack] = import_module(_PACKS[name]).build_pack
    return build(framing or {})


def refuse_settings(game: str, framing: Mapping[str, object]) -> None:
    """For packs without settings of their own: raises MisuseError when there are some."""
    if framing:
        raise MisuseError(f"game {game} has no framing settings (got {', '.join(sorted(framing))})")
