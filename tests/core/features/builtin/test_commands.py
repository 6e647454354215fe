"""The feature `commands`: finding, answering and limiting them, and its own five."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.features import Feature, Session, command
from core.features.builtin._chat_lines import CHANNELS, Line
from core.features.builtin.commands import WAIT_SECONDS, Commands, CommandsSettings, spell_time
from core.features.errors import FeatureError, Place
from core.features.kit import Kit, KitLog, KitPlayer, Sent
from core.features.loader import read_settings
from games.characters import TEXT
from games.pko.chat import Say, SayToAll, SayToCamp, SayToGuild, SayToTeam, SayToTrade, Whisper
from games.pko.ping import CheckPing, CheckPingReply, Ping, PingReply
from games.pko.social import RoomSay

SERVER_WORDS = (1, 2, 3, 4, 5)

LINES: list[Line] = [
    Say(text=b"/echo a"),
    SayToCamp(text=b"/echo a"),
    SayToTrade(text=b"/echo a"),
    SayToAll(text=b"/echo a"),
    Whisper(to=b"Bob", text=b"/echo a"),
    SayToTeam(text=b"/echo a"),
    SayToGuild(text=b"/echo a"),
    RoomSay(room_id=7, text=b"/echo a"),
]


class Others(Feature):
    """Commands of another feature."""

    @command("echo", "says what you say")
    def echo(self, session: Session, words: str) -> str:
        return f"[{words}]"

    @command("many", "says much")
    def many(self, session: Session, words: str) -> str:
        return "\n\n".join(f"line {number}" for number in range(40))

    @command("long", "says it at length")
    def long(self, session: Session, words: str) -> str:
        return "x" * 1000

    @command("quiet", "says nothing")
    def quiet(self, session: Session, words: str) -> None:
        return None

    @command("kick", "for operators", for_operators=True)
    def kick(self, session: Session, words: str) -> str:
        return f"kicked {words}"


def commanded(**settings: Any) -> Kit[Commands]:
    settings = {"commands_per_minute": 600.0, "burst": 100, **settings}
    return Kit(Commands, settings, others=(Others,), operators=("root",))


def ask(player: KitPlayer, text: bytes) -> list[bytes]:
    """Return what the player reads for a command, which the game server must not get."""
    before = len(player.texts)
    assert player.says(Say(text=text)) == []
    player.kit.run_work()
    return player.texts[before:]


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (b"/echo a b", b"[a b]"),
        (b"/ECHO  a ", b"[a]"),
        (b"/echo", b"[]"),
        (b"/echo \xe9\xff", b"[\xe9\xff]"),
        (b"/quiet", None),
        (b"/long", b"x" * 200),
        (b"/ehco a", b"Unknown command. Did you mean /echo?"),
        (b"/ec", b"Unknown command. Did you mean /echo?"),
        (b"/zzz", b"Unknown command. /help shows those there are."),
        (b"/", b"Unknown command. /help shows those there are."),
        (b"/ echo", b"Unknown command. /help shows those there are."),
        (b"//echo", b"Unknown command. /help shows those there are."),
        (b"/:)", b"Unknown command. /help shows those there are."),
        (b"/\xe9\xff", b"Unknown command. /help shows those there are."),
        (b"/" + b"e" * 255, b"Unknown command. /help shows those there are."),
        (b"/kick bob", b"Unknown command. /help shows those there are."),
        (b"/kic bob", b"Unknown command. /help shows those there are."),
    ],
)
def test_what_is_answered(text: bytes, answer: bytes | None) -> None:
    assert ask(commanded().player(), text) == ([] if answer is None else [answer])


@pytest.mark.parametrize("text", [b"hello", b" /echo a", b"&echo a", b"$$", b"a/echo", b""])
def test_other_lines_go_on(text: bytes) -> None:
    player = commanded().player()
    assert player.says(Say(text=text)) == [Say(text=text)]
    assert player.texts == []


@given(text=st.lists(st.sampled_from(TEXT.allowed), max_size=60).map(bytes), is_command=st.booleans())
def test_any_text_goes_on_as_it_came_or_is_swallowed_and_answered(text: bytes, *, is_command: bool) -> None:
    player = commanded().player()
    text = b"/" + text if is_command else text.lstrip(b"/")
    assert player.says(Say(text=text)) == ([] if is_command else [Say(text=text)])
    assert is_command or player.texts == []


@pytest.mark.parametrize("dialect", ["classic", "counter", "counter+trailer"])
def test_counters_and_trailers_stay_right(dialect: str) -> None:
    player = Kit(Commands, dialect=dialect).player()
    sent = [player.says(Say(text=text)) for text in (b"a", b"/where", b"b")]
    assert sent == [[Say(text=b"a")], [], [Say(text=b"b")]]


def test_channels() -> None:
    player = commanded().player()
    assert [line for line in LINES if player.says(line)] == LINES[1:]
    player = commanded(channels=list(CHANNELS.values())).player()
    assert [line for line in LINES if player.says(line)] == []
    assert player.texts == [b"[a]"] * len(CHANNELS)


def test_another_prefix() -> None:
    player = commanded(prefix="!!").player()
    assert player.says(Say(text=b"/echo a")) == [Say(text=b"/echo a")]
    assert ask(player, b"!!echo a") == [b"[a]"]
    assert ask(player, b"!!ehco") == [b"Unknown command. Did you mean !!echo?"]


def test_unknown_ones_for_a_server_that_has_its_own() -> None:
    player = commanded(pass_unknown=True).player()
    for text in (b"/zzz", b"/kick x", b"/"):
        assert player.says(Say(text=text)) == [Say(text=text)]
    assert player.texts == []
    assert ask(player, b"/echo a") == [b"[a]"]


def test_operators() -> None:
    kit = commanded()
    operator = kit.player(account="ROOT", character="Root")
    assert ask(operator, b"/kick bob") == [b"kicked bob"]
    assert ask(operator, b"/kik") == [b"Unknown command. Did you mean /kick?"]
    assert isinstance(kit.log, KitLog)
    ((event, fields),) = kit.log.lines
    assert (event, fields["command"], fields["account"]) == ("operator_command", "kick", "ROOT")


def test_an_account_that_is_only_claimed_is_no_operator() -> None:
    player = commanded().player(in_game=False)
    player.session.player.account = b"root"
    assert player.says(Say(text=b"/kick bob")) == []
    assert player.popups == [b"Unknown command. /help shows those there are."]


def test_long_answers_are_cut() -> None:
    lines = ask(commanded(max_lines=3).player(), b"/many")
    assert lines == [b"line 0", b"line 1", b"line 2", b"(37 more lines)"]


def test_how_many_commands() -> None:
    player = commanded(commands_per_minute=6, burst=2).player()
    told = b"Too many commands; wait a little."
    assert [ask(player, b"/echo a") for _ in range(4)] == [[b"[a]"], [b"[a]"], [told], []]
    player.kit.advance(9)
    assert ask(player, b"/zzz") == [told]
    player.kit.advance(2)
    assert ask(player, b"/echo a") == [b"[a]"]
    player.kit.advance(10_000)
    assert [len(ask(player, b"/echo a")) for _ in range(3)] == [1, 1, 1]
    assert player.texts[-1] == told


def test_help() -> None:
    player = commanded().player()
    page = ask(player, b"/help")
    assert len(page) == 9
    assert page[0] == b"/echo - says what you say"
    assert page[-2].startswith(b"/uptime - ")
    assert page[-1] == b"Page 1 of 2: /help 2"
    assert ask(player, b"/help 2") == [
        b"/where - on which map you are, and by which region you come in",
        b"Page 2 of 2: /help 1",
    ]
    assert ask(player, b"/help echo") == [b"/echo - says what you say"]
    assert ask(player, b"/help /Echo") == [b"/echo - says what you say"]
    assert ask(player, b"/help ehco") == [b"Unknown command. Did you mean /echo?"]
    assert ask(player, b"/help kick") == [b"Unknown command. /help shows those there are."]
    assert not any(b"kick" in line for line in page)
    operator = player.kit.player(account="root", character="Root")
    assert b"/kick - for operators" in ask(operator, b"/help")


@pytest.mark.parametrize("words", [b"0", b"99", b"999"])
def test_pages_of_help_that_are_not_there(words: bytes) -> None:
    assert ask(commanded().player(), b"/help " + words)[-1].startswith(b"Page ")


def test_where_and_uptime() -> None:
    kit = commanded()
    kit.advance(3 * 86_400)
    player = kit.player(map_name="magicsea", region="eu")
    kit.advance(7200)
    assert ask(player, b"/where") == [b"You are on the map magicsea; region eu."]
    assert ask(player, b"/uptime") == [b"The relay has been up for 3 d 2 h, you have been connected for 2 h 0 min."]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0 min"), (59, "0 min"), (60, "1 min"), (3600, "1 h 0 min"), (86_399, "23 h 59 min"), (90_000, "1 d 1 h")],
)
def test_times(seconds: float, text: str) -> None:
    assert spell_time(seconds) == text


def test_online_without_presence() -> None:
    kit = commanded()
    player = kit.player()
    kit.player(in_game=False)
    assert ask(player, b"/online") == [b"1 in the game at this core."]


def test_online_with_presence() -> None:
    kit = commanded()
    player, other = kit.player(), kit.player(account="bert", character="Bert")
    for number in range(5):
        kit.store.own("presence", f"session{number}", json.dumps({"account": "x"}).encode())
    assert player.says(Say(text=b"/online")) == []
    assert other.says(Say(text=b"/online")) == []
    assert player.says(Say(text=b"/online")) == []
    assert len(kit.work) == 1
    kit.run_work()
    assert player.texts == other.texts == [b"5 players online, 2 in the game at this core."]
    kit.store.own("presence", "session5", b"{}")
    assert ask(player, b"/online") == [b"5 players online, 2 in the game at this core."]  # not counted again so soon
    kit.advance(6)
    assert ask(player, b"/online") == [b"6 players online, 2 in the game at this core."]


def own_ping(sent: list[Sent]) -> Ping:
    (found,) = [each for each in sent if isinstance(each, Ping)]
    return found


@pytest.mark.parametrize(
    ("question", "answer"),
    [(CheckPing(), CheckPingReply()), (Ping(words=SERVER_WORDS), PingReply(words=SERVER_WORDS))],
)
def test_the_round_trip_is_that_of_the_servers_own_question(question: Sent, answer: Sent) -> None:
    player = commanded().player()
    assert player.hears(question) == [question]
    player.kit.advance(0.083)
    assert player.says(answer) == [answer]
    player.kit.advance(1)
    player.says(answer)  # a second one measures nothing
    assert ask(player, b"/ping") == [b"Ping: 83 ms."]


def test_a_question_of_its_own() -> None:
    player = commanded().player()
    assert ask(player, b"/ping") == []
    question = own_ping(player.sent_to_player)
    player.kit.advance(0.05)
    assert player.says(PingReply(words=question.words)) == []
    assert player.texts == [b"Ping: 50 ms."]
    assert player.says(PingReply(words=question.words)) == []  # never the server's, and measures nothing
    player.kit.advance(100)
    assert player.texts == [b"Ping: 50 ms."]
    assert ask(player, b"/ping") == []
    assert len({each.words for each in player.sent_to_player if isinstance(each, Ping)}) == 2


def test_no_question_of_its_own_while_the_servers_is_on_its_way() -> None:
    """The edge lets only the answer to the last 515 pass: the server would miss its own."""
    player = commanded().player()
    player.hears(Ping(words=SERVER_WORDS))
    player.kit.advance(0.02)
    assert ask(player, b"/ping") == []
    assert own_ping(player.sent_to_player).words == SERVER_WORDS
    player.kit.advance(0.02)
    assert player.says(PingReply(words=SERVER_WORDS)) == [PingReply(words=SERVER_WORDS)]
    assert player.texts == [b"Ping: 40 ms."]


def test_a_question_of_the_server_that_was_lost_does_not_stand_in_the_way() -> None:
    player = commanded().player()
    player.hears(Ping(words=SERVER_WORDS))
    player.kit.advance(61)
    ask(player, b"/ping")
    assert len([each for each in player.sent_to_player if isinstance(each, Ping)]) == 2


def test_the_servers_question_behind_its_own() -> None:
    player = commanded().player()
    ask(player, b"/ping")
    question = own_ping(player.sent_to_player)
    player.hears(Ping(words=SERVER_WORDS))
    player.kit.advance(0.03)
    assert player.says(PingReply(words=question.words)) == []
    assert player.says(PingReply(words=SERVER_WORDS)) == [PingReply(words=SERVER_WORDS)]
    assert player.texts == [b"Ping: 30 ms."]


@pytest.mark.parametrize("own", [True, False])
def test_no_answer(*, own: bool) -> None:
    player = commanded(own_ping=own).player()
    ask(player, b"/ping")
    ask(player, b"/ping")  # one question is enough
    assert len([each for each in player.sent_to_player if isinstance(each, Ping)]) == own
    player.kit.advance(WAIT_SECONDS + 1)
    assert player.texts == [b"No answer yet; try again in a minute."]


def test_an_old_round_trip_is_not_shown() -> None:
    player = commanded(ping_fresh_seconds=30).player()
    player.hears(CheckPing())
    player.kit.advance(0.01)
    player.says(CheckPingReply())
    player.kit.advance(31)
    assert ask(player, b"/ping") == []
    assert own_ping(player.sent_to_player)


@pytest.mark.parametrize("words", [SERVER_WORDS, (0,) * 5, (2**32 - 1,) * 5])
def test_answers_that_nobody_asked_for_are_the_servers_affair(words: tuple[int, ...]) -> None:
    player = commanded().player()
    assert player.says(PingReply(words=words)) == [PingReply(words=words)]
    assert player.says(CheckPingReply()) == [CheckPingReply()]


@pytest.mark.parametrize(
    ("given_settings", "said"),
    [
        ({"prefix": ""}, "at least 1"),
        ({"prefix": "&"}, "game server's own"),
        ({"prefix": "/ "}, "without blanks"),
        ({"prefix": "cmd"}, "does not end with a letter"),
        ({"prefix": "\xa7"}, "is ASCII"),
        ({"channels": ["gm"]}, "channels.0"),
        ({"burst": 0}, "greater than or equal to 1"),
        ({"prefixes": "/"}, "is no setting of it"),
    ],
)
def test_settings_that_are_refused(given_settings: dict[str, Any], said: str) -> None:
    with pytest.raises(FeatureError, match=said):
        read_settings(CommandsSettings, given_settings, Place("features.toml"))


def test_the_page_has_every_setting_and_an_example_that_loads() -> None:
    page = (Path(__file__).parents[4] / "docs/features/commands.md").read_text()
    example = tomllib.loads(page.split("```toml\n")[1].split("```")[0])
    read_settings(CommandsSettings, example["commands"], Place("page"))
    assert [key for key in CommandsSettings.model_fields if f"`{key}`" not in page] == []
    assert all(field.description for field in CommandsSettings.model_fields.values())
