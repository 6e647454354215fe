"""Loads features: the module, the class in it, its settings; and says with file and line what is wrong with them.

A feature is the only class derived from `Feature` in its file; the file's name is the feature's. Files of the operator
are executed anew at each load, under a name of their own, so that the old version goes on beside them.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import json
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, TypeGuard

from pydantic import ValidationError

from core.features.api import Feature, Settings
from core.features.containment import Loaded
from core.features.errors import FeatureError, Place, describe_error
from core.features.kept import Cells, declared
from core.features.ports import Relay
from core.features.signatures import place_of, read_signature
from games.pack import Codec
from wire.errors import MisuseError

BUILTIN = "core.features.builtin"

_generations = count(1)


@dataclass(frozen=True, slots=True)
class Source:
    """A feature to load: ``file`` is None for a built-in one. ``settings_place`` is where its settings are written."""

    name: str
    file: Path | None
    settings: Mapping[str, Any]
    settings_place: Place


def builtin_names() -> list[str]:
    """Return the names of the features that come with the core."""
    folder = Path(__file__).parent / "builtin"
    return sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("_"))


def load_class(source: Source) -> type[Feature]:
    """Import a feature's module and return its class; raises FeatureError."""
    module = _import_builtin(source.name) if source.file is None else _import_file(source.name, source.file)
    file = str(source.file or module.__file__)
    found = list(dict.fromkeys(each for each in vars(module).values() if _is_feature_of(each, module)))
    if len(found) != 1:
        names = ", ".join(each.__name__ for each in found) or "none"
        raise FeatureError(Place(file), f"a feature's file has one class derived from Feature; this one has {names}")
    return found[0]


def _is_feature_of(thing: object, module: ModuleType) -> TypeGuard[type[Feature]]:
    """Whether something is a feature's class that a module itself defines."""
    return (
        inspect.isclass(thing)
        and issubclass(thing, Feature)
        and thing is not Feature
        and thing.__module__ == module.__name__
    )


def make_feature(source: Source, cls: type[Feature], codec: Codec | None, game: str) -> Loaded:
    """Check a class and make the feature, which is not connected to anything yet; raises FeatureError."""
    signature = read_signature(cls, codec, game)
    settings = read_settings(signature.settings, source.settings, source.settings_place)
    try:
        feature = cls()
    except (Exception, SystemExit) as error:
        raise FeatureError(place_of(cls), f"{cls.__name__} cannot be made: {describe_error(error)}") from error
    feature.settings = settings
    return Loaded(source.name, feature, signature, str(source.file or inspect.getsourcefile(cls) or ""))


def connect(loaded: Loaded, relay: Relay) -> dict[str, str]:
    """Give a feature what it reaches the core by, and its cells; returns their scopes by name."""
    feature = loaded.feature
    feature._relay = relay
    cells: dict[str, Cells[Any]] = {
        name: kept.bind(relay, loaded.name) for name, kept in declared(type(feature)).items()
    }
    vars(feature)["_cells"] = cells
    return {cell.name: cell.kept.scope for cell in cells.values()}


def read_settings(model: type[Settings], given: Mapping[str, Any], place: Place) -> Settings:
    """Check settings; raises FeatureError with all mistakes."""
    try:
        # As JSON, in which a list may become a tuple and a text a date or a path, and a number still no text.
        return model.model_validate_json(json.dumps(dict(given), default=str))
    except ValidationError as error:
        known = ", ".join(model.model_fields) or "none"
        texts = []
        for each in error.errors(include_url=False):
            key = ".".join(map(str, each["loc"]))
            text = f"is no setting of it; it has: {known}" if each["type"] == "extra_forbidden" else each["msg"]
            texts.append(f"{key}: {text}")
        raise FeatureError(place, "; ".join(texts)) from error
    except Exception as error:
        raise FeatureError(place, f"the settings cannot be checked: {describe_error(error)}") from error


def _import_builtin(name: str) -> ModuleType:
    try:
        return importlib.import_module(f"{BUILTIN}.{name}")
    except Exception as error:
        raise FeatureError(Place(f"{BUILTIN}.{name}"), _why(error)) from error


def _import_file(name: str, file: Path) -> ModuleType:
    """Execute a file as a new module."""
    unique = f"tidegate_feature_{name}_{next(_generations)}"
    spec = importlib.util.spec_from_file_location(unique, file)
    if spec is None or spec.loader is None:
        raise FeatureError(Place(str(file)), "is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[unique] = module  # dataclasses and annotations look their module up there
    try:
        # Compiled here and not by the loader, whose cache goes by whole seconds and sizes.
        code = _compile(file)
        exec(code, vars(module))  # noqa: S102 - this is what a feature is
    except FeatureError:
        sys.modules.pop(unique, None)
        raise
    except (Exception, SystemExit) as error:
        sys.modules.pop(unique, None)
        raise FeatureError(_failed_at(error, file), _why(error)) from error
    return module


def _compile(file: Path) -> CodeType:
    try:
        return compile(file.read_bytes(), str(file), "exec", dont_inherit=True)
    except SyntaxError as error:
        text = f"{error.msg}: {(error.text or '').strip()}"
        raise FeatureError(Place(str(file), error.lineno or 0), text[:200]) from error
    except (ValueError, RecursionError, MemoryError) as error:  # zeros, and brackets without end
        raise FeatureError(Place(str(file)), str(error) or "is nested too deeply") from error
    except OSError as error:
        raise FeatureError(Place(str(file)), f"cannot be read: {error.strerror or error}") from error


def unload(loaded: Loaded) -> None:
    """Forget the module of a feature that is not used any more."""
    name = type(loaded.feature).__module__
    if name.startswith("tidegate_feature_"):
        sys.modules.pop(name, None)


def _failed_at(error: BaseException, file: Path) -> Place:
    lines = [each.lineno for each in traceback.extract_tb(error.__traceback__) if each.filename == str(file)]
    return Place(str(file), (lines[-1] or 0) if lines else 0)


def _why(error: BaseException) -> str:
    if isinstance(error, ModuleNotFoundError):
        return f"{error}: install it beside the relay, or mend the import"
    if isinstance(error, MisuseError):
        return str(error)
    return describe_error(error)
