"""How long to wait between attempts: growing, bounded, and jittered so that relays do not come back in step."""

from random import Random

FIRST_SECONDS = 0.05
LONGEST_SECONDS = 1.0
"""A core that is started anew finds its edges back within this time."""


class Backoff:
    """Waits of half to all of a ceiling that doubles with every attempt, between the two that are given."""

    def __init__(
        self, random: Random, *, first_seconds: float = FIRST_SECONDS, longest_seconds: float = LONGEST_SECONDS
    ) -> None:
        self._random = random
        self._first_seconds = first_seconds
        self._longest_seconds = longest_seconds
        self._ceiling = first_seconds

    def next_seconds(self) -> float:
        """Return the next wait."""
        wait = self._ceiling * self._random.uniform(0.5, 1.0)
        self._ceiling = min(self._ceiling * 2, self._longest_seconds)
        return wait

    def reset(self) -> None:
        """An attempt worked: begin with short waits again."""
        self._ceiling = self._first_seconds
