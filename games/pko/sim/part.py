"""The part a scripted player plays while it is in the world: it walks, speaks and keeps the books.

Used by `player` alone, which does the connection, the login and the logout.
"""

from collections.abc import Iterator

from games.packet import Packet
from games.pko.action import Move
from games.pko.chat import Said, Say
from games.pko.connection import EnterMap
from games.pko.sim.dice import Dice
from games.pko.sim.histogram import Histogram
from games.pko.sim.ledger import Ledger, StreamKind
from games.pko.sim.lines import line_number, numbered_line
from games.pko.sim.options import PlayerOptions
from games.pko.sim.walk import Walk

_NEVER = float("inf")
_LATE_SECONDS = 1.0
"""A script that is later than this (its process was stopped) does not make up for what it missed."""


class Part:
    """Makes moves and chat lines when they are due and checks every echo.

    ``held_back`` counts moves that were not made because too many were unanswered.
    """

    def __init__(
        self,
        options: PlayerOptions,
        entered: EnterMap,
        ledger: Ledger,
        round_trips: Histogram,
        now_seconds: float,
    ) -> None:
        self._options = options
        self._world_id = entered.world_id
        self._ledger = ledger
        self._round_trips = round_trips
        dice = Dice(options.seed)
        self._walk = Walk(
            entered.x,
            entered.y,
            range_cm=options.walk_range_cm,
            points=options.path_points,
            dice=dice,
        )
        self._move_interval_seconds = options.burst_interval_seconds
        self._chat_interval_seconds = options.chat_seconds or _NEVER
        self._next_moves_seconds = _first(now_seconds, self._move_interval_seconds, dice)
        self._next_chat_seconds = _first(now_seconds, self._chat_interval_seconds, dice)
        self._made_seconds: dict[int, float] = {}  # by packet id: moves that are on their way
        self.held_back = 0
        ledger.begin(self._world_id)

    @property
    def due_seconds(self) -> float:
        """When there is something to do next."""
        return min(self._next_moves_seconds, self._next_chat_seconds)

    @property
    def unanswered(self) -> int:
        """How many moves and lines have not come back yet."""
        return self._ledger.unanswered(self._world_id)

    def packets(self, now_seconds: float) -> Iterator[Packet]:
        """Yield what is due."""
        while now_seconds >= self._next_moves_seconds:
            self._next_moves_seconds = _next(self._next_moves_seconds, self._move_interval_seconds, now_seconds)
            if len(self._made_seconds) + self._options.burst_moves > self._options.max_unanswered:
                self.held_back += self._options.burst_moves
                continue
            for _ in range(self._options.burst_moves):
                yield self._move(now_seconds)
        while now_seconds >= self._next_chat_seconds:
            self._next_chat_seconds = _next(self._next_chat_seconds, self._chat_interval_seconds, now_seconds)
            number = self._ledger.next_number(self._world_id, StreamKind.SAY)
            yield Say(text=numbered_line(number, self._options.chat_bytes))

    def take_move(self, world_id: int, packet_id: int, now_seconds: float) -> None:
        """Write down a move seen: an echo of our own, or another character's."""
        self._ledger.observe(world_id, StreamKind.MOVE, packet_id)
        if world_id == self._world_id:
            made_seconds = self._made_seconds.pop(packet_id, None)
            if made_seconds is not None:
                self._round_trips.record(now_seconds - made_seconds)

    def take_line(self, said: Said) -> None:
        """Write down a chat line seen; a person's line has no number and is only looked at."""
        number = line_number(said.text)
        if number is not None:
            self._ledger.observe(said.speaker_id, StreamKind.SAY, number)

    def _move(self, now_seconds: float) -> Move:
        number = self._ledger.next_number(self._world_id, StreamKind.MOVE)
        self._made_seconds[number] = now_seconds
        return Move(world_id=self._world_id, packet_id=number, path=self._walk.next_path())


def _first(now_seconds: float, interval_seconds: float, dice: Dice) -> float:
    """Spread the first times over the interval, so that many players do not act in step."""
    share = dice.fraction()
    return _NEVER if interval_seconds == _NEVER else now_seconds + share * interval_seconds


def _next(due_seconds: float, interval_seconds: float, now_seconds: float) -> float:
    following = due_seconds + interval_seconds
    return following if following > now_seconds - _LATE_SECONDS else now_seconds + interval_seconds
