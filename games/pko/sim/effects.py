"""What the scripted server wants done: values that a shell carries out, in order.

`world.World` returns them; ``tidegate.sim.server`` and the tests act on them.
"""

from dataclasses import dataclass
from enum import IntEnum


class CloseReason(IntEnum):
    """Why the server closes a connection: the numbers it would log (protocol file, section 3.6)."""

    BAD_LENGTH = -5
    SEND_QUEUE_FULL = -7
    PING_LIMIT = -9
    OUT_OF_STEP = -25
    """The packet counter of a frame is not the next one."""
    LOGOUT = -27
    """Logged out; also "not ready", which is what a full server says."""
    LOGIN = -31
    REFUSED_FRAME = -32


@dataclass(frozen=True, slots=True)
class Send:
    """Write these bytes to the connection."""

    connection: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Hangup:
    """Close the connection ``after_seconds``; what was sent before is still to be delivered."""

    connection: int
    after_seconds: float
    reason: CloseReason
    text: str


Effect = Send | Hangup
