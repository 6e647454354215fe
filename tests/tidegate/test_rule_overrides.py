"""The rules file: what it changes, what it leaves alone, and that every mistake is found and named."""

import contextlib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.policy import compile_policy
from games.registry import load_pack
from tidegate.errors import SettingsError
from tidegate.rule_overrides_apply import describe_changes, override_policy
from tunnel.policy import EdgePolicy, decode_policy, encode_policy
from wire.layout import FrameLayout
from wire.rules import Action, Bucket, Check, FrameHeader, Mode, PacketRule, RuleSet, Selector

PAGE = Path(__file__).parents[2] / "docs" / "policy.md"

HEADER = FrameHeader(opcode_offset_bytes=6, opcode_width_bytes=2, body_offset_bytes=8)

RULES = RuleSet(
    serverbound=HEADER,
    clientbound=HEADER,
    states=("greeted", "in game"),
    bands=((1, 9999),),
    buckets=(
        Bucket(name="frames", per_second=64, burst=64),
        Bucket(name="bytes", per_second=12000, burst=16384),
        Bucket(name="chat", per_second=1, burst=4),
        Bucket(name="LOGIN", per_second=0.5, burst=1),
    ),
    rules=(
        PacketRule(name="SAY", opcode=1, states=2, bucket=2, max_body_bytes=256),
        PacketRule(name="SAY2ALL", opcode=6402, states=2, bucket=2, cost=2),
        PacketRule(name="LOGIN", opcode=431, states=1, bucket=3, answer=b"\x00\x02"),
        PacketRule(
            name="BEGINACTION MOVE", opcode=6, states=2, selector=Selector(offset_bytes=8, width_bytes=1, value=1)
        ),
        PacketRule(
            name="BEGINACTION FACE", opcode=6, states=2, selector=Selector(offset_bytes=8, width_bytes=1, value=9)
        ),
    ),
    frame_bucket=0,
    byte_bucket=1,
)

POLICY = EdgePolicy("pko", "classic", FrameLayout(max_frame_bytes=16384), FrameLayout(), rules=RULES)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "rules.toml"


def override(file: Path, text: str, policy: EdgePolicy = POLICY) -> RuleSet:
    """The rules with a text put over them; whatever comes out can be sent."""
    file.write_text(text)
    changed = override_policy(policy, str(file))
    assert decode_policy(encode_policy(changed)) == changed
    assert changed.rules is not None
    return changed.rules


def packet(rules: RuleSet, name: str) -> PacketRule:
    return next(rule for rule in rules.rules if rule.name == name)


def rate(rules: RuleSet, name: str) -> tuple[float, float]:
    bucket = rules.buckets[packet(rules, name).bucket]
    return bucket.per_second, bucket.burst


def mistakes_of(file: Path, text: str, policy: EdgePolicy = POLICY) -> list[str]:
    file.write_text(text)
    with pytest.raises(SettingsError) as caught:
        override_policy(policy, str(file))
    return [str(mistake).removeprefix(str(file)) for mistake in caught.value.mistakes]


def test_without_a_file_nothing_changes() -> None:
    assert override_policy(POLICY, "") is POLICY


@pytest.mark.parametrize("text", ["", "[session]\n", "[packets.SAY]\n[checks.size]\n"])
def test_an_empty_file_changes_nothing(file: Path, text: str) -> None:
    assert override(file, text) == RULES


