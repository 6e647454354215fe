"""What to make of an answer that has lost most of the fleet: it is believed when it has stayed so for a while. Pure.

An agent that was started anew answers with an empty list before anybody has registered again; one that slept declares
everybody critical when it wakes; without a token Consul says that there is nothing. None of that is a reason to send
players away. So a relay that was serving and is gone, or critical without having said so itself, is kept as it was
when that befell more than half of them at once, each for `CONFIRM_SECONDS`. A relay that says itself that it drains or
cannot serve is believed at once, and so is the loss of a few.
"""

import math
from collections.abc import Sequence

from fleet.address import Address
from fleet.discovery.entries import is_silent
from fleet.records import Record

CONFIRM_SECONDS = 10.0
"""Relays are back within this after an agent was started anew: they try every five seconds at the least."""


class Belief:
    """The relays that are believed in; ``records`` are those of before, such as those kept on disk."""

    def __init__(self, records: Sequence[Record] = ()) -> None:
        self.records = tuple(records)
        self._missed_since: dict[Address, float] = {}
        self._shaken_until = -math.inf

    def hear(self, records: Sequence[Record], now_seconds: float, *, is_doubtful: bool) -> tuple[Record, ...]:
        """Return what to believe after an answer.

        It ``is_doubtful`` while the source does not treat this relay as it should, and when it has just come back: then
        no loss is believed, however small, and what is missing has the whole time from then on.
        """
        present = {record.address for record in records if not is_silent(record)}
        serving = [record for record in self.records if record.health.is_serving]
        missed = [record for record in serving if record.address not in present]
        if is_doubtful:
            self._shaken_until = now_seconds + CONFIRM_SECONDS
        is_held = 2 * len(missed) > len(serving) or now_seconds < self._shaken_until
        kept: dict[Address, Record] = {}
        missed_since: dict[Address, float] = {}
        for record in missed:
            held_since = self._missed_since.get(record.address)
            since = now_seconds if is_doubtful or held_since is None else held_since
            if (is_held or held_since is not None) and now_seconds < since + CONFIRM_SECONDS:
                kept[record.address], missed_since[record.address] = record, since
        self._missed_since = missed_since
        heard = [record for record in records if record.address not in kept]
        self.records = tuple(sorted((*heard, *kept.values()), key=lambda each: each.name))
        return self.records

    @property
    def held(self) -> int:
        """How many relays are believed in though the last answer had lost them."""
        return len(self._missed_since)

    def wait_seconds(self, now_seconds: float) -> float | None:
        """Return how long until an answer that stays as it is would be believed; None where nothing is held back."""
        if not self._missed_since:
            return None
        return max(0.0, min(self._missed_since.values()) + CONFIRM_SECONDS - now_seconds)
