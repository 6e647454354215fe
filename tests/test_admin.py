"""Operators' commands against a real fleet: processes, a real Redis, and whichever core is asked."""

import signal
import time
from collections import Counter

import pytest

from fleet.address import Address
from protos.tidegate.admin.v1 import admin_pb2
from tests.admin_fleet import AdminFleet, bots_at, running_admin_fleet
from tests.live_run import until
from tidegate.admin.errors import RefusedError
from tidegate.admin.place import find_target
from tidegate.errors import StartError

BOTS = 3


async def in_game(fleet: AdminFleet, core: int, count: int, seconds: float = 30) -> float:
    async def holds() -> bool:
        return await fleet.sessions(core, state="in_game") == count

    return await until(holds, seconds, f"core {core} knows of {count} players in the game")


@pytest.mark.timeout(240)
async def test_every_command_works_for_the_whole_fleet_from_the_other_core() -> None:
    async with running_admin_fleet() as fleet:
        playing = bots_at(fleet, BOTS)
        await in_game(fleet, 1, 2 * BOTS)

        async def is_published() -> bool:
            status = await fleet.ask(1, lambda client: client.status())
            return [core.sessions for core in status.cores] == [edge.sessions for edge in status.edges] == [BOTS, BOTS]

        await until(is_published, 20, "cores and edges have said how many they have")
        status = await fleet.run_json(1, "status")
        assert [(core["name"], core["sessions"], core["health"]) for core in status["cores"]] == [
            ("core-0", BOTS, "serving"),
            ("core-1", BOTS, "serving"),
        ]
        assert [core["store"] for core in status["cores"]] == ["redis", "redis"]
        assert 0 < status["cores"][0]["epoch"] < status["cores"][1]["epoch"]
        edges = {edge["name"]: edge for edge in status["edges"]}
        assert [(edge["region"], edge["workers"], edge["sessions"]) for edge in edges.values()] == [
            ("region-0", 1, BOTS),
            ("region-1", 1, BOTS),
        ]
        assert {path["core"] for path in edges["edge-0"]["paths"]} == {"core-0", "core-1"}
        code, out, _ = await fleet.run(0, "status")
        assert code == 0
        assert all(word in out for word in ("core-0", "core-1", "edge-0", "edge-1", "region-1", "serving"))

        listed = await fleet.run_json(1, "sessions", "--edge", "edge-0", "--figures")
        assert {each["account"] for each in listed["sessions"]} == {"bot00001", "bot00002", "bot00003"}
        assert {(each["core"], each["region"], each["state"]) for each in listed["sessions"]} == {
            ("core-0", "region-0", "in_game")
        }
        assert all(each["frames_clientbound"] and each["bytes_serverbound"] for each in listed["sessions"])

        told = await fleet.run_json(1, "announce", "The tide is coming in.")
        assert (told["count"], told["others"]) == (2 * BOTS, 0)
        told = await fleet.run_json(1, "announce", "--region", "region-0", "Region 0 only.")
        assert told["count"] == BOTS

        kicked = await fleet.run_json(1, "kick", "--account", "BOT00001", "--text", "Out you go.")
        assert kicked["count"] == 1
        assert kicked["ids"] == [each["id"] for each in listed["sessions"] if each["account"] == "bot00001"]
        await in_game(fleet, 1, 2 * BOTS - 1)
        one = next(each["id"] for each in listed["sessions"] if each["account"] == "bot00002")
        assert (await fleet.run_json(1, "kick", one[:12]))["ids"] == [one]
        await in_game(fleet, 1, 2 * BOTS - 2)

        await fleet.run_json(1, "ban", "account", "BOT00003", "--for", "1h", "--reason", "selling gold")
        await in_game(fleet, 0, 2 * BOTS - 3)
        (ban,) = (await fleet.run_json(0, "bans"))["bans"]
        assert (ban["kind"], ban["value"], ban["reason"]) == ("account", "bot00003", "selling gold")
        assert 3590 < ban["until"] - time.time() < 3610
        await fleet.run_json(0, "unban", "account", "bot00003")
        assert (await fleet.run_json(1, "bans"))["total"] == 0

        drained = await fleet.run_json(0, "drain", "edge", "edge-1")
        assert drained["sessions"] == BOTS
        assert await fleet.edges[1].child.wait() == 0
        drained = await fleet.run_json(1, "drain", "core", "core-0")
        assert not drained["was_draining"]
        assert await fleet.cores[0].child.wait() == 0
        for each in playing:
            await each.stop()


