"""The pack's rules as data: complete, in every dialect, and with the numbers of the protocol notes."""

import re
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from games.packet import Direction, Packet
from games.pko import PACKETS, rule_rows
from games.pko.framing import SERVERBOUND_LAYOUT
from games.pko.opcodes import is_legal
from games.pko.ping import PingReply
from games.pko.rules import RULES
from games.rule_rows import Rate, Row
from tests.games.pko.guarded import PACK, rules_of
from tests.games.strategies import packets_of
from tests.games.test_program import damaged
from wire.errors import PacketFault
from wire.program import Program
from wire.rules import Action, Bucket, PacketRule, RuleSet
from wire.steps import MEMORIES, Operation

SERVERBOUND = Direction.SERVERBOUND
DIALECTS = tuple(PACK.dialects)
COMPILED = {dialect: rules_of(dialect) for dialect in DIALECTS}
CLASSIC = COMPILED["classic"]


def rule_for(rules: RuleSet, opcode: int, body: bytes = b"") -> PacketRule | None:
    for rule in rules.rules:
        selector = rule.selector
        if rule.opcode == opcode and (selector is None or body[selector.offset_bytes :][:1] == bytes([selector.value])):
            return rule
    return None


def named(name: str, dialect: str = "classic") -> PacketRule:
    (rule,) = [rule for rule in COMPILED[dialect].rules if rule.name == name]
    return rule


def bucket_of(name: str) -> Bucket:
    return CLASSIC.buckets[named(name).bucket]


def states_of(rule: PacketRule) -> set[str]:
    return {name for place, name in enumerate(RULES.states) if rule.states >> place & 1}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_compiling_is_deterministic(dialect: str) -> None:
    assert rules_of(dialect) == COMPILED[dialect]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_legal_opcode_of_the_table_has_its_rule_and_no_other_has(dialect: str) -> None:
    opcodes = [rule.opcode for rule in COMPILED[dialect].rules if rule.selector is None]
    assert len(set(opcodes)) == len(opcodes)
    style = PACK.dialects[dialect].style
    elsewhere = RULES.only["tg" if style == "classic" else "classic"]
    table = {row.number for row in PACK.opcodes if row.direction is SERVERBOUND and is_legal(SERVERBOUND, row.number)}
    assert {rule.opcode for rule in COMPILED[dialect].rules} == table - {300, 400, 430} - elsewhere
    for illegal in (0, 2, 3, 4, 5, 300, 400, 430, 599, 600, 1003, 4015, 6000, 6500):
        assert rule_for(COMPILED[dialect], illegal) is None


def test_opcodes_of_one_style_are_those_whose_notes_say_so() -> None:
    notes = {row.number: row.note for row in PACK.opcodes if row.direction is SERVERBOUND and row.note}
    tg = {number for number, note in notes.items() if note.startswith("TG")}
    classic = {number for number, note in notes.items() if note in ("CS only", "NO")}
    assert RULES.only == {"tg": tg, "classic": classic}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_names_are_unique_and_readable(dialect: str) -> None:
    names = [rule.name for rule in COMPILED[dialect].rules]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[A-Z][A-Z0-9_]*( [A-Z][A-Z0-9_]*)?", name) for name in names)
    assert {"SAY", "LOGIN", "BEGINACTION MOVE", "SAY2ALL"} <= set(names)


def rows_by_opcode() -> Mapping[int, Row]:
    return {**RULES.rows, **{opcode: row for rows in RULES.differences.values() for opcode, row in rows.items()}}


def test_every_row_is_about_an_opcode_that_exists() -> None:
    known = {row.number for row in PACK.opcodes if row.direction is SERVERBOUND}
    assert set(rows_by_opcode()) <= known
    themes = [value for name, value in vars(rule_rows).items() if re.fullmatch(r"_[A-Z]+", name)]
    assert sum(len(theme) for theme in themes) == len(RULES.rows), "an opcode stands in two themes"


def test_costs_and_bursts_let_one_packet_through() -> None:
    for rules in COMPILED.values():
        for rule in rules.rules:
            assert rule.cost <= rules.buckets[rule.bucket].burst, rule.name
        assert rules.buckets[rules.byte_bucket].burst >= SERVERBOUND_LAYOUT.max_frame_bytes


