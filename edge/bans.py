"""The bans this edge has been told of: looked up for each player who comes, and for each name he says.

The core's messages change them (`tunnel.bans`); a ban's time runs by this edge's own clock, so one that is over lets
in without a message. They stay in force while there is no core, until another core has told all of its own.
"""

import time
from collections.abc import Callable, Iterator
from math import inf
from typing import TypeVar

from tunnel.bans import ADDRESS, MAX_BANS, Ban, BanChanges, Banned
from wire.errors import TunnelFault
from wire.steps import CAPTURES

REMEMBERED = ""
"""The core that is none: what was remembered is in a book of its own."""

_Key = TypeVar("_Key", int, bytes)
_Entry = tuple[float, bytes]  # until when, and the notice


class BanSet:
    """Bans to look players up in: a look for a name, and one per different length of prefix for an address."""

    def __init__(self) -> None:
        self._names: dict[str, dict[bytes, _Entry]] = {kind: {} for kind in CAPTURES}
        # By the size of the address and by how many of its last bits do not count; then by the others.
        self._networks: dict[int, dict[int, dict[int, _Entry]]] = {4: {}, 16: {}}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, whom: Banned) -> bool:
        if whom.kind != ADDRESS:
            return whom.value in self._names[whom.kind]
        shift = 8 * len(whom.value) - whom.bits
        return int.from_bytes(whom.value) >> shift in self._networks[len(whom.value)].get(shift, ())

    def address_notice(self, address: bytes, now_seconds: float) -> bytes | None:
        """Return what a packed address's ban has to say, maybe nothing; None when there is no ban."""
        number = int.from_bytes(address)
        for shift, networks in self._networks[len(address)].items():
            found = networks.get(number >> shift)
            if found is not None and found[0] > now_seconds:
                return found[1]
        return None

    def name_notice(self, kind: str, name: bytes, now_seconds: float) -> bytes | None:
        """Return what the ban of a name in small letters has to say, maybe nothing; None when there is no ban."""
        found = self._names[kind].get(name)
        return found[1] if found is not None and found[0] > now_seconds else None

    def copy(self) -> "BanSet":
        """Return a set of its own with the same bans: a millisecond or two for 100,000."""
        made = BanSet()
        made._names = {kind: names.copy() for kind, names in self._names.items()}
        made._networks = {
            size: {shift: networks.copy() for shift, networks in by_shift.items()}
            for size, by_shift in self._networks.items()
        }
        made._count = self._count
        return made

    def bans(self, now_seconds: float) -> Iterator[Ban]:
        """Give the bans that are in force, each with what is left of its time; the set may not change meanwhile."""
        for kind, names in self._names.items():
            for name, (until, notice) in names.items():
                if until > now_seconds:
                    yield Ban(Banned(kind, name), 0.0 if until == inf else until - now_seconds, notice)
        for size, by_shift in self._networks.items():
            for shift, networks in by_shift.items():
                for number, (until, notice) in networks.items():
                    if until > now_seconds:
                        whom = Banned(ADDRESS, (number << shift).to_bytes(size), 8 * size - shift)
                        yield Ban(whom, 0.0 if until == inf else until - now_seconds, notice)

    def change(self, changes: BanChanges, now_seconds: float) -> None:
        """Obey a message; raises TunnelFault when that would be too many bans, and nothing has changed then."""
        self._check_room(changes, now_seconds)
        for whom in changes.removed:
            self._remove(whom)
        for ban in changes.added:
            until = now_seconds + ban.seconds_left if ban.seconds_left else inf
            self._put(ban.whom, (until, ban.notice))

    def _check_room(self, changes: BanChanges, now_seconds: float) -> None:
        if self._count + len(changes.added) <= MAX_BANS:
            return
        self._forget_those_over(now_seconds)
        gone = {whom for whom in changes.removed if whom in self}
        more = {ban.whom for ban in changes.added if ban.whom in gone or ban.whom not in self}
        count = self._count - len(gone) + len(more)
        if count > MAX_BANS:
            raise TunnelFault(f"{count} bans in all: at most {MAX_BANS} are allowed")

    def _put(self, whom: Banned, entry: _Entry) -> None:
        if whom.kind != ADDRESS:
            names = self._names[whom.kind]
            self._count += whom.value not in names
            names[whom.value] = entry
            return
        shift = 8 * len(whom.value) - whom.bits
        networks = self._networks[len(whom.value)].setdefault(shift, {})
        number = int.from_bytes(whom.value) >> shift
        self._count += number not in networks
        networks[number] = entry

    def _remove(self, whom: Banned) -> None:
        if whom not in self:
            return
        self._count -= 1
        if whom.kind != ADDRESS:
            del self._names[whom.kind][whom.value]
            return
        shift = 8 * len(whom.value) - whom.bits
        by_shift = self._networks[len(whom.value)]
        del by_shift[shift][int.from_bytes(whom.value) >> shift]
        if not by_shift[shift]:
            del by_shift[shift]  # each length of prefix costs every player who comes a look

    def _forget_those_over(self, now_seconds: float) -> None:
        for names in self._names.values():
            self._count -= _forget(names, now_seconds)
        for by_shift in self._networks.values():
            for networks in by_shift.values():
                self._count -= _forget(networks, now_seconds)