@pytest.mark.timeout(120)
async def test_what_is_not_there_is_said_with_status_1_and_wrong_use_with_2() -> None:
    async with running_admin_fleet(cores=1, edges=1) as fleet:
        rows = (
            (1, "there is no session 0123456789ab", ("kick", "0123456789ab")),
            (1, "there is no session with account nobody", ("kick", "--account", "nobody")),
            (1, "there is no edge edge-9; known are: edge-0", ("drain", "edge", "edge-9")),
            (1, "there is no core core-9; known are: core-0", ("drain", "core", "core-9")),
            (1, "there is no core core-9", ("sessions", "--core", "core-9")),
            (1, "there is no edge edge-9", ("kick", "--edge", "edge-9")),
            (1, "there is no edge edge-9", ("announce", "x", "--edge", "edge-9")),
            (1, "there is no ban of account nobody", ("unban", "account", "nobody")),
            (2, "too little of a session's id", ("kick", "0123")),
            (2, "say which session", ("kick",)),
            (2, "is no session's id", ("sessions", "xyz")),
            (2, "neither an address nor a prefix", ("kick", "--address", "10.0.0.0/8/8")),
            (2, "at least /8", ("ban", "address", "0.0.0.0/1")),
            (2, "is no time", ("ban", "account", "x", "--for", "soon")),
            (2, "does not have", ("announce", "\u20ac 5")),
            (2, "one line without control characters", ("announce", "a\x1b[2Jb")),
            (2, "", ("ban", "nonsense", "x")),
        )

        async def is_listed() -> bool:
            return bool((await fleet.ask(0, lambda client: client.status())).edges)

        await until(is_listed, 10, "the edge is listed")
        for status, sentence, arguments in rows:
            got, out, err = await fleet.run(0, *arguments)
            assert (got, out) == (status, ""), (arguments, out, err)
            assert sentence in err, (arguments, err)


@pytest.mark.timeout(120)
async def test_a_killed_core_and_its_sessions_are_gone_within_its_lease() -> None:
    async with running_admin_fleet() as fleet:
        playing = bots_at(fleet, BOTS)
        await in_game(fleet, 1, 2 * BOTS)
        fleet.cores[0].child.send_signal(signal.SIGKILL)
        assert await in_game(fleet, 1, BOTS, seconds=6) < 5
        status = await fleet.ask(1, lambda client: client.status())
        assert [core.name for core in status.cores] == ["core-1"]
        for each in playing:
            await each.stop()


@pytest.mark.timeout(180)
async def test_a_core_that_was_frozen_is_dead_for_the_others_and_publishes_afresh_when_it_wakes() -> None:
    async with running_admin_fleet() as fleet:
        playing = bots_at(fleet, BOTS)
        await in_game(fleet, 1, 2 * BOTS)
        frozen = fleet.cores[0]
        frozen.child.send_signal(signal.SIGSTOP)
        with pytest.raises(RefusedError, match="core-0 did not answer within 2 s; at the others 0 sessions were ended"):
            await fleet.ask(
                1,
                lambda client: client.kick(
                    admin_pb2.KickSessionsRequest(which=admin_pb2.Selection(account="bot00001"))
                ),
            )
        await in_game(fleet, 1, BOTS, seconds=20)
        with pytest.raises(RefusedError, match="there is no core core-0; known are: core-1"):
            await fleet.ask(
                1, lambda client: client.drain(admin_pb2.DrainRequest(role=admin_pb2.ROLE_CORE, name="core-0"))
            )
        frozen.child.send_signal(signal.SIGCONT)
        await frozen.log.wait_for("store_lease_lapsed" if not frozen.log.count("store_away") else "store_back", 1)

        async def is_back() -> bool:
            status = await fleet.ask(1, lambda client: client.status())
            return Counter(core.name for core in status.cores) == {"core-0": 1, "core-1": 1}

        await until(is_back, 10, "the core is listed again, once")
        # Its sessions were held for a second, and have ended or come in by the other core: none of them is doubled.
        parts = await fleet.ask(1, lambda client: client.sessions(admin_pb2.ListSessionsRequest()))
        accounts = Counter(each.account for part in parts for each in part.sessions if each.account)
        assert max(accounts.values()) == 1
        for each in playing:
            await each.stop()


