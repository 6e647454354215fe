"""A scripted walk: short paths around the place where a character entered, the same for the same seed."""

from games.pko.action import Point
from games.pko.sim.dice import Dice
from games.pko.sim.options import MAP_SIDE_CM


class Walk:
    """Where one character goes, never further from its first place than ``range_cm`` to each side."""

    __slots__ = ("_dice", "_here", "_points", "_range_cm", "_x", "_y")

    def __init__(self, x: int, y: int, *, range_cm: int, points: int, dice: Dice) -> None:
        self._x = x
        self._y = y
        self._range_cm = range_cm
        self._points = points
        self._dice = dice
        self._here = Point(x=x, y=y)

    def next_path(self) -> tuple[Point, ...]:
        """Return the next path; like a real client's it begins with the point where the character stands."""
        path = (self._here, *(self._somewhere() for _ in range(self._points - 1)))
        self._here = path[-1]
        return path

    def _somewhere(self) -> Point:
        return Point(x=self._near(self._x), y=self._near(self._y))

    def _near(self, middle: int) -> int:
        wanted = middle + self._dice.within(-self._range_cm, self._range_cm)
        return min(max(wanted, 0), MAP_SIDE_CM)