class TestPackets:
    @pytest.mark.parametrize("name", ["BEGINACTION MOVE", "beginaction_move", " Beginaction  Move "])
    def test_are_found_however_they_are_written(self, file: Path, name: str) -> None:
        rules = override(file, f'[packets."{name}"]\nmode = "audit"\nrate_action = "drop"\n')
        move = packet(rules, "BEGINACTION MOVE")
        assert (move.mode, move.action, move.rate_action) == (Mode.AUDIT, None, Action.DROP)
        assert packet(rules, "BEGINACTION FACE") == packet(RULES, "BEGINACTION FACE")

    def test_all_values_at_once(self, file: Path) -> None:
        rules = override(
            file,
            '[packets.LOGIN]\nmode = "off"\naction = "answer"\nrate_action = "close"\n'
            "per_second = 3\nburst = 9\ncost = 4.5\nmin_body_bytes = 1\nmax_body_bytes = 77\n",
        )
        login = packet(rules, "LOGIN")
        assert login == replace(
            packet(RULES, "LOGIN"),
            mode=Mode.OFF,
            action=Action.ANSWER,
            rate_action=Action.CLOSE,
            cost=4.5,
            min_body_bytes=1,
            max_body_bytes=77,
        )
        assert rules.buckets == (*RULES.buckets[:3], Bucket(name="LOGIN", per_second=3, burst=9))

    def test_one_that_shared_its_rate_gets_its_own(self, file: Path) -> None:
        rules = override(file, "[packets.SAY]\nper_second = 2\n")
        assert rate(rules, "SAY") == (2, 4)
        assert rate(rules, "SAY2ALL") == (1, 4)
        assert rules.buckets[packet(rules, "SAY").bucket].name == "SAY"

    def test_all_that_share_a_rate_changed_one_after_the_other(self, file: Path) -> None:
        rules = override(file, "[packets.SAY]\nper_second = 2\n[packets.SAY2ALL]\nburst = 9\n")
        assert (rate(rules, "SAY"), rate(rules, "SAY2ALL")) == ((2, 4), (1, 9))
        assert len(rules.buckets) == 5, "the last one has the old bucket for itself"

    def test_a_cost_stays_in_the_shared_rate(self, file: Path) -> None:
        rules = override(file, "[packets.SAY2ALL]\ncost = 3\n")
        assert (packet(rules, "SAY2ALL").bucket, packet(rules, "SAY2ALL").cost) == (2, 3)

    def test_a_number_means_all_packets_of_the_opcode_together(self, file: Path) -> None:
        rules = override(file, "[packets.6]\nper_second = 5\n")
        assert packet(rules, "BEGINACTION MOVE").bucket == packet(rules, "BEGINACTION FACE").bucket
        assert rate(rules, "BEGINACTION MOVE") == (5, 5)
        assert rules.buckets[-1].name == "opcode 6"

    def test_a_name_is_an_exception_of_its_number(self, file: Path) -> None:
        rules = override(
            file, '[packets."BEGINACTION FACE"]\nper_second = 1\nmode = "off"\n[packets.6]\nper_second = 5\n'
        )
        assert (rate(rules, "BEGINACTION MOVE"), rate(rules, "BEGINACTION FACE")) == ((5, 5), (1, 5))
        assert packet(rules, "BEGINACTION FACE").mode is Mode.OFF

    def test_a_new_rate_has_a_burst_of_at_least_one(self, file: Path) -> None:
        assert rate(override(file, '[packets."BEGINACTION MOVE"]\nper_second = 0.2\n'), "BEGINACTION MOVE") == (0.2, 1)

    def test_a_bucket_gets_a_name_that_is_free(self, file: Path) -> None:
        taken = replace(RULES, buckets=(*RULES.buckets, Bucket(name="SAY", per_second=1, burst=1)))
        rules = override(file, "[packets.SAY]\nper_second = 2\n", replace(POLICY, rules=taken))
        assert rules.buckets[packet(rules, "SAY").bucket].name == "SAY 2"

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("[packets.SAI]\n", ":1: packets.SAI: no such packet; did you mean SAY?"),
            ("[packets.zzzzz]\n", ":1: packets.zzzzz: no such packet; 'tidegate policy show' lists them"),
            ("[packets.9999]\n", ":1: packets.9999: no rule has this opcode, so it is refused already"),
            ("[packets.SAY]\n[packets.say]\n", ":2: packets.say: is the same packet as SAY"),
            ("[packets.SAY]\nper_secnd = 1\n", "packets.SAY.per_secnd: no such setting; did you mean per_second?"),
            ("[packets.SAY]\nx = 1\n", "no such setting; there are mode, action, rate_action"),
            ('[packets.SAY]\nmode = "on"\n', """packets.SAY.mode: 'on' is not "off", "audit" or "enforce\""""),
            (
                '[packets.SAY]\nper_second = "2"\n',
                "packets.SAY.per_second: '2' is not a number from 0.001 to 1000000000",
            ),
            ("[packets.SAY]\nper_second = nan\n", "nan is not a number"),
            ("[packets.SAY]\nburst = inf\n", "inf is not a number"),
            ("[packets.SAY]\nburst = true\n", "True is not a number"),
            ("[packets.SAY]\nmax_body_bytes = 1.5\n", "1.5 is not a whole number from 0 to 1048576"),
            ("[packets.SAY]\nmin_body_bytes = 300\n", ":1: packets.SAY: SAY: bodies of 300 to 256 bytes"),
            ('[packets.SAY]\naction = "answer"\n', "SAY: an answer has 1 to 1024 bytes"),
            ("[packets.LOGIN]\ncost = 5\n", "packets.LOGIN: a cost of 5 over a burst of 1 would never pass"),
            ('[packets."BEGINACTION MOVE"]\nburst = 5\n', 'packets."BEGINACTION MOVE".burst: there is no rate yet'),
            ("[packets]\nSAY = 5\n", "packets.SAY: is a table: write [packets.SAY]"),
            ("packets = 5\n", "packets: is a table, not a value"),
            ("[packts.SAY]\n", "packts: no such table; did you mean packets?"),
            ("[x]\n", "x: no such table; there are session, checks and packets"),
            ('[packets."\\u001b[2J"]\n', 'packets."\\u001b[2J": no such packet'),
            ("[packets." + "x" * 500 + "]\n", f'packets."{"x" * 60}\\u2026": no such packet'),
        ],
    )
    def test_a_mistake_is_named(self, file: Path, text: str, said: str) -> None:
        (mistake,) = mistakes_of(file, text)
        assert said in mistake
        assert mistake.isprintable()


