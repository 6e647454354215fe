"""Settings: which source wins, what is refused and how, and that what is written reads back."""

import contextlib
import dataclasses
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fleet.address import Address
from tidegate.errors import SettingsError
from tidegate.settings import Settings, load_settings
from tidegate.settings_models import SECTIONS
from tidegate.settings_sources import Flag, parse_scalar


def mistakes_of(file: Path | None, env: Mapping[str, str], flags: Mapping[str, object]) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load_settings(file, env, flags)
    return [str(mistake) for mistake in caught.value.mistakes]


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    return tmp_path / "tidegate.toml"


def test_defaults_need_no_source() -> None:
    settings = load_settings(None, {}, {})

    assert settings.game.name == "pko"
    assert settings.edge.listen == Address("127.0.0.1", 1973)
    assert settings.core.origin == Address("127.0.0.1", 1974)
    assert settings.edge.window_bytes == settings.core.window_bytes == 262144
    assert settings.log.level == "info"
    assert not settings.origins


def test_flags_win_over_environment_and_environment_over_file(toml: Path) -> None:
    toml.write_text("[edge]\nbacklog = 1\nmax_sessions = 1\nregion = 'file'\n")
    env = {"TIDEGATE_EDGE_MAX_SESSIONS": "2", "TIDEGATE_EDGE_REGION": "environment"}

    settings = load_settings(toml, env, {"edge.region": Flag("--region", "flag")})

    assert (settings.edge.backlog, settings.edge.max_sessions, settings.edge.region) == (1, 2, "flag")
    assert settings.origins == {
        "edge.backlog": f"file {toml}:2",
        "edge.max_sessions": "environment TIDEGATE_EDGE_MAX_SESSIONS",
        "edge.region": "flag --region",
    }


def test_settings_are_frozen() -> None:
    settings = load_settings(None, {}, {})

    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.edge = settings.edge  # type: ignore[misc]
    with pytest.raises(ValidationError):
        settings.edge.backlog = 5


def test_all_mistakes_of_all_sources_come_at_once(toml: Path) -> None:
    toml.write_text(
        "[edge]\n"
        'listen = "1973"\n'
        'max_sessions = "many"\n'
        "lisen = 3\n"
        "\n"
        "[game]\n"
        'dialect = "clasic"\n'
        "[edgee]\n"
        "[log]\n"
        'level = "warn"\n',
    )
    env = {"TIDEGATE_CORE_ORIGIN": "h:0", "TIDEGATE_LOG_STATS_SECONDS": "-1"}

    said = mistakes_of(toml, env, {"edge.window_bytes": Flag("--set", "10"), "listen": Flag("--set", "x")})

    assert len(said) == 10
    expected = [
        f"{toml}:2: edge.listen: '1973' has no port; write HOST:PORT",
        f"{toml}:3: edge.max_sessions: 'many' is not a whole number from 1 to 1000000 (sessions)",
        f"{toml}:4: edge.lisen: no such setting; did you mean edge.listen?",
        f"{toml}:8: edgee: no such section or setting; did you mean edge?",
        f"{toml}:10: log.level: 'warn' is not one of debug, info, warning, error; did you mean warning?",
        "TIDEGATE_CORE_ORIGIN: core.origin: 'h:0': port 0 means any free port, which is for listening only",
        "TIDEGATE_LOG_STATS_SECONDS: log.stats_seconds: -1 is not a number from 0 to 86400 (seconds)",
        "--set: edge.window_bytes: 10 is not a whole number from 16384 to 524288 (bytes)",
        "--set: listen: no such section or setting; did you mean edge.listen or core.listen or http.listen?",
        f"{toml}:7: game.dialect: game pko has no dialect 'clasic'; did you mean classic? known are: ",
    ]
    for line, start in zip(said, expected, strict=True):
        assert line.startswith(start)


