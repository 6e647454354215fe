"""Where a character can be, and how far it has come: the reckoning of `speedguard`. Pure: no clock, no session.

A client says where it goes as a path that begins where it believes to stand. What lies between the beginnings of two
paths has been walked meanwhile. What of it is more than the allowed speed makes in that time is added up and worn off
again, so that packets which come late and in clumps are no fault: with delays of two seconds at most nobody who keeps
to the speed is ever more than two seconds of it ahead. A path that begins far from all of the last one is a teleport.
Where the server itself puts a character is told by it and not charged.

Paths are flat: x, y, x, y and so on, in centimetres. They are read from the bodies of frames as they are, because moves
are the packets that come most often, and decoding them costs ten times as much; their layouts stand in
`games.pko.action`, and a test holds both together.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot, sqrt
from struct import Struct
from typing import Literal

from games.pko.action import Action
from games.pko.bounds import MAP_SIDE_CM, MAX_PATH_POINTS

Path = tuple[int, ...]
Kind = Literal["", "speed", "teleport"]

ON_PATH_CM = 100.0
"""So near is on the path: clients round to the middle of squares of 50 cm."""

MOVED_BY_SERVER_CM = 300.0
"""A notice so far from the path is not progress on it: the server has put the character there."""

CROSSING_SECONDS = 5.0
"""How long after that a client may still send paths from where it believed to be."""

MALFORMED: Path = (-1,)

_ACTION_BYTE = 8
_MOVE_PATH_BYTE, _SKILL_PATH_BYTE = 9, 11
_SKILL_TAIL_BYTES = 12
_WITH_PATH = 2
_NOTICE_STATE_BYTE, _NOTICE_PATH_BYTE = 9, 11
_POINT_BYTES = 8
_MAX_PATH_BYTES = MAX_PATH_POINTS * _POINT_BYTES
_POINTS = tuple(Struct(f"<{2 * count}i").unpack_from for count in range(MAX_PATH_POINTS + 1))
_MOVE, _SKILL = int(Action.MOVE), int(Action.SKILL)


@dataclass(frozen=True, slots=True)
class Reach:
    """What is allowed: centimetres a second, and centimetres."""

    speed: float
    burst: float
    jump: float


class Track:
    """One character. ``reach`` is what holds for it now; it is looked up anew after `enter` and `become`."""

    __slots__ = (
        "_ahead",
        "_at",
        "_gone",
        "_next_ahead",
        "_next_at",
        "_since",
        "_takes_told",
        "_told",
        "_told_at",
        "_way",
        "is_exempt",
        "is_on_ship",
        "jumped",
        "main_id",
        "own_id",
        "reach",
        "seen",
        "trail",
    )

    def __init__(self) -> None:
        self.reach: Reach | None = None
        self.is_exempt: bool | None = None  # not known yet
        self.is_on_ship = False
        self.main_id = self.own_id = b""  # numbers of the main character and of the one that is played, as in frames
        self.trail: Path = ()  # the last path; empty while nothing is known
        self.seen: tuple[int, int] | None = None  # where the server's last notice had it
        self.jumped = 0.0  # how far off the last path began
        self._told: tuple[int, int] | None = None  # where the server has put it, until it goes on from there
        self._told_at = 0.0
        self._takes_told = False  # whether that is over with the path that was looked at last
        self._ahead = self._next_ahead = 0.0  # how far it has come beyond what the speed allows
        self._at = self._next_at = 0.0  # when its last path came
        self._since = 0.0  # when it was last ahead of nothing
        self._gone = 0.0  # how far it has come since
        self._way = 0.0  # how far it has come to the path that was looked at last

    def enter(self, own_id: bytes, main_id: bytes, x: int, y: int, now: float) -> None:
        """The server has put the character on a map."""
        self.own_id, self.main_id = own_id, main_id
        self.is_on_ship = own_id != main_id
        self.reach = None
        self.seen = (x, y)
        self._put(x, y, now)

    def become(self, own_id: bytes) -> None:
        """The server lets the player play another character, such as a ship; it will say where that is."""
        self.own_id = own_id
        self.is_on_ship = own_id != self.main_id
        self.reach = None
        self.trail = ()
        self.seen = self._told = None

    def noticed(self, x: int, y: int, now: float) -> None:
        """The server says where the character is, or will be in a moment."""
        self.seen = (x, y)
        if self.trail and _along(self.trail, x, y)[0] > MOVED_BY_SERVER_CM:
            self._put(x, y, now)

    def step(self, path: Path, reach: Reach, now: float) -> Kind:
        """Say what is wrong with the beginning of a path. Nothing has happened unless the path goes on: `follow`."""
        trail = self.trail
        self._way = self._next_ahead = 0.0
        self._next_at = now
        if not trail:
            return ""
        x, y = path[0], path[1]
        jumped, way = _along(trail, x, y)
        if self._told is not None:
            jumped, way = self._from_told(self._told, jumped, way, x, y, now)
        self.jumped = jumped
        ahead = self._ahead - (now - self._at) * reach.speed
        if jumped > reach.jump:
            self._next_ahead = ahead
            return "teleport"
        ahead += way
        self._way = way
        if ahead > reach.burst:
            self._next_ahead = reach.burst
            return "speed"
        self._next_ahead = ahead
        return ""

    def follow(self, path: Path) -> None:
        """The path that was looked at last goes on to the server, so on it the character can be."""
        self.trail = path
        self._at = self._next_at
        if self._takes_told:
            self._takes_told = False
            self._told = None
        if self._next_ahead > 0.0:
            self._ahead = self._next_ahead
            self._gone += self._way
        else:
            self._ahead = self._gone = 0.0
            self._since = self._next_at

    def begin(self, reach: Reach, now: float) -> None:
        """These limits hold from now on, and the character is ahead of nothing."""
        self.reach = reach
        self._ahead = self._gone = 0.0
        self._at = self._since = now

    @property
    def place(self) -> tuple[int, int]:
        """Where the character most likely is."""
        if self.seen is not None:
            return self.seen
        return (self.trail[0], self.trail[1]) if self.trail else (0, 0)

    @property
    def speed(self) -> float:
        """Centimetres a second since the character was last within its speed."""
        return (self._gone + self._way) / max(self._next_at - self._since, 0.1)

    def _put(self, x: int, y: int, now: float) -> None:
        if not self.trail:
            self.trail = (x, y)
            return
        if self._told is not None and now - self._told_at > CROSSING_SECONDS:
            self.trail = self._told
        self._told = (x, y)
        self._told_at = now

    def _from_told(
        self, told: tuple[int, int], jumped: float, way: float, x: int, y: int, now: float
    ) -> tuple[float, float]:
        """Choose between the last path and where the server has put the character meanwhile."""
        away = hypot(x - told[0], y - told[1])
        if away < jumped:
            self._takes_told = True
            return away, away
        self._takes_told = now - self._told_at > CROSSING_SECONDS
        return jumped, way


def _along(trail: Path, x: int, y: int) -> tuple[float, float]:
    """Return how far a place is from a path, and how far one has come who is there.

    On the path that is the way along it; off it the straight line from its beginning, which nobody can undercut.
    """
    ax, ay = trail[0], trail[1]
    away = (x - ax) * (x - ax) + (y - ay) * (y - ay)
    nearest = float(away)
    way = 0.0
    for index in range(2, len(trail), 2):
        bx, by = trail[index], trail[index + 1]
        dx, dy, px, py = bx - ax, by - ay, x - ax, y - ay
        square = dx * dx + dy * dy
        length = sqrt(square)
        part = (px * dx + py * dy) / square if square else 0.0
        part = 0.0 if part < 0.0 else min(part, 1.0)
        ex, ey = px - part * dx, py - part * dy
        off = ex * ex + ey * ey
        if off <= ON_PATH_CM * ON_PATH_CM:
            return sqrt(off), way + part * length
        if off < nearest:
            nearest = off
        way += length
        ax, ay = bx, by
    return sqrt(nearest), sqrt(away)


def read_path(body: bytes) -> Path | None:
    """Return the path of a begin-action, None for one without, MALFORMED for what the layouts do not allow."""
    size = len(body)
    if size <= _SKILL_PATH_BYTE:
        return MALFORMED if size <= _ACTION_BYTE or body[_ACTION_BYTE] in (_MOVE, _SKILL) else None
    action = body[_ACTION_BYTE]
    if action == _MOVE:
        start, end = _MOVE_PATH_BYTE + 2, size
    elif action == _SKILL:
        if body[_ACTION_BYTE + 1] != _WITH_PATH:
            return None
        start, end = _SKILL_PATH_BYTE + 2, size - _SKILL_TAIL_BYTES
    else:
        return None
    path_bytes = body[start - 2] << 8 | body[start - 1] if start <= size else 0
    if path_bytes != end - start or path_bytes % _POINT_BYTES or not 0 < path_bytes <= _MAX_PATH_BYTES:
        return MALFORMED
    path: Path = _POINTS[path_bytes // _POINT_BYTES](body, start)
    return path if min(path) >= 0 and max(path) <= MAP_SIDE_CM else MALFORMED


def read_notice(body: bytes) -> tuple[int, int] | None:
    """Return where a notice of a move says that its character is; None for any other notice, or none that is whole."""
    if len(body) < _NOTICE_PATH_BYTE + 2 or body[_ACTION_BYTE] != _MOVE:
        return None
    has_ended = body[_NOTICE_STATE_BYTE] or body[_NOTICE_STATE_BYTE + 1]
    start = _NOTICE_PATH_BYTE + (4 if has_ended else 2)
    path_bytes = body[start - 2] << 8 | body[start - 1] if start <= len(body) else 0
    if len(body) != start + path_bytes or path_bytes % _POINT_BYTES or not 0 < path_bytes <= _MAX_PATH_BYTES:
        return None
    x, y = _POINTS[1](body, len(body) - _POINT_BYTES)
    return (x, y) if 0 <= x <= MAP_SIDE_CM and 0 <= y <= MAP_SIDE_CM else None
