"""What a webhook does with events that wait and deliveries that fail: the queue, the waits, and what an answer means.

Called by the feature `webhook`; knows no network, no clock and no randomness (waits get a number from 0 to 1).

===================================  ============================================================================
answer                               what becomes of the delivery
===================================  ============================================================================
2xx                                  it has arrived
408, 425, 429, 5xx, or no answer     it is tried again, not before what ``Retry-After`` says
any other                            it is given up: trying again would be refused again; redirects are not followed
===================================  ============================================================================
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import Enum
from itertools import islice

from core.features.webhook_body import Report

MAX_RETRY_AFTER_SECONDS = 3600.0
"""Who says longer is asked again after this."""

NO_ANSWER = 0
"""The status of a request that got none."""

_RETRIED = frozenset({NO_ANSWER, 408, 425, 429})
_SECONDS = re.compile(r"\d{1,9}(\.\d{1,9})?", re.ASCII)
_MAX_DOUBLINGS = 30


class Outcome(Enum):
    """What an answer means for a delivery."""

    DELIVERED = "delivered"
    RETRY = "retry"
    REFUSED = "refused"


@dataclass(slots=True)
class DeliveryCounts:
    """What has become of events so far. ``dropped`` had no room or got too old, ``refused`` were not wanted."""

    delivered: int = 0
    dropped: int = 0
    refused: int = 0
    failed_attempts: int = 0


@dataclass(slots=True)
class ReportQueue:
    """Reports that wait, the oldest first; of more than ``max_reports`` the oldest are given up."""

    max_reports: int
    _waiting: deque[Report] = field(default_factory=deque)

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, report: Report) -> bool:
        """Add a report; whether there was room, that is, none had to be given up for it."""
        self._waiting.append(report)
        if len(self._waiting) <= self.max_reports:
            return True
        self._waiting.popleft()
        return False

    def first(self, count: int) -> list[Report]:
        """Return up to so many of the oldest, which stay."""
        return list(islice(self._waiting, count))

    def remove(self, count: int) -> None:
        """Take so many of the oldest away."""
        for _ in range(min(count, len(self._waiting))):
            self._waiting.popleft()


@dataclass(slots=True)
class Backoff:
    """Waits that double with each failure in a row, up to ``max_seconds``."""

    first_seconds: float
    max_seconds: float
    failures: int = 0

    def succeeded(self) -> None:
        """Begin anew."""
        self.failures = 0

    def failed(self, chance: float) -> float:
        """Count a failure; returns the seconds to wait: half to all of the step, as ``chance`` (0 to 1) says."""
        step: float = min(self.max_seconds, self.first_seconds * 2 ** min(self.failures, _MAX_DOUBLINGS))
        self.failures += 1
        return step * (1 + chance) / 2


def judge(status: int) -> Outcome:
    """Return what an answer's status means; NO_ANSWER is one, too."""
    if 200 <= status < 300:
        return Outcome.DELIVERED
    return Outcome.RETRY if status in _RETRIED or 500 <= status < 600 else Outcome.REFUSED


def retry_after_seconds(header: str, wall_time: float) -> float:
    """Return how long a ``Retry-After`` wants us to wait (seconds or a date), 0 for none or nonsense."""
    text = header.strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), MAX_RETRY_AFTER_SECONDS)
    try:
        date = parsedate_to_datetime(text)
        until = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return 0.0
    return min(max(0.0, until - wall_time), MAX_RETRY_AFTER_SECONDS)
