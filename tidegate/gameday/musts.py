"""What a fault must show: a figure and its bound, and whether it holds."""

from dataclasses import asdict, dataclass
from math import isinf


@dataclass(frozen=True, slots=True)
class Must:
    """One thing that must hold. ``figure`` and ``bound`` are read by people and machines alike."""

    what: str
    figure: float
    bound: float
    unit: str = ""
    is_floor: bool = False  # the figure must be at least the bound, instead of at most

    @property
    def holds(self) -> bool:
        """Whether it does."""
        return self.figure >= self.bound if self.is_floor else self.figure <= self.bound

    def as_data(self) -> dict[str, object]:
        """Return it as plain data, for JSON; a figure that never came is null."""
        figure = None if isinf(self.figure) else self.figure
        return {**asdict(self), "figure": figure, "holds": self.holds}

    def __str__(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        relation = "at least" if self.is_floor else "at most"
        figure = "never" if isinf(self.figure) else f"{self.figure:.4g}{unit}"
        return f"{self.what}: {figure} ({relation} {self.bound:g}{unit})"


def none(what: str, count: float, unit: str = "") -> Must:
    """Return that something must not have happened."""
    return Must(what, count, 0, unit)


def at_most(what: str, figure: float, bound: float, unit: str) -> Must:
    """Return an upper bound."""
    return Must(what, figure, bound, unit)


def at_least(what: str, figure: float, bound: float, unit: str = "") -> Must:
    """Return a lower bound."""
    return Must(what, figure, bound, unit, is_floor=True)
