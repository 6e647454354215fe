"""Keeps the bans in a file, so that an edge that starts while no core answers still keeps out who was banned before.

======  =====  =========  =====================================================================
offset  bytes  what       meaning
======  =====  =========  =====================================================================
0       14     magic      ``tidegate-bans`` and a line feed
14      32     checksum   SHA-256 of all that follows
46      8      saved at   when that was: milliseconds since 1970, big-endian
54      …      messages   each as the tunnel carries it, behind its length in four bytes
======  =====  =========  =====================================================================

What is left of a ban's time counts from when the file was saved, by the wall clock: monotonic clocks begin anew. The
messages are read by the tunnel's own codec, and believed no more than a core's. Disks and 100,000 bans are slow, so a
thread reads and writes, and lets go of the interpreter after each message.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import structlog

from edge.bans import BanBooks, BanSet
from fleet.kept_file import CHECKSUM_BYTES, KeptFileError, read_kept, replace_kept
from protos.tidegate.tunnel.v1 import tunnel_pb2
from tunnel.bans import MAX_BANS, MAX_NAME_BYTES, MAX_NOTICE_BYTES, Ban, BanChanges, check_notice
from tunnel.bans_codec import MAX_BANS_BYTES, BansPacker, decode_bans
from wire.errors import FrameFault, TunnelFault
from wire.layout import RAW, FrameLayout

_log = structlog.get_logger("edge.bans")

MAGIC = b"tidegate-bans\n"
TIME_BYTES = 8
LENGTH_BYTES = 4
MAX_FILE_BYTES = len(MAGIC) + CHECKSUM_BYTES + TIME_BYTES + MAX_BANS * (MAX_NAME_BYTES + MAX_NOTICE_BYTES + 64)
"""All the bans there may be, each with the longest name and a notice of its own: 134 MB. Most files have four."""

SAVE_SECONDS = 5.0
"""How long bans may change before they are written again."""

RETRY_SECONDS = 60.0
"""How long after a write that failed until the next."""

YIELD_SECONDS = 0.0005
"""How long the thread lets others go first after each message."""


class BansCache:
    """The file at ``path`` for the bans in ``books``; with an empty path there is none, and nothing is kept.

    ``wall_clock`` and ``clock`` give seconds, the second one those of the books.
    """

    def __init__(
        self,
        path: str,
        books: BanBooks,
        *,
        wall_clock: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = Path(path) if path else None
        self._books = books
        self._wall_clock = wall_clock
        self._clock = clock
        self._has_changed = asyncio.Event()
        self._saving = asyncio.Lock()
        self._is_complaining = False
        books.on_change.append(self._has_changed.set)

    async def restore(self, layout: FrameLayout | None) -> None:
        """Obey what is in the file, if it can be used; what cannot is said.

        ``layout`` is that of clientbound frames. What it does not allow, nobody is told: bans are told in the policy's
        words then, as all are where there is no layout.
        """
        if self._path is None:
            return
        try:
            bans = await asyncio.to_thread(self._load, self._path, layout)
        except FileNotFoundError:
            return
        except OSError as error:
            self._refuse(f"it cannot be read: {error.strerror or error}")
        except (KeptFileError, TunnelFault) as fault:
            self._refuse(str(fault))
        else:
            self._books.restore(bans)
            _log.info("bans_cache_loaded", file=str(self._path), bans=len(bans))

    def close(self) -> None:
        """Write no more: the file is another process's now."""
        self._path = None

    async def run(self) -> None:
        """Write the file when bans have changed, until cancelled."""
        while self._path is not None:
            await self._has_changed.wait()
            await self.save()
            await asyncio.sleep(RETRY_SECONDS if self._is_complaining else SAVE_SECONDS)

    async def save(self) -> None:
        """Write the file if bans have changed; never fails: a file that cannot be written is said, and tried again."""
        async with self._saving:
            if self._path is None or not self._has_changed.is_set():
                return
            self._has_changed.clear()
            sets = []
            for book in self._books.books:
                sets.append(book.copy_bans())
                await asyncio.sleep(0)
            await asyncio.to_thread(self._save, self._path, sets)
            if self._is_complaining:
                self._has_changed.set()

    def _save(self, path: Path, sets: Sequence[BanSet]) -> None:
        try:
            replace_kept(path, MAGIC, self._pack(sets))
        except OSError as error:
            if not self._is_complaining:
                reason = error.strerror or str(error)
                _log.warning("bans_cache_unwritable", file=str(path), reason=reason, action="going on without it")
            self._is_complaining = True
        else:
            self._is_complaining = False

    def _pack(self, sets: Sequence[BanSet]) -> bytes:
        body = [round(self._wall_clock() * 1000).to_bytes(TIME_BYTES)]
        now = self._clock()
        for message in _messages(_each_once(sets, now)):
            body += (len(message).to_bytes(LENGTH_BYTES), message)
            time.sleep(YIELD_SECONDS)
        return b"".join(body)

    def _load(self, path: Path, layout: FrameLayout | None) -> BanSet:
        """Read the file; raises OSError, KeptFileError and TunnelFault."""
        body = read_kept(path, MAGIC, "bans", MAX_FILE_BYTES).checked()
        if len(body) < TIME_BYTES:
            raise TunnelFault("it ends too early")
        saved_at = int.from_bytes(body[:TIME_BYTES]) / 1000
        age = max(0.0, self._wall_clock() - saved_at)  # a clock that went back makes no ban longer
        bans, now = BanSet(), self._clock()
        for message in _split(body[TIME_BYTES:]):
            changes = decode_bans(tunnel_pb2.Bans(changes=message), RAW)
            bans.change(BanChanges(added=tuple(_aged(changes.added, age, layout))), now)
            time.sleep(YIELD_SECONDS)
        return bans

    def _refuse(self, reason: str) -> None:
        _log.warning(
            "bans_cache_refused", file=str(self._path), reason=reason, action="nobody is banned until a core says so"
        )


