"""Discovery by Consul: registers this relay and watches the roles that somebody wants, all beside the traffic.

Imported only by a process that uses Consul: it loads aiohttp.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from random import SystemRandom
from typing import Any

import structlog

from fleet.discovery.consul_client import ConsulClient, ConsulConfig
from fleet.discovery.consul_state import ConsulState
from fleet.discovery.discovery import OnFound
from fleet.discovery.found_cache import FoundCache
from fleet.discovery.metadata import Wanted
from fleet.discovery.registration import Registration
from fleet.discovery.watch import Watch
from fleet.records import Found, Record, Role

_log = structlog.get_logger("discovery")

RESTART_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Look:
    """A role that is wanted: what of it can be used, and who is told."""

    wanted: Wanted
    on_found: OnFound


class ConsulDiscovery:
    """Services are called ``prefix-core`` and ``prefix-edge``.

    ``describe`` gives this relay's record, and None once another process has taken it over; ``worker`` tells workers of
    one relay apart. What is found is kept at ``cache_file`` with ``.cores`` or ``.edges`` behind it; empty keeps none.
    """

    kind = "consul"

    def __init__(
        self,
        config: ConsulConfig,
        prefix: str,
        cache_file: str,
        looks: Mapping[Role, Look],
        describe: Callable[[], Record | None],
        worker: int = 1,
    ) -> None:
        random = SystemRandom()
        self._client = ConsulClient(config)
        self._state = ConsulState()
        self._registration = Registration(self._client, self._state, prefix, describe, worker, random)
        self._watches = {
            role: Watch(
                self._client,
                self._state,
                f"{prefix}-{role}",
                look.wanted,
                FoundCache(f"{cache_file}.{role}s" if cache_file else "", f"{prefix}-{role}"),
                look.on_found,
                random,
            )
            for role, look in looks.items()
        }

    @property
    def found(self) -> Mapping[Role, Found]:
        """What was found last, for each role that is looked for."""
        return {role: watch.found for role, watch in self._watches.items()}

    @property
    def problem(self) -> str:
        """Why what was found may be old, in one sentence; empty while it is fresh."""
        return self._state.problem or next((each.found.problem for each in self._watches.values()), "")

    @property
    def since_seconds(self) -> float:
        """Since when there is a problem, in seconds of ``time.time``; 0 while there is none."""
        if self._state.problem:
            return self._state.since_seconds
        return max((each.found.since_seconds for each in self._watches.values()), default=0.0)

    def recall(self) -> None:
        """Tell what the disk has kept from before; blocks. Call it before `run`, once those who are told exist."""
        for watch in self._watches.values():
            watch.recall()

    async def run(self) -> None:
        """Register and watch until cancelled, then take this relay out."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_keep("registration", self._registration.run), name="consul-registration")
                for role, watch in self._watches.items():
                    tasks.create_task(_keep(f"watch of {role}s", watch.run), name=f"consul-watch-{role}")
        finally:
            for watch in self._watches.values():
                watch.close()
            await self._client.close()


async def _keep(part: str, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a part until it ends; a mistake of ours in it must not end the players, and is tried again."""
    said_at = -float("inf")
    while True:
        try:
            await run()
        except Exception as error:
            if time.monotonic() - said_at > 12 * RESTART_SECONDS:
                said_at = time.monotonic()
                _log.error("discovery_fault", part=part, error=repr(error)[:500], restart_seconds=RESTART_SECONDS)
            await asyncio.sleep(RESTART_SECONDS)
        else:
            return