class TestSession:
    def test_limits_are_changed_in_place(self, file: Path) -> None:
        rules = override(file, "[session]\nframes_per_second = 80\nbytes_burst = 20000\nafter_change_seconds = 1\n")
        assert rules.buckets[0] == Bucket(name="frames", per_second=80, burst=64)
        assert rules.buckets[1] == Bucket(name="bytes", per_second=12000, burst=20000)
        assert rules.after_change_seconds == 1
        assert rules.rules == RULES.rules

    def test_a_limit_there_was_not(self, file: Path) -> None:
        rules = override(file, "[session]\nbare_per_second = 3\nrefusals_per_second = 1\nrefusals_burst = 30\n")
        assert rules.buckets[rules.bare_bucket] == Bucket(name="bare frames", per_second=3, burst=3)
        assert rules.buckets[rules.refusal_bucket] == Bucket(name="refusals", per_second=1, burst=30)

    def test_a_packet_that_shares_the_sessions_bucket_keeps_it(self, file: Path) -> None:
        sharing = replace(RULES, rules=(replace(RULES.rules[0], bucket=0), *RULES.rules[1:]))
        rules = override(file, "[session]\nframes_per_second = 80\n", replace(POLICY, rules=sharing))
        assert rate(rules, "SAY") == (64, 64)
        assert rules.buckets[rules.frame_bucket].per_second == 80

    def test_the_longest_frame(self, file: Path) -> None:
        file.write_text("[session]\nmax_frame_bytes = 4096\n")
        assert override_policy(POLICY, str(file)).serverbound == FrameLayout(max_frame_bytes=4096)

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("frames_per_secnd = 1", ":2: session.frames_per_secnd: no such setting; did you mean frames_per_second?"),
            ("bare_burst = 4", "session.bare_burst: there is no rate yet: write bare_per_second too"),
            ("after_change_seconds = 61", "61 is not a number from 0 to 60"),
            ("max_frame_bytes = 0", "0 is not a whole number from 1 to 1048576"),
            ("max_frame_bytes = 1", "session.max_frame_bytes: frames of 2 to 1 bytes"),
            ("bytes_burst = 100", "a frame may have 16384 bytes, which a burst of 100 would never let pass"),
            ("max_frame_bytes = 60000", "session.max_frame_bytes: a frame may have 60000 bytes"),
        ],
    )
    def test_a_mistake_is_named(self, file: Path, text: str, said: str) -> None:
        (mistake,) = mistakes_of(file, f"[session]\n{text}\n")
        assert said in mistake


class TestChecks:
    def test_modes_and_actions(self, file: Path) -> None:
        rules = override(file, '[checks.layout]\nmode = "audit"\n[checks.state]\naction = "close"\n')
        assert rules.modes == {Check.LAYOUT: Mode.AUDIT}
        assert rules.actions == {Check.STATE: Action.CLOSE}

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ('[checks.layot]\nmode = "off"', ":1: checks.layot: no such check; did you mean layout?"),
            ("[checks.zzz]", "the checks are frame_rate, byte_rate"),
            ('[checks.size]\naction = "answer"', """'answer' is not "pass", "drop", "notify" or "close\""""),
        ],
    )
    def test_a_mistake_is_named(self, file: Path, text: str, said: str) -> None:
        (mistake,) = mistakes_of(file, text)
        assert said in mistake


