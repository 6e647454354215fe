"""The feature `webhook`, in a host, against a real server that answers as it is told."""

import asyncio
import hashlib
import hmac
import json
import logging
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
import structlog

from core.features import Event
from core.features.builtin.webhook import Webhook
from core.features.containment import Loaded
from core.features.errors import FeatureError, Place
from core.features.host import FeatureHost
from core.features.kit import KitBans
from core.features.loader import Source, load_class, make_feature
from core.store.memory import MemoryStore
from games.registry import load_pack
from tests.servers import serving

SECRET = "keep this to yourself"
TOKEN = "token-in-the-path"


@dataclass
class Receiver:
    """An HTTP server with a list of answers, the last of which is repeated; None hangs."""

    answers: list[bytes | None]
    port: int = 0
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    now_open: int = 0
    most_open: int = 0
    _arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                first, *lines = head.decode().strip().split("\r\n")
                headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
                body = await reader.readexactly(int(headers["content-length"]))
                self.now_open += 1
                self.most_open = max(self.most_open, self.now_open)
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                async with self._arrived:
                    self.requests.append((first, headers, body))
                    self._arrived.notify_all()
                if answer is None:
                    await reader.read()
                    return
                self.now_open -= 1
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def count(self, wanted: int) -> None:
        """Wait for so many requests."""
        async with asyncio.timeout(10), self._arrived:
            await self._arrived.wait_for(lambda: len(self.requests) >= wanted)

    def events(self) -> list[dict[str, Any]]:
        return [event for _, _, body in self.requests for event in json.loads(body)["events"]]


@asynccontextmanager
async def receiving(*answers: bytes | None) -> AsyncIterator[Receiver]:
    receiver = Receiver(list(answers))
    async with serving(receiver.serve) as place:
        receiver.port = place.port
        yield receiver


def answer(status: str, *headers: str, body: bytes = b"") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


OK = answer("204 No Content")


def webhook(*targets: dict[str, object]) -> Loaded:
    source = Source("webhook", None, {"targets": list(targets)}, Place("features.toml [webhook]"))
    pack = load_pack("pko")
    return make_feature(source, load_class(source), pack.codec(""), pack.name)


def target(port: int, **more: object) -> dict[str, object]:
    quick: dict[str, object] = {"retry_seconds": 0.01, "max_retry_seconds": 0.02, "timeout_seconds": 5.0}
    return {"name": "bridge", "url": f"http://127.0.0.1:{port}/{TOKEN}", "events": ["chat"]} | quick | more


@asynccontextmanager
async def running(*targets: dict[str, object]) -> AsyncIterator[tuple[Callable[..., None], Webhook, FeatureHost]]:
    store = MemoryStore()
    host = FeatureHost(load_pack("pko"), "", store, KitBans())
    loaded = webhook(*targets)
    await host.switch([loaded])

    def emit(*texts: str, kind: str = "chat") -> None:
        for text in texts:
            host.emit(Event(kind, {"text": text}, "anna", "Anna", "eu"))

    try:
        yield emit, cast("Webhook", loaded.feature), host
        assert loaded.counts.failures == 0
    finally:
        await host.close()
        await asyncio.sleep(0)  # cancelled work ends
        others = [each for each in asyncio.all_tasks() if "webhook" in each.get_name()]
        await asyncio.gather(*others, return_exceptions=True)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - no event for it
            await asyncio.sleep(0.005)


