"""How long bytes are gathered for one message: the window that is set, and longer while processor time is short.

Half of what a message costs is the same however much it carries. While there is time to spare, players get it: every
window a message. When there is none, they would all wait for it, and longer windows make some: measured at 20,000
packets a second, 2 ms instead of 1 took a tenth off a packet, and off its round trip a good deal more.
"""

import time

LOOK_SECONDS = 0.1
"""How often the thread's share of a processor is looked at."""

BUSY_SHARE = 0.5
"""Above this the window grows by one step, and below `FREE_SHARE` it shrinks by one. Half is where queues begin to
form: the system, gRPC's threads and whoever else is on the machine want the rest."""

FREE_SHARE = 0.35
"""So far below that a window which has grown does not free so much that it shrinks again."""

MOST_STEPS = 3
"""The longest window, in windows as they are set: 3 ms where nothing is set."""


class Pace:
    """The present window of the thread that asks, in seconds; it must always be the same thread."""

    def __init__(self, window_seconds: float) -> None:
        self._window_seconds = window_seconds
        self._steps = 1
        self._looked_at = time.monotonic()
        self._used = time.thread_time()

    def window_seconds(self) -> float:
        """Return how long to gather now; to be asked once a message."""
        now = time.monotonic()
        if now - self._looked_at >= LOOK_SECONDS:
            used = time.thread_time()
            self.note((used - self._used) / (now - self._looked_at))
            self._looked_at, self._used = now, used
        return self._window_seconds * self._steps

    def note(self, share: float) -> None:
        """Take note of which share of a processor the thread has used for a while, 0 to 1."""
        if share > BUSY_SHARE:
            self._steps = min(MOST_STEPS, self._steps + 1)
        elif share < FREE_SHARE:
            self._steps = max(1, self._steps - 1)