def _forget(table: dict[_Key, _Entry], now_seconds: float) -> int:
    """Take out what is over; return how many that were."""
    over = [key for key, (until, _) in table.items() if until <= now_seconds]
    for key in over:
        del table[key]
    return len(over)


class BanBook:
    """The bans in force at this edge, and a new set of all that is on its way.

    ``clock`` gives monotonic seconds; ``on_change`` is called whenever others are banned than before.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.on_change: list[Callable[[], None]] = []
        self._clock = clock
        self._bans = BanSet()
        self._coming: BanSet | None = None
        self._is_whole = False

    def __len__(self) -> int:
        return len(self._bans)

    @property
    def is_whole(self) -> bool:
        """Whether the core has told all of its bans once."""
        return self._is_whole

    def take(self, changes: BanChanges) -> None:
        """Obey a message of the core; raises TunnelFault, and what was in force stays so (see `abandon`)."""
        if changes.resets:
            self._coming = BanSet()
        bans = self._bans if self._coming is None else self._coming
        bans.change(changes, self._clock())
        if self._coming is not None:
            if not changes.is_complete:
                return
            self._bans, self._coming = self._coming, None
            self._is_whole = True
        for tell in self.on_change:
            tell()

    def restore(self, bans: BanSet) -> None:
        """Have these be in force, as they were remembered, until a core says otherwise."""
        self._bans = bans
        for tell in self.on_change:
            tell()

    def copy_bans(self) -> BanSet:
        """Return what is in force now, as a set of its own."""
        return self._bans.copy()

    def abandon(self) -> None:
        """Forget the set that is on its way: a part of it was bad, or will not come."""
        self._coming = None

    def address_notice(self, address: bytes) -> bytes | None:
        """Return the frames that tell a packed address of its ban, maybe none; None when it is not banned."""
        return self._bans.address_notice(address, self._clock())

    def name_notice(self, kind: str, name: bytes) -> bytes | None:
        """The same for a name in small letters, of a kind (`wire.steps.CAPTURES`)."""
        return self._bans.name_notice(kind, name, self._clock())


class BanBooks:
    """The bans of every core this edge has a tunnel to: who is banned by any of them is.

    Cores of one fleet have the same bans, and each says them by itself. What a core said to which there is no tunnel
    any more stays in force until another one has said all of its own: see `tidy`. ``clock`` gives monotonic seconds,
    ``has_tunnel`` says whether there is one to a core; ``on_change`` is called whenever others may be banned than
    before.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, *, has_tunnel: Callable[[str], bool] = lambda _: True
    ) -> None:
        self.on_change: list[Callable[[], None]] = []
        self._clock = clock
        self._has_tunnel = has_tunnel
        self._books: dict[str, BanBook] = {}

    def __len__(self) -> int:
        return max(map(len, self._books.values()), default=0)

    def book(self, core: str) -> BanBook:
        """Return the book that a core writes to."""
        if core not in self._books:
            book = self._books[core] = BanBook(self._clock)
            book.on_change.append(lambda: self._changed(core))
        return self._books[core]

    @property
    def books(self) -> tuple[BanBook, ...]:
        """All of them; their bans overlap."""
        return tuple(self._books.values())

    @property
    def has_whole(self) -> bool:
        """Whether a core that is there has told all of its bans."""
        return any(book.is_whole and self._has_tunnel(core) for core, book in self._books.items())

    def restore(self, bans: BanSet) -> None:
        """Obey what was remembered from before this process, until a core has told all of its bans."""
        if len(bans) and not self.has_whole:
            self.book(REMEMBERED).restore(bans)

    def address_notice(self, address: bytes) -> bytes | None:
        """Return the frames that tell a packed address of its ban, maybe none; None when it is not banned."""
        notices = (book.address_notice(address) for book in self._books.values())
        return next((notice for notice in notices if notice is not None), None)

    def name_notice(self, kind: str, name: bytes) -> bytes | None:
        """The same for a name in small letters, of a kind (`wire.steps.CAPTURES`)."""
        notices = (book.name_notice(kind, name) for book in self._books.values())
        return next((notice for notice in notices if notice is not None), None)

    def _changed(self, core: str) -> None:
        if self._books[core].is_whole:
            self.tidy()  # which may tell of it, too: once more does no harm
        for tell in self.on_change:
            tell()

    def tidy(self) -> None:
        """Forget what cores have said that are gone, if another one has said all of its own; called now and then."""
        gone = [each for each in self._books if not self._has_tunnel(each)]
        if not gone or not self.has_whole:
            return
        for core in gone:
            del self._books[core]
        for tell in self.on_change:
            tell()
