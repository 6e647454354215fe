"""Where characters stand and who sees whom.

Characters enter at places that come in cells far apart: those of one cell see each other wherever they
walk within a few metres, those of two cells never do. So a test knows how many copies of a move there
must be. Used by `stage`; coordinates are centimetres.
"""

import math
from heapq import heappop, heappush

from games.pko.sim.options import MAP_SIDE_CM

PLACE_RING_CM = 800
"""Places of a cell stand on a ring of this radius, or a quarter of the sight where that is less."""

CELL_GAP_CM = 4000
"""What lies between two cells beside the sight: both rings, walks on either side, and some to spare."""


class Places:
    """The places where characters enter, lowest first; a freed place is given out again."""

    def __init__(self, sight_cm: int, group: int) -> None:
        self._group = group
        self._pitch_cm = sight_cm + CELL_GAP_CM
        self._ring_cm = min(PLACE_RING_CM, sight_cm // 4)
        self._cells_a_side = MAP_SIDE_CM // self._pitch_cm
        self._freed: list[int] = []
        self._next = 0

    @property
    def capacity(self) -> int:
        """How many places there are."""
        return self._cells_a_side**2 * self._group

    @property
    def has_room(self) -> bool:
        """Whether a place is free."""
        return bool(self._freed) or self._next < self.capacity

    def take(self) -> int | None:
        """Give out a place, or None when all are taken."""
        if self._freed:
            return heappop(self._freed)
        if self._next == self.capacity:
            return None
        self._next += 1
        return self._next - 1

    def free(self, place: int) -> None:
        """Take a place back."""
        heappush(self._freed, place)

    def point(self, place: int) -> tuple[int, int]:
        """Return the coordinates of a place."""
        cell, seat = divmod(place, self._group)
        row, column = divmod(cell, self._cells_a_side)
        angle = 2 * math.pi * seat / self._group
        middle = self._pitch_cm // 2
        return (
            column * self._pitch_cm + middle + int(self._ring_cm * math.cos(angle)),
            row * self._pitch_cm + middle + int(self._ring_cm * math.sin(angle)),
        )


class Sight:
    """Who stands where, in squares as wide as one can see: nine of them hold everybody in sight."""

    def __init__(self, sight_cm: int) -> None:
        self._sight_cm = sight_cm
        self._points: dict[int, tuple[int, int]] = {}
        self._squares: dict[tuple[int, int], set[int]] = {}

    def put(self, who: int, x: int, y: int) -> None:
        """Let ``who`` stand at a point, wherever it was before."""
        before = self._points.get(who)
        square = self._square(x, y)
        self._points[who] = (x, y)
        if before is not None:
            old = self._square(*before)
            if old == square:
                return
            self._leave(old, who)
        self._squares.setdefault(square, set()).add(who)

    def remove(self, who: int) -> None:
        """Forget ``who``; nothing happens if it was not there."""
        point = self._points.pop(who, None)
        if point is not None:
            self._leave(self._square(*point), who)

    def around(self, who: int) -> list[int]:
        """Return everybody within sight of ``who``, itself included, in the order of their numbers."""
        x, y = self._points[who]
        column, row = self._square(x, y)
        limit = self._sight_cm**2
        seen = []
        for square in ((column + right, row + down) for right in (-1, 0, 1) for down in (-1, 0, 1)):
            for other in self._squares.get(square, ()):
                other_x, other_y = self._points[other]
                if (other_x - x) ** 2 + (other_y - y) ** 2 <= limit:
                    seen.append(other)
        seen.sort()
        return seen

    def _square(self, x: int, y: int) -> tuple[int, int]:
        return x // self._sight_cm, y // self._sight_cm

    def _leave(self, square: tuple[int, int], who: int) -> None:
        members = self._squares[square]
        members.discard(who)
        if not members:
            del self._squares[square]
