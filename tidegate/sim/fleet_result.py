"""What bots did: figures per target while they play, and the result at the end.

Written by `tidegate.sim.bots`, read by the demo's table, the report and the tests.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from fleet.address import Address
from games.pko.sim.histogram import Histogram
from games.pko.sim.ledger import Ledger
from games.pko.sim.player import OK, Player


class TargetStatistics:
    """One address and its bots. Everything can be read at any time.

    ``round_trips`` holds the time from each move to its echo; copy it and use `Histogram.since` for the
    figures of an interval. ``ledger`` is that of the bots which are done, ``outcomes`` counts them.
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        self.round_trips = Histogram()
        self.ledger = Ledger()
        self.outcomes: dict[str, int] = {}
        self._players: set[Player] = set()
        self._finished_sent = 0
        self._finished_received = 0
        self._finished_held_back = 0

    @property
    def connected(self) -> int:
        """Bots with a connection now."""
        return len(self._players)

    @property
    def playing(self) -> int:
        """Bots in the world now."""
        return sum(player.is_playing for player in self._players)

    @property
    def finished(self) -> int:
        """Bots that did all they had to do."""
        return self.outcomes.get(OK, 0)

    @property
    def failed(self) -> int:
        """Bots that ended in any other way."""
        return sum(self.outcomes.values()) - self.finished

    @property
    def frames_sent(self) -> int:
        """Whole frames, keep-alives included."""
        return self._finished_sent + sum(player.frames_sent for player in self._players)

    @property
    def frames_received(self) -> int:
        """Whole frames, keep-alives included."""
        return self._finished_received + sum(player.frames_received for player in self._players)

    @property
    def held_back(self) -> int:
        """Moves not made because too many were unanswered: above 0 the rate asked for was not reached."""
        return self._finished_held_back + sum(player.held_back for player in self._players)

    def add(self, player: Player) -> None:
        """A bot has connected."""
        self._players.add(player)

    def take(self, player: Player) -> None:
        """A bot is done: fold its figures in."""
        self._players.discard(player)
        self._finished_sent += player.frames_sent
        self._finished_received += player.frames_received
        self._finished_held_back += player.held_back
        self.ledger.merge(player.ledger)
        self.count(player.outcome or "still at work when its connection was lost")

    def count(self, outcome: str) -> None:
        """Count an outcome; for a bot that never connected this is all there is."""
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1

    def summary(self) -> dict[str, object]:
        """Return the figures as plain data."""
        return {
            "address": str(self.address),
            "outcomes": self.outcomes,
            "frames_sent": self.frames_sent,
            "frames_received": self.frames_received,
            "held_back_moves": self.held_back,
            "round_trips": self.round_trips.summary(),
        }


@dataclass(frozen=True, slots=True)
class FleetResult:
    """The end of a fleet: ``bots`` were started, and what became of them stands in ``targets``."""

    bots: int
    elapsed_seconds: float
    targets: Sequence[TargetStatistics]

    @property
    def ledger(self) -> Ledger:
        """All bots' ledgers in one."""
        total = Ledger()
        for target in self.targets:
            total.merge(target.ledger)
        return total

    @property
    def round_trips(self) -> Histogram:
        """All bots' round trips in one."""
        total = Histogram()
        for target in self.targets:
            total.merge(target.round_trips)
        return total

    @property
    def outcomes(self) -> dict[str, int]:
        """How many bots ended how, the most frequent first."""
        total: dict[str, int] = {}
        for target in self.targets:
            for outcome, count in target.outcomes.items():
                total[outcome] = total.get(outcome, 0) + count
        return dict(sorted(total.items(), key=lambda item: -item[1]))

    @property
    def is_clean(self) -> bool:
        """Whether every bot did all it had to do, and nothing was lost, doubled or reordered."""
        return self.outcomes.get(OK, 0) == self.bots and self.ledger.is_clean

    def summary(self) -> dict[str, object]:
        """Return everything as plain data, for JSON."""
        return {
            "bots": self.bots,
            "elapsed_seconds": round(self.elapsed_seconds, 3),
            "clean": self.is_clean,
            "outcomes": self.outcomes,
            "targets": [target.summary() for target in self.targets],
            "round_trips": self.round_trips.summary(),
            "ledger": self.ledger.summary(),
        }
