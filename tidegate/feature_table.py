"""The table of ``tidegate feature list``: which features there are, and which are on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from core.features.folder import SETTINGS_FILE, FeatureFolder
from core.features.loader import builtin_names

Row = tuple[str, str, str, str]

HEADING: Row = ("order", "feature", "from", "settings")


def describe_features(folder: FeatureFolder) -> str:
    """Return the table, features that are on first, in their order; raises FeatureError as the folder does."""
    sources = folder.select().sources
    path = folder.path or Path()
    places = _settings_places(path / SETTINGS_FILE)
    rows: list[Row] = [HEADING]
    for number, source in enumerate(sources, 1):
        origin = "the core" if source.file is None else str(source.file)
        rows.append((str(number), source.name, origin, places.get(source.name, "its defaults")))
    on = {source.name for source in sources}
    files = {file.stem: str(file) for file in path.glob("*.py") if not file.stem.startswith(("_", "test_"))}
    others = sorted({*files, *builtin_names()} - on)
    rows += [("off", name, files.get(name, "the core"), places.get(name, "")) for name in others]
    return _columns(rows)


def _settings_places(file: Path) -> dict[str, str]:
    """Return the line of each feature's table, by name; what is no plain heading is not found."""
    found: dict[str, str] = {}
    try:
        lines = file.read_text("utf-8").splitlines()
    except (OSError, ValueError):
        return found
    for number, line in enumerate(lines, 1):
        heading = re.match(r"\s*\[{1,2}\s*([A-Za-z0-9_-]+)\s*[.\]]", line)
        if heading is not None:
            found.setdefault(heading[1], f"{file}:{number}")
    return found


def _columns(rows: Sequence[Row]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADING))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)
