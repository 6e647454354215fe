"""Visits many connections regularly without a timer for each.

A connection is visited once in `PERIOD_SECONDS`; the visits are spread over `STEPS` steps, so that ten thousand
connections hold up the loop for a fraction of a millisecond at a time.
"""

from typing import Generic, TypeVar

PERIOD_SECONDS = 0.4
STEPS = 20
STEP_SECONDS = PERIOD_SECONDS / STEPS
LEAD_SECONDS = PERIOD_SECONDS * 3 / 4
"""What is due within this is done now: at most three quarters of a period early or, with a quarter, late.

More early than late, because work for ten thousand at once only ever makes things later: 0.2 s, measured.
"""

Member = TypeVar("Member")


class Rounds(Generic[Member]):
    """Members in as many groups as a round has steps."""

    def __init__(self) -> None:
        self._groups: list[dict[Member, None]] = [{} for _ in range(STEPS)]
        self._next_step = 0
        self._next_group = 0
        self._group_of: dict[Member, int] = {}

    def __len__(self) -> int:
        return len(self._group_of)

    def add(self, member: Member) -> None:
        """Visit a member from now on."""
        group = self._next_group
        self._next_group = (group + 1) % STEPS
        self._groups[group][member] = None
        self._group_of[member] = group

    def remove(self, member: Member) -> None:
        """Visit it no more; nothing happens if it was not visited."""
        group = self._group_of.pop(member, None)
        if group is not None:
            del self._groups[group][member]

    def step(self) -> list[Member]:
        """Return the members to visit in this step; they may be removed while they are visited."""
        group = self._groups[self._next_step]
        self._next_step = (self._next_step + 1) % STEPS
        return list(group)

    def members(self) -> list[Member]:
        """Return all members."""
        return list(self._group_of)
