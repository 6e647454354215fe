"""The bans of the core's book as edges want them: with the time that is left, and the game's frames that say why."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, runtime_checkable

import structlog

from core.ban_entries import ban_text
from core.bans import BanChange
from core.features.ports import BanEntry
from games.pack import Pack
from tunnel.bans import MAX_BAN_SECONDS, MAX_NOTICE_BYTES, Ban, Banned
from wire.errors import MisuseError

_log = structlog.get_logger("core.bans")


@runtime_checkable
class BanTaker(Protocol):
    """What tells the edges: `core.tunnel_service.TunnelService`."""

    def set_bans(self, bans: Sequence[Ban]) -> None:
        """Have all edges keep out these and nobody else."""
        ...

    def change_bans(self, added: Sequence[Ban], removed: Sequence[Banned]) -> None:
        """Lift some bans, then put up others."""
        ...


class BanNotices:
    """Listens to a `BanBook` and tells the edges; ``clock`` gives seconds of `time.time`, ``charset`` is the game's."""

    def __init__(
        self, pack: Pack, taker: BanTaker, clock: Callable[[], float] = time.time, *, charset: str = "latin-1"
    ) -> None:
        self._pack = pack
        self._charset = charset
        self._taker = taker
        self._clock = clock

    def tell(self, change: BanChange) -> None:
        """Hand a change on; what the edges cannot have is said, and they keep the bans they have."""
        bans = self.bans_of(change.added)
        try:
            if change.is_whole:
                self._taker.set_bans(bans)
            else:
                self._taker.change_bans(bans, change.removed)
        except MisuseError as error:
            _log.error("bans_untold", bans=len(bans), reason=str(error), action="the edges keep the bans they have")

    def bans_of(self, entries: Mapping[Banned, BanEntry]) -> list[Ban]:
        """Return the bans that are in force now, with their notices; equal notices are one object."""
        now = self._clock()
        notices: dict[str, bytes] = {}
        bans: list[Ban] = []
        for whom, entry in entries.items():
            left = min(entry.until - now, MAX_BAN_SECONDS) if entry.until else 0.0
            if entry.until and left <= 0:
                continue
            text = ban_text(entry)
            notice = notices.get(text)
            if notice is None:
                notice = notices[text] = self._notice(text)
            bans.append(Ban(whom, left, notice))
        return bans

    def _notice(self, text: str) -> bytes:
        """Return the game's frame with a text; none where the game has no such frame, or it would be too long."""
        if self._pack.notice is None:
            return b""
        frame = self._pack.notice(text.encode(self._charset, "replace"))
        return frame if len(frame) <= MAX_NOTICE_BYTES else b""
