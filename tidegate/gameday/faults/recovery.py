"""What several faults ask of a network that lost a relay: players are told, and are back in play soon."""

import math

from tidegate.gameday.day import GameDay, Outcome
from tidegate.gameday.musts import Must, at_least, at_most, none
from tidegate.gameday.pauses import percentile

LOGIN_SECONDS = 3.0
"""From the moment a relay is lost, how long until new logins work."""


def never(seconds: float | None) -> float:
    """Return a time that did not come as one that no bound allows."""
    return math.inf if seconds is None else seconds


def back_in_play_musts(day: GameDay) -> list[Must]:
    """Return that every bot plays again, and how long that took."""
    crowd = day.crowd
    back = len(crowd.times_to_play) + len(crowd.bots) - sum(crowd.ended.values())
    return [
        at_least("bots that play again, or still", min(back, len(crowd.bots)), len(crowd.bots)),
        at_most("p99 of times back into play", percentile(crowd.times_to_play, 99), LOGIN_SECONDS, "s"),
    ]


def told_musts(outcome: Outcome) -> list[Must]:
    """Return that no session ended without a text for the player."""
    untold = sum(count for reason, count in outcome.ended.items() if not reason.startswith("told: "))
    return [none("sessions that ended without a notice", untold)]
