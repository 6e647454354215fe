"""Watches the relays of one role in Consul, and tells when they change.

A blocking query waits at the agent until something has changed. Its index may go back after a restart of the agent, and
is then forgotten. What cannot be asked removes nobody: the relays of the last good answer stay, and are said to be old.
"""

import asyncio
import time
from dataclasses import replace
from random import Random

import structlog

from fleet.backoff import Backoff
from fleet.discovery.belief import Belief
from fleet.discovery.consul_client import Answer, ConsulClient, ConsulError
from fleet.discovery.consul_state import ConsulState
from fleet.discovery.discovery import OnFound
from fleet.discovery.entries import read_entries
from fleet.discovery.found_cache import FoundCache
from fleet.discovery.metadata import Wanted
from fleet.records import Found

_log = structlog.get_logger("discovery")

WAIT_SECONDS = 30.0
"""How long a query waits for a change; aiohttp and proxies between cut what takes much longer."""

PAUSE_SECONDS = 0.25
"""Between queries, however often something changes: reading the answer for 256 relays takes some milliseconds."""

UNHEARD = "Consul has not answered yet"

FIRST_RETRY_SECONDS = 0.25
LONGEST_RETRY_SECONDS = 5.0


class Watch:
    """The relays of one service. ``on_found`` is told of every change, also of one in how old it is."""

    def __init__(
        self,
        client: ConsulClient,
        state: ConsulState,
        service: str,
        wanted: Wanted,
        cache: FoundCache,
        on_found: OnFound,
        random: Random,
    ) -> None:
        self.found = Found(is_stale=True, since_seconds=time.time(), problem=UNHEARD)
        self._client = client
        self._state = state
        self._service = service
        self._wanted = wanted
        self._cache = cache
        self._on_found = on_found
        self._backoff = Backoff(random, first_seconds=FIRST_RETRY_SECONDS, longest_seconds=LONGEST_RETRY_SECONDS)
        self._belief = Belief()
        self._index = 0
        self._old_since_seconds = self.found.since_seconds  # until the first answer in this life; then 0
        self._held = 0
        state.on_change.append(self._say_state)

    def recall(self) -> None:
        """Tell the relays of the file, as old ones. Blocks; call it before `run`."""
        kept = self._cache.load(self._wanted)
        if kept is None:
            return
        self._belief = Belief(kept.records)
        self._old_since_seconds = kept.heard_seconds
        _log.info("fleet_recalled", service=self._service, relays=len(kept.records))
        self._tell(Found(kept.records, kept.ignored, is_stale=True, since_seconds=kept.heard_seconds, problem=UNHEARD))

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            pause_seconds = await self._look()
            await asyncio.sleep(pause_seconds)

    def close(self) -> None:
        """Wait until what was found is on the disk."""
        self._cache.close()

    async def _look(self) -> float:
        """Ask once, and return how long to wait before the next time."""
        wait_seconds = self._belief.wait_seconds(time.monotonic())
        wait_seconds = WAIT_SECONDS if wait_seconds is None else min(WAIT_SECONDS, max(wait_seconds, PAUSE_SECONDS))
        try:
            answer = await self._client.find(self._service, index=self._index, wait_seconds=wait_seconds)
        except ConsulError as error:
            self._index = 0
            self._state.failed(self._service, str(error))
            return self._backoff.next_seconds()
        self._backoff.reset()
        self._hear(answer)
        self._state.worked(self._service)  # not before: what is known is old until then
        return PAUSE_SECONDS

    def _hear(self, answer: Answer) -> None:
        has_begun_anew = answer.index < self._index
        self._index = 0 if has_begun_anew else answer.index
        records, ignored = read_entries(answer.entries, self._wanted)
        # Who is missing just after something went wrong may only be late. So may be who stands in the file: without
        # one there is nobody to miss in the first answer.
        is_recalled = bool(self._old_since_seconds and self._belief.records)
        is_doubtful = bool(self._state.problem) or has_begun_anew or is_recalled
        believed = self._belief.hear(records, time.monotonic(), is_doubtful=is_doubtful)
        self._say_held(len(records))
        self._old_since_seconds = 0.0
        if not self._belief.held:
            self._cache.store(believed, time.time())
        self._tell(self._as_of_now(replace(self.found, records=believed, ignored=ignored)))

    def _say_held(self, found: int) -> None:
        held = self._belief.held
        if held and not self._held:
            _log.warning("fleet_loss_doubted", service=self._service, missing=held, found=found)
        elif self._held and not held:
            _log.info("fleet_loss_settled", service=self._service, relays=len(self._belief.records))
        self._held = held

    def _say_state(self) -> None:
        self._tell(self._as_of_now(self.found))

    def _as_of_now(self, found: Found) -> Found:
        """Return what was found as it is to be seen now: fresh, or old, why and since when."""
        problem, since_seconds = self._state.problem, self._old_since_seconds or self._state.since_seconds
        if not problem and self._old_since_seconds:
            problem = UNHEARD
        elif not problem and self._belief.held:
            problem = f"Consul has lost {self._belief.held} of them at once, which is not believed yet"
            since_seconds = found.since_seconds or time.time()
        if not problem:
            return replace(found, is_stale=False, since_seconds=0.0, problem="")
        return replace(found, is_stale=True, since_seconds=since_seconds, problem=problem)

    def _tell(self, found: Found) -> None:
        if found != self.found:
            self.found = found
            self._on_found(found)
