"""The feature `moderation`: mutes, words and floods."""

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.features import kit as kit_module
from core.features.builtin._chat_lines import CHANNELS, Line
from core.features.builtin.moderation import Moderation, ModerationSettings
from core.features.errors import FeatureError, Place
from core.features.kit import Kit, KitPlayer
from core.features.loader import read_settings
from core.store.memory import MemoryStore
from games.characters import TEXT
from games.pko.chat import GmSay, Say, SayToAll, SayToCamp, SayToGuild, SayToTeam, SayToTrade, Whisper
from games.pko.social import RoomSay

QUIET = {"flood_lines": 0, "equal_lines": 0}

LINES: list[Line] = [
    Say(text=b"a bad b"),
    SayToCamp(text=b"a bad b"),
    SayToTrade(text=b"a bad b"),
    SayToAll(text=b"a bad b"),
    Whisper(to=b"bad", text=b"a bad b"),
    SayToTeam(text=b"a bad b"),
    SayToGuild(text=b"a bad b"),
    RoomSay(room_id=7, text=b"a bad b"),
]

LINE_BYTES = st.lists(st.sampled_from(TEXT.allowed), max_size=100).map(bytes)


def moderated(**settings: Any) -> Kit[Moderation]:
    return Kit(Moderation, {"words": ["bad"], **settings}, operators=("root",))


def operate(kit: Kit[Moderation], name: str, words: str) -> str | None:
    """Have an operator run a command, and what that began."""
    operator = next((each for each in kit.players.here if each.account == "root"), None)
    session = operator or kit.player(account="root", character="Root").session
    answer = kit.commands[name].run(session, words)
    kit.run_work()
    return answer


def is_mute(player: KitPlayer) -> bool:
    return player.says(Say(text=b"anything")) == []


@pytest.mark.parametrize("line", LINES, ids=lambda line: type(line).__name__)
def test_words_are_masked_on_every_channel(line: Line) -> None:
    assert moderated().player().says(line) == [replace(line, text=b"a *** b")]


def test_every_channel_has_a_row() -> None:
    assert {type(line) for line in LINES} == set(CHANNELS)


@pytest.mark.parametrize("dialect", ["classic", "counter", "counter+trailer"])
def test_counters_and_trailers_stay_right(dialect: str) -> None:
    player = Kit(Moderation, {"words": ["bad"], "action": "drop"}, dialect=dialect).player()
    sent = [player.says(Say(text=text)) for text in (b"a", b"bad", b"b")]
    assert sent == [[Say(text=b"a")], [], [Say(text=b"b")]]


@pytest.mark.parametrize(
    ("settings", "text", "sent", "told"),
    [
        ({"action": "drop"}, b"bad", None, []),
        ({"action": "tell"}, b"bad", None, [b"That may not be said here."]),
        ({"match": "anywhere"}, b"badly", b"***ly", []),
        ({"match": "word"}, b"badly", b"badly", []),
        ({"words": ["\u0430\u0431"], "charset": "cp1251"}, b"\xe0\xe1", b"**", []),
        ({"words": []}, b"bad", b"bad", []),
        ({"channels": ["all"]}, b"bad", b"bad", []),
        ({}, b"&bad", b"&bad", []),
        ({"server_commands": ""}, b"&bad", b"&***", []),
    ],
)
def test_settings_of_words(settings: dict[str, Any], text: bytes, sent: bytes | None, told: list[bytes]) -> None:
    player = moderated(**settings).player()
    assert player.says(Say(text=text)) == ([] if sent is None else [Say(text=sent)])
    assert player.texts == told


def test_operators_and_game_masters_are_left_alone() -> None:
    kit = moderated(flood_lines=2)
    operator = kit.player(account="Root", character="Root")
    assert [operator.says(Say(text=b"bad")) for _ in range(9)] == [[Say(text=b"bad")]] * 9
    assert kit.player().says(GmSay(text=b"bad")) == [GmSay(text=b"bad")]


@given(text=LINE_BYTES)
def test_what_no_rule_matches_goes_on_as_it_came(text: bytes) -> None:
    kit = Kit(Moderation, {"words": ["zzyzx", "xyzzy"], "match": "anywhere", **QUIET})
    player = kit.player()
    if b"zzyzx" not in text.lower() and b"xyzzy" not in text.lower():
        for line in (replace(line, text=text) for line in LINES):
            assert player.says(line) == [line]
            assert kit.feature.said(player.session, line) is None


def test_words_lead_to_a_mute() -> None:
    kit = moderated(mute_after_hits=3, hits_seconds=60, mute_minutes=2, **QUIET)
    player = kit.player()
    assert player.says(Say(text=b"bad")) == [Say(text=b"***")]
    kit.advance(61)
    assert [len(player.says(Say(text=b"bad"))) for _ in range(3)] == [1, 1, 0]
    assert player.texts == [b"You are muted for 2 min: words"]
    assert is_mute(player)
    kit.advance(121)
    assert not is_mute(player)
    (event,) = kit.events
    assert (event.kind, event.account, event.character) == ("incident", "anna", "Anna")
    assert event.fields == {"what": "mute", "reason": "words", "by": "moderation", "minutes": 2.0}


