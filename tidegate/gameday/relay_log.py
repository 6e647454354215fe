"""What a relay has said of itself: the last of each statistics line, and when it said what else.

Fed with each JSON line that a relay's process logs (`tidegate.children.Child`).
"""

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any

from tidegate.gameday.relay_orders import CLOSED_PREFIX, CORE_STATS, EDGE_STATS, REFUSED_PREFIX

KEPT_EVENTS = 5000
COMPLAINTS = ("warning", "error")
LONGEST_COMPLAINT = 160


@dataclass(frozen=True, slots=True)
class Event:
    """A line that is no statistics, and when it came."""

    seconds: float
    name: str
    fields: Mapping[str, Any]


class RelayLog:
    """One relay's log. Statistics are kept per edge and worker; ``complaints`` are its warnings and errors."""

    def __init__(self) -> None:
        self.complaints: Counter[str] = Counter()
        self.events: deque[Event] = deque(maxlen=KEPT_EVENTS)
        self._stats: dict[tuple[str, int], Mapping[str, Any]] = {}

    def take(self, event: Mapping[str, Any]) -> None:
        """Take a line."""
        name = str(event.get("event"))
        if name in (EDGE_STATS, CORE_STATS):
            self._stats[event.get("edge", ""), event.get("worker", 1)] = event
        elif not name.endswith("_stats"):
            if event.get("level") in COMPLAINTS:
                self.complaints[f"{name}: {event.get('reason', '')}".rstrip(": ")[:LONGEST_COMPLAINT]] += 1
            self.events.append(Event(monotonic(), name, event))

    def first(self, name: str, since_seconds: float) -> Event | None:
        """Return the first event of a name since a moment, None if there was none."""
        return next((event for event in self.events if event.name == name and event.seconds >= since_seconds), None)

    @property
    def sessions(self) -> int:
        """How many sessions it had when it last said so."""
        return sum(int(stats.get("sessions", 0)) for stats in self._stats.values())

    @property
    def closed(self) -> Counter[str]:
        """Sessions closed by reason."""
        return self._by_reason(CLOSED_PREFIX)

    @property
    def refused(self) -> Counter[str]:
        """Sessions refused by reason."""
        return self._by_reason(REFUSED_PREFIX)

    def _by_reason(self, prefix: str) -> Counter[str]:
        total: Counter[str] = Counter()
        for stats in self._stats.values():
            for name, value in stats.items():
                if name.startswith(prefix):
                    total[name.removeprefix(prefix)] += int(value)
        return total