def test_only_what_shall_share_a_rate_does() -> None:
    shared: dict[str, set[str]] = {}
    for rule in CLASSIC.rules:
        shared.setdefault(CLASSIC.buckets[rule.bucket].name, set()).add(rule.name)
    assert {name: names for name, names in shared.items() if len(names) > 1} == {
        "chat": {
            *("SAY", "SAY2CAMP", "GM1SAY", "SAY2TRADE", "SAY2ALL", "SAY2YOU", "SAY2TEM", "SAY2GUD", "SESS_SAY"),
            *("GM1SAY1", "SAY2VIP", "SAY2DIS"),
        },
        "pins": {
            *("KITBAG_UNLOCK", "STORE_OPEN_ASK", "ITEM_UNLOCK_ASK", "GAME_REQUEST_PIN", "CREATE_PASSWORD2"),
            *("UPDATE_PASSWORD2", "GUILD_DISBAND", "DELCHA", "CHANGEPASS"),
        },
        "trade": {rule.name for rule in CLASSIC.rules if 312 <= rule.opcode <= 319},
    }


# What a packet class accepts, its rule accepts, and the other way round.

CLASSES = tuple(cls for cls in PACKETS if cls.DIRECTION is SERVERBOUND)
PROGRAMS = {
    dialect: {rule.name: tuple(Program(steps) for steps in rule.layouts) for rule in rules.rules}
    for dialect, rules in COMPILED.items()
}


def is_accepted(dialect: str, opcode: int, body: bytes, memory: bytes) -> bool:
    rule = rule_for(COMPILED[dialect], opcode, body)
    if rule is None or not rule.min_body_bytes <= len(body) <= rule.max_body_bytes:
        return False
    programs = PROGRAMS[dialect][rule.name]
    memories = [memory, *[b""] * (MEMORIES - 1)]
    return not programs or any(program.run(body, 0, len(body), memories) == -1 for program in programs)


def is_decoded(dialect: str, opcode: int, body: bytes) -> bool:
    codec = PACK.codec(dialect)
    try:
        frame = codec.open(SERVERBOUND, codec.dialect.serverbound.seal(opcode, body, counter=counter_of(dialect)))
        return codec.decode(SERVERBOUND, frame) is not None
    except PacketFault:
        return False


def counter_of(dialect: str) -> int | None:
    return 0 if PACK.dialects[dialect].serverbound.counter_bytes else None


PINS_OF_THE_TRAILER_FORK = {32, 41, 100}
"""Its bodies are enciphered, so its rules look at their sizes alone."""


@given(packet=st.sampled_from(CLASSES).flatmap(packets_of), dialect=st.sampled_from(DIALECTS), data=st.data())
@settings(max_examples=400)
def test_rules_accept_what_the_codec_decodes(packet: Packet, dialect: str, data: st.DataObject) -> None:
    if not PACK.codec(dialect).classes(SERVERBOUND, packet.OPCODE):
        return
    body = packet.encode()
    memory = body if isinstance(packet, PingReply) else b""
    if type(packet) in PACK.codec(dialect).classes(SERVERBOUND, packet.OPCODE):
        assert is_accepted(dialect, packet.OPCODE, body, memory)
    if (dialect == "counter+trailer" and packet.OPCODE in PINS_OF_THE_TRAILER_FORK) or memory:
        return
    body = damaged(body, data)
    assert is_accepted(dialect, packet.OPCODE, body, b"") == is_decoded(dialect, packet.OPCODE, body)


# Numbers of the notes, section 4b by section 4b.


def test_the_session_rates() -> None:
    session = RULES.session_rates
    assert (session.frames, session.bare_frames) == (Rate(64, 64), Rate(2, 10))
    assert (session.frame_bytes, session.refusals) == (Rate(12_000, 16_384), Rate(1, 30))


@pytest.mark.parametrize(
    ("name", "per_second", "burst"),
    [
        ("BEGINACTION MOVE", 9, 18),
        ("LOGIN", 0.5, 1),
        ("SAY", 1, 4),
        ("CHARTRADE_ITEM", 5, 20),
        ("READBOOK_START", 1, 3),
        ("REFRESH_DATA", 10, 20),
    ],
)
def test_rates(name: str, per_second: float, burst: float) -> None:
    bucket = bucket_of(name)
    assert (bucket.per_second, bucket.burst) == (per_second, burst)


