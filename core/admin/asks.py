"""Asks all cores something and gathers their answers, over the store's messages.

::

    topic           message
    admin.ask       {"id": "…", "by": OWNER, "ask": "kick", …}     to everybody
    admin.answer    {"id": "…", "from": OWNER, …}                  heard by who asked

Who must answer is known from the registry: every core whose lease runs. Who does not within ANSWER_SECONDS is named, so
that nobody takes silence for success. In a store that is one process, or away, only this core is asked.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from core.store.protocol import Store
from wire.errors import MisuseError, TidegateError

_log = structlog.get_logger("core.admin")

ASK_TOPIC = "admin.ask"
ANSWER_TOPIC = "admin.answer"

ANSWER_SECONDS = 2.0
MAX_PENDING = 64

Fields = Mapping[str, Any]


@dataclass(slots=True)
class Answers:
    """What came back, by the name of the process in the store; ``missing`` did not answer in time."""

    by_owner: dict[str, Fields] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)


class Asks:
    """One core's. ``answer`` is given the fields of a question and returns those of its answer; raises MisuseError."""

    def __init__(self, store: Store, answer: Callable[[Fields], Fields]) -> None:
        self._store = store
        self._answer = answer
        self._pending: dict[str, tuple[Answers, asyncio.Event]] = {}
        self._ends = [store.subscribe(ASK_TOPIC, self._asked), store.subscribe(ANSWER_TOPIC, self._answered)]

    def close(self) -> None:
        """Answer no more."""
        for end in self._ends:
            end()

    async def ask(self, question: Fields, owners: Collection[str]) -> Answers:
        """Ask everybody, and wait until those ``owners`` have answered or the time is over; raises MisuseError."""
        if len(self._pending) >= MAX_PENDING:
            raise MisuseError(f"{MAX_PENDING} questions are under way: try again in a moment")
        number = secrets.token_hex(8)
        answers, news = Answers(missing=set(owners)), asyncio.Event()
        self._pending[number] = (answers, news)
        try:
            message = json.dumps({**question, "id": number, "by": self._store.owner, "to": sorted(owners)})
            self._store.publish(ASK_TOPIC, message.encode())
            async with asyncio.timeout(ANSWER_SECONDS):
                while answers.missing:
                    news.clear()
                    await news.wait()
        except TimeoutError:
            pass
        finally:
            del self._pending[number]
        return answers

    def _asked(self, message: bytes) -> None:
        asyncio.get_running_loop().call_soon(self._answer_one, message)

    def _answer_one(self, message: bytes) -> None:
        try:
            fields = json.loads(message)
            number, addressed = fields["id"], fields["to"]
            if not isinstance(number, str) or not isinstance(addressed, list):
                raise TypeError("a question without a number")
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            _log.error("ask_unreadable", reason=str(error)[:200])
            return
        if self._store.owner not in addressed:  # it counts on those only: who came later is left alone
            return
        try:
            answer = dict(self._answer(fields))
        except (TidegateError, ValueError, TypeError, KeyError) as error:
            _log.error("ask_refused", ask=str(fields.get("ask"))[:40], reason=str(error)[:200])
            answer = {"error": str(error)[:500]}
        try:
            self._store.publish(ANSWER_TOPIC, json.dumps({**answer, "id": number, "from": self._store.owner}).encode())
        except MisuseError as error:
            _log.error("ask_unanswered", ask=str(fields.get("ask"))[:40], reason=str(error)[:200])

    def _answered(self, message: bytes) -> None:
        try:
            fields = json.loads(message)
            number, owner = fields["id"], fields["from"]
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            _log.error("answer_unreadable", reason=str(error)[:200])
            return
        pending = self._pending.get(number) if isinstance(number, str) else None
        if pending is None:  # another core's, or too late
            return
        answers, news = pending
        if isinstance(owner, str) and owner in answers.missing:
            answers.missing.discard(owner)
            answers.by_owner[owner] = fields
            news.set()