@pytest.mark.timeout(120)
async def test_without_the_store_a_core_answers_for_itself_and_says_so() -> None:
    async with running_admin_fleet() as fleet:
        assert fleet.redis is not None
        playing = bots_at(fleet, BOTS)
        await in_game(fleet, 1, 2 * BOTS)
        fleet.redis.stop()

        async def is_away() -> bool:
            return bool((await fleet.ask(1, lambda client: client.status())).is_partial)

        await until(is_away, 10, "the store is away")
        status, out, _ = await fleet.run(1, "status")
        assert status == 0
        assert "Only what core-1 knows is shown" in out
        assert "core-0" not in out.replace("no way to core-0", "")
        assert await fleet.sessions(1, state="in_game") == BOTS
        with pytest.raises(
            RefusedError, match="there is no session with account bot00001; other cores cannot be asked"
        ):
            await fleet.ask(
                1,
                lambda client: client.kick(
                    admin_pb2.KickSessionsRequest(which=admin_pb2.Selection(account="bot00001"))
                ),
            )
        request = admin_pb2.AddBanRequest(kind=admin_pb2.BAN_KIND_ACCOUNT, value="mallory")
        assert "other cores hear of it later" in (await fleet.ask(1, lambda client: client.ban(request))).problem
        fleet.redis.start()
        await in_game(fleet, 0, 2 * BOTS)

        async def has_heard() -> bool:
            parts = await fleet.ask(0, lambda client: client.bans(admin_pb2.ListBansRequest()))
            return [ban.value for part in parts for ban in part.bans] == ["mallory"]

        await until(has_heard, 10, "the other core hears of the ban")
        for each in playing:
            assert (await each.stop()).is_clean


@pytest.mark.timeout(90)
async def test_a_core_alone_in_memory_can_be_asked_too() -> None:
    async with running_admin_fleet(cores=1, edges=1, has_redis=False) as fleet:
        playing = bots_at(fleet, BOTS)
        await in_game(fleet, 0, BOTS)
        told = await fleet.ask(0, lambda client: client.announce(admin_pb2.AnnounceRequest(text="Hello.")))
        assert told.count == BOTS
        which = admin_pb2.Selection(character="bot00002")
        kicked = await fleet.ask(0, lambda client: client.kick(admin_pb2.KickSessionsRequest(which=which)))
        assert kicked.count == 1
        await in_game(fleet, 0, BOTS - 1)
        status = await fleet.ask(0, lambda client: client.status())
        assert [(core.name, core.store) for core in status.cores] == [("core-0", "memory")]
        assert not status.is_partial
        for each in playing:
            await each.stop()


@pytest.mark.timeout(90)
async def test_a_core_starts_and_carries_players_beside_a_redis_that_is_somebody_elses() -> None:
    async with running_admin_fleet(cores=0, edges=0) as fleet:
        assert fleet.redis is not None
        fleet.redis.say("SET", "{tidegate}:marker", "theirs")
        fleet.redis.say("SET", "{tidegate}:table:bans", "theirs")
        core = await fleet.start_core(0)
        try:
            status = await fleet.ask(0, lambda client: client.status())
            (entry,) = status.cores
            assert "{tidegate}:marker: it holds another type of data" in entry.store_problem
            assert entry.store_since
            assert status.is_partial
        finally:
            await core.child.stop()


def test_a_core_that_is_not_there_is_said_with_what_would_be_right() -> None:
    with pytest.raises(StartError, match=r"no core can be asked at /nowhere/admin.sock: .*; name it with --admin"):
        find_target("unix:/nowhere/admin.sock", "", Address("127.0.0.1", 1), {})
