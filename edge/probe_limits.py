"""How many probes an edge answers: so many a second for one prefix, and so many in all. Called by `edge.probe_port`.

Rates are kept by the generic cell rate algorithm (see `edge.admission`). Nothing is remembered by name: each prefix
has two places in a table of fixed size, chosen by a keyed hash, and is let through by the better of them. Who shares
both with a flood shares its allowance; nobody outside can choose to.
"""

import os
from array import array
from dataclasses import dataclass
from hashlib import blake2b

PLACES = 8192
ROUNDING_SECONDS = 1e-9


@dataclass(frozen=True, slots=True)
class ProbeLimits:
    """Answers a second in the long run, and at once after a pause.

    A prefix is an IPv4 /24 or an IPv6 /48; a launcher asks each edge some five times.
    """

    prefix_per_second: float = 20.0
    prefix_burst: int = 60
    per_second: float = 1000.0
    burst: int = 1000


class ProbeRates:
    """The table. ``now_seconds`` is of any clock that only goes forward."""

    def __init__(self, limits: ProbeLimits) -> None:
        self._limits = limits
        self._seed = os.urandom(16)
        self._paid_until = array("d", bytes(8 * PLACES))
        self._all_paid_until = 0.0

    def take(self, address: bytes, now_seconds: float) -> bool:
        """Whether a packed address may have one more answer; if so it is counted."""
        limits = self._limits
        all_paid = max(self._all_paid_until, now_seconds) + 1 / limits.per_second
        if all_paid > now_seconds + limits.burst / limits.per_second + ROUNDING_SECONDS:
            return False
        places = self._places_of(address)
        table = self._paid_until
        paid = max(min(table[place] for place in places), now_seconds) + 1 / limits.prefix_per_second
        if paid > now_seconds + limits.prefix_burst / limits.prefix_per_second + ROUNDING_SECONDS:
            return False
        for place in places:
            table[place] = max(table[place], paid)
        self._all_paid_until = all_paid
        return True

    def _places_of(self, address: bytes) -> tuple[int, int]:
        prefix = address[:3] if len(address) == 4 else address[:6]
        digest = blake2b(prefix, digest_size=8, key=self._seed).digest()
        return int.from_bytes(digest[:4]) % PLACES, int.from_bytes(digest[4:]) % PLACES