async def test_events_arrive_signed_and_only_those_that_are_wanted(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    async with (
        receiving(OK) as receiver,
        running(target(receiver.port, secret_file=str(tmp_path / "secret"))) as (emit, _, _),
    ):
        emit("unwanted", kind="login")
        emit("hello")
        await receiver.count(1)
        first, headers, body = receiver.requests[0]
        assert first == f"POST /{TOKEN} HTTP/1.1"
        event = json.loads(body)["events"][0]
        assert (event["kind"], event["fields"], event["account"]) == ("chat", {"text": "hello"}, "anna")
        assert headers["content-type"] == "application/json"
        assert headers["x-tidegate-delivery"] == event["id"]
        signed = headers["x-tidegate-timestamp"].encode() + b"." + body
        digest = hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
        assert headers["x-tidegate-signature"] == f"sha256={digest}"


async def test_events_that_wait_go_together_and_one_request_at_a_time() -> None:
    async with receiving(OK) as receiver, running(target(receiver.port, batch_events=4)) as (emit, feature, _):
        emit(*map(str, range(10)))
        await until(lambda: feature.lanes[0].counts.delivered == 10)
        sizes = [len(json.loads(body)["events"]) for _, _, body in receiver.requests]
        assert sizes == [4, 4, 2]
        assert [event["fields"]["text"] for event in receiver.events()] == list(map(str, range(10)))
        assert len({event["id"] for event in receiver.events()}) == 10
        assert receiver.most_open == 1


async def test_a_failing_server_gets_the_same_again() -> None:
    bad = answer("500 Internal Server Error", body=b"x" * 100)
    with structlog.testing.capture_logs() as lines:
        async with receiving(bad, bad, OK) as receiver, running(target(receiver.port)) as (emit, feature, _):
            emit("one")
            await until(lambda: feature.lanes[0].counts.delivered == 1)
            bodies = [body for _, _, body in receiver.requests]
            deliveries = {headers["x-tidegate-delivery"] for _, headers, _ in receiver.requests}
    assert (len(bodies), len(set(bodies)), len(deliveries)) == (3, 1, 1)
    assert feature.lanes[0].counts.failed_attempts == 2
    said = [line for line in lines if line["event"].startswith("webhook")]
    assert [line["event"] for line in said] == ["webhook_failed", "webhook_works_again"]  # one line for both failures
    assert (said[0]["status"], said[0]["host"]) == (500, "127.0.0.1")
    assert TOKEN not in str(lines)


async def test_the_library_logs_no_address(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with receiving(OK) as receiver, running(target(receiver.port)) as (emit, feature, _):
        emit("one")
        await until(lambda: feature.lanes[0].counts.delivered == 1)
    assert TOKEN not in caplog.text


async def test_too_many_requests_are_answered_with_patience() -> None:
    slow_down = answer("429 Too Many Requests", "Retry-After: 0.3")
    async with receiving(slow_down, OK) as receiver, running(target(receiver.port)) as (emit, _, _):
        emit("one")
        await receiver.count(1)
        begin = asyncio.get_running_loop().time()
        await receiver.count(2)
        assert asyncio.get_running_loop().time() - begin >= 0.29


async def test_a_server_that_hangs_costs_one_time_out() -> None:
    async with (
        receiving(None, OK) as receiver,
        running(target(receiver.port, timeout_seconds=0.1)) as (emit, feature, _),
    ):
        emit("one")
        await until(lambda: feature.lanes[0].counts.delivered == 1)
        assert len(receiver.requests) == 2


async def test_an_endless_answer_is_not_read_to_its_end() -> None:
    endless = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"ffff\r\n" + b"x" * 0xFFFF + b"\r\n"
    async with receiving(endless) as receiver, running(target(receiver.port)) as (emit, feature, _):
        emit("one")
        await until(lambda: feature.lanes[0].counts.delivered == 1)


async def test_a_refused_connection_is_tried_again_and_given_up_in_the_end(unused_tcp_port: int) -> None:
    with structlog.testing.capture_logs() as lines:
        async with running(target(unused_tcp_port, give_up_seconds=0.0)) as (emit, feature, _):
            emit("one")
            await until(lambda: feature.lanes[0].counts.dropped == 1)
    given_up = next(line for line in lines if line["event"] == "webhook_given_up")
    assert "ConnectError" in given_up["problem"]
    assert TOKEN not in str(lines)


@pytest.mark.parametrize("status", ["404 Not Found", "302 Found"])
async def test_a_refusal_is_final_and_a_redirect_is_one(status: str) -> None:
    async with receiving(OK) as elsewhere:
        refusal = answer(status, f"Location: http://127.0.0.1:{elsewhere.port}/")
        async with receiving(refusal, OK) as receiver, running(target(receiver.port)) as (emit, feature, _):
            emit("one")
            await receiver.count(1)
            emit("two")
            await until(lambda: feature.lanes[0].counts.delivered == 1)
            assert feature.lanes[0].counts.refused == 1
            assert [event["fields"]["text"] for event in receiver.events()] == ["one", "two"]
            assert elsewhere.requests == []


async def test_a_full_queue_drops_the_oldest_counts_and_says_so() -> None:
    with structlog.testing.capture_logs() as lines:
        async with (
            receiving(None) as receiver,
            running(target(receiver.port, queue_events=2, batch_events=1)) as (emit, feature, host),
        ):
            emit("in flight")
            await receiver.count(1)
            emit("a", "b", "c", "d")
            lane = feature.lanes[0]
            await until(lambda: lane.counts.dropped == 2)
            assert [report.event.fields["text"] for report in lane.queue.first(9)] == ["c", "d"]
            told = host.commands["webhook"].run(cast("Any", None), "")
            assert told == "bridge: 0 sent, 2 waiting, 2 dropped, 0 refused"
    events = [line["event"] for line in lines]
    assert events.count("webhook_queue_full") == 1
    assert [line["unsent"] for line in lines if line["event"] == "webhook_unsent"] == [2]


async def test_one_target_that_hangs_does_not_hold_up_another() -> None:
    async with (
        receiving(None) as bad,
        receiving(OK) as good,
        running(target(bad.port), target(good.port, name="good", format="discord")) as (emit, feature, _),
    ):
        emit("hello *world*")
        await until(lambda: feature.lanes[1].counts.delivered == 1)
        message = json.loads(good.requests[0][2])
        assert message["allowed_mentions"] == {"parse": []}
        assert message["content"].endswith("hello \\*world\\*")


FITS: dict[str, object] = {"name": "a", "url": "https://example.com/x"}


def test_names_are_unique() -> None:
    with pytest.raises(FeatureError, match="two targets have one name"):
        webhook(FITS, FITS)


def test_without_the_library_the_text_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "core.features.webhook_post", raising=False)
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(FeatureError, match=r"httpx is missing: pip install 'tidegate\[webhook\]'"):
        webhook(FITS)