def test_a_mistake_that_another_source_overrides_is_still_one(toml: Path) -> None:
    toml.write_text("[edge]\nbacklog = 0\n")

    assert len(mistakes_of(toml, {}, {"edge.backlog": 5})) == 1


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("game.name", "pk", "unknown game 'pk'; did you mean pko? known are: pko, echo, generic, raw"),
        ("game.name", 5, "5 is not a text"),
        ("edge.max_sessions", 1.5, "1.5 is not a whole number"),
        ("edge.max_sessions", True, "True is not a whole number"),
        ("edge.drain_seconds", float("nan"), "nan is not a number from 0 to 86400"),
        ("edge.drain_seconds", float("inf"), "inf is not a number"),
        ("edge.name", "a b", "'a b' is not 1 to 64 letters"),
        ("edge.name", "x" * 65, "is not 1 to 64 letters"),
        ("edge.name", "a\n", "is not 1 to 64 letters"),
        ("edge.listen", 1973, "1973 is not an address"),
        ("core.connect_timeout_seconds", 0, "0 is not a number from 0.1 to 300 (seconds)"),
        ("log.format", "xml", "'xml' is not one of auto, json, text"),
        ("edge.exempt", "127.0.0.1", "'127.0.0.1' is not a list of texts: write one such as"),
        ("edge.exempt", [1], "'[1]' is not a list of texts"),
        ("edge.processors", 1, "'1' is not a list of numbers: write one such as [0, 1]"),
        ("core.processors", [True], "'[True]' is not a list of numbers"),
        ("edge.processors", [0, -1], "-1 is no processor: 0 to 4095 are possible"),
        ("edge.processors", [0] * 65, "65 processors: at most 64 are possible"),
        ("edge.proxy_from", ["10.0.0.0/33"], "'10.0.0.0/33' is neither an address nor a prefix"),
        ("edge.proxy_from", ["10.0.0.1/8"], "is an address inside a prefix: write 10.0.0.0/8 for all of it"),
        ("edge.ipv6_prefix_bits", 65, "65 is not a whole number from 16 to 64 (bits)"),
        ("edge.accepts_per_second", -1, "is not a number from 0 to 1000000 (connections per second)"),
        ("edge.proxy_header_seconds", 0, "0 is not a number from 0.5 to 60 (seconds)"),
        ("edge.listen.port", 1, "no such setting"),
        ("edge", 5, "is a section, not a setting"),
        ("discovery.kind", "consull", "'consull' is not one of static, consul; did you mean consul?"),
        ("discovery.advertise", "0.0.0.0", "no address for others, who cannot connect there"),
        ("discovery.advertise", "a b", "is no address for others: write HOST or HOST:PORT"),
        ("discovery.advertise", "h:0", "no address for others, who cannot connect there"),
        ("discovery.service_prefix", "Tide_gate", "is not 1 to 40 small letters, digits and dashes"),
        ("discovery.consul_token", "***", "*** stands for a token that is not shown"),
        ("core.origin_check_seconds", 21, "21 is not a number from 0 to 20 (seconds)"),
        (
            "nothing.at.all",
            5,
            f"no such setting; the sections are {', '.join(SECTIONS)}",
        ),
        ("", 5, "no such section or setting"),
        ("game.framing", 5, "5 is not a table"),
        ("game.framing.a.b", 5, "no such setting"),
        ("game.framing.length_bytes", 2, "game pko has no framing settings"),
    ],
)
def test_says_what_is_wrong(key: str, value: object, reason: str) -> None:
    (said,) = mistakes_of(None, {}, {key: value})

    assert reason in said
    assert len(said) < 600


def test_a_wrong_value_is_shown_bounded() -> None:
    (said,) = mistakes_of(None, {}, {"edge.max_sessions": "x" * 100_000})

    assert len(said) < 300


def test_an_address_may_be_any_port_only_where_it_listens() -> None:
    assert load_settings(None, {}, {"edge.listen": "[::1]:0"}).edge.listen == Address("::1", 0)
    assert len(mistakes_of(None, {}, {"edge.core": "[::1]:0"})) == 1


