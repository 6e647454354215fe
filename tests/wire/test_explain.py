"""Explanations: the right figures for each reason, nothing secret, and any bytes do."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire.explained_rules import CLASSIC, COUNTED, PLAIN, counted_frame, frame, text
from wire.explain import MAX_CHARACTERS, Explanation, explain_frame, find_rule
from wire.program import Program
from wire.reasons import Reason
from wire.rules import Check, PacketRule, RuleSet
from wire.step_reader import MAX_FIELDS, read_steps
from wire.steps import Operation, Step

LAYOUT = Reason.CLIENT_LAYOUT
LOGIN_BODY = text(b"player1") + b"\x00\x18" + b"S3CRETS3CRETS3CRETS3CRET" + b"\x00\x88"
POINT = b"\x01\x00\x00\x00\x02\x00\x00\x00"

# reason, frame, rule, offset, sentence
ROWS = [
    (LAYOUT, frame(1, b"\x01" + text(b"a" * 300)), "SAY", 9, "chat text is 300 bytes where 1 to 256 are allowed"),
    (LAYOUT, frame(1, b"\x09" + text(b"a")), "SAY", 8, "channel is 9 where 0 to 3 are allowed"),
    (LAYOUT, frame(1, b"\x01\x00\x09abc"), "SAY", 9, "chat text needs 11 bytes where 5 are left"),
    (LAYOUT, frame(1, b"\x01\x00\x03abc"), "SAY", 9, "chat text has no NUL at its end"),
    (LAYOUT, frame(1, b"\x01\x00\x00"), "SAY", 9, "chat text has no NUL at its end"),
    (LAYOUT, frame(1, b"\x01\x00"), "SAY", 9, "chat text needs 2 bytes where 1 is left"),
    (LAYOUT, frame(1, b"\x01" + text(b"a\x1bc")), "SAY", 9, "chat text has a character 0x1b at 1 that is not allowed"),
    (
        LAYOUT,
        frame(1, b"\x01" + text(b"x /ByeByeLeecher")),
        "SAY",
        9,
        'chat text has "/byebyeleecher" in it, which is not allowed',
    ),
    (LAYOUT, frame(1, b"\x01" + text(b"hi") + b"xyz"), "SAY", 14, "3 bytes too many behind chat text"),
    (LAYOUT, frame(11, b"\x00\x1e\x01"), "LEARN", 8, "skill is 30, which is not allowed"),
    (LAYOUT, frame(11, b"\x00\x01\x80"), "LEARN", 10, "level is -128 where -1 to 1 are allowed"),
    (LAYOUT, frame(11, b"\x00\x64\x01\x00"), "LEARN", 11, "magic needs 4 bytes where 1 is left"),
    (
        LAYOUT,
        frame(6, b"\x01\x00\x09" + bytes(9)),
        "BEGINACTION MOVE",
        9,
        "points is 9 bytes, which is no whole number of 8 bytes each",
    ),
    (LAYOUT, frame(6, b"\x01\x00\x00"), "BEGINACTION MOVE", 9, "points is 0 records where 1 to 32 are allowed"),
    (
        LAYOUT,
        frame(6, b"\x01\x00\x10" + POINT + b"\xff" * 8),
        "BEGINACTION MOVE",
        19,
        "x[1] is -1 where 0 to 100000 are allowed",
    ),
    (LAYOUT, frame(6, b"\x02\x07"), "BEGINACTION FORGE", 9, "groups is 7 where 0 to 6 are allowed"),
    (
        LAYOUT,
        frame(6, b"\x02\x03\x00\x01\x01"),
        "BEGINACTION FORGE",
        9,
        "groups is 3, for which 3 bytes cannot be enough",
    ),
    (LAYOUT, frame(17, b"abc"), "PONG", 8, "stamp needs 5 bytes where 3 are left"),
    (LAYOUT, frame(17, bytes(46)), "PONG", 13, "rest is 41 bytes where at most 40 are allowed"),
    (
        LAYOUT,
        frame(17, bytes(5)),
        "PONG",
        None,
        "PONG does not repeat what the game server has said, or the rules have changed since",
    ),
    # Of two layouts the one that got farther; the second of these.
    (LAYOUT, frame(43, b"\x00\x01\x00\x02\xff\xff"), "BUY", 12, "2 bytes too many behind item"),
    (LAYOUT, frame(43, b"\x00\x01\xff"), "BUY", 10, "item needs 2 bytes where 1 is left"),
    (Reason.CLIENT_SIZE, frame(43, bytes(12)), "BUY", 8, "body of 12 bytes where 4 to 8 are allowed for BUY"),
    (Reason.CLIENT_SIZE, frame(432, b"x", 1), "LOGOUT", None, "body of 1 byte where exactly 0 are allowed for LOGOUT"),
    (
        Reason.CLIENT_OPCODE,
        frame(1234),
        "",
        None,
        "opcode 1234 is in no band that clients send: 1 to 499, 6001 to 6499",
    ),
    (Reason.CLIENT_OPCODE, frame(2), "", None, "opcode 2 is not sent by clients of this dialect"),
    (Reason.CLIENT_OPCODE, frame(6, b"\x63"), "", None, "opcode 6 is none of the kinds of it that clients send"),
    (Reason.CLIENT_OPCODE, b"\x00\x03\x00", "", None, "frame of 3 bytes ends before its opcode does"),
    (
        Reason.CLIENT_SESSION_WORD,
        frame(1, word=5),
        "SAY",
        8,
        "session word 0x00000005 where only 0x80000000 is allowed for SAY",
    ),
    (
        Reason.CLIENT_SESSION_WORD,
        frame(432),
        "LOGOUT",
        None,
        "session word 0x80000000 where 0x00000001 to 0x0000ffff are allowed for LOGOUT",
    ),
    (
        Reason.CLIENT_STATE,
        frame(43, b"\x00\x01\x00\x02"),
        "BUY",
        None,
        "BUY has its place in game, only with store_open, not with trading",
    ),
    (Reason.CLIENT_STATE, frame(432, word=1), "LOGOUT", None, "LOGOUT has its place in select or game"),
    (
        Reason.CLIENT_PACKET_RATE,
        frame(1, b"\x01" + text(b"hi")),
        "SAY",
        None,
        "SAY came faster than 2 a second and 6 at once, each counted as 2",
    ),
    (
        Reason.CLIENT_FRAME_RATE,
        frame(432, word=1),
        "LOGOUT",
        None,
        "packets came faster than 64 a second and 64 at once",
    ),
    (
        Reason.CLIENT_FRAME_RATE,
        b"\x00\x02",
        "",
        None,
        "frames without a header came faster than 2 a second and 4 at once",
    ),
    (
        Reason.CLIENT_BYTE_RATE,
        frame(432, word=1),
        "LOGOUT",
        None,
        "bytes came faster than 12000 a second and 24000 at once",
    ),
    (
        Reason.CLIENT_DISTANCE,
        frame(6, b"\x01\x00\x10" + POINT * 2),
        "BEGINACTION MOVE",
        None,
        "the way is longer than 500 a second and 2000 at once",
    ),
    (Reason.CLIENT_ACCOUNT_DENIED, frame(431, LOGIN_BODY), "LOGIN", None, "This account is not admitted here."),
    ("made_up", frame(432, word=1), "LOGOUT", None, "made_up"),
]


@pytest.mark.parametrize(("reason", "refused", "rule", "offset", "sentence"), ROWS)
def test_sentences(reason: str, refused: bytes, rule: str, offset: int | None, sentence: str) -> None:
    explanation = explain_frame(CLASSIC, reason, refused)
    assert explanation.text == sentence
    assert explanation.rule == rule
    assert explanation.offset_bytes == offset


def test_every_reason_of_the_guard_has_a_sentence_of_its_own() -> None:
    told = {row[0] for row in ROWS} | {Reason.CLIENT_COUNTER, Reason.CLIENT_TRAILER}
    assert told >= {Reason(f"client_{check}") for check in Check}


def test_counter_and_trailer() -> None:
    refused = counted_frame(1, 7, b"\x01" + text(b"hi"))
    explanation = explain_frame(COUNTED, Reason.CLIENT_COUNTER, refused)
    assert explanation.text == "packet counter 7 is not the one that was due"
    assert explanation.fields == (("channel", "1"), ("chat text", '"hi"'))
    assert explanation.offset_bytes is None
    wrong = refused[:-2] + b"\x00\x01"
    assert explain_frame(COUNTED, Reason.CLIENT_TRAILER, wrong).text == "ends with 0x0001 where 0x8d1c is due"
    short = frame(1, b"\x00\x00\x00\x07\x8d")
    assert explain_frame(COUNTED, Reason.CLIENT_SIZE, short).text.startswith("frame of 13 bytes, which is too short")


def test_fields_of_a_frame_that_fits() -> None:
    explanation = explain_frame(CLASSIC, Reason.CLIENT_STATE, frame(6, b"\x01\x00\x08" + POINT))
    assert explanation.fields == (("channel", "1"), ("points", "1"), ("x[0]", "1"), ("y[0]", "2"))
    assert explanation.opcode == 6
    assert explanation.describe_fields() == "channel=1 points=1 x[0]=1 y[0]=2"


def test_bytes_are_shown_in_hex_and_cut() -> None:
    explanation = explain_frame(CLASSIC, LAYOUT, frame(17, bytes(range(5)) + bytes(30)))
    assert explanation.fields == (("stamp", "5 bytes 0001020304"), ("rest", f"30 bytes {'00' * 16}..."))


# Secrets.


def test_a_secret_is_masked_where_the_frame_fits() -> None:
    explanation = explain_frame(CLASSIC, Reason.CLIENT_STATE, frame(431, LOGIN_BODY))
    assert explanation.fields == (("account", '"player1"'), ("password", "***"), ("version", "136"))
    assert explanation.has_secrets


def test_a_wrong_version_behind_a_secret_is_told() -> None:
    explanation = explain_frame(CLASSIC, LAYOUT, frame(431, LOGIN_BODY[:-1] + b"\x89"))
    assert explanation.text == "version is 137 where only 136 is allowed"


def test_a_secret_in_the_place_of_another_field_is_not_shown() -> None:
    another_dialect = text(b"S3CRETS3CRET") + text(b"player1")
    explanation = explain_frame(CLASSIC, LAYOUT, frame(431, another_dialect))
    assert "S3CRET" not in str(explanation)
    assert explanation.fields == (("account", "***"),)


@pytest.mark.parametrize("body", [b"\x00\x00\x04\xd3", b"\x00\x01\xe2\x40"])
def test_secret_integers_are_shown_neither_as_fields_nor_in_sentences(body: bytes) -> None:
    explanation = explain_frame(CLASSIC, LAYOUT, frame(346, body))
    assert "1235" not in str(explanation)
    assert "123456" not in str(explanation)
    assert "***" in str(explanation)


def test_the_length_of_a_secret_is_not_shown() -> None:
    body = text(b"player1") + b"\x00\x19" + bytes(25)
    assert explain_frame(CLASSIC, LAYOUT, frame(431, body)).text == "password is *** bytes where exactly 24 are allowed"


@given(st.binary(max_size=60))
def test_no_content_of_a_login_that_does_not_fit_is_ever_shown(rest: bytes) -> None:
    body = text(b"QQQQQQQQ") + b"\x00\x05QQQQQ" + rest
    explanation = explain_frame(CLASSIC, LAYOUT, frame(431, body))
    assert explanation.has_secrets
    assert "QQ" not in str(explanation)
    assert b"QQ".hex() not in str(explanation)


# Bounds.


def is_terminal_safe(shown: str) -> bool:
    return all(" " <= letter <= "~" for letter in shown)


def check_bounds(explanation: Explanation) -> None:
    shown = [explanation.text, explanation.rule, *(part for each in explanation.fields for part in each)]
    assert sum(map(len, shown)) <= MAX_CHARACTERS
    assert len(explanation.fields) <= MAX_FIELDS
    assert all(map(is_terminal_safe, shown))


REASONS = st.one_of(st.sampled_from(list(Reason)), st.text(max_size=80))
FRAMES = st.one_of(
    st.binary(max_size=200),
    st.builds(
        frame,
        st.sampled_from([1, 6, 11, 17, 43, 346, 431, 432, 999]),
        st.binary(max_size=80),
        st.sampled_from([0x80000000, 1, 0]),
    ),
)


@given(st.sampled_from([CLASSIC, COUNTED, PLAIN]), REASONS, FRAMES, st.integers(0, 3000), st.booleans())
def test_any_bytes_are_explained(
    rules: RuleSet, reason: str, refused: bytes, frame_bytes: int, is_opaque: bool
) -> None:
    explanation = explain_frame(rules, reason, refused, frame_bytes=frame_bytes, is_opaque=is_opaque)
    check_bounds(explanation)
    assert explanation == explain_frame(rules, reason, refused, frame_bytes=frame_bytes, is_opaque=is_opaque)


@given(FRAMES)
def test_the_offset_is_where_the_program_stops(refused: bytes) -> None:
    rule = find_rule(CLASSIC, refused)
    if rule is None:
        return
    explanation = explain_frame(CLASSIC, LAYOUT, refused)
    start = CLASSIC.serverbound.body_offset_bytes
    memories = [refused[start : start + 5].ljust(5, b"\0")]
    stops = [Program(steps).run(refused, start, len(refused), memories) for steps in rule.layouts]
    if -1 in stops or not stops:
        assert explanation.offset_bytes is None
    else:
        assert explanation.offset_bytes == max(stops)


def test_names_from_a_policy_cannot_reach_the_terminal() -> None:
    step = Step(operation=Operation.INT, name="\x1b[2J\n", width=1, low=0, high=5)
    rule = PacketRule(name="\x9b31mRED" * 5, opcode=1, states=1, layouts=((step,),))
    rules = replace(CLASSIC, rules=(rule,))
    for body in (b"\x01", b"\x09"):
        check_bounds(explain_frame(rules, LAYOUT, frame(1, body)))


def test_a_text_is_escaped_and_cut() -> None:
    step = Step(operation=Operation.TEXT, name="t", high=300)
    reading = read_steps([step], text(b'"\\\x1b[m\xff' + b"a" * 100), 0, 109, {})
    assert reading.fault is None
    assert reading.fields == (("t", f'"\\x22\\x5c\\x1b[m\\xff{"a" * 58}..."'),)


def test_a_long_loop_ends_early() -> None:
    steps = [
        Step(operation=Operation.REPEAT, name="n", width=2, high=65535, steps=1),
        Step(operation=Operation.INT, name="i", width=1, high=255),
    ]
    body = b"\xff\xff" + bytes(65535)
    reading = read_steps(steps, body, 0, len(body), {})
    assert reading.fault is None
    assert not reading.is_whole
    assert len(reading.fields) == MAX_FIELDS


def test_the_beginning_of_a_frame_is_enough_to_begin_with() -> None:
    refused = frame(1, b"\x01" + text(b"a" * 250))
    explanation = explain_frame(CLASSIC, LAYOUT, refused[:100], frame_bytes=len(refused))
    assert explanation.fields == (("channel", "1"),)
    assert explanation.offset_bytes is None
    assert explanation.text == "frame of 262 bytes of which too little was kept to say more"


def test_of_an_opaque_frame_nothing_is_read_but_its_session_word() -> None:
    explanation = explain_frame(CLASSIC, Reason.CLIENT_SESSION_WORD, frame(1, b"\x01" + text(b"a"), 0), is_opaque=True)
    assert (explanation.rule, explanation.opcode, explanation.fields) == ("", None, ())
    assert explanation.text == "session word 0x00000000 where only 0x80000000 is allowed for this packet"
