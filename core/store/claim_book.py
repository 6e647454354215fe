"""Claims as one process knows them: the memory store's whole truth, and a core's own share of what Redis holds.

Pure: the time is an argument. Ages are microseconds since 1970, so that those of several cores can be compared.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from core.store.protocol import MAX_HOLDERS, Claim
from wire.errors import MisuseError

MAX_CLAIMS = 4_000_000
"""Four for each of the sessions that a core may be allowed."""


@dataclass(frozen=True, slots=True)
class Held:
    """One claim that is held. ``age_us`` is since when; ``limit`` how many may hold the name, this one among them.

    ``is_certain``: all cores know of it.
    """

    name: str
    holder: str
    age_us: int
    limit: int
    is_certain: bool = True


class ClaimBook:
    """Who holds which name, the oldest first."""

    def __init__(self) -> None:
        self._held: dict[str, dict[str, Held]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Held]:
        """Yield the claims as they are when the iteration begins."""
        return iter([held for holders in self._held.values() for held in holders.values()])

    def find(self, name: str, holder: str) -> Held | None:
        """Return a claim that is held."""
        return self._held.get(name, {}).get(holder)

    def claim(self, name: str, holder: str, *, limit: int, evict: bool, now_us: int, is_certain: bool = True) -> Claim:
        """Decide a claim by what stands here, and note what comes of it."""
        holders = self._held.get(name, {})
        if holder in holders:
            return Claim(is_granted=True)
        if len(holders) >= limit and not evict:
            return Claim(is_granted=False)
        by_age = sorted(holders.values(), key=lambda held: held.age_us)
        evicted = tuple(held.holder for held in by_age[: max(0, len(by_age) - limit + 1)])
        for each in evicted:
            self.drop(name, each)
        self.note(Held(name, holder, max([now_us, *(held.age_us + 1 for held in by_age)]), limit, is_certain))
        return Claim(is_granted=True, evicted=evicted)

    def note(self, held: Held) -> None:
        """Note a claim that is held; raises MisuseError for more than any core can have."""
        if self._count >= MAX_CLAIMS:
            raise MisuseError(f"{MAX_CLAIMS} claims are held: they are never released")
        holders = self._held.setdefault(held.name, {})
        self._count += held.holder not in holders
        holders[held.holder] = held

    def drop(self, name: str, holder: str) -> Held | None:
        """Forget a claim; returns it, or None if it was not held."""
        holders = self._held.get(name, {})
        held = holders.pop(holder, None)
        if held is not None:
            self._count -= 1
            if not holders:
                del self._held[name]
        return held


def check_limit(limit: int) -> int:
    """Return a number of holders that can be; raises MisuseError."""
    if not 1 <= limit <= MAX_HOLDERS:
        raise MisuseError(f"limit of {limit} holders: 1 to {MAX_HOLDERS} are possible")
    return limit
