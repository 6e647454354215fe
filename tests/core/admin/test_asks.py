"""Questions to all cores, and answers that may be missing, doubled or nonsense."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from structlog.testing import capture_logs

from core.admin.asks import ANSWER_TOPIC, ASK_TOPIC, Asks
from core.store.memory import MemoryStore
from wire.errors import MisuseError


def made(answer: Any) -> tuple[MemoryStore, Asks]:
    store = MemoryStore()

    def say(question: Mapping[str, Any]) -> Mapping[str, Any]:
        if isinstance(answer, Exception):
            raise answer
        return {"echo": question["ask"], **answer}

    return store, Asks(store, say)


async def test_who_is_asked_answers_once() -> None:
    store, asks = made({})
    asked: list[bytes] = []
    store.subscribe(ASK_TOPIC, asked.append)
    answers = await asks.ask({"ask": "x"}, {store.owner})
    assert answers.by_owner[store.owner]["echo"] == "x"
    assert not answers.missing
    for message in asked:  # the answer of somebody who was not asked, or answers twice, changes nothing
        number = json.loads(message)["id"]
        store.publish(ANSWER_TOPIC, json.dumps({"id": number, "from": "stranger"}).encode())


async def test_who_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.admin.asks.ANSWER_SECONDS", 0.05)
    store, asks = made({})
    answers = await asks.ask({"ask": "x"}, {store.owner, "dead"})
    assert (set(answers.by_owner), answers.missing) == ({store.owner}, {"dead"})


@pytest.mark.parametrize("error", [MisuseError("no"), KeyError("which"), TypeError("no"), ValueError("no")])
async def test_what_cannot_be_done_is_an_answer_too(error: Exception) -> None:
    store, asks = made(error)
    with capture_logs():
        answers = await asks.ask({"ask": "x"}, {store.owner})
    assert "no" in answers.by_owner[store.owner]["error"] or "which" in answers.by_owner[store.owner]["error"]


async def test_a_question_that_is_too_long_is_refused() -> None:
    store, asks = made({})
    with pytest.raises(MisuseError, match="at most 65536"):
        await asks.ask({"ask": "x" * 70_000}, {store.owner})


@pytest.mark.parametrize("message", [b"", b"{", b"[]", b"{}", b'{"id": 1, "to": []}', b'{"id": "x", "to": 1}', b"\xff"])
async def test_nonsense_on_the_topics_is_said_and_harms_nobody(message: bytes) -> None:
    store, asks = made({})
    with capture_logs() as logs:
        store.publish(ASK_TOPIC, message)
        store.publish(ANSWER_TOPIC, message)
        answers = await asks.ask({"ask": "x"}, {store.owner})
    assert answers.by_owner
    assert {log["event"] for log in logs} <= {"ask_unreadable", "answer_unreadable"}
    assert any(log["event"] == "ask_unreadable" for log in logs)


async def test_a_closed_one_answers_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.admin.asks.ANSWER_SECONDS", 0.05)
    store, asks = made({})
    asks.close()
    assert (await asks.ask({"ask": "x"}, {store.owner})).missing == {store.owner}
