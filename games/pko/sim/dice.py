"""Small deterministic dice, so that a scripted player does the same walk in every run.

A 64-bit linear congruential generator with Knuth's MMIX constants; the low bits are poor, so only the
high ones are used. For scripts only: nothing here is a secret.
"""

_MULTIPLIER = 6364136223846793005
_INCREMENT = 1442695040888963407
_MASK = (1 << 64) - 1


class Dice:
    """An endless sequence of numbers that depends on its seed alone."""

    __slots__ = ("_state",)

    def __init__(self, seed: int) -> None:
        self._state = (seed * _MULTIPLIER + _INCREMENT) & _MASK
        self.fraction()  # the first state still shows the seed

    def fraction(self) -> float:
        """Return the next number, from 0 up to but not including 1."""
        self._state = (self._state * _MULTIPLIER + _INCREMENT) & _MASK
        return (self._state >> 32) / (1 << 32)

    def within(self, low: int, high: int) -> int:
        """Return a whole number from ``low`` to ``high``, both included."""
        return low + int(self.fraction() * (high - low + 1))