def say(player: KitPlayer, *texts: str, seconds: float = 0.1) -> list[bool]:
    """Return which lines the game server got."""
    passed = []
    for text in texts:
        passed.append(bool(player.says(Say(text=text.encode()))))
        player.kit.advance(seconds)
    return passed


@pytest.mark.parametrize(
    ("settings", "texts", "seconds", "passed", "reason"),
    [
        ({"flood_lines": 3, "flood_seconds": 1}, "abcd", 0.4, [1, 1, 0, 0], b"flood"),
        ({"flood_lines": 3, "flood_seconds": 1}, "abcd", 0.6, [1, 1, 1, 1], b""),
        ({"flood_lines": 0}, "abcdefghijkl", 0, [1] * 12, b""),
        ({"equal_lines": 3}, "aabaaab", 1, [1, 1, 1, 1, 1, 0, 0], b"repetition"),
        ({"equal_lines": 3, "equal_seconds": 5}, "aaaa", 6, [1] * 4, b""),
        ({"equal_lines": 0}, "aaaaaa", 2, [1] * 6, b""),
    ],
)
def test_floods(settings: dict[str, Any], texts: str, seconds: float, passed: list[int], reason: bytes) -> None:
    player = moderated(**{**QUIET, **settings}).player()
    assert say(player, *texts, seconds=seconds) == [bool(each) for each in passed]
    assert player.texts == ([b"You are muted for 5 min: " + reason] if reason else [])


def test_a_flood_counts_over_all_channels() -> None:
    player = moderated(flood_lines=4).player()
    assert [bool(player.says(line)) for line in LINES[:5]] == [True] * 3 + [False] * 2


def test_what_led_to_a_mute_is_paid_for() -> None:
    player = moderated(flood_lines=3, flood_seconds=60, mute_minutes=0.1).player()
    assert say(player, "a", "b", "c", seconds=7) == [True, True, False]
    assert say(player, "d", "e", "f", seconds=7) == [True, True, False]


def test_who_is_not_in_the_game_is_not_muted() -> None:
    """Before the login is accepted anybody may claim to be anybody."""
    player = moderated(flood_lines=2).player(in_game=False)
    assert say(player, "a", "b", "c") == [True] * 3
    assert player.kit.events == []


def test_who_is_muted_is_told_now_and_then() -> None:
    player = moderated(flood_lines=2, tell_seconds=10).player()
    say(player, *"abcdefgh", seconds=2)
    assert player.texts == [b"You are muted for 5 min: flood"] * 2


def test_a_mute_lasts_through_a_new_login_and_holds_for_the_account() -> None:
    kit = moderated()
    player = kit.player()
    operate(kit, "mute", "anna 10 spam and more")
    assert is_mute(player)
    assert player.texts[0] == b"You are muted for 10 min: spam and more"
    player.leave()
    assert is_mute(kit.player())
    assert is_mute(kit.player(character="Other"))
    assert not is_mute(kit.player(account="bert", character="Bert"))
    kit.advance(601)
    assert not is_mute(kit.player())


def test_somebody_who_is_offline() -> None:
    kit = moderated()
    assert operate(kit, "mute", "Anna 10") == "Anna is muted for 10 min."
    other = kit.player(character="Other")
    assert not is_mute(other)  # nobody knows yet whose character Anna is
    other.leave()
    kit.player().leave()
    other = kit.player(character="Other")
    assert is_mute(other)
    assert operate(kit, "unmute", "ANNA") == "ANNA may speak."
    assert not is_mute(other)
    assert not is_mute(kit.player())


def test_a_later_mute_replaces_the_earlier_also_where_it_is_shorter() -> None:
    kit = moderated()
    player = kit.player()
    operate(kit, "mute", "Anna 600")
    operate(kit, "mute", "Anna 1")
    kit.advance(61)
    assert not is_mute(player)


def test_unmute_lifts_what_a_rule_did() -> None:
    kit = moderated(flood_lines=2)
    player = kit.player()
    say(player, "a", "b")
    player.leave()
    operate(kit, "unmute", "Anna")
    player = kit.player(character="Other")
    assert not is_mute(player)


def test_an_account() -> None:
    kit = moderated()
    player = kit.player(character="Other")
    operate(kit, "mute", "account:Anna 10 spam")
    assert player.texts == [b"You are muted for 10 min: spam"]
    assert is_mute(player)
    assert kit.events[-1].fields["name"] == "account:Anna"
    assert kit.events[-1].character == "Other"
    operate(kit, "unmute", "account:ANNA")
    assert not is_mute(player)


