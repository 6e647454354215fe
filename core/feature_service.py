"""The features of a core, put together: host, folder, watchdog; their start, their life and their end.

What they remember and share is the core's (`core.shared_state`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from core.features.folder import FeatureFolder
from core.features.host import FeatureHost
from core.features.reload import FeatureReload
from core.features.watchdog import Watchdog
from core.shared_state import SharedState
from games.pack import Pack
from tunnel.policy import EdgePolicy
from wire.rules import Check, Mode

_log = structlog.get_logger("core.features")


@dataclass(frozen=True, slots=True)
class FeatureConfig:
    """What features need. An empty ``folder`` loads none.

    A call over ``budget_seconds`` is named, one over ``limit_seconds`` is stopped.
    """

    folder: Path | None
    budget_seconds: float = 0.005
    limit_seconds: float = 0.1


class FeatureService:
    """One core's; ``policy`` gives the rules that edges obey now."""

    def __init__(
        self, config: FeatureConfig, pack: Pack, dialect: str, policy: Callable[[], EdgePolicy], shared: SharedState
    ) -> None:
        self.watchdog = Watchdog(config.limit_seconds)
        self._policy = policy
        self.host = FeatureHost(
            pack,
            dialect,
            shared.store,
            shared.bans,
            charset=shared.charset,
            watch=self.watchdog,
            budget_seconds=config.budget_seconds,
            malformed_passes=self._malformed_passes,
        )
        self._folder = FeatureFolder(config.folder, pack, self.host.codec)
        self.reload = FeatureReload(self.host, self._folder)
        self._is_running = False

    async def start(self) -> None:
        """Load the features; raises FeatureError. The store was started before."""
        self._is_running = True
        self.watchdog.start()
        try:
            await self.reload.start()
        except Exception:
            await self.stop()
            raise

    async def run(self) -> None:
        """Keep the features going until cancelled."""
        await self.reload.run()

    async def stop(self) -> None:
        """Stop the features, and write what is kept; harmless when done twice."""
        if not self._is_running:
            return
        self._is_running = False
        await self.host.close()
        self.watchdog.stop()

    def log_stats(self) -> None:
        """Say what features cost."""
        for loaded in self.host.plan.features:
            _log.info("feature_stats", feature=loaded.name, is_out=loaded.is_out, **loaded.counts.as_fields())
        _log.info(
            "features_stats",
            unsent_packets=self.host.unsent_packets,
            malformed=dict(self.host.malformed_frames),
            late_admissions=self.host.late_admissions,
            lost_events=self.host.lost_events,
        )

    def _malformed_passes(self, opcode: int) -> bool:
        """Whether the operator lets frames of an opcode pass whose layout is not ours."""
        rules = self._policy().rules
        if rules is None or rules.modes.get(Check.LAYOUT, Mode.ENFORCE) is not Mode.ENFORCE:
            return True
        return not any(each.opcode == opcode and each.mode is Mode.ENFORCE and each.layouts for each in rules.rules)
