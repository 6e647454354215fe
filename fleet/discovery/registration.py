"""Keeps this relay registered in Consul while it runs, with a check that says whether it can serve.

The relay is looked at several times a second, and the agent told when its health has changed, and otherwise once a
second: the check runs out after `TTL_SECONDS`, so a relay that was killed or hangs is critical within that, and Consul
removes it a minute later by itself. An agent that has forgotten the relay (it was started anew) refuses what it is
told, and is told all again at once.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import replace
from random import Random

import structlog

from fleet.backoff import Backoff
from fleet.discovery.consul_client import ConsulClient, ConsulError, Service
from fleet.discovery.consul_state import ConsulState
from fleet.discovery.entries import DRAINING, MAX_PROBLEM_CHARACTERS
from fleet.discovery.watch import FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS
from fleet.health import Health
from fleet.records import Record, as_metadata

_log = structlog.get_logger("discovery")

LOOK_SECONDS = 0.2
TELL_SECONDS = 1.0
TTL_SECONDS = 5.0
REMOVE_AFTER_SECONDS = 60.0
"""The least that Consul allows."""

LEAVE_SECONDS = 1.0
"""How long a relay that ends waits for Consul to take it out."""

SESSIONS_AFTER_SECONDS = 5.0
"""Sessions are told anew at most so often: each time wakes everybody who watches."""

_PART = "registration"


class Registration:
    """One relay, or one worker of it. ``describe`` says how it is now, and None when another process is it by now."""

    def __init__(
        self,
        client: ConsulClient,
        state: ConsulState,
        prefix: str,
        describe: Callable[[], Record | None],
        worker: int,
        random: Random,
    ) -> None:
        self._client = client
        self._state = state
        self._prefix = prefix
        self._describe = describe
        self._worker = worker
        self._backoff = Backoff(random, first_seconds=FIRST_RETRY_SECONDS, longest_seconds=LONGEST_RETRY_SECONDS)
        self._told: Record | None = None  # what the agent has, as far as is known here
        self._told_at = 0.0
        self._registered_at = 0.0
        self._service_id = ""

    async def run(self) -> None:
        """Keep the relay registered until cancelled, then take it out; ends by itself when another process is it."""
        try:
            while (record := self._describe()) is not None:
                pause_seconds = await self._look(record)
                await asyncio.sleep(pause_seconds)
        finally:
            if self._describe() is not None:
                await self._leave()

    async def _look(self, record: Record) -> float:
        """Tell the agent what it does not know, and return how long to wait before the next look."""
        now = time.monotonic()
        told = self._told
        if told is not None and record.health == told.health and now - self._told_at < TELL_SECONDS:
            return LOOK_SECONDS
        service = describe_service(record, self._prefix, self._worker)
        self._told = None  # until all has gone well
        try:
            if told is None or self._has_changed(record, told, now):
                await self._register(service, is_new=told is None)
                told, self._registered_at = record, now
            await self._client.report(
                service.check_id, is_passing=record.health.is_serving, output=_output(record.health)
            )
        except ConsulError as error:
            if told is not None:
                return 0.0  # all anew, at once: the agent may have been started anew, too
            self._state.failed(_PART, str(error))
            return self._backoff.next_seconds()
        self._told, self._told_at = replace(told, health=record.health), now
        self._state.worked(_PART)
        self._backoff.reset()
        return LOOK_SECONDS

    def _has_changed(self, record: Record, told: Record, now_seconds: float) -> bool:
        """Whether the agent's metadata is not good enough any more; a few players more or less are."""
        if replace(record, sessions=told.sessions, health=told.health) != told:
            return True
        change = abs(record.sessions - told.sessions)
        age_seconds = now_seconds - self._registered_at
        is_much = change * 10 > max(told.sessions, 1)
        return bool(change) and age_seconds >= (SESSIONS_AFTER_SECONDS if is_much else 12 * SESSIONS_AFTER_SECONDS)

    async def _register(self, service: Service, *, is_new: bool) -> None:
        if self._service_id and service.service_id != self._service_id:
            await self._client.deregister(self._service_id)  # it has another address now
        await self._client.register(service)
        self._service_id = service.service_id
        if is_new:
            _log.info("registered", service=service.name, id=service.service_id, address=str(service.address))

    async def _leave(self) -> None:
        """Take the relay out; an agent that does not answer in time will do so by itself."""
        if not self._service_id:
            return
        with contextlib.suppress(ConsulError, TimeoutError):
            async with asyncio.timeout(LEAVE_SECONDS):
                await self._client.deregister(self._service_id)
            _log.info("deregistered", id=self._service_id)


def describe_service(record: Record, prefix: str, worker: int) -> Service:
    """Return a relay as a service: the same relay at the same address has the same id whenever it is started."""
    name = f"{prefix}-{record.role}"
    return Service(
        name=name,
        service_id=f"{name}:{record.name}:{record.address.host}:{record.address.port}:{worker}",
        address=record.address,
        metadata=as_metadata(record),
        ttl_seconds=TTL_SECONDS,
        remove_after_seconds=REMOVE_AFTER_SECONDS,
    )


def _output(health: Health) -> str:
    if health.is_draining:
        return DRAINING
    return "; ".join(health.problems)[:MAX_PROBLEM_CHARACTERS] or "serving"
