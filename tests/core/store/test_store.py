"""What every store does, in memory and in Redis alike."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from core.store.address import make_store
from core.store.protocol import MAX_VALUE_BYTES, Claim, Store, TableChange
from tests.core.store.stores import running, until, written
from tests.redis_server import RedisServer, redis_server
from wire.errors import MisuseError


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture(params=["memory", "redis"])
async def store(request: pytest.FixtureRequest, server: RedisServer) -> AsyncIterator[Store]:
    if request.param == "redis":
        server.say("FLUSHALL")
    async with running(make_store("memory:" if request.param == "memory" else server.url)) as store:
        yield store


async def test_is_there(store: Store) -> None:
    assert not store.status.is_away
    assert store.status.problem == ""


class TestValues:
    async def test_what_was_put_is_seen_at_once_and_later(self, store: Store) -> None:
        store.put("a", b"1", expiry_seconds=60)
        store.put("b c", b"\x00\xff", expiry_seconds=0)
        store.put("a", b"2", expiry_seconds=60)
        wanted = {"a": b"2", "b c": b"\x00\xff"}

        assert await store.get(["a", "b c", "none"]) == wanted
        await written(store)
        assert await store.get(["a", "b c", "none"]) == wanted

    async def test_deleted_is_gone_at_once_and_later(self, store: Store) -> None:
        store.put("a", b"1", expiry_seconds=0)
        await written(store)
        store.delete("a")

        assert await store.get(["a"]) == {}
        await written(store)
        assert await store.get(["a"]) == {}

    async def test_expires(self, store: Store) -> None:
        store.put("a", b"1", expiry_seconds=0.05)

        assert await store.get(["a"]) == {"a": b"1"}
        began = time.monotonic()
        while await store.get(["a"]):
            assert time.monotonic() - began < 5
            await asyncio.sleep(0.005)

    async def test_empty_values_are_values(self, store: Store) -> None:
        store.put("a", b"", expiry_seconds=0)
        await written(store)

        assert await store.get(["a"]) == {"a": b""}
        assert not await store.swap("a", None, b"1", expiry_seconds=0)
        assert await store.swap("a", b"", b"1", expiry_seconds=0)

    async def test_swap_takes_only_what_is_expected(self, store: Store) -> None:
        assert not await store.swap("a", b"0", b"1", expiry_seconds=0)
        assert await store.swap("a", None, b"1", expiry_seconds=0)
        assert not await store.swap("a", None, b"2", expiry_seconds=0)
        assert not await store.swap("a", b"2", b"3", expiry_seconds=0)
        assert await store.get(["a"]) == {"a": b"1"}

    async def test_swap_comes_after_what_was_put_before(self, store: Store) -> None:
        store.put("a", b"1", expiry_seconds=0)

        assert await store.swap("a", b"1", b"2", expiry_seconds=0)
        await written(store)
        assert await store.get(["a"]) == {"a": b"2"}

    async def test_many_keys(self, store: Store) -> None:
        wanted = {f"k{number}": b"%d" % number for number in range(350)}
        for key, value in wanted.items():
            store.put(key, value, expiry_seconds=60)
        await written(store)

        assert await store.get(list(wanted)) == wanted


class TestTables:
    async def test_a_change_is_told_before_it_returns(self, store: Store) -> None:
        told: list[TableChange] = []
        end = store.watch_table("t", told.append)
        await until(lambda: bool(told))
        assert told.pop() == TableChange(is_whole=True)

        store.put_field("t", "n", b"1")
        assert told == [TableChange({"n": b"1"})]
        store.put_field("t", "n", b"1")
        store.delete_field("t", "other")
        assert len(told) == 1, "nothing changed"
        store.delete_field("t", "n")
        assert told[1:] == [TableChange(removed=("n",))]
        end()
        end()
        store.put_field("t", "n", b"2")
        assert len(told) == 2

    async def test_a_later_watcher_gets_the_whole(self, store: Store) -> None:
        store.put_field("t", "n", b"1")
        await written(store)
        told: list[TableChange] = []
        store.watch_table("t", told.append)
        await until(lambda: bool(told))

        assert told == [TableChange({"n": b"1"}, is_whole=True)]


class TestOwned:
    async def test_own_fields(self, store: Store) -> None:
        assert await store.owned("t") == {}
        store.own("t", "a", b"1")
        store.own("t", "b", b"2")
        store.disown("t", "a")
        store.disown("t", "never")

        assert await store.owned("t") == {store.owner: {"b": b"2"}}
        assert await store.owned("other") == {}


class TestClaims:
    async def test_only_so_many(self, store: Store) -> None:
        answers = [await store.claim("n", f"h{number}", limit=2, evict=False) for number in range(4)]

        assert [answer.is_granted for answer in answers] == [True, True, False, False]
        assert all(answer.is_certain for answer in answers)
        assert (await store.claim("other", "h3", limit=1, evict=False)).is_granted

    async def test_a_released_place_is_free_at_once(self, store: Store) -> None:
        for number in range(5):
            assert await store.claim("n", f"h{number}", limit=1, evict=False) == Claim(is_granted=True)
            store.release("n", f"h{number}")
            store.release("n", f"h{number}")

    async def test_the_oldest_give_way(self, store: Store) -> None:
        for number in range(3):
            await store.claim("n", f"h{number}", limit=3, evict=False)

        assert await store.claim("n", "h0", limit=3, evict=True) == Claim(is_granted=True), "it keeps its old place"
        assert await store.claim("n", "h3", limit=3, evict=True) == Claim(is_granted=True, evicted=("h0",))
        assert await store.claim("n", "h4", limit=1, evict=True) == Claim(is_granted=True, evicted=("h1", "h2", "h3"))
        assert not (await store.claim("n", "h5", limit=1, evict=False)).is_granted

    async def test_released_and_claimed_again_is_the_youngest(self, store: Store) -> None:
        for holder in ("a", "b"):
            await store.claim("n", holder, limit=2, evict=False)
        store.release("n", "a")
        await store.claim("n", "a", limit=2, evict=False)
        await written(store)

        assert (await store.claim("n", "c", limit=2, evict=True)).evicted == ("b",)


async def test_messages_are_heard_before_publish_returns(store: Store) -> None:
    heard: list[bytes] = []
    end = store.subscribe("topic", heard.append)
    store.publish("topic", b"1")
    store.publish("other", b"2")
    assert heard == [b"1"]
    end()
    end()
    store.publish("topic", b"3")
    assert heard == [b"1"]


@pytest.mark.parametrize("name", ["", "x" * 257, "a\n", "ü", "\x00"])
async def test_names_out_of_bounds_are_misuse(store: Store, name: str) -> None:
    misuses: tuple[Callable[[], object], ...] = (
        lambda: store.put(name, b"", expiry_seconds=0),
        lambda: store.delete(name),
        lambda: store.put_field(name, "n", b""),
        lambda: store.put_field("t", name, b""),
        lambda: store.own("t", name, b""),
        lambda: store.release("n", name),
        lambda: store.publish(name, b""),
    )
    for misuse in misuses:
        with pytest.raises(MisuseError):
            misuse()
    with pytest.raises(MisuseError):
        await store.get([name])
    with pytest.raises(MisuseError):
        await store.claim("n", name, limit=1, evict=False)


async def test_values_out_of_bounds_are_misuse(store: Store) -> None:
    big = bytes(MAX_VALUE_BYTES + 1)
    with pytest.raises(MisuseError):
        store.put("k", big, expiry_seconds=0)
    with pytest.raises(MisuseError):
        store.put_field("t", "n", big)
    with pytest.raises(MisuseError):
        store.publish("t", big)
    with pytest.raises(MisuseError):
        await store.swap("k", None, big, expiry_seconds=0)
    for expiry in (-1.0, math.nan, math.inf):
        with pytest.raises(MisuseError):
            store.put("k", b"", expiry_seconds=expiry)
    for limit in (0, 10_001):
        with pytest.raises(MisuseError):
            await store.claim("n", "h", limit=limit, evict=False)