def test_all_mistakes_are_found_at_once(file: Path) -> None:
    said = mistakes_of(
        file,
        "[session]\nx = 1\nbytes_burst = 0\n[checks.y]\n[checks.size]\nmode = 1\n"
        "[packets.z]\n[packets.SAY]\nburst = 0\ncost = -1\n[packets.LOGIN]\nmin_body_bytes = 9\nmax_body_bytes = 8\n",
    )
    assert len(said) == 8


def test_a_game_without_rules_has_none_to_change(file: Path) -> None:
    raw = compile_policy(load_pack("raw"), "")
    said = mistakes_of(file, "[session]\nframes_per_second = 1\n[packets.SAY]\n", raw)
    assert said == [
        ":2: session.frames_per_second: game raw has no rules that could be changed",
        ":3: packets.SAY: game raw has no rules that could be changed",
    ]
    assert mistakes_of(file, "[session]\nmax_frame_bytes = 9\n", raw)[0].endswith("game raw has no frames")


def test_too_many_tables_are_one_mistake(file: Path) -> None:
    (said,) = mistakes_of(file, "".join(f"[packets.x{each}]\n" for each in range(2000)))
    assert "2000 tables: at most 1024 are allowed" in said


def test_a_bucket_too_many_is_a_mistake(file: Path) -> None:
    many = tuple(PacketRule(name=f"P{each}", opcode=each, states=1) for each in range(300))
    policy = replace(POLICY, rules=replace(RULES, rules=many))
    said = mistakes_of(file, "".join(f"[packets.P{each}]\nper_second = 1\n" for each in range(300)), policy)
    assert said == ["packets: 304 buckets: 0 to 256 are possible"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "nothing"),
        ('[packets.SAY]\nmode = "off"\n', "1 packet (SAY)"),
        ("[packets.1]\nper_second = 2\n[packets.LOGIN]\ncost = 1\n", "1 packet (SAY)"),
        ('[checks.size]\nmode = "off"\n[checks.state]\naction = "close"\n', "2 checks (state, size)"),
        ("[session]\nframes_burst = 9\nmax_frame_bytes = 99\n", "frames up to 99 bytes, 1 session limit (frames)"),
        ("[session]\nafter_change_seconds = 0\n", "1 session limit (after_change_seconds)"),
    ],
)
def test_what_changes_is_said(file: Path, text: str, said: str) -> None:
    file.write_text(text)
    assert describe_changes(POLICY, override_policy(POLICY, str(file))) == said


def test_the_example_of_the_page(file: Path) -> None:
    policy = compile_policy(load_pack("pko"), "classic")
    rules = override(file, PAGE.read_text().partition("```toml\n")[2].partition("```")[0], policy)
    assert rate(rules, "SAY") == (2, 6)
    assert rules.modes == {Check.LAYOUT: Mode.AUDIT}
    assert packet(rules, "BEGINACTION MOVE").rate_action is Action.DROP
    assert packet(rules, "SAY2ALL").mode is Mode.OFF
    assert rules.buckets[rules.frame_bucket].per_second == 80


TABLES = st.dictionaries(
    st.sampled_from(
        ["session", "checks.size", "checks.x", "packets.SAY", "packets.6", "packets.LOGIN", '"packets"', "a.b.c"]
    ),
    st.dictionaries(
        st.sampled_from(
            ["mode", "action", "per_second", "burst", "cost", "max_frame_bytes", "frames_burst", "min_body_bytes"]
        ),
        st.sampled_from(["1", "0.5", "-1", "nan", '"off"', '"drop"', "[]", "{}", "1979-05-27", "99999999999999999999"]),
    ),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TABLES)
def test_any_tables_are_rules_or_mistakes(file: Path, tables: dict[str, dict[str, str]]) -> None:
    text = "".join(
        f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in values.items())
        for name, values in tables.items()
    )
    with contextlib.suppress(SettingsError):
        override(file, text)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=100))
def test_any_file_is_rules_or_mistakes(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with contextlib.suppress(SettingsError):
        override_policy(POLICY, str(file))