@pytest.mark.parametrize(
    ("name", "dialect", "states", "next_state"),
    [
        ("LOGIN", "classic", {"greeted"}, "logging_in"),
        ("REGISTER", "counter", {"greeted"}, ""),
        ("SEND_PRIVATE_KEY", "tg", {"greeted"}, "logging_in"),
        ("LOGIN", "tg", {"logging_in"}, ""),
        ("LOGOUT", "classic", {"logging_in", "select", "entering", "in_game"}, ""),
        ("BGNPLAY", "classic", {"select"}, "entering"),
        ("NEWCHA", "classic", {"select"}, ""),
        ("DELCHA", "tg", {"select"}, ""),
        ("CREATE_PASSWORD2", "classic", {"select"}, ""),
        ("CHANGEPASS", "classic", {"select", "in_game"}, ""),
        ("ENDPLAY", "classic", {"in_game"}, ""),
        ("CANCELEXIT", "classic", {"in_game"}, ""),
        ("SAY", "classic", {"in_game"}, ""),
        ("BEGINACTION MOVE", "classic", {"in_game"}, ""),
        ("TEAM_INVITE", "classic", {"in_game"}, ""),
    ],
)
def test_states(name: str, dialect: str, states: set[str], next_state: str) -> None:
    rule = named(name, dialect)
    assert states_of(rule) == states
    assert rule.next_state == (RULES.states.index(next_state) if next_state else -1)


@pytest.mark.parametrize(("dialect", "first"), [("classic", {431, 438}), ("counter", {431, 438}), ("tg", {355, 438})])
def test_the_first_packet_of_a_session(dialect: str, first: set[int]) -> None:
    assert {rule.opcode for rule in COMPILED[dialect].rules if "greeted" in states_of(rule)} == first


def test_the_logout_is_the_only_call() -> None:
    for dialect, rules in COMPILED.items():
        calls = {rule.name: rule.session_words for rule in rules.rules if rule.session_words is not None}
        assert calls == {"LOGOUT": (1, 0xFFFF)}, dialect
        assert rules.opaque_session_words == (1, 0xFFFF)


def test_actions_that_are_not_the_usual_ones() -> None:
    for name in ("BEGINACTION MOVE", "BEGINACTION SKILL"):
        assert (named(name).action, named(name).rate_action) == (None, Action.CLOSE)
    for name in ("SAY", "SAY2ALL", "GUILD_MOTTO", "FRND_INVITE"):
        assert (named(name).action, named(name).rate_action) == (Action.NOTIFY, Action.NOTIFY)
    assert named("PING").action is Action.DROP
    new = named("NEWCHA")
    assert new.action is Action.ANSWER
    assert new.answer == bytes.fromhex("000a8000000003a70213")


def test_secrets_and_names_are_marked() -> None:
    secret: set[str] = set()
    captured: dict[str, set[str]] = {}
    for rules in COMPILED.values():
        for rule in rules.rules:
            for step in (step for steps in rule.layouts for step in steps):
                if step.secret:
                    secret.add(f"{rule.name} {step.name}")
                if step.capture:
                    captured.setdefault(step.capture, set()).add(f"{rule.name} {step.name}")
    assert secret == {
        *("LOGIN password", "LOGIN password_hash", "REGISTER password_digest", "SEND_PRIVATE_KEY key"),
        *("CREATE_PASSWORD2 pin", "UPDATE_PASSWORD2 old", "UPDATE_PASSWORD2 new", "DELCHA pin"),
        *("KITBAG_UNLOCK pin", "ITEM_UNLOCK_ASK pin", "GAME_REQUEST_PIN pin", "STORE_OPEN_ASK pin"),
        *("GUILD_PUTNAME password", "GUILD_DISBAND password", "CHANGEPASS password_digest", "CHANGEPASS pin_digest"),
    }
    assert captured == {"account": {"LOGIN account"}, "hardware": {"LOGIN mac"}, "character": {"BGNPLAY name"}}


def test_headers() -> None:
    assert (CLASSIC.serverbound.body_offset_bytes, CLASSIC.serverbound.counter_offset_bytes) == (8, -1)
    full = COMPILED["counter+trailer"]
    assert (full.serverbound.body_offset_bytes, full.serverbound.counter_offset_bytes) == (12, 8)
    assert full.serverbound.trailer == b"\x8d\x1c"
    assert full.counter_resets == {431, 438}
    assert COMPILED["tg"].counter_resets == {438, 355}
    for rules in COMPILED.values():
        assert rules.serverbound.ordinary_session_word == 0x80000000
        assert (rules.clientbound.body_offset_bytes, rules.clientbound.trailer) == (8, b"")


def test_notices_are_lines_of_the_chat_window() -> None:
    codec = PACK.codec()
    for reason, frame in CLASSIC.notices.items():
        assert reason.startswith("client_")
        assert codec.open(Direction.CLIENTBOUND, frame).opcode == 517


def test_only_the_ping_asks_a_memory() -> None:
    asking = {rule.name for rule in CLASSIC.rules for steps in rule.layouts for step in steps
              if step.operation is Operation.MEMORY}  # fmt: skip
    assert asking == {"PING"}
    assert named("PING").min_body_bytes == 20
