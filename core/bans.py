"""The core's book of bans: who is kept out, the same at all cores, because it is a table of the store.

Features put bans in and lift them (`core.features.ports.Bans`), the table's watch tells every core, and each core tells
its edges (`core.ban_notices`). A ban whose time is over is out of force at once, by this core's clock, and taken out of
the table a little later, so that a core with a fast clock lifts nothing for the others.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from ipaddress import IPv4Address, IPv6Address

import structlog

from core.ban_entries import decode_ban, encode_entry, field_of, make_entry, packed_address, whom_of
from core.features.ports import BanEntry, BanKind
from core.store.protocol import Store, TableChange
from tunnel.bans import MAX_BANS, Banned
from wire.errors import MisuseError

_log = structlog.get_logger("core.bans")

TABLE = "bans"

TICK_SECONDS = 1.0

GRACE_SECONDS = 60.0
"""How long a ban that is over stays in the table: more than the clocks of a fleet differ."""

MAX_REMEMBERED_SKIPS = 1000

_MEND = f"it keeps nobody out: delete it from the store's table {TABLE}, and ban anew"


@dataclass(frozen=True, slots=True)
class BanChange:
    """What became of the bans. ``is_whole``: ``added`` is all there is; said once, when the table is first known."""

    added: Mapping[Banned, BanEntry] = field(default_factory=dict)
    removed: tuple[Banned, ...] = ()
    is_whole: bool = False


@dataclass(frozen=True, slots=True)
class _Field:
    """A field of the table as it was read."""

    raw: bytes
    whom: Banned
    entry: BanEntry


class BanBook:
    """See the module. ``clock`` gives seconds of `time.time`, ``charset`` is the game's.

    ``on_change`` gets every change after it has been made, and must not raise; more can `listen`.
    """

    def __init__(
        self,
        store: Store,
        clock: Callable[[], float] = time.time,
        on_change: Callable[[BanChange], None] | None = None,
        *,
        charset: str = "latin-1",
    ) -> None:
        self.skipped_entries = 0
        self._store = store
        self._clock = clock
        self._listeners = [] if on_change is None else [on_change]
        self._charset = charset
        self._is_known = False
        self._fields: dict[str, _Field] = {}
        self._bans: dict[Banned, BanEntry] = {}  # those in force
        self._prefixes: dict[int, Counter[int]] = {4: Counter(), 16: Counter()}  # how many bans have so many bits
        self._due: list[tuple[float, str]] = []  # when to look at a field again; some say so in vain
        self._skipped: set[str] = set()
        self._stop = store.watch_table(TABLE, self._changed)

    def __len__(self) -> int:
        return len(self._bans)

    def listen(self, on_change: Callable[[BanChange], None], *, from_now_on: bool = False) -> Callable[[], None]:
        """Have ``on_change`` called at each change, and at once if bans are known, unless only ``from_now_on``.

        Returns what ends that.
        """
        self._listeners.append(on_change)
        if not from_now_on and (self._is_known or self._bans):
            on_change(BanChange(dict(self._bans), is_whole=self._is_known))
        return lambda: self._listeners.remove(on_change)

    async def run(self) -> None:
        """Let bans end when their time is over, until cancelled."""
        while True:
            await asyncio.sleep(TICK_SECONDS)
            self.tick()

    def close(self) -> None:
        """Follow the table no more."""
        self._stop()

    # What features call (`core.features.ports.Bans`).

    def add(self, kind: BanKind, value: str, *, reason: str = "", seconds: float = 0, by: str = "") -> None:
        """Keep somebody out from now on; raises MisuseError for what cannot be."""
        whom = self.whom(kind, value)
        now = self._clock()
        entry = make_entry(whom, self._charset, reason=reason, by=by, since=now, seconds=seconds)
        if field_of(whom) not in self._fields and len(self._fields) >= MAX_BANS:
            raise MisuseError(f"{MAX_BANS} bans are all there can be: lift some, or ban prefixes instead of addresses")
        self._store.put_field(TABLE, field_of(whom), encode_entry(entry))
        _log.info("banned", kind=kind.value, value=entry.value, by=entry.by, until=entry.until, reason=entry.reason)

    def remove(self, kind: BanKind, value: str) -> bool:
        """Let somebody in again; whether there was such a ban. Raises MisuseError for what cannot be banned."""
        whom = self.whom(kind, value)
        was_banned = whom in self._bans
        if field_of(whom) in self._fields:
            self._store.delete_field(TABLE, field_of(whom))
        if was_banned:
            _log.info("unbanned", kind=kind.value, value=value)
        return was_banned

    @property
    def all(self) -> list[BanEntry]:
        """The bans in force."""
        now = self._clock()
        return [entry for entry in self._bans.values() if not _is_over(entry, now)]

    def whom(self, kind: BanKind, value: str) -> Banned:
        """Return whom a ban of ``value`` would meet; raises MisuseError for what cannot be banned."""
        return whom_of(kind, value, self._charset)

    # Looking players up.

    def get(self, whom: Banned) -> BanEntry | None:
        """Return the ban in force of exactly this address, prefix or name."""
        return self._in_force(whom)

    def find(self, kind: BanKind, name: bytes) -> BanEntry | None:
        """Return the ban in force of a name as it is on the wire, capitals or not."""
        try:
            return self._in_force(Banned(kind, name))
        except MisuseError:  # longer than any that can be banned, or empty
            return None

    def find_address(self, address: IPv4Address | IPv6Address) -> BanEntry | None:
        """Return the ban in force that an address falls under, the narrowest first."""
        packed = packed_address(address)
        wide = 8 * len(packed)
        number = int.from_bytes(packed)
        for bits in sorted(self._prefixes[len(packed)], reverse=True):
            network = number >> wide - bits << wide - bits
            found = self._in_force(Banned(BanKind.ADDRESS, network.to_bytes(len(packed)), bits))
            if found is not None:
                return found
        return None

    def tick(self) -> None:
        """Let go the bans whose time is over."""
        now = self._clock()
        removed: list[Banned] = []
        while self._due and self._due[0][0] <= now:
            _, name = heappop(self._due)
            known = self._fields.get(name)
            if known is None or not _is_over(known.entry, now):
                continue  # it was lifted, or is to last longer
            if self._drop(known.whom):
                removed.append(known.whom)
            if known.entry.until + GRACE_SECONDS > now:
                heappush(self._due, (known.entry.until + GRACE_SECONDS, name))
            elif self._store.status.is_away:  # another core may have renewed it, and this one has not heard
                heappush(self._due, (now + GRACE_SECONDS, name))
            else:
                self._store.delete_field(TABLE, name)
        self._tell(BanChange(removed=tuple(removed)))

    # Parts.

    def _in_force(self, whom: Banned) -> BanEntry | None:
        entry = self._bans.get(whom)
        return None if entry is None or _is_over(entry, self._clock()) else entry

    def _changed(self, change: TableChange) -> None:
        """The table is known, or has changed; what did not change in it is not read again."""
        gone = set(change.removed)
        if change.is_whole:
            gone.update(name for name in self._fields if name not in change.fields)
        added: dict[Banned, BanEntry] = {}
        removed = [whom for whom in map(self._forget, gone) if whom is not None]
        now = self._clock()
        for name, raw in change.fields.items():
            known = self._fields.get(name)
            if known is not None and known.raw == raw:
                continue
            read = self._read(name, raw)
            if read is None:
                continue
            self._fields[name] = read
            if read.entry.until:
                self._look_again(read.entry.until, name)
            if not _is_over(read.entry, now):
                self._put(read.whom, read.entry)
                added[read.whom] = read.entry
            elif self._drop(read.whom):
                removed.append(read.whom)
        is_first = change.is_whole and not self._is_known
        if is_first:  # with those that were made here before
            self._is_known, added = True, dict(self._bans)
        self._tell(BanChange(added, tuple(removed), is_whole=is_first))

    def _read(self, name: str, raw: bytes) -> _Field | None:
        """Read a field; one that cannot be used is counted, and changes nothing."""
        try:
            if name not in self._fields and len(self._fields) >= MAX_BANS:
                raise MisuseError(f"there are {MAX_BANS} bans already")
            return _Field(raw, *decode_ban(name, raw, self._charset))
        except MisuseError as error:
            if name not in self._skipped:
                self._skip(name, str(error))
            return None

    def _skip(self, name: str, why: str) -> None:
        self.skipped_entries += 1
        if len(self._skipped) < MAX_REMEMBERED_SKIPS:
            self._skipped.add(name)
        if self.skipped_entries in (1, 10, 100, 1000) or self.skipped_entries % 10_000 == 0:
            _log.error("ban_skipped", field=name[:80], reason=why[:200], count=self.skipped_entries, action=_MEND)

    def _forget(self, name: str) -> Banned | None:
        """A field is gone; return whom it kept out."""
        self._skipped.discard(name)
        known = self._fields.pop(name, None)
        return known.whom if known is not None and self._drop(known.whom) else None

    def _put(self, whom: Banned, entry: BanEntry) -> None:
        if whom not in self._bans and whom.kind == BanKind.ADDRESS:
            self._prefixes[len(whom.value)][whom.bits] += 1
        self._bans[whom] = entry

    def _drop(self, whom: Banned) -> bool:
        """Take a ban out of force; whether it was in force."""
        if self._bans.pop(whom, None) is None:
            return False
        if whom.kind == BanKind.ADDRESS:
            prefixes = self._prefixes[len(whom.value)]
            prefixes[whom.bits] -= 1
            if not prefixes[whom.bits]:
                del prefixes[whom.bits]  # each length of prefix costs every look-up a look
        return True

    def _look_again(self, at: float, name: str) -> None:
        heappush(self._due, (at, name))
        if len(self._due) > 2 * len(self._fields) + 1000:  # bans were changed again and again
            self._due = [(known.entry.until, each) for each, known in self._fields.items() if known.entry.until]
            heapify(self._due)

    def _tell(self, change: BanChange) -> None:
        if change.added or change.removed or change.is_whole:
            for on_change in list(self._listeners):
                on_change(change)


def _is_over(entry: BanEntry, now: float) -> bool:
    return bool(entry.until) and entry.until <= now
