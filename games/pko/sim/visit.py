"""One client's connection as the scripted server sees it: its state, its clocks, its numbers.

Kept and changed by `world`, `lobby` and `stage`; no behaviour of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

from games.pko.sim.intake import Intake

AT_ONCE = 0.0
"""When something is due that waits for the next tick only."""


class State(IntEnum):
    """How far a client has come (protocol file, section 5)."""

    GREETED = 1
    """Connected; the greeting is out, the login is awaited."""
    SELECTING = 2
    """Logged in, at character select."""
    PLAYING = 3
    LEAVING = 4
    """A hang-up is under way; nothing it sends counts any more."""


@dataclass(slots=True)
class Visit:
    """A connection. Times are those of the caller's clock, in seconds."""

    number: int
    intake: Intake
    connected_seconds: float
    last_received_seconds: float
    last_sent_seconds: float
    state: State = State.GREETED
    next_counter: int = 0  # what the next ordinary frame must carry, in dialects with a packet counter
    account: bytes = b""
    characters: list[bytes] = field(default_factory=list)
    world_id: int = 0  # of the character in play
    place: int | None = None  # where it entered
    due_seconds: float = AT_ONCE  # nothing is to be done before; what happens meanwhile mostly puts it off
    next_ping_seconds: float = 0.0
    pinged_seconds: float | None = None  # when the unanswered ping went out
    round_trip_seconds: float | None = None  # of the last answered ping
