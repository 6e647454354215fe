"""The rules of `wire.delivery` as a program: one direction of a tunnel over a road that breaks.

Everything that counts stands in one list, and the two ends only know places in it. What the real thing keeps in rings
and deques is here a slice.
"""

from dataclasses import dataclass, field


@dataclass
class Direction:
    """What one end sends to the other."""

    said: list[object] = field(default_factory=list)  # message n has place n - 1
    handled: int = 0  # by the other end
    acknowledged: int = 0  # the most that the sender was told of `handled`
    written: int = 0  # on this attachment, counted from the beginning of the tunnel
    road: list[int] = field(default_factory=list)  # numbers on their way on this attachment

    def write(self) -> None:
        """The sender writes its next message."""
        self.written += 1
        self.road.append(self.written)

    def handle(self) -> object:
        """The other end handles the next message on the road, which is always the one it waits for."""
        number = self.road.pop(0)
        assert number == self.handled + 1
        self.handled = number
        return self.said[number - 1]

    def attach_anew(self) -> None:
        """The attachment broke, whatever was on the road is gone, and the ends have told each other where they are."""
        self.road.clear()
        self.written = self.acknowledged = self.handled

    @property
    def kept(self) -> list[object]:
        """What the sender must still have."""
        return self.said[self.acknowledged :]