def test_somebody_at_another_core(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore(clock=lambda: 0.0)
    monkeypatch.setattr(kit_module, "MemoryStore", lambda clock: store)
    here, there = moderated(), moderated()
    player = there.player()
    operate(here, "mute", "Anna 10 spam")
    assert player.texts == [b"You are muted for 10 min: spam"]
    assert is_mute(player)
    operate(here, "unmute", "Anna")
    assert not is_mute(player)
    assert player.texts[-1] == b"You may speak again."


def test_a_name_with_a_blank_and_bytes_of_any_charset() -> None:
    kit = moderated()
    player = kit.player(character="Old \xc4nn")
    assert operate(kit, "mute", '"Old \xc4nn" 10 \xff!') == "Old \xc4nn is muted for 10 min."
    assert player.texts == [b"You are muted for 10 min: \xff!"]
    assert is_mute(player)
    operate(kit, "unmute", '"Old \xc4nn"')
    assert not is_mute(player)


def test_a_reason_that_is_no_text_in_the_games_charset() -> None:
    kit = moderated()
    kit.charset = "utf-8"
    player = kit.player(character="\u4e2d")
    operate(kit, "mute", b"\xe4\xb8\xad 10 \xc3\xa9 \xff".decode("utf-8", "surrogateescape"))
    assert player.texts == [b"You are muted for 10 min: \xc3\xa9 \xff"]
    assert is_mute(player)
    assert kit.events[-1].fields["reason"] == "\xc3\xa9 \xff"


@pytest.mark.parametrize(
    "words", ["", "Anna", "Anna x", "Anna 0", "Anna -5", "Anna 525601", "account: 5", "N" * 33 + " 5", '"" 5']
)
def test_mutes_that_cannot_be(words: str) -> None:
    kit = moderated()
    assert (operate(kit, "mute", words) or "").startswith("Write /mute NAME MINUTES REASON")
    assert kit.events == []


@pytest.mark.parametrize("words", ["", '""', "account:", "N" * 33])
def test_unmutes_that_cannot_be(words: str) -> None:
    kit = moderated()
    assert (operate(kit, "unmute", words) or "").startswith("Write /unmute NAME")
    assert kit.events == []


def test_commands_are_for_operators() -> None:
    assert all(each.for_operators for each in moderated().commands.values())


def test_events_of_operators() -> None:
    kit = moderated()
    operate(kit, "mute", "Zoe 10 spam")
    operate(kit, "unmute", "Zoe")
    assert [event.fields for event in kit.events] == [
        {"what": "mute", "name": "Zoe", "by": "root", "reason": "spam", "minutes": 10},
        {"what": "unmute", "name": "Zoe", "by": "root"},
    ]


def test_chat_is_told_where_that_is_wanted() -> None:
    kit = moderated(emit_chat=True, **QUIET)
    player = kit.player()
    for line in LINES:
        player.says(line)
    player.says(Say(text=b"\xe9\xff"))
    told = [(event.kind, event.fields["channel"], event.fields["text"]) for event in kit.events]
    expected = [("chat", channel, "a *** b") for channel in ("say", "camp", "trade", "all")]
    assert told == [*expected, ("chat", "say", "\xe9\xff")]


@pytest.mark.parametrize("settings", [{}, {"emit_chat": True, "action": "drop"}])
def test_chat_is_not_told_otherwise(settings: dict[str, Any]) -> None:
    kit = moderated(**settings)
    kit.player().says(Say(text=b"bad"))
    assert kit.events == []


@pytest.mark.parametrize(
    ("given_settings", "said"),
    [
        ({"words": [""]}, "has 0 bytes, and 1 to 32 are possible"),
        ({"words": ["x" * 33]}, "has 33 bytes"),
        ({"words": ["x"] * 2001}, "at most 2000"),
        ({"words": [f"{number:032}" for number in range(513)]}, "together they may have 16384 bytes"),
        ({"words": ["\u0430"]}, "cannot be written in the charset ascii"),
        ({"charset": "klingon"}, "charset 'klingon' is not known"),
        ({"flood_lines": 1}, "would mute everybody"),
        ({"channels": ["gm"]}, "channels.0"),
        ({"word": ["x"]}, "is no setting of it"),
    ],
)
def test_settings_that_are_refused(given_settings: dict[str, Any], said: str) -> None:
    with pytest.raises(FeatureError, match=said):
        read_settings(ModerationSettings, given_settings, Place("features.toml"))


def test_the_page_has_every_setting_and_an_example_that_loads() -> None:
    page = (Path(__file__).parents[4] / "docs/features/moderation.md").read_text()
    example = tomllib.loads(page.split("```toml\n")[1].split("```")[0])
    read_settings(ModerationSettings, example["moderation"], Place("page"))
    assert [key for key in ModerationSettings.model_fields if f"`{key}`" not in page] == []
    assert all(field.description for field in ModerationSettings.model_fields.values())
