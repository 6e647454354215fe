"""The features of a core, put together: store, bans, host, folder, watchdog; their start, their life and their end."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from core.ban_notices import BanNotices
from core.bans import BanBook
from core.features.folder import FeatureFolder
from core.features.host import FeatureHost
from core.features.reload import FeatureReload
from core.features.watchdog import Watchdog
from core.store.address import make_store
from games.pack import Pack
from tunnel.policy import EdgePolicy
from wire.rules import Check, Mode

if TYPE_CHECKING:
    from core.tunnel_service import TunnelService

_log = structlog.get_logger("core.features")


@dataclass(frozen=True, slots=True)
class FeatureConfig:
    """What features need. An empty ``folder`` loads none; ``store_url`` as `core.store.address` has it.

    A call over ``budget_seconds`` is named, one over ``limit_seconds`` is stopped.
    """

    folder: Path | None
    store_url: str = "memory:"
    store_prefix: str = "{tidegate}"
    charset: str = "latin-1"
    budget_seconds: float = 0.005
    limit_seconds: float = 0.1


class FeatureService:
    """One core's; ``policy`` gives the rules that edges obey now."""

    def __init__(self, config: FeatureConfig, pack: Pack, dialect: str, policy: Callable[[], EdgePolicy]) -> None:
        self.store = make_store(config.store_url, config.store_prefix)
        self.bans = BanBook(self.store, charset=config.charset)
        self.watchdog = Watchdog(config.limit_seconds)
        self._policy = policy
        self._pack = pack
        self._charset = config.charset
        self.host = FeatureHost(
            pack,
            dialect,
            self.store,
            self.bans,
            charset=config.charset,
            watch=self.watchdog,
            budget_seconds=config.budget_seconds,
            malformed_passes=self._malformed_passes,
        )
        self._folder = FeatureFolder(config.folder, pack, self.host.codec)
        self.reload = FeatureReload(self.host, self._folder)
        self._is_running = False

    async def start(self, tunnels: TunnelService) -> None:
        """Connect to the store, tell the edges of the bans, and load the features."""
        await self.store.start()
        self._is_running = True
        self.watchdog.start()
        self.bans.listen(BanNotices(self._pack, tunnels, charset=self._charset).tell)
        try:
            await self.reload.start()
        except Exception:
            await self.stop()
            raise

    async def run(self) -> None:
        """Keep store and features going until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.store.run(), name="store")
            tasks.create_task(self.bans.run(), name="bans")
            tasks.create_task(self.reload.run(), name="feature-folder")

    async def stop(self) -> None:
        """Stop the features, write what is kept, and disconnect; harmless when done twice."""
        if not self._is_running:
            return
        self._is_running = False
        await self.host.close()
        self.bans.close()
        await self.store.close()
        self.watchdog.stop()

    def log_stats(self) -> None:
        """Say what features cost and how the store is."""
        for loaded in self.host.plan.features:
            _log.info("feature_stats", feature=loaded.name, is_out=loaded.is_out, **loaded.counts.as_fields())
        status = self.store.status
        _log.info(
            "store_stats",
            store=status.kind,
            away=status.is_away,
            queued=status.queued_writes,
            lost_writes=status.lost_writes,
            unsent_packets=self.host.unsent_packets,
            malformed=dict(self.host.malformed_frames),
            late_admissions=self.host.late_admissions,
            lost_events=self.host.lost_events,
            memory_mib=_memory_mib(),
        )

    def _malformed_passes(self, opcode: int) -> bool:
        """Whether the operator lets frames of an opcode pass whose layout is not ours."""
        rules = self._policy().rules
        if rules is None or rules.modes.get(Check.LAYOUT, Mode.ENFORCE) is not Mode.ENFORCE:
            return True
        return not any(each.opcode == opcode and each.mode is Mode.ENFORCE and each.layouts for each in rules.rules)


def _memory_mib() -> float:
    """Return how much memory the process has; 0 where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0.0
    return round(pages * resource.getpagesize() / 2**20, 1)
