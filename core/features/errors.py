"""What can be wrong with a feature, said with the place and what would be right."""

from __future__ import annotations

from dataclasses import dataclass

from wire.errors import MisuseError


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a feature's file."""

    file: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


class FeatureError(MisuseError):
    """A feature that cannot be loaded; ``str()`` is ``FILE:LINE: what is wrong: what would be right``."""

    code = "feature"

    def __init__(self, place: Place, text: str) -> None:
        super().__init__(f"{place}: {text}")
        self.place = place


def describe_error(error: BaseException) -> str:
    """Return what an error says, also of one that cannot be printed."""
    name = type(error).__name__
    try:
        return f"{name}: {error}"
    except Exception:
        return name