def _each_once(sets: Sequence[BanSet], now_seconds: float) -> Iterator[Ban]:
    """Give whom any core has banned, once; not more of them than an edge holds of one core."""
    count = 0
    for number, bans in enumerate(sets):
        for ban in bans.bans(now_seconds):
            if any(ban.whom in earlier for earlier in sets[:number]):
                continue
            count += 1
            if count > MAX_BANS:
                return
            yield ban


def _messages(bans: Iterator[Ban]) -> Iterator[bytes]:
    packer, is_empty = BansPacker(), True
    for ban in bans:
        packer.add(ban)
        is_empty = False
        if not packer.has_room:
            yield packer.message(is_complete=False).changes
            packer, is_empty = BansPacker(), True
    if not is_empty:
        yield packer.message(is_complete=True).changes


def _split(rest: bytes) -> Iterator[bytes]:
    start = 0
    while start < len(rest):
        size = int.from_bytes(rest[start : start + LENGTH_BYTES])
        start += LENGTH_BYTES
        if not 1 <= size <= min(MAX_BANS_BYTES, len(rest) - start):
            raise TunnelFault(f"a message of {size} bytes with {max(0, len(rest) - start)} left")
        yield rest[start : start + size]
        start += size


def _aged(bans: Sequence[Ban], age_seconds: float, layout: FrameLayout | None) -> Iterator[Ban]:
    """Give the bans that are still in force, with what is left of them by now, and with words that can be told."""
    for ban in bans:
        if not ban.seconds_left:
            yield Ban(ban.whom, 0.0, _tellable(ban.notice, layout))
        elif ban.seconds_left > age_seconds:
            yield Ban(ban.whom, ban.seconds_left - age_seconds, _tellable(ban.notice, layout))


@lru_cache(maxsize=64)
def _tellable(notice: bytes, layout: FrameLayout | None) -> bytes:
    """Return a notice if it is whole frames of the game, as it is known now, and nothing otherwise."""
    try:
        if layout is not None:
            check_notice(notice, layout)
            return notice
    except FrameFault:
        pass  # another game's, or another dialect's: the ban holds all the same
    return b""