def test_environment_takes_the_sections_names_only() -> None:
    env = {"TIDEGATE_PURE": "1", "TIDEGATE_COREX_Y": "1", "TIDEGATE_CORE": "1", "EDGE_LISTEN": "x"}
    assert load_settings(None, env, {}) == load_settings(None, {}, {})

    assert mistakes_of(None, {"TIDEGATE_EDGE_LISTN": "x"}, {}) == [
        "TIDEGATE_EDGE_LISTN: edge.listn: no such setting; did you mean edge.listen?",
    ]


def test_bare_texts_become_what_the_setting_takes() -> None:
    env = {"TIDEGATE_EDGE_NAME": "123", "TIDEGATE_EDGE_REGION": '"456"', "TIDEGATE_EDGE_DRAIN_SECONDS": "2"}

    edge = load_settings(None, env, {}).edge

    assert (edge.name, edge.region, edge.drain_seconds) == ("123", "456", 2.0)


def test_a_number_in_quotes_is_a_mistake_in_a_file(toml: Path) -> None:
    toml.write_text('[edge]\nbacklog = "5"\n')

    assert mistakes_of(toml, {}, {}) == [
        f"{toml}:2: edge.backlog: '5' is not a whole number from 1 to 65535 (connections)"
    ]


def test_lists_of_prefixes_come_from_every_source(toml: Path) -> None:
    toml.write_text('[edge]\nexempt = []\nproxy_from = ["10.0.0.0/8"]\n')
    env = {"TIDEGATE_EDGE_PROXY_FROM": '["192.0.2.1", "2001:db8::/32"]'}

    edge = load_settings(toml, env, {}).edge

    assert load_settings(None, {}, {}).edge.exempt == ("127.0.0.0/8", "::1")
    assert edge.exempt == ()
    assert edge.proxy_from == ("192.0.2.1", "2001:db8::/32")


class TestFraming:
    def test_sources_are_joined_setting_by_setting(self, toml: Path) -> None:
        toml.write_text("[game]\nname = 'generic'\nframing = { length_bytes = 1, offset_bytes = 1 }\n")
        env = {"TIDEGATE_GAME_FRAMING_LENGTH_BYTES": "4", "TIDEGATE_GAME_FRAMING_ORDER": "little"}

        game = load_settings(toml, env, {"game.framing": Flag("--set", "{ counts_itself = false }")}).game

        assert game.framing == {"length_bytes": 4, "offset_bytes": 1, "order": "little", "counts_itself": False}

    def test_each_wrong_one_is_named_with_its_place(self, toml: Path) -> None:
        toml.write_text("[game]\nname = 'generic'\n\n[game.framing]\nlength_bytes = 3\norde = 'big'\n")

        said = mistakes_of(toml, {}, {"game.framing.offset_bytes": Flag("--set", "99")})

        assert said[0] == f"{toml}:5: game.framing.length_bytes: 3 is not 1, 2 or 4"
        assert said[1].startswith(f"{toml}:6: game.framing.orde: no such setting; known are length_bytes")
        assert said[2] == "--set: game.framing.offset_bytes: 99 is not a whole number from 0 to 60"

    def test_what_is_wrong_only_together_is_found(self) -> None:
        flags = {"game.name": "generic", "game.framing.max_frame_bytes": 8, "game.framing.offset_bytes": 20}

        (said,) = mistakes_of(None, {}, flags)

        assert "game.framing: " in said

    def test_a_dialect_of_a_game_without_any_is_a_mistake(self) -> None:
        (said,) = mistakes_of(None, {}, {"game.name": "raw", "game.dialect": "x"})

        assert said.endswith("game raw has no dialect 'x'; it has none, so leave this out")


