"""What a road between two relays can be like: delayed, slow, dead; and the two ways to cut it.

Set by faults, obeyed by the proxy's lanes (`tidegate.gameday.lane`).
"""

from dataclasses import dataclass
from enum import StrEnum


class Way(StrEnum):
    """The two directions of a road, seen from who connects (for a tunnel: the edge)."""

    TO_TARGET = "to-target"
    TO_CLIENT = "to-client"


class CutKind(StrEnum):
    """How a road is cut."""

    CLEAN = "clean"
    """Both ends hear of it at once: connections are reset, and new ones are refused."""

    HALF_OPEN = "half-open"
    """Nobody hears of it: connections stay open and carry nothing, and new ones are taken and never answered."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """How one direction is. A speed of 0 bytes per second is no limit; what is dead carries nothing and says nothing.

    Each chunk takes the delay, plus or minus as much as the jitter, and never overtakes the one before it.
    """

    delay_seconds: float = 0.0
    jitter_seconds: float = 0.0
    bytes_per_second: float = 0.0
    is_dead: bool = False

    @property
    def is_clear(self) -> bool:
        """Whether bytes go through at once."""
        return not (self.delay_seconds or self.jitter_seconds or self.bytes_per_second or self.is_dead)


CLEAR = Conditions()
