"""The store in Redis: two of them, absences of every kind, foreign data, races."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import cast

import pytest
from structlog.testing import capture_logs

from core.store.address import make_store
from core.store.knowledge import Knowledge
from core.store.protocol import LEASE_SECONDS, Store, StoreAwayError, StoreDataError, TableChange
from core.store.redis_link import RedisLink
from core.store.write_queue import Write, WriteKind
from core.store.writer import Writer
from tests.core.store.claims import run_races
from tests.core.store.stores import running, running_at, until, written
from tests.redis_server import LOOPBACK, RedisServer, redis_server

RECONCILED_SECONDS = 5.0


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


def watch(store: Store, table: str) -> dict[str, bytes]:
    """A copy of a table that follows it."""
    copy: dict[str, bytes] = {}

    def on_change(change: TableChange) -> None:
        if change.is_whole:
            copy.clear()
        assert change.is_whole or change.fields or change.removed, "nothing changed"
        assert all(copy.get(name) != value for name, value in change.fields.items()), "nothing changed"
        copy.update(change.fields)
        for name in change.removed:
            del copy[name]

    store.watch_table(table, on_change)
    return copy


async def all_listen(server: RedisServer, stores: int = 2) -> None:
    """Wait until so many stores hear of messages."""
    await until(lambda: server.say("PUBSUB", "NUMSUB", "{tidegate}:told").endswith(b":%d\r\n" % stores))


async def test_two_stores_share_everything(server: RedisServer) -> None:
    async with running_at(server.url) as one, running_at(server.url) as two:
        await all_listen(server)
        heard: list[bytes] = []
        two.subscribe("topic", heard.append)
        copy = watch(two, "t")
        one.put("k", b"v", expiry_seconds=60)
        one.put_field("t", "n", b"1")
        one.own("o", "n", b"mine")
        two.own("o", "n", b"yours")
        one.publish("topic", b"hello")
        await written(one)
        await written(two)
        await until(lambda: heard == [b"hello"] and copy == {"n": b"1"})

        assert await two.get(["k"]) == {"k": b"v"}
        assert await one.owned("o") == await two.owned("o") == {one.owner: {"n": b"mine"}, two.owner: {"n": b"yours"}}
        two.delete_field("t", "n")
        third = watch(one, "t")
        await until(lambda: copy == {} and third == {})
        assert b"PTTL" not in server.say("PTTL", "{tidegate}:value:k")


async def test_changes_from_both_sides_end_the_same(server: RedisServer) -> None:
    async with running_at(server.url) as one, running_at(server.url) as two:
        copies = [watch(one, "t"), watch(two, "t")]
        for number in range(500):
            (one, two)[number % 2].put_field("t", f"n{number % 5}", b"%d" % number)
            if number % 20 == 0:
                await asyncio.sleep(0)
        await written(one)
        await written(two)
        await until(lambda: copies[0] == copies[1] and len(copies[0]) == 5)


async def test_a_claim_taken_by_another_core_is_told_as_lost(server: RedisServer) -> None:
    async with running_at(server.url) as one, running_at(server.url) as two:
        lost: list[tuple[str, str]] = []
        one.on_claim_lost(lambda name, holder: lost.append((name, holder)))
        await all_listen(server)
        await one.claim("n", "h1", limit=1, evict=False)

        assert (await two.claim("n", "h2", limit=1, evict=True)).evicted == ("h1",)
        await until(lambda: lost == [("n", "h1")])
        one.release("n", "h1")
        await written(one)
        assert not (await one.claim("n", "h1", limit=1, evict=False)).is_granted


@pytest.mark.timeout(60)
async def test_no_race_lets_too_many_in(server: RedisServer) -> None:
    await run_races(server.url, 200)


async def test_what_a_killed_process_owned_goes_with_its_lease(server: RedisServer) -> None:
    async with running_at(server.url) as alive, AsyncExitStack() as stack:
        dead = await stack.enter_async_context(running(make_store(server.url), is_closed=False))
        dead.own("o", "n", b"1")
        await dead.claim("n", "h", limit=1, evict=False)
        await written(dead)
        assert await alive.owned("o") == {dead.owner: {"n": b"1"}}
        assert not (await alive.claim("n", "h2", limit=1, evict=False)).is_granted
        await stack.aclose()

        began = time.monotonic()
        while await alive.owned("o") or not (await alive.claim("n", "h2", limit=1, evict=False)).is_granted:
            assert time.monotonic() - began < LEASE_SECONDS + 1
            await asyncio.sleep(0.02)
        await dead.close()


async def test_what_a_closed_store_owned_is_gone_at_once(server: RedisServer) -> None:
    async with running_at(server.url) as alive:
        async with running_at(server.url) as other:
            other.own("o", "n", b"1")
            await other.claim("n", "h", limit=1, evict=False)
        assert await alive.owned("o") == {}
        assert (await alive.claim("n", "h2", limit=1, evict=False)).is_granted


@pytest.mark.parametrize("how", ["stopped", "frozen"])
async def test_an_absence_is_said_once_and_bridged(server: RedisServer, how: str) -> None:
    with capture_logs() as logs:
        async with running_at(server.url) as one, running_at(server.url) as two:
            copy = watch(two, "t")
            one.put("k", b"old", expiry_seconds=0)
            one.own("o", "n", b"1")
            one.put_field("t", "n", b"1")
            assert (await one.claim("n", "h1", limit=1, evict=False)).is_certain
            await written(one)
            server.stop() if how == "stopped" else server.freeze()

            began = time.monotonic()
            assert await one.get(["k"]) == {"k": b"old"}
            assert time.monotonic() - began < 0.6
            await until(lambda: two.status.is_away)
            began = time.monotonic()
            for _ in range(100):
                await one.get(["k", "x"])
                await one.owned("o")
            uncertain = await one.claim("n", "h2", limit=1, evict=False)
            with pytest.raises(StoreAwayError):
                await one.swap("k", b"old", b"new", expiry_seconds=0)
            assert time.monotonic() - began < 0.2, "no call waits for what is known to be away"
            assert (uncertain.is_granted, uncertain.is_certain) == (False, False)
            one.put("k", b"new", expiry_seconds=0)
            one.put_field("t", "n", b"2")
            one.publish("topic", b"unheard")
            assert await one.get(["k"]) == {"k": b"new"}
            assert one.status.problem
            assert (one.status.is_away, one.status.queued_writes, one.status.lost_messages) == (True, 3, 1)

            server.start() if how == "stopped" else server.thaw()
            await until(lambda: not one.status.is_away and not two.status.is_away, RECONCILED_SECONDS)
            await until(lambda: copy == {"n": b"2"})
            assert await two.get(["k"]) == {"k": b"new"}
            assert (await two.owned("o")) == {one.owner: {"n": b"1"}}
            assert not (await two.claim("n", "h2", limit=1, evict=False)).is_granted
            assert one.status.problem == ""
    assert [log["event"] for log in logs] == ["store_away", "store_away", "store_back", "store_back"]
    assert {log["was_emptied"] for log in logs[2:]} == {how == "stopped"}


async def test_what_was_lost_is_restored_but_never_over_what_others_wrote(server: RedisServer) -> None:
    async with running_at(server.url) as store:
        copy = watch(store, "t")
        for key in ("a", "b"):
            store.put(key, b"mine", expiry_seconds=60)
            store.put_field("t", key, b"mine")
        await written(store)
        server.stop()
        await until(lambda: store.status.is_away)
        server.start()
        await until(lambda: not store.status.is_away)
        assert b"mine" in server.say("GET", "{tidegate}:value:a")

        # Emptied while it is there, with something new in it: found by the lease that is gone.
        with capture_logs() as logs:
            server.say(
                "EVAL",
                "redis.call('FLUSHALL') redis.call('SET', KEYS[1], 'theirs')"
                "redis.call('HSET', KEYS[2], 'a', 'theirs')",
                "2", "{tidegate}:value:a", "{tidegate}:table:t",
            )  # fmt: skip
            await until(lambda: copy == {"a": b"theirs", "b": b"mine"})
        assert await store.get(["a", "b"]) == {"a": b"theirs", "b": b"mine"}
        assert int(server.say("PTTL", "{tidegate}:value:b")[1:]) > 0
        assert [log["event"] for log in logs] == ["store_lease_lapsed"]


async def test_uncertain_claims_are_checked_and_the_youngest_give_way(server: RedisServer) -> None:
    async with running_at(server.url) as one, running_at(server.url) as two:
        lost: list[str] = []
        for store in (one, two):
            store.on_claim_lost(lambda _, holder: lost.append(holder))
        await one.claim("n", "h0", limit=2, evict=False)
        server.stop()
        await until(lambda: one.status.is_away and two.status.is_away)
        for store, holder in ((two, "h1"), (one, "h2"), (two, "h3")):
            answer = await store.claim("n", holder, limit=2, evict=False)
            assert (answer.is_granted, answer.is_certain) == (True, False)
        assert not (await two.claim("n", "h4", limit=2, evict=False)).is_granted
        two.release("n", "h3")
        await two.claim("n", "h5", limit=2, evict=False)
        server.start()

        await until(lambda: sorted(lost) == ["h2", "h5"])
        await written(one)
        await written(two)
        one.release("n", "h0")
        two.release("n", "h1")
        await written(one)
        await written(two)
        await until(lambda: server.say("EXISTS", "{tidegate}:claim:n") == b":0\r\n")


async def test_a_process_that_slept_owns_again_and_yields_to_those_who_came(server: RedisServer) -> None:
    async with running_at(server.url) as awake, running_at(server.url) as asleep:
        lost: list[str] = []
        asleep.on_claim_lost(lambda _, holder: lost.append(holder))
        asleep.own("o", "n", b"1")
        for name in ("kept", "lost"):
            await asleep.claim(name, name, limit=1, evict=False)
        await written(asleep)
        # As Redis is after the lease of a process that was stopped has run out.
        before = asleep.owner
        server.say("ZREM", "{tidegate}:owners", before)
        server.say("DEL", f"{{tidegate}}:owned:{before}:o")
        assert (await awake.claim("lost", "other", limit=1, evict=False)).is_granted

        await until(lambda: lost == ["lost"])
        assert asleep.owner != before
        assert await awake.owned("o") == {asleep.owner: {"n": b"1"}}
        assert not (await awake.claim("kept", "other", limit=1, evict=False)).is_granted
        assert (await awake.claim("lost", "other", limit=1, evict=False)).is_granted


async def test_what_is_owned_is_refused_to_who_is_overtaken_and_written_under_another_name(
    server: RedisServer,
) -> None:
    async with running_at(server.url) as awake, running_at(server.url) as asleep:
        asleep.own("o", "old", b"1")
        await written(asleep)
        before = asleep.owner
        server.say("ZREM", "{tidegate}:owners", before)
        server.say("DEL", f"{{tidegate}}:owned:{before}:o")
        with capture_logs() as logs:
            asleep.own("o", "new", b"2")
            await until(lambda: asleep.owner != before)
            await until(lambda: any(log["event"] == "store_lease_lapsed" for log in logs))
        assert server.say("EXISTS", f"{{tidegate}}:owned:{before}:o") == b":0\r\n"
        assert await awake.owned("o") == {asleep.owner: {"old": b"1", "new": b"2"}}


async def test_a_lease_that_ended_is_not_brought_back_by_its_renewal(server: RedisServer) -> None:
    async with running_at(server.url) as store:
        before = store.owner
        server.say("ZADD", "{tidegate}:owners", "1", before)  # it ended in 1970
        await until(lambda: store.owner != before)
        assert server.say("ZSCORE", "{tidegate}:owners", before) == b"$-1\r\n"


async def test_epochs_grow_whoever_asks_and_whatever_stands_there(server: RedisServer) -> None:
    async with running_at(server.url) as one, running_at(server.url) as two:
        first, second = await one.next_epoch(), await two.next_epoch()
        ahead = first + 10**12
        server.say("HSET", "{tidegate}:marker", "epoch", str(ahead))
        assert first < second < ahead < await one.next_epoch() < await two.next_epoch()
        server.say("HSET", "{tidegate}:marker", "epoch", "theirs")
        assert await one.next_epoch() > second
        server.stop()
        with pytest.raises(StoreAwayError):
            await one.next_epoch()


async def test_a_large_table_of_others_is_read_in_parts(server: RedisServer) -> None:
    async with running_at(server.url) as one, running_at(server.url) as two:
        for number in range(3000):
            one.own("o", f"n{number}", b"%d" % number)
        two.own("o", "mine", b"1")
        await written(one)
        await written(two)
        found: dict[str, dict[str, bytes]] = {}
        parts = 0
        async for owner, fields in two.scan_owned("o"):
            assert len(fields) <= 1000
            found.setdefault(owner, {}).update(fields)
            parts += 1
        assert found == {one.owner: {f"n{number}": b"%d" % number for number in range(3000)}, two.owner: {"mine": b"1"}}
        assert parts > 5
        server.stop()
        assert [part async for part in two.scan_owned("o")] == [(two.owner, {"mine": b"1"})]


async def test_what_was_put_without_knowing_what_is_there_gives_way_to_it(server: RedisServer) -> None:
    async with running_at(server.url) as other:
        other.put("old", b"of years", expiry_seconds=60)
        other.put("seen", b"1", expiry_seconds=0)
        other.put("sure", b"theirs", expiry_seconds=0)
        await written(other)
    with capture_logs() as logs:
        async with running_at(server.url) as store:
            kept: list[tuple[str, bytes]] = []
            store.on_value_found(lambda key, value: kept.append((key, value)))
            assert await store.get(["seen"]) == {"seen": b"1"}
            server.freeze()
            assert await store.get(["old", "new", "ended", "gone", "sure"]) == {}
            for value in (b"1", b"2"):
                store.put("old", value, expiry_seconds=0, gives_way=True)
                store.put("new", value, expiry_seconds=0, gives_way=True)
                store.put("seen", value, expiry_seconds=0, gives_way=True)
            store.put("ended", b"1", expiry_seconds=0.001, gives_way=True)
            store.put("gone", b"1", expiry_seconds=0, gives_way=True)
            store.delete("gone")
            store.put("sure", b"mine", expiry_seconds=0)
            assert (await store.get(["old"])) == {"old": b"2"}
            server.thaw()
            await until(lambda: not store.status.is_away)
            await written(store)
            assert await store.get(["old", "new", "seen"]) == {"old": b"of years", "new": b"2", "seen": b"2"}
            assert kept == [("old", b"of years")]
            assert await store.get(["sure"]) == {"sure": b"mine"}
            assert store.status.lost_writes == 0
            assert int(server.say("PTTL", "{tidegate}:value:old")[1:]) > 1000
            store.put("old", b"and one", expiry_seconds=0, gives_way=True)
            await written(store)
            assert b"and one" in server.say("GET", "{tidegate}:value:old")
            assert server.say("EXISTS", "{tidegate}:value:ended", "{tidegate}:value:gone") == b":0\r\n"
    assert [(log["event"], log.get("kept_values")) for log in logs] == [("store_away", None), ("store_back", 1)]


async def test_what_could_not_be_read_is_read_when_the_store_is_back(server: RedisServer) -> None:
    async with running_at(server.url) as other:
        other.put("old", b"of years", expiry_seconds=0)
        await written(other)
    async with running_at(server.url) as store:
        found: list[tuple[str, bytes]] = []
        store.on_value_found(lambda key, value: found.append((key, value)))
        server.freeze()
        assert await store.get(["old", "new"]) == {}
        server.thaw()
        await until(lambda: not store.status.is_away)
        assert found == [("old", b"of years")]
        store.put("old", b"and one", expiry_seconds=0, gives_way=True)
        store.put("new", b"1", expiry_seconds=0, gives_way=True)
        await written(store)
        assert await store.get(["old", "new"]) == {"old": b"and one", "new": b"1"}
        assert b"and one" in server.say("GET", "{tidegate}:value:old")
        assert len(found) == 1


async def test_what_was_read_as_absent_is_put_whatever_is_there_later(server: RedisServer) -> None:
    async with running_at(server.url) as store:
        assert await store.get(["k"]) == {}
        server.say("SET", "{tidegate}:value:k", "theirs")
        server.freeze()
        await until(lambda: store.status.is_away)
        store.put("k", b"mine", expiry_seconds=0, gives_way=True)
        server.thaw()
        await written(store)
        assert b"mine" in server.say("GET", "{tidegate}:value:k")


async def test_what_gives_way_does_not_do_so_to_itself(server: RedisServer) -> None:
    async with running_at(server.url) as store:
        kept: list[str] = []
        store.on_value_found(lambda key, _: kept.append(key))
        server.stop()
        assert await store.get(["k"]) == {}
        store.put("k", b"1", expiry_seconds=0, gives_way=True)
        server.start()  # empty: what is known is restored, and then written
        await written(store)
        assert b"1" in server.say("GET", "{tidegate}:value:k")
        assert not kept


LATER = [
    (None, 0, None),  # what was put, the answer, what is then to be written
    (None, [b"sent before", -1], (b"1", False)),  # an older one of our own, whose answer was lost
    (Write(WriteKind.VALUE, ("k", ""), b"2", is_guess=True), [b"sent before", -1], (b"2", False)),
    (Write(WriteKind.VALUE, ("k", ""), b"2", is_guess=True), 0, (b"2", False)),
    (Write(WriteKind.VALUE, ("k", ""), b"2", is_guess=True), [b"1", -1], (b"2", False)),  # its own, sent twice
    (Write(WriteKind.VALUE, ("k", ""), b"2", is_guess=True), [b"theirs", -1], None),
    (Write(WriteKind.VALUE, ("k", ""), b"2"), [b"theirs", -1], (b"2", False)),
    (Write(WriteKind.VALUE, ("k", "")), [b"theirs", -1], (None, False)),  # deleted
    (None, [b"theirs", -1], None),
]


@pytest.mark.parametrize(("later", "answer", "left"), LATER)
def test_what_is_put_while_a_guess_is_under_way(
    later: Write | None, answer: object, left: tuple[bytes | None, bool] | None
) -> None:
    known = Knowledge("{tidegate}")
    kept: list[bytes] = []
    known.on_value_found(lambda _, value: kept.append(value))
    guess = Write(WriteKind.VALUE, ("k", ""), b"1", is_guess=True)
    known.note_unread("k")
    known.note_sent(replace(guess, value=b"sent before"))
    known.queue.put(guess)
    batch = known.queue.take(10, 1 << 20)
    if later is not None:
        known.queue.put(later)
    known.queue.done(batch)
    Writer(cast("RedisLink", None), known)._note_guess(guess, answer)
    found = known.queue.find(WriteKind.VALUE, ("k", ""))
    assert (None if found is None else (found.value, found.is_guess)) == left
    assert not known.unread or (later is not None and not later.is_guess)
    gave_way = isinstance(answer, list) and answer[0] == b"theirs" and (later is None or later.is_guess)
    assert kept == ([b"theirs"] if gave_way else [])


async def test_a_store_that_is_away_from_the_start(server: RedisServer) -> None:
    server.stop()
    with capture_logs() as logs:
        async with running_at(server.url) as store:
            copy = watch(store, "t")
            assert store.status.is_away
            store.put("k", b"v", expiry_seconds=0)
            store.put_field("t", "n", b"1")
            assert await store.get(["k"]) == {"k": b"v"}
            assert (await store.claim("n", "h", limit=1, evict=False)).is_granted
            server.start()
            await written(store)
            assert b"v" in server.say("GET", "{tidegate}:value:k")
            assert copy == {"n": b"1"}
            assert not (await store.claim("n", "h2", limit=1, evict=False)).is_granted
    assert [log["event"] for log in logs] == ["store_away", "store_back"]


class TestForeignData:
    async def test_under_a_value(self, server: RedisServer) -> None:
        server.say("RPUSH", "{tidegate}:value:k", "theirs")
        async with running_at(server.url) as store:
            store.put("good", b"1", expiry_seconds=0)
            store.put("k", b"mine", expiry_seconds=0)
            await written(store)
            assert "{tidegate}:value:k: it is a list, which is not Tidegate's" in store.status.problem
            assert store.status.lost_writes == 1
            assert await store.get(["k", "good"]) == {"k": b"mine", "good": b"1"}
            store.delete("k")
            await written(store)
            with pytest.raises(StoreDataError, match="value:k"):
                await store.swap("k", None, b"1", expiry_seconds=0)
            assert server.say("LRANGE", "{tidegate}:value:k", "0", "-1") == b"*1\r\n$6\r\ntheirs\r\n"

            server.say("DEL", "{tidegate}:value:k")
            assert await store.get(["k"]) == {}
            assert store.status.problem == ""

    async def test_too_long_a_value(self, server: RedisServer) -> None:
        server.say("SETRANGE", "{tidegate}:value:k", "70000", "x")
        async with running_at(server.url) as store:
            assert await store.get(["k"]) == {}
            assert "a value of 70001 bytes" in store.status.problem

    @pytest.mark.parametrize("key", ["marker", "owners", "table:t"])
    async def test_what_cannot_be_ours_is_said_at_the_start(self, server: RedisServer, key: str) -> None:
        server.say("SET", f"{{tidegate}}:{key}", "theirs")
        with capture_logs() as logs:
            async with running_at(server.url) as store:
                watch(store, "t")
                await until(lambda: f"{key}: it holds another type of data" in store.status.problem)
                assert store.status.is_away == (key != "table:t")
                store.put("k", b"1", expiry_seconds=0)
                store.own("o", "n", b"1")
                assert await store.get(["k"]) == {"k": b"1"}
                assert await store.owned("o") == {store.owner: {"n": b"1"}}
                assert server.say("GET", f"{{tidegate}}:{key}") == b"$6\r\ntheirs\r\n"
                server.say("DEL", f"{{tidegate}}:{key}")
                await written(store)
                assert b"1" in server.say("GET", "{tidegate}:value:k")
        said = [log["event"] for log in logs]
        assert said.count("store_away") == said.count("store_back") == (key != "table:t")

    @pytest.mark.parametrize("key", ["marker", "owners"])
    async def test_what_takes_the_place_of_ours_is_said_until_it_is_gone(self, server: RedisServer, key: str) -> None:
        async with running_at(server.url) as store:
            store.own("o", "n", b"1")
            await written(store)
            server.say("DEL", f"{{tidegate}}:{key}")
            server.say("SET", f"{{tidegate}}:{key}", "theirs")
            store.put("k", b"1", expiry_seconds=0)
            await until(lambda: f"{key}: it holds another type of data" in store.status.problem)
            server.say("DEL", f"{{tidegate}}:{key}")
            store.put("k", b"2", expiry_seconds=0)
            await until(lambda: not store.status.is_away and not store.status.problem)
            await written(store)
            async with running_at(server.url) as other:
                assert await other.owned("o") == {store.owner: {"n": b"1"}}

    async def test_later_the_rest_goes_on(self, server: RedisServer) -> None:
        async with running_at(server.url) as store:
            copy = watch(store, "t")
            server.say("SET", "{tidegate}:table:t", "theirs")
            server.say("SET", "{tidegate}:claim:n", "theirs")
            server.say("PUBLISH", "{tidegate}:told", "\x01nonsense")
            store.put_field("t", "n", b"1")
            store.put("k", b"v", expiry_seconds=0)
            await written(store)
            answer = await store.claim("n", "h", limit=1, evict=False)
            await until(lambda: "told" in store.status.problem or "table" in store.status.problem)
            assert (answer.is_granted, answer.is_certain) == (True, False)
            assert copy == {"n": b"1"}
            assert await store.get(["k"]) == {"k": b"v"}
            assert not store.status.is_away
            assert server.say("GET", "{tidegate}:claim:n") == b"$6\r\ntheirs\r\n"


async def test_a_lost_message_connection_is_mended(server: RedisServer) -> None:
    async with running_at(server.url) as one, running_at(server.url) as two:
        heard: list[bytes] = []
        copy = watch(one, "t")
        one.subscribe("topic", heard.append)
        await all_listen(server)
        with capture_logs() as logs:
            server.say("CLIENT", "KILL", "TYPE", "pubsub")
            two.put_field("t", "n", b"1")
            await until(lambda: copy == {"n": b"1"})
            await until(lambda: [log["event"] for log in logs].count("store_back") == 2)
        await all_listen(server)
        two.publish("topic", b"1")
        await until(lambda: heard == [b"1"])


async def test_through_sentinel() -> None:
    with redis_server(port=None) as server:
        watched = f"sentinel monitor game {LOOPBACK} {server.port} 1"
        with redis_server(port=None, sentinel_of=watched) as sentinel:
            url = f"redis+sentinel://{LOOPBACK}:{sentinel.port}/game/1"
            async with running_at(url) as store:
                store.put("k", b"v", expiry_seconds=0)
                await written(store)
                assert await store.get(["k"]) == {"k": b"v"}
                assert (await store.claim("n", "h", limit=1, evict=False)).is_certain
            async with running_at(url.replace("/game/", "/other/")) as store:
                assert store.status.is_away
                assert "other" in store.status.problem


async def test_in_a_cluster() -> None:
    with redis_server("cluster-enabled yes", port=None) as server:
        assert server.say("CLUSTER", "ADDSLOTSRANGE", "0", "16383") == b"+OK\r\n"
        await until(lambda: b"cluster_state:ok" in server.say("CLUSTER", "INFO"))
        async with running_at(f"redis+cluster://{LOOPBACK}:{server.port}") as store:
            heard: list[bytes] = []
            store.put_field("t", "n", b"1")
            store.put("k", b"v", expiry_seconds=0)
            await written(store)
            async with running_at(f"redis+cluster://{LOOPBACK}:{server.port}") as other:
                assert await other.get(["k"]) == {"k": b"v"}
                other.subscribe("topic", heard.append)
                await all_listen(server)
                store.publish("topic", b"1")
                await until(lambda: heard == [b"1"])
                assert (await other.claim("n", "h", limit=1, evict=False)).is_certain


async def test_a_password_is_used_and_never_said() -> None:
    with redis_server("requirepass s3cret/@x", port=None) as server:
        right = f"redis://:s3cret%2F%40x@{LOOPBACK}:{server.port}"
        with capture_logs() as logs:
            async with running_at(right) as store:
                assert not store.status.is_away
            async with running_at(right.replace("s3cret", "wr0ng")) as store:
                assert store.status.is_away
                assert "wr0ng" not in repr(store.status)
        assert len(logs) == 1
        assert "wr0ng" not in repr(logs)