class TestFile:
    def test_a_syntax_error_names_line_and_column(self, toml: Path) -> None:
        toml.write_text("[edge]\nlisten = \n")

        said = mistakes_of(toml, {"TIDEGATE_EDGE_BACKLOG": "0"}, {})

        assert said[0].startswith(f"{toml}:2:10: line 2, column 10 is not TOML: ")
        assert len(said) == 2, "mistakes of the other sources come with it"

    def test_a_syntax_error_at_the_end_names_the_end(self, toml: Path) -> None:
        toml.write_text("[edge]\nlisten = [1,")

        assert mistakes_of(toml, {}, {})[0].startswith(f"{toml}:2:13: ")

    def test_a_file_that_is_not_there(self, toml: Path) -> None:
        assert mistakes_of(toml, {}, {}) == [f"{toml}: cannot be read: No such file or directory"]

    def test_a_folder(self, tmp_path: Path) -> None:
        assert mistakes_of(tmp_path, {}, {}) == [f"{tmp_path}: cannot be read: Is a directory"]

    def test_not_utf8(self, toml: Path) -> None:
        toml.write_bytes(b"[edge]\nname = '\xff'\n")

        assert mistakes_of(toml, {}, {}) == [f"{toml}:2: is not UTF-8 text, which TOML must be"]

    def test_too_long(self, toml: Path) -> None:
        toml.write_bytes(b"#" * ((1 << 20) + 1))

        assert "is longer than 1048576 bytes" in mistakes_of(toml, {}, {})[0]

    @pytest.mark.parametrize("value", ["9" * 5000, "[" * 5000, "{a=" * 5000], ids=["number", "lists", "tables"])
    def test_what_breaks_the_parser_is_a_mistake(self, toml: Path, value: str) -> None:
        toml.write_text(f"[edge]\nbacklog = {value}\n")

        assert len(mistakes_of(toml, {}, {})) == 1
        assert len(mistakes_of(None, {"TIDEGATE_EDGE_BACKLOG": value}, {})) == 1

    def test_lines_are_found_in_every_way_to_write_a_key(self, toml: Path) -> None:
        toml.write_text('core.backlog = 1\n\n[ "edge" ] # players\n"backlog"=0\n[game]\nframing.x = 1\n')

        said = mistakes_of(toml, {}, {})

        assert [line.split(": ")[0] for line in said] == [f"{toml}:1", f"{toml}:4", f"{toml}:6"]


def test_a_scalar_cannot_bring_other_keys() -> None:
    assert parse_scalar("4") == 4
    assert parse_scalar("4\nother = 5") == "4\nother = 5"
    assert parse_scalar("2020-01-01") == "2020-01-01"
    assert parse_scalar("") == ""


@pytest.mark.parametrize("charset", ["latin-1", "gbk", "cp1251", "utf-8"])
def test_charsets_that_give_every_byte_back(charset: str) -> None:
    assert load_settings(None, {"TIDEGATE_GAME_CHARSET": charset}, {}).game.charset == charset


@pytest.mark.parametrize("charset", ["big5", "cp932", "utf-16", "base64", "nonsense", ""])
def test_other_charsets_are_refused(charset: str) -> None:
    with pytest.raises(SettingsError, match=r"game\.charset: .*(gives? back|no charset)"):
        load_settings(None, {"TIDEGATE_GAME_CHARSET": charset}, {})


