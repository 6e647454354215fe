"""The feature `presence`: who is where, written in a moment's time, and what strangers may have written."""

import asyncio
import json

import pytest

from core.features.builtin import presence as presence_module
from core.features.builtin.presence import TABLE, Presence, Whereabouts, count_by_region, read_presence
from core.features.kit import Kit, KitPlayer
from core.store.memory import MemoryStore
from games.pko.connection import EndPlayReply, EnterMap, Login
from tests.core.features.builtin.one_account import Client, load, make_host

DELAY = 0.2


@pytest.fixture
def kit() -> Kit[Presence]:
    return Kit(Presence, operators=("root",))


def entries(kit: Kit[Presence]) -> dict[str, Whereabouts]:
    return asyncio.run(read_presence(kit.store))


def map_change(map_name: str) -> EnterMap:
    return EnterMap(map_name=map_name.encode(), character_id=1, world_id=1, name=b"Anna", x=1, y=1)


def ask(kit: Kit[Presence], player: KitPlayer, words: str) -> list[bytes]:
    player.texts.clear()
    assert kit.commands["who"].run(player.session, words) is None
    kit.run_work()
    return player.texts


def test_an_entry_says_who_is_where(kit: Kit[Presence]) -> None:
    player = kit.player(account="anna", character="Anna", map_name="garner", region="eu")
    assert entries(kit) == {}
    kit.advance(DELAY)
    since = player.session.since
    assert entries(kit) == {
        player.session.id: Whereabouts(
            account="anna", character="Anna", map="garner", edge="edge-1", region="eu", since=since
        )
    }


def test_it_follows_the_player(kit: Kit[Presence]) -> None:
    player = kit.player()

    def now() -> tuple[str, str]:
        kit.advance(DELAY)
        [entry] = entries(kit).values()
        return entry.character, entry.map

    assert now() == ("Anna", "garner")
    player.hears(map_change("darkblue"))
    assert now() == ("Anna", "darkblue")
    player.hears(EndPlayReply(characters=()))
    assert now() == ("", "")
    player.leave()
    assert entries(kit) == {}


def test_nobody_is_there_before_the_login(kit: Kit[Presence]) -> None:
    player = kit.player(in_game=False)
    player.says(Login(account=b"anna", password=bytes(24), mac=b"aa", version=136))
    kit.advance(1)
    assert entries(kit) == {}


def test_changes_are_gathered(kit: Kit[Presence], monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[bytes] = []
    monkeypatch.setattr(kit.store, "own", lambda table, name, value: written.append(value))
    player = kit.player()
    for number in range(20):
        player.hears(map_change(f"map{number}"))
    kit.advance(DELAY)
    assert [json.loads(each)["map"] for each in written] == ["map19"]


def test_who_leaves_before_it_is_written_is_not_written(kit: Kit[Presence]) -> None:
    kit.player().leave()
    kit.advance(1)
    assert entries(kit) == {}


def test_another_login_on_the_same_connection_takes_the_entry_away(kit: Kit[Presence]) -> None:
    player = kit.player()
    kit.advance(DELAY)
    player.hears(map_change("darkblue"))
    player.says(Login(account=b"bert", password=bytes(24), mac=b"aa", version=136))
    kit.advance(DELAY)
    assert entries(kit) == {}


def test_many_changes_are_written_in_parts(kit: Kit[Presence], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence_module, "ENTRIES_AT_ONCE", 2)
    for number in range(5):
        kit.player(account=f"p{number}")
    kit.advance(DELAY)
    assert len(entries(kit)) == 2
    kit.advance(0.05)
    kit.advance(0.05)
    assert len(entries(kit)) == 5


def test_counts_and_everyone(kit: Kit[Presence]) -> None:
    for region in ("eu", "eu", "us"):
        kit.player(region=region)
    kit.advance(DELAY)
    assert asyncio.run(kit.feature.counts()) == {"eu": 2, "us": 1}
    assert len(asyncio.run(kit.feature.everyone())) == 3
    assert count_by_region({}) == {}


def test_who_is_answered_in_the_chat(kit: Kit[Presence]) -> None:
    root = kit.player(account="root", character="Root", region="us")
    kit.player(account="anna", character="Anna", region="eu")
    kit.player(account="bert", character="Bert", region="eu", map_name="DarkBlue")
    kit.advance(DELAY)
    assert ask(kit, root, "") == [b"3 online: eu 2, us 1"]
    assert ask(kit, root, "darkBLUE") == [
        b"bert: Bert on DarkBlue, at edge-1 (eu) since 1970-01-12 13:46 UTC",
        b"1 found.",
    ]
    assert ask(kit, root, "nobody") == [b"0 found."]
    assert kit.commands["who"].for_operators


def test_a_long_answer_is_cut() -> None:
    kit = Kit(Presence, {"listed": 2})
    players = [kit.player(account=f"p{number}") for number in range(4)]
    kit.advance(DELAY)
    assert ask(kit, players[0], "p")[2:] == [b"4 found, the first are shown."]


def test_one_question_at_a_time(kit: Kit[Presence]) -> None:
    root = kit.player()
    run = kit.commands["who"].run
    assert run(root.session, "") is None
    assert run(root.session, "") == "Somebody has asked just now; ask again."
    kit.run_work()
    assert run(root.session, "") is None
    kit.run_work()


def test_names_that_are_no_text_are_kept_readable() -> None:
    kit = Kit(Presence)
    kit.charset = "ascii"
    player = kit.player(in_game=False)
    player.enter("anna", "\udcff\udcfe", "garner", "aa")
    kit.advance(DELAY)
    assert [entry.character for entry in entries(kit).values()] == ["??"]


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"junk",
        b"[]",
        b"{}",
        b'{"account":7}',
        b'{"account":"a","since":1e300}',
        b'{"account":"a","since":NaN}',
        b'{"account":"a","since":-1}',
        b'{"account":"%s"}' % (b"x" * 300),
        b'{"account":"a","more":"%s"}' % (b"x" * 5000),
    ],
)
def test_strange_entries_are_left_out(value: bytes) -> None:
    store = MemoryStore()
    store.own(TABLE, "one", value)
    store.own(TABLE, "two", b'{"account":"anna","later":1}')
    assert asyncio.run(read_presence(store)) == {"two": Whereabouts(account="anna")}


async def test_entries_outlive_a_reload_and_go_with_the_feature() -> None:
    store = MemoryStore()
    host = make_host(store)
    await host.switch([load(host, Presence, delay_seconds=0.05)])
    client = Client(host, "anna")
    client.log_in()
    await client.decided.wait()
    client.is_accepted()
    presence = host.plan.features[0].feature
    assert isinstance(presence, Presence)
    presence._write()
    assert list(await read_presence(store)) == [client.session.id]
    await host.switch([load(host, Presence)])
    assert list(await read_presence(store)) == [client.session.id]
    await host.switch([])
    assert await read_presence(store) == {}
    await host.close()
