"""Feature `webhook`: sends chosen events as signed JSON to other programs, such as a Discord channel.

Events come by `noticed` and are only put into a queue there. Each target has work of its own that posts them, one
request at a time (`core.features.webhook_post`), and decides by `core.features.webhook_queue` what becomes of a
failure. See docs/features/webhook.md.
"""

from __future__ import annotations

import asyncio
import importlib
import secrets
from itertools import count
from random import SystemRandom
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, model_validator

from core.features import Event, Feature, Session, Settings, command
from core.features.ports import Log
from core.features.webhook_body import Report, make_body, make_report, sign
from core.features.webhook_queue import (
    NO_ANSWER,
    Backoff,
    DeliveryCounts,
    Outcome,
    ReportQueue,
    judge,
    retry_after_seconds,
)
from core.features.webhook_target import Target

if TYPE_CHECKING:
    from core.features.webhook_post import Answer, Poster

SAY_SECONDS = 10.0
"""One line of the log per target and kind of trouble in so long."""

MAX_TARGETS = 16

_chance = SystemRandom().random


class WebhookSettings(Settings):
    """The targets."""

    targets: Annotated[tuple[Target, ...], Field(strict=False, min_length=1, max_length=MAX_TARGETS)] = Field(
        description="Where events go: a table [[webhook.targets]] for each."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        names = [target.name for target in self.targets]
        if len(set(names)) != len(names):
            raise ValueError("two targets have one name")
        try:
            importlib.import_module("core.features.webhook_post")
        except ModuleNotFoundError as error:
            raise ValueError(f"{error.name} is missing: pip install 'tidegate[webhook]'") from error
        return self


class Lane:
    """One target, what waits for it, and what became of the rest."""

    def __init__(self, target: Target, poster: Poster, log: Log) -> None:
        self.target = target
        self.poster = poster
        self.queue = ReportQueue(target.queue_events)
        self.counts = DeliveryCounts()
        self.backoff = Backoff(target.retry_seconds, target.max_retry_seconds)
        self.has_some = asyncio.Event()
        self._log = log
        self._said: dict[str, float] = {}  # by line: when last

    def put(self, report: Report, now: float) -> None:
        """Let an event wait to be sent."""
        if not self.queue.put(report):
            self.counts.dropped += 1
            self.say("webhook_queue_full", now, waiting=len(self.queue))
        self.has_some.set()

    def say(self, event: str, now: float, **fields: object) -> None:
        """Log trouble, seldom; the counts tell how much of it there was."""
        if now - self._said.get(event, -SAY_SECONDS) >= SAY_SECONDS:
            self._said[event] = now
            self._log.warning(event, **self.fields(), **fields)

    def fields(self) -> dict[str, object]:
        """Return who it is and how it goes, for the log."""
        counts = self.counts
        return {
            "target": self.target.name,
            "host": self.target.host,
            "delivered": counts.delivered,
            "dropped": counts.dropped,
            "refused": counts.refused,
        }


class Webhook(Feature):
    """Sends events to other programs."""

    settings: WebhookSettings

    def __init__(self) -> None:
        self.lanes: tuple[Lane, ...] = ()
        self._ids = (f"{secrets.token_hex(8)}-{number}" for number in count(1))

    def started(self) -> None:
        """Begin to send."""
        from core.features.webhook_post import Poster

        targets = self.settings.targets
        self.lanes = tuple(Lane(each, Poster(each.address, each.timeout_seconds), self.log) for each in targets)
        for lane in self.lanes:
            self.spawn(self._send_all(lane), lane.target.name)

    def stopped(self) -> None:
        """Say what was not sent any more."""
        for lane in self.lanes:
            if len(lane.queue):
                self.log.warning("webhook_unsent", **lane.fields(), unsent=len(lane.queue))

    def noticed(self, event: Event) -> None:
        """Queue an event for those who want it."""
        lanes = [lane for lane in self.lanes if event.kind in lane.target.events]
        if lanes:
            report = make_report(next(self._ids), self.wall_time(), event)
            for lane in lanes:
                lane.put(report, self.now())

    @command("webhook", "how the deliveries to other programs go", for_operators=True)
    def tell_counts(self, session: Session, words: str) -> str:
        """Answer with the counts of each target."""
        del session, words
        rows = [(lane.target.name, lane.counts, len(lane.queue)) for lane in self.lanes]
        return " | ".join(
            f"{name}: {counts.delivered} sent, {waiting} waiting, {counts.dropped} dropped, {counts.refused} refused"
            for name, counts, waiting in rows
        )

    async def _send_all(self, lane: Lane) -> None:
        """Send what comes, until cancelled."""
        try:
            while True:
                await lane.has_some.wait()
                if lane.target.batch_seconds and len(lane.queue) < lane.target.batch_events:
                    await asyncio.sleep(lane.target.batch_seconds)
                await self._send_first(lane)
                if not len(lane.queue):
                    lane.has_some.clear()
        finally:
            await lane.poster.close()

    async def _send_first(self, lane: Lane) -> None:
        """Send the oldest events in one request, again and again until they have arrived or are given up."""
        reports = lane.queue.first(lane.target.batch_events)
        body, taken = make_body(lane.target.format, reports)
        lane.queue.remove(taken)
        give_up_at = self.now() + lane.target.give_up_seconds
        while True:
            answer = await lane.poster.post(body, self._headers(lane.target, reports[0].id, body))
            outcome = judge(answer.status)
            if outcome is Outcome.DELIVERED:
                self._delivered(lane, taken)
                return
            lane.counts.failed_attempts += 1
            wait = lane.backoff.failed(_chance())
            wait = max(wait, retry_after_seconds(answer.retry_after, self.wall_time()))
            if outcome is Outcome.REFUSED:
                lane.counts.refused += taken
            elif self.now() + wait > give_up_at:
                outcome = Outcome.REFUSED
                lane.counts.dropped += taken
            event = "webhook_failed" if outcome is Outcome.RETRY else "webhook_given_up"
            lane.say(event, self.now(), events=taken, wait_seconds=round(wait, 1), **_described(answer))
            await asyncio.sleep(wait)
            if outcome is Outcome.REFUSED:
                return

    def _delivered(self, lane: Lane, events: int) -> None:
        lane.counts.delivered += events
        if lane.backoff.failures:
            self.log.info("webhook_works_again", **lane.fields(), after_failures=lane.backoff.failures)
            lane.backoff.succeeded()

    def _headers(self, target: Target, delivery_id: str, body: bytes) -> dict[str, str]:
        timestamp = int(self.wall_time())
        headers = {
            "Content-Type": "application/json",
            "X-Tidegate-Delivery": delivery_id,
            "X-Tidegate-Timestamp": str(timestamp),
        }
        if target.secret:
            headers["X-Tidegate-Signature"] = sign(target.secret, timestamp, body)
        return headers


def _described(answer: Answer) -> dict[str, object]:
    if answer.status == NO_ANSWER:
        return {"problem": answer.problem}
    return {"status": answer.status, "problem": answer.problem}
