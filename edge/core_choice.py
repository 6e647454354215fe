"""Which of several cores a new player gets: one favourite, kept as long as no other is better by a margin.

`edge.cores` shows it what is known of each core and asks. Pure: time and chance are arguments.

Cores are taken from the first of these groups that is not empty:

1. those that are healthy and have room;
2. those that say they have a problem, and have room: better than nothing;
3. those that are full: they know best whether that is still so, and refuse by themselves.

Within a group the load counts first, in steps of `LOAD_MARGIN`, then the round trip, then the settings' order. Many
edges see the same loads a second late, and may not all run to the core that is empty at the moment. So each waits for
a while of its own before it leaves its favourite, and then takes one at random of those that are as good as the best.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf
from random import Random

MAX_CORES = 8
"""An edge keeps a tunnel to each of its cores."""

LOAD_MARGIN = 0.1
"""A core is left for its load when another one has so much less of its capacity taken. Half of it is no difference."""

ROUND_TRIP_SHARE = 0.2
ROUND_TRIP_SECONDS = 0.002
"""A core is nearer when its round trip is shorter by this share and by this time. Players do not feel less."""

PATIENCE_SECONDS = (2.0, 6.0)
"""How long another core has to be better before the favourite is left: drawn between these, each time."""

SETTLE_SECONDS = 10.0
"""A favourite that was taken for want of others is held onto only after this: until then, cores that are there (again)
are as good as it is. As long as players wait at the door."""

RETURN_PAUSE_SECONDS = 60.0
"""Between two such returns after a loss: a core that comes and goes is not run after."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenCore:
    """What an edge knows of a core at one moment.

    ``is_wanted``: the settings or discovery name it. ``problems`` say why it is not healthy, or why it cannot be used
    at all (``is_foreign``: it carries another game). ``sessions`` and ``capacity`` are players of all edges, 0 for an
    unknown capacity. ``round_trip_seconds`` is 0 where it is not known. ``own_sessions`` come through this edge.
    """

    address: str
    name: str = ""
    region: str = ""
    is_attached: bool = False
    is_wanted: bool = True
    is_draining: bool = False
    is_foreign: bool = False
    problems: tuple[str, ...] = ()
    sessions: int = 0
    capacity: int = 0
    own_sessions: int = 0
    round_trip_seconds: float = 0.0
    is_favourite: bool = False

    @property
    def takes_players(self) -> bool:
        """Whether a new session can be opened there at all."""
        return self.is_attached and self.is_wanted and not self.is_draining and not self.is_foreign

    @property
    def has_room(self) -> bool:
        """Whether it takes another player, as far as is known."""
        return not self.capacity or self.sessions < self.capacity

    @property
    def load(self) -> float:
        """The share of its capacity that is taken, 0.0 to 1.0 and above; 0 where it is not known."""
        return self.sessions / self.capacity if self.capacity else 0.0


class CoreChoice:
    """The choice of one edge. ``favourite`` is an address, empty before the first choice; ``why`` it was chosen."""

    def __init__(self, random: Random) -> None:
        self.favourite = ""
        self.why = ""
        self._random = random
        self._known: frozenset[str] = frozenset()  # who could have been chosen, then
        self._settled_at = inf  # until then the choice is made again when there is somebody else to choose
        self._returns_at = -inf  # from then on
        self._is_return = False
        self._worse_since: float | None = None  # since when the favourite is not good enough
        self._patience_seconds = 0.0

    def choose(self, cores: Sequence[SeenCore], now_seconds: float) -> SeenCore | None:
        """Return the core for a new player, None where nobody takes any; ``now_seconds`` never runs backwards.

        Call it at least once a second, so that it sees how long another core has been better.
        """
        group = _first_group(cores)
        favourite = next((core for core in group if core.address == self.favourite), None)
        if favourite is None:
            return self._replace(group, now_seconds) if group else None
        if now_seconds < self._settled_at and not self._known.issuperset(core.address for core in group):
            self._known = frozenset(core.address for core in group)
            chosen = _as_good_as_the_best(group)[0]
            if chosen.address != self.favourite and self._is_return:
                self._returns_at = now_seconds + RETURN_PAUSE_SECONDS
                self._settled_at = now_seconds
            return self._take(chosen, "it is there as well, and comes first")
        why = _what_is_wrong(favourite, group)
        if not why:
            self._worse_since = None
            return favourite
        if self._worse_since is None:
            self._worse_since = now_seconds
            self._patience_seconds = self._random.uniform(*PATIENCE_SECONDS)
        if now_seconds - self._worse_since < self._patience_seconds:
            return favourite
        self._settled_at = now_seconds
        return self._take(self._random.choice(_as_good_as_the_best(group)), why)

    def _replace(self, group: Sequence[SeenCore], now_seconds: float) -> SeenCore:
        """There is no favourite any more, or none yet."""
        self._known = frozenset(core.address for core in group)
        good = _as_good_as_the_best(group)
        if not self.favourite:
            self._settled_at = now_seconds + SETTLE_SECONDS
            return self._take(good[0], "the first there is")
        self._is_return = True
        self._settled_at = now_seconds + SETTLE_SECONDS if now_seconds >= self._returns_at else now_seconds
        return self._take(self._random.choice(good), "the one before takes nobody now")

    def _take(self, core: SeenCore, why: str) -> SeenCore:
        self._worse_since = None
        if core.address != self.favourite:
            self.favourite, self.why = core.address, why
        return core


def _first_group(cores: Iterable[SeenCore]) -> list[SeenCore]:
    takers = [core for core in cores if core.takes_players]
    with_room = [core for core in takers if core.has_room]
    return [core for core in with_room if not core.problems] or with_room or takers


def _level(group: Sequence[SeenCore]) -> list[SeenCore]:
    """Return those who have as little to do as the one with the least."""
    least = min(core.load for core in group)
    return [core for core in group if core.load <= least + LOAD_MARGIN / 2]


def _least_round_trip(group: Iterable[SeenCore]) -> float:
    """Return the shortest that is known, in seconds, or 0."""
    return min((core.round_trip_seconds for core in group if core.round_trip_seconds), default=0.0)


def _is_nearer(round_trip_seconds: float, core: SeenCore) -> bool:
    """Whether a round trip is shorter than a core's by so much that it counts; never where one is not known."""
    theirs = core.round_trip_seconds
    if not (round_trip_seconds and theirs):
        return False
    return round_trip_seconds <= min(theirs - ROUND_TRIP_SECONDS, theirs * (1 - ROUND_TRIP_SHARE))


def _as_good_as_the_best(group: Sequence[SeenCore]) -> list[SeenCore]:
    """Return those than whom none is better by a margin, in the settings' order; at least one."""
    level = _level(group)
    least = _least_round_trip(level)
    return [core for core in level if not _is_nearer(least, core)]


def _what_is_wrong(favourite: SeenCore, group: Sequence[SeenCore]) -> str:
    """Say by what another core is better; empty where none is.

    A nearer one counts only if it is among those with the least to do, or load and distance would send three cores'
    players round in a circle.
    """
    if favourite.load >= min(core.load for core in group) + LOAD_MARGIN:
        return "it has less to do"
    if _is_nearer(_least_round_trip(_level(group)), favourite):
        return "it is nearer"
    return ""
