"""The link to Redis: commands in, answers out, and whether it is there. The only module that knows redis-py.

A link is away until `connect` and `open` have been called, and again after anything that shows that Redis cannot be
trusted to answer: a broken connection, an answer that takes too long, a replica that may not be written. While it is
away, calls fail at once; nobody waits for what is known to be away. It does not come back by itself: `keeper` brings
it back.

Sentinel and Cluster are asked once per connection which node has our keys, all of which are in one slot. When that
node gives them up it says so, and that is an absence like any other.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis, RedisCluster
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import AbstractConnection, Connection, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.exceptions import RedisClusterException, RedisError, ResponseError

from core.store.address import RedisAddress
from core.store.messages import MAX_MESSAGE_BYTES
from core.store.protocol import StoreAwayError, StoreDataError
from core.store.scripts import ALL, Command
from fleet.address import Address

CALL_SECONDS = 0.4
"""Longest wait for an answer: with `writer.SETTLE_SECONDS` it stays within the store's TIMEOUT_SECONDS."""

CONNECT_SECONDS = 2.0
"""For the way to a connection: of several Sentinels some may be away."""

MAX_CONNECTIONS = 16
PING_SECONDS = 1.0

_FOREIGN = ("WRONGTYPE", "STOREDATA")
_PATIENCE: dict[str, Any] = {
    "socket_timeout": CALL_SECONDS,
    "socket_connect_timeout": CALL_SECONDS,
    "retry": Retry(NoBackoff(), 0),  # `keeper` tries again, and knows when
    "protocol": 2,
}
_ERRORS = (RedisError, RedisClusterException, OSError, TimeoutError, EOFError)