class TestAsToml:
    def test_shows_no_password_unless_it_is_for_ourselves(self) -> None:
        settings = load_settings(None, {"TIDEGATE_STORE_URL": "redis://:sekrit@h/0"}, {})

        assert "sekrit" not in settings.as_toml()
        assert "redis://:***@h/0" in settings.as_toml()
        assert "redis://:sekrit@h/0" in settings.as_toml(shows_secrets=True)

    def test_shows_no_token_unless_it_is_for_ourselves(self) -> None:
        settings = load_settings(None, {"TIDEGATE_DISCOVERY_CONSUL_TOKEN": "sekrit"}, {})

        assert "sekrit" not in settings.as_toml() + repr(settings)
        assert 'consul_token = "***"' in settings.as_toml()
        assert 'consul_token = "sekrit"' in settings.as_toml(shows_secrets=True)

    def test_a_wrong_token_is_not_repeated(self) -> None:
        with pytest.raises(SettingsError, match="it is no token") as caught:
            load_settings(None, {"TIDEGATE_DISCOVERY_CONSUL_TOKEN": "sek rit"}, {})

        assert "sek" not in str(caught.value)

    def test_a_wrong_address_of_a_store_does_not_repeat_its_password(self) -> None:
        with pytest.raises(SettingsError, match="no address of a store") as caught:
            load_settings(None, {"TIDEGATE_STORE_URL": "radis://:sekrit@h/0"}, {})

        assert "sekrit" not in str(caught.value)

    def test_says_where_each_value_came_from(self, toml: Path) -> None:
        toml.write_text("[core]\nregion = 'x'\n")

        text = load_settings(toml, {"TIDEGATE_CORE_NAME": "n"}, {"core.origin": Flag("--origin", "h:1")}).as_toml()

        core = text.partition("[core]")[2].partition("[features]")[0]
        origins = {row.split(" ")[0]: row.split("  # ")[1] for row in core.split("\n") if row}
        assert origins.pop("region") == f"file {toml}:2"
        assert origins.pop("name") == "environment TIDEGATE_CORE_NAME"
        assert origins.pop("origin") == "flag --origin"
        assert set(origins.values()) == {"default"}

    def test_a_place_cannot_break_the_text(self) -> None:
        text = load_settings(None, {}, {"core.name": Flag("--x\n[edge]\nbacklog = 0", "n")}).as_toml()

        assert "# flag --x?[edge]?backlog = 0" in text


TEXTS = st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True)
SECONDS = st.floats(0, 300, allow_nan=False)
FLAGS = st.fixed_dictionaries(
    {},
    optional={
        "game.name": st.just("generic"),
        "edge.listen": st.sampled_from(["[::1]:0", "a.b:5", "0.0.0.0:65535"]),
        "edge.public": st.sampled_from(["", "a.b:5", "[::1]:5"]),
        "edge.probe": st.sampled_from(["", "0.0.0.0:0"]),
        "http.listen": st.sampled_from(["", "[::1]:0", "a.b:5"]),
        "edge.name": TEXTS,
        "edge.region": TEXTS,
        "edge.max_sessions": st.integers(1, 1_000_000),
        "edge.drain_seconds": SECONDS,
        "edge.exempt": st.lists(st.ip_addresses().map(str) | st.just("10.0.0.0/8"), max_size=3),
        "edge.max_per_address": st.integers(0, 1000),
        "edge.processors": st.lists(st.integers(0, 4095), max_size=3),
        "core.flush_window_milliseconds": st.floats(0, 100),
        "log.level": st.sampled_from(["debug", "error"]),
        "log.stats_seconds": SECONDS,
    },
)
FRAMING = st.fixed_dictionaries(
    {},
    optional={
        "game.framing.length_bytes": st.sampled_from([1, 2, 4]),
        "game.framing.order": st.sampled_from(["big", "little"]),
        "game.framing.counts_itself": st.booleans(),
        "game.framing.offset_bytes": st.integers(0, 4),
    },
)


@given(FLAGS, FRAMING)
def test_what_is_written_loads_back_equal(flags: dict[str, object], framing: dict[str, object]) -> None:
    settings = load_settings(None, {}, flags | (framing if "game.name" in flags else {}))

    assert reload(settings) == settings


def reload(settings: Settings) -> Settings:
    with tempfile.NamedTemporaryFile("w", suffix=".toml", encoding="utf-8") as file:
        file.write(settings.as_toml())
        file.flush()
        return load_settings(Path(file.name), {}, {})


@given(st.dictionaries(st.text(), st.text() | st.integers() | st.floats() | st.none() | st.lists(st.text())))
def test_any_flags_give_settings_or_mistakes(flags: dict[str, object]) -> None:
    with contextlib.suppress(SettingsError):
        load_settings(None, {}, flags)
