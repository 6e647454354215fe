"""The features folder: which features there are, in which order, with which settings; and loading what has changed.

::

    features/
        features.toml     order, operators, and a table of settings per feature
        treasure.py       a feature of the operator's; files that begin with "_" or "test_" are none

Files of the folder are on unless their table says ``enabled = false``; features that come with the core are on when
they stand in ``order`` or have a table. Those in ``order`` come first, the others follow by name.
"""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from core.features.containment import Loaded
from core.features.errors import FeatureError, Place
from core.features.loader import Source, builtin_names, load_class, make_feature
from games.pack import Codec, Pack

SETTINGS_FILE = "features.toml"
ENABLED = "enabled"

MAX_FEATURES = 100
MAX_FILE_BYTES = 1 << 20
LOAD_SECONDS = 10.0
"""How long a feature may take to be loaded; it is loaded beside the traffic."""

_TOP_KEYS = {"order": list, "operators": list}

Stamp = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, slots=True)
class Selection:
    """What the folder says: the features that are on, in their order, and the operators' accounts, small."""

    sources: tuple[Source, ...] = ()
    operators: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Loading:
    """What became of a selection: the features to run, in order, and what is wrong with others."""

    features: tuple[Loaded, ...] = ()
    operators: frozenset[str] = frozenset()
    loaded: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    mistakes: tuple[FeatureError, ...] = ()


@dataclass(slots=True)
class FeatureFolder:
    """A folder, and what was loaded from it. An empty ``path`` has no features."""

    path: Path | None
    pack: Pack
    codec: Codec | None
    _running: dict[str, tuple[str, Loaded]] = field(default_factory=dict)  # by name: what it was made of, and it
    _operators: frozenset[str] = frozenset()

    def stamp(self) -> Stamp:
        """Return what changes when anything in the folder does."""
        if self.path is None:
            return ()
        found = []
        for file in sorted([*self.path.glob("*.py"), self.path / SETTINGS_FILE]):
            try:
                status = file.stat()
            except OSError:
                continue
            found.append((file.name, status.st_mtime_ns, status.st_size))
        return tuple(found)

    def select(self) -> Selection:
        """Read what is on; raises FeatureError for a folder or a settings file that cannot be used."""
        if self.path is None:
            return Selection()
        if not self.path.is_dir():
            raise FeatureError(Place(str(self.path)), "is no folder: make it, or leave features.folder empty")
        settings = self.path / SETTINGS_FILE
        tree = _read_toml(settings)
        files = {file.stem: file for file in self.path.glob("*.py") if not file.stem.startswith(("_", "test_"))}
        builtin = builtin_names()
        _check_top(tree, settings, files, builtin)
        tables: dict[str, Mapping[str, Any]] = {name: value for name, value in tree.items() if isinstance(value, dict)}
        order: list[str] = list(tree.get("order", []))
        names = [*order, *sorted({*files, *tables} - set(order))]
        if len(names) > MAX_FEATURES:
            raise FeatureError(Place(str(settings)), f"{len(names)} features: at most {MAX_FEATURES} are possible")
        sources = []
        for name in names:
            table = dict(tables.get(name, {}))
            if table.pop(ENABLED, True):
                sources.append(Source(name, files.get(name), table, Place(f"{settings} [{name}]")))
        return Selection(tuple(sources), frozenset(str(each).lower() for each in tree.get("operators", [])))

    async def load(self) -> Loading:
        """Load what is new or has changed; what cannot be loaded stays as it was, and is a mistake."""
        try:
            selection = self.select()
        except FeatureError as error:
            return Loading(tuple(each for _, each in self._running.values()), self._operators, mistakes=(error,))
        running: dict[str, tuple[str, Loaded]] = {}
        mistakes: list[FeatureError] = []
        new: list[str] = []
        for source in selection.sources:
            old = self._running.get(source.name)
            try:
                made_of = _made_of(source)
                if old is not None and old[0] == made_of and not old[1].is_out:
                    running[source.name] = old
                    continue
                running[source.name] = (made_of, await self._make(source))
                new.append(source.name)
            except FeatureError as error:
                mistakes.append(error)
                if old is not None:
                    running[source.name] = old
        removed = tuple(name for name in self._running if name not in running)
        self._running = running
        self._operators = selection.operators
        features = tuple(each for _, each in running.values())
        return Loading(features, selection.operators, tuple(new), removed, tuple(mistakes))

    async def _make(self, source: Source) -> Loaded:
        """Import and make a feature in a thread, because that may take its time; raises FeatureError."""
        place = Place(str(source.file or source.name))
        try:
            async with asyncio.timeout(LOAD_SECONDS):
                return await asyncio.to_thread(self.make, source)
        except TimeoutError as error:
            raise FeatureError(place, f"is not loaded after {LOAD_SECONDS:g} s: what takes so long?") from error

    def make(self, source: Source) -> Loaded:
        """Import, check and make a feature; raises FeatureError."""
        return make_feature(source, load_class(source), self.codec, self.pack.name)


def _made_of(source: Source) -> str:
    """Return a text that is another one when a feature must be loaded anew; raises FeatureError."""
    code = b""
    if source.file is not None:
        try:
            with source.file.open("rb") as file:
                code = file.read(MAX_FILE_BYTES + 1)
        except OSError as error:
            raise FeatureError(Place(str(source.file)), f"cannot be read: {error.strerror or error}") from error
        if len(code) > MAX_FILE_BYTES:
            raise FeatureError(Place(str(source.file)), f"is longer than {MAX_FILE_BYTES} bytes")
    return sha256(code).hexdigest() + repr(sorted(source.settings.items()))


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        raw = file.read_bytes()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise FeatureError(Place(str(file)), f"cannot be read: {error.strerror or error}") from error
    if len(raw) > MAX_FILE_BYTES:
        raise FeatureError(Place(str(file)), f"is longer than {MAX_FILE_BYTES} bytes, so it is no settings file")
    try:
        return tomllib.loads(raw.decode())
    except (ValueError, RecursionError) as error:
        raise FeatureError(Place(str(file)), f"is not TOML: {error}") from error


def _check_top(tree: Mapping[str, Any], file: Path, files: Mapping[str, Path], builtin: list[str]) -> None:
    """Check what stands outside of the features' own tables; raises FeatureError with all mistakes."""
    mistakes = list(_mistakes_of(tree, files, builtin))
    if mistakes:
        raise FeatureError(Place(str(file)), "; ".join(mistakes))


def _is_text(thing: object) -> bool:
    return isinstance(thing, str)


def _mistakes_of(tree: Mapping[str, Any], files: Mapping[str, Path], builtin: list[str]) -> Iterator[str]:
    known = f"there are {', '.join(sorted({*files, *builtin})) or 'none'}"
    for name, value in tree.items():
        if name in _TOP_KEYS:
            if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
                yield f'{name}: write a list of texts, such as {name} = ["one", "two"]'
        elif not isinstance(value, dict):
            yield f"{name} is no setting; there are order, operators, and a table [NAME] for each feature"
        elif name not in files and name not in builtin:
            yield f"[{name}]: there is no such feature; {known}"
        elif not isinstance(value.get(ENABLED, True), bool):
            yield f"[{name}] {ENABLED}: write true or false"
    order = tree.get("order", [])
    for name in filter(_is_text, order if isinstance(order, list) else ()):
        if name not in files and name not in builtin:
            yield f"order: there is no feature {name!r}; {known}"
        if order.count(name) > 1:
            yield f"order: {name!r} stands there more than once"
