"""The feature `announce`: greetings, the schedule, and operators' texts."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from core.features import RawPacket
from core.features.builtin.announce import BATCH, BATCH_SECONDS, Announce, AnnounceSettings
from core.features.errors import FeatureError, Place
from core.features.kit import Kit, KitPlayer
from core.features.loader import read_settings
from games.pko.chat import ColourNotice, PopupNotice, SystemInfo
from games.pko.connection import EnterMap

NOBODY = {"to_character": "", "to_region": ""}


def greeting(*lines: str, **settings: Any) -> KitPlayer:
    """Return a player who has just entered a game with this message of the day."""
    return Kit(Announce, {"message_of_the_day": list(lines), **settings}).player()


def run(player: KitPlayer, name: str, words: str) -> str | None:
    return player.kit.commands[name].run(player.session, words)


def test_without_settings_nothing_is_said() -> None:
    player = greeting()
    assert (player.texts, player.popups) == ([], [])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Welcome.", b"Welcome."),
        ("Hello {character}, this is {map}.", b"Hello Anna, this is garner."),
        ("{online} online in {region}", b"1 online in test"),
        ("{character}{character}", b"AnnaAnna"),
        ("{ character } {} {0} }{", b"{ character } {} {0} }{"),
        ("caf\xe9 \u4e2d", b"caf\xe9 ?"),
    ],
)
def test_placeholders(text: str, shown: bytes) -> None:
    assert greeting(text).texts == [shown]


def test_lines_follow_the_packet_in_their_order() -> None:
    player = greeting("one", "two")
    shown = [each for each in player.sent_to_player if isinstance(each, EnterMap | SystemInfo)]
    assert [type(each) for each in shown] == [EnterMap, SystemInfo, SystemInfo]
    assert player.texts == [b"one", b"two"]


def test_a_change_of_the_map_is_no_second_entry() -> None:
    player = greeting("one")
    player.hears(EnterMap(map_name=b"magicsea", character_id=1, world_id=1, name=b"Anna", x=1, y=1))
    assert player.texts == [b"one"]


@pytest.mark.parametrize(
    ("style", "last"),
    [
        ("chat", SystemInfo(text=b"hi")),
        ("popup", PopupNotice(text=b"hi")),
        ("colour", ColourNotice(rgb=0xFF112233, text=b"hi")),
    ],
)
def test_styles(style: str, last: SystemInfo | PopupNotice | ColourNotice) -> None:
    assert greeting("hi", style=style, colour=0xFF112233).sent_to_player[-1] == last


def test_a_long_text_in_colour_is_cut() -> None:
    kit = Kit(Announce, {"message_of_the_day": ["{character}" * 30], "style": "colour"})
    shown = kit.player(character="N" * 20).sent_to_player[-1]
    assert isinstance(shown, ColourNotice)
    assert shown.text == b"N" * 511


def test_the_message_waits_if_it_is_to() -> None:
    player = greeting("hi", delay_seconds=3)
    player.kit.advance(2.9)
    assert player.texts == []
    player.kit.advance(0.2)
    assert player.texts == [b"hi"]


def test_who_has_left_meanwhile_hears_nothing() -> None:
    player = greeting("hi", delay_seconds=3)
    player.leave()
    player.kit.advance(5)
    assert player.texts == []


def test_the_schedule() -> None:
    schedule = [
        {"every_minutes": 10, "text": "Vote, {character}!"},
        {"every_minutes": 25, "text": "Maintenance.", "region": "eu"},
    ]
    kit = Kit(Announce, {"schedule": schedule})
    anna, bert = kit.player(), kit.player(account="bert", character="Bert", region="eu")
    choosing = kit.player(in_game=False)
    kit.advance(9 * 60)
    assert anna.texts == []
    kit.advance(21 * 60)
    assert anna.texts == [b"Vote, Anna!"] * 3
    assert sorted(bert.texts) == [b"Maintenance."] + [b"Vote, Bert!"] * 3
    assert choosing.sent_to_player == []


def test_many_players_are_told_some_at_a_time() -> None:
    kit = Kit(Announce, {"schedule": [{"every_minutes": 1, "text": "x"}]})
    players = [kit.player(account=f"a{number}", character=f"C{number}") for number in range(BATCH + 10)]
    kit.advance(60)
    assert sum(len(player.texts) for player in players) == BATCH
    players[0].leave()
    kit.advance(BATCH_SECONDS)
    assert [len(player.texts) for player in players] == [0] + [1] * (BATCH + 9)


def fleet() -> list[KitPlayer]:
    """Return an operator and two players of other regions."""
    kit = Kit(Announce, operators=("root",))
    return [
        kit.player(account="root", character="Root"),
        kit.player(account="bert", character="Bert", region="eu"),
        kit.player(account="carl", character="Carl the Old", region="us"),
    ]


@pytest.mark.parametrize(
    ("name", "words", "hearers", "text", "to"),
    [
        ("announce", "Hi all", "RBC", b"Hi all", {}),
        ("announce", "{map} caf\xe9", "RBC", b"{map} caf\xe9", {}),
        ("tell", "bert  Hi", "B", b"Hi", {"to_character": "bert"}),
        ("tell", '"Carl the Old" Hi you', "C", b"Hi you", {"to_character": "Carl the Old"}),
        ("tell", "Nobody Hi", "", b"Hi", {"to_character": "Nobody"}),
        ("region", "eu Hi", "B", b"Hi", {"to_region": "eu"}),
    ],
)
def test_operators_tell(name: str, words: str, hearers: str, text: bytes, to: dict[str, str]) -> None:
    players = fleet()
    run(players[0], name, words)
    for player, letter in zip(players, "RBC", strict=True):
        assert player.texts == ([b"[Operator] " + text] if letter in hearers else [])
    (event,) = players[0].kit.events
    assert (event.kind, event.account, event.fields) == (
        "announcement",
        "root",
        {"text": text.decode("latin-1"), **NOBODY, **to},
    )


def test_answers_to_the_operator() -> None:
    operator = fleet()[0]
    assert run(operator, "announce", "x") is None  # they read it themselves
    assert run(operator, "tell", "Bert x") == "Bert is told."
    assert run(operator, "tell", "Zoe x") == "Zoe is not at this core; told if in the game elsewhere."
    assert run(operator, "region", "eu x") == "The players of the region eu are told."


@pytest.mark.parametrize(("name", "words"), [("announce", ""), ("tell", ""), ("tell", "Bert"), ("region", "eu")])
def test_incomplete_commands_tell_nobody(name: str, words: str) -> None:
    players = fleet()
    assert (run(players[0], name, words) or "").startswith(f"Write /{name}")
    assert [player.texts for player in players] == [[], [], []]
    assert players[0].kit.events == []


@pytest.mark.parametrize("style", ["popup", "colour"])
def test_operators_texts_have_the_style_of_the_settings(style: str) -> None:
    kit = Kit(Announce, {"style": style, "operator_prefix": ""})
    player = kit.player()
    run(player, "announce", "x" * 400)
    shown = player.sent_to_player[-1]
    assert not isinstance(shown, RawPacket)
    assert isinstance(shown, PopupNotice if style == "popup" else ColourNotice)


def test_commands_are_for_operators() -> None:
    assert all(each.for_operators for each in Kit(Announce).commands.values())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"message_of_the_day": ["Hi {name}"]}, r"\{name\} is no placeholder; there are: \{character\}"),
        ({"message_of_the_day": [""]}, "at least 1"),
        ({"message_of_the_day": ["x" * 401]}, "at most 400"),
        ({"message_of_the_day": ["x"] * 21}, "at most 20"),
        ({"style": "loud"}, "'chat', 'popup' or 'colour'"),
        ({"colour": -1}, "greater than or equal to 0"),
        ({"schedule": [{"every_minutes": 0, "text": "x"}]}, "schedule.0.every_minutes"),
        ({"schedule": [{"text": "x"}]}, "required"),
        ({"motd": "x"}, "is no setting of it"),
    ],
)
def test_settings_that_are_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(FeatureError, match=said):
        read_settings(AnnounceSettings, given, Place("features.toml"))


def test_the_page_has_every_setting_and_an_example_that_loads() -> None:
    page = (Path(__file__).parents[4] / "docs/features/announce.md").read_text()
    example = tomllib.loads(page.split("```toml\n")[1].split("```")[0])
    read_settings(AnnounceSettings, example["announce"], Place("page"))
    assert [key for key in AnnounceSettings.model_fields if f"`{key}`" not in page] == []
    assert all(field.description for field in AnnounceSettings.model_fields.values())
