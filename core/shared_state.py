"""What every core remembers and shares with the others, with features or without: the store, and the bans in it.

`core.core` starts it before anything else. A store that is away, or holds what is not ours, keeps no core from running.
"""

from __future__ import annotations

import asyncio
import resource
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from core.ban_notices import BanNotices
from core.bans import BanBook
from core.store.address import make_store
from core.store.protocol import StoreAwayError, StoreDataError
from games.pack import Pack

if TYPE_CHECKING:
    from core.tunnel_service import TunnelService

_log = structlog.get_logger("core.store")


@dataclass(frozen=True, slots=True)
class StoreConfig:
    """Where the store is, as `core.store.address` has it, and how names in it are written."""

    url: str = "memory:"
    prefix: str = "{tidegate}"
    charset: str = "latin-1"


class SharedState:
    """One core's."""

    def __init__(self, config: StoreConfig) -> None:
        self.charset = config.charset
        self.store = make_store(config.url, config.prefix)
        self.bans = BanBook(self.store, charset=config.charset)
        self._is_running = False

    async def start(self, pack: Pack, tunnels: TunnelService) -> None:
        """Connect to the store, take an epoch from it, and tell the edges of the bans."""
        await self.store.start()
        self._is_running = True
        tunnels.begin_epoch(await self._epoch())
        # A memory that has just begun knows of no bans, which is no reason for edges to forget those they have.
        has_forgotten = self.store.status.is_memory
        self.bans.listen(BanNotices(pack, tunnels, charset=self.charset).tell, from_now_on=has_forgotten)

    async def run(self) -> None:
        """Keep the store going until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.store.run(), name="store")
            tasks.create_task(self.bans.run(), name="bans")

    async def stop(self) -> None:
        """Write what is queued, and disconnect; harmless when done twice."""
        if not self._is_running:
            return
        self._is_running = False
        self.bans.close()
        await self.store.close()

    def log_stats(self) -> None:
        """Say how the store is."""
        status = self.store.status
        _log.info(
            "store_stats",
            store=status.kind,
            away=status.is_away,
            queued=status.queued_writes,
            lost_writes=status.lost_writes,
            memory_mib=_memory_mib(),
        )

    async def _epoch(self) -> int:
        """Return the number of this start: the store's, or the clock's where the store cannot be asked."""
        try:
            return await self.store.next_epoch()
        except (StoreAwayError, StoreDataError):
            return time.time_ns() // 1000


def _memory_mib() -> float:
    """Return how much memory the process has; 0 where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0.0
    return round(pages * resource.getpagesize() / 2**20, 1)