class RedisLink:
    """One process's link. ``slot_key`` is any of our keys; ``on_away`` is told why, each time Redis goes away."""

    def __init__(self, address: RedisAddress, slot_key: str, on_away: Callable[[str], None]) -> None:
        self._address = address
        self._slot_key = slot_key
        self._on_away = on_away
        self._client: Redis | None = None
        self.opened = asyncio.Event()
        self.problem = "not connected yet"
        self.since = time.time()
        self.latency_seconds = 0.0
        self.last_answer = time.monotonic()

    @property
    def is_away(self) -> bool:
        """Whether calls fail at once."""
        return not self.opened.is_set()

    async def connect(self) -> None:
        """Find Redis and give it our scripts; the link stays away until `open`. Raises StoreAwayError."""
        await self._drop()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                self._client = await self._find()
                for script in ALL:
                    await self._client.script_load(script.text)
            _heed_cancellation()
        except _ERRORS as error:
            _heed_cancellation()
            await self._drop()
            self.problem = _reason(error)
            raise StoreAwayError(f"{self._address}: {self.problem}") from error
        self.last_answer = time.monotonic()

    def open(self) -> None:
        """Let everybody call."""
        self.problem = ""
        self.since = time.time()
        self.opened.set()

    def give_up(self, reason: str) -> None:
        """Take Redis for away, and say so if it was not."""
        self.problem = reason
        if self.opened.is_set():
            self.since = time.time()
            self.opened.clear()
            self._on_away(reason)

    async def run(self, commands: Sequence[Command], *, is_mending: bool = False) -> list[Any]:
        """Return the answer to each command; foreign data under a key are a StoreDataError in its place.

        Raises StoreAwayError after CALL_SECONDS at the latest, at once while the link is away (unless the caller is
        mending it). Cancelled, the commands may or may not be carried out.
        """
        client = self._client
        if client is None or (self.is_away and not is_mending):
            raise StoreAwayError(f"{self._address}: {self.problem}")
        began = time.monotonic()
        try:
            async with asyncio.timeout(CALL_SECONDS), client.pipeline(transaction=False) as pipeline:
                for command in commands:
                    pipeline.execute_command(*command)
                answers = await pipeline.execute(raise_on_error=False)
            _heed_cancellation()
            answers = [_check(answer) for answer in answers]
        except _ERRORS as error:
            _heed_cancellation()
            reason = _reason(error)
            if client is self._client:  # not for a connection that was given up before
                self.give_up(reason)
            raise StoreAwayError(f"{self._address}: {reason}") from error
        self.last_answer = time.monotonic()
        self.latency_seconds = self.last_answer - began
        return answers

    @asynccontextmanager
    async def listening(self, channel: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """Subscribe to a channel on a connection of its own; what is given yields messages, pings, and never ends.

        Raises StoreAwayError, the iterator too.
        """
        client = self._client
        if client is None:
            raise StoreAwayError(f"{self._address}: {self.problem}")
        pubsub: Any = client.pubsub()  # its methods have no types
        try:
            try:
                async with asyncio.timeout(CALL_SECONDS):
                    await pubsub.subscribe(channel)
                _heed_cancellation()
            except _ERRORS as error:
                _heed_cancellation()
                self.give_up(_reason(error))
                raise StoreAwayError(f"{self._address}: {self.problem}") from error
            yield self._messages(pubsub)
        finally:
            await pubsub.aclose()

    async def close(self) -> None:
        """Disconnect."""
        self.opened.clear()
        await self._drop()

    async def _messages(self, pubsub: Any) -> AsyncIterator[bytes]:
        has_asked = False
        try:
            while True:
                message = await pubsub.get_message(timeout=PING_SECONDS)
                if message is not None:
                    has_asked = False
                    if message["type"] == "message":
                        yield bytes(message["data"][: MAX_MESSAGE_BYTES + 1])
                elif has_asked:
                    raise TimeoutError("no answer on the connection for messages")
                else:
                    has_asked = True
                    async with asyncio.timeout(CALL_SECONDS):
                        await pubsub.ping()
        except _ERRORS as error:
            self.give_up(_reason(error))
            raise StoreAwayError(f"{self._address}: {self.problem}") from error

    async def _find(self) -> Redis:
        """Return a client of the node that has our keys."""
        address = self._address
        if address.mode == "unix":
            return self._make(UnixDomainSocketConnection, path=address.path)
        if address.mode == "redis":
            return self._make_tcp(address.hosts[0])
        if address.mode == "sentinel":
            hosts = [(each.host, each.port) for each in address.hosts]
            sentinel: Any = Sentinel(  # type: ignore[no-untyped-call]
                hosts, sentinel_kwargs={**_PATIENCE, **self._tls_flags()}
            )
            try:
                host, port = await sentinel.discover_master(address.service)
            finally:
                for each in sentinel.sentinels:
                    await each.aclose()
            return self._make_tcp(Address(host, port))
        nodes = [ClusterNode(each.host, each.port) for each in address.hosts]
        login: dict[str, Any] = {"username": address.username, "password": address.password}
        async with RedisCluster(startup_nodes=nodes, **_PATIENCE, **login, **self._tls_flags()) as cluster:
            node = cluster.get_node_from_key(self._slot_key)
            if node is None:
                raise RedisClusterException("no node has our keys")
            return self._make_tcp(Address(str(node.host), int(node.port)))

    def _make_tcp(self, place: Address) -> Redis:
        kind = SSLConnection if self._address.is_tls else Connection
        return self._make(kind, host=place.host, port=place.port, **self._address.tls)

    def _make(self, kind: type[AbstractConnection], **place: Any) -> Redis:
        address = self._address
        pool = BlockingConnectionPool(
            max_connections=MAX_CONNECTIONS,
            timeout=CALL_SECONDS,
            connection_class=kind,
            db=address.db,
            username=address.username,
            password=address.password,
            **_PATIENCE,
            **place,
        )
        return Redis.from_pool(pool)

    def _tls_flags(self) -> dict[str, Any]:
        return {"ssl": True, **self._address.tls} if self._address.is_tls else {}

    async def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()


def _heed_cancellation() -> None:
    """Raise CancelledError if this task is being cancelled: redis-py may lose it while it connects."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _check(answer: object) -> object:
    if not isinstance(answer, Exception):
        return answer
    if isinstance(answer, ResponseError) and any(word in str(answer) for word in _FOREIGN):
        return StoreDataError(str(answer))
    raise answer


def _reason(error: BaseException) -> str:
    """Say in a line why Redis is away; redis-py's texts name hosts, never passwords."""
    if isinstance(error, TimeoutError) and not str(error):
        return "no answer in time"
    return f"{type(error).__name__}: {error}"[:200]
