"""Who wants to be looked at when: one timer for many connections, and no look at those whose time has not come.

Members stand in groups by the step, of `STEP_SECONDS`, in which each is due. Ten thousand silent connections cost
nothing until their deadlines come; looked at regularly, two and a half times a second, they took a tenth of a
processor and held up the loop for 2 ms at a time, measured.
"""

import math
from typing import Generic, TypeVar

STEP_SECONDS = 0.02
NEVER = math.inf

Member = TypeVar("Member")


class Rounds(Generic[Member]):
    """Members with the time at which each is due. Times are the caller's, in seconds, and never run backwards."""

    def __init__(self) -> None:
        self._groups: dict[int, dict[Member, None]] = {}  # by step
        self._step_of: dict[Member, int | None] = {}
        self._step = 0  # the groups before this one have had their time

    def __len__(self) -> int:
        return len(self._step_of)

    def set(self, member: Member, due_seconds: float) -> float:
        """Have a member be due at a time, and at no other; at once if the time has passed.

        Return when to look at it.
        """
        self._leave_group(member)
        if due_seconds == NEVER:
            self._step_of[member] = None
            return NEVER
        step = max(self._step, math.ceil(due_seconds / STEP_SECONDS))
        self._step_of[member] = step
        self._groups.setdefault(step, {})[member] = None
        return step * STEP_SECONDS

    def next_due(self, now_seconds: float, longest_seconds: float) -> float:
        """Return when somebody is due next, once `take_due` has found nobody; in so many seconds at the latest."""
        latest = now_seconds + longest_seconds
        for step in range(self._step, math.ceil(latest / STEP_SECONDS)):
            if step in self._groups:
                return step * STEP_SECONDS
        return latest

    def remove(self, member: Member) -> None:
        """Forget a member; nothing happens if it is none."""
        self._leave_group(member)
        self._step_of.pop(member, None)

    def take_due(self, now_seconds: float) -> Member | None:
        """Return a member that is due, the longest waiting first, or None. It stays a member, and is due no more."""
        current = math.floor(now_seconds / STEP_SECONDS)
        if self._step == 0 or not self._groups:
            self._step = min(self._groups, default=current)
        while self._step <= current:
            group = self._groups.get(self._step)
            if group:
                member = next(iter(group))
                self._leave_group(member)
                self._step_of[member] = None
                return member
            self._step += 1
        return None

    def members(self) -> list[Member]:
        """Return all members."""
        return list(self._step_of)

    def _leave_group(self, member: Member) -> None:
        step = self._step_of.get(member)
        if step is not None:
            group = self._groups[step]
            del group[member]
            if not group:
                del self._groups[step]
