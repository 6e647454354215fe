"""Rules on the wire: what goes in comes out, and what cannot be is refused whole with its reason."""

from collections.abc import Callable
from dataclasses import fields
from hashlib import sha256
from time import perf_counter

import pytest
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from protos.tidegate.policy.v1 import policy_pb2, rules_pb2, steps_pb2
from protos.tidegate.tunnel.v1 import tunnel_pb2
from tests.tunnel.rule_strategies import policies, rule_sets
from tunnel.policy import (
    MAX_FAULT_CHARACTERS,
    MAX_POLICY_BYTES,
    EdgePolicy,
    decode_policy,
    encode_policy,
    policy_digest,
)
from tunnel.rules_codec import MAX_TOTAL_STEPS, decode_rules, encode_rules
from tunnel.rules_codec_steps import MAX_CHARACTER_CLASSES
from wire.errors import LayoutError, MisuseError, TunnelFault
from wire.layout import RAW, FrameLayout
from wire.rules import MAX_RULES, Action, Bucket, Check, FrameHeader, Mode, PacketRule, RuleSet, Selector, Trigger
from wire.steps import Operation, Step

LETTERS = bytes(chr(each).isalpha() and each < 128 for each in range(256))
HEADER = FrameHeader(opcode_offset_bytes=6, opcode_width_bytes=2, body_offset_bytes=8, session_word_offset_bytes=2)
TEXT = Step(operation=Operation.TEXT, name="text", high=256, characters=LETTERS, phrases=(b"<script",))

RULES = RuleSet(
    serverbound=HEADER,
    clientbound=HEADER,
    states=("greeted", "in game"),
    flags=("store open",),
    bands=((1, 963),),
    buckets=(Bucket(name="chat", per_second=1, burst=4),),
    rules=(
        PacketRule(name="SAY", opcode=1, states=2, layouts=((TEXT,),), bucket=0, rate_action=Action.NOTIFY),
        PacketRule(name="LOGIN", opcode=431, states=1, next_state=1, layouts=((TEXT, TEXT),), mode=Mode.AUDIT),
    ),
    triggers=(Trigger(name="ENTERMAP", opcode=516, next_state=1, memory=0, memory_bytes=8),),
    modes={Check.LAYOUT: Mode.AUDIT},
    actions={Check.STATE: Action.PASS},
    notices={"client_packet_rate": b"\x00\x02"},
)

POLICY = EdgePolicy(
    game="pko",
    dialect="classic",
    serverbound=FrameLayout(min_frame_bytes=8, max_frame_bytes=16384, bare_frame_bytes=(2,)),
    clientbound=RAW,
    rules=RULES,
)


def sealed(raw: bytes) -> tunnel_pb2.Policy:
    return tunnel_pb2.Policy(policy=raw, sha256=sha256(raw).digest())


@settings(max_examples=40)
@given(policies())
def test_what_is_encoded_comes_out(policy: EdgePolicy) -> None:
    assert decode_policy(encode_policy(policy)) == policy


@settings(max_examples=25)
@given(rule_sets())
def test_equal_rules_give_equal_bytes(rules: RuleSet) -> None:
    first = encode_rules(rules).SerializeToString(deterministic=True)
    assert encode_rules(decode_rules(encode_rules(rules))).SerializeToString(deterministic=True) == first


def test_the_order_of_a_mapping_is_not_part_of_the_policy() -> None:
    one, other = ("client_lost", b"a"), ("origin_lost", b"b")
    policies = [
        EdgePolicy("pko", "", RAW, RAW, closing_notices=dict(notices)) for notices in ((one, other), (other, one))
    ]
    assert policy_digest(policies[0]) == policy_digest(policies[1])
    assert policy_digest(policies[0]) != policy_digest(POLICY)
    assert len(policy_digest(POLICY)) == 64


def test_a_character_class_travels_once() -> None:
    assert len(encode_rules(RULES).character_classes) == 1
    steps = [step for rule in decode_rules(encode_rules(RULES)).rules for steps in rule.layouts for step in steps]
    assert len({id(step.characters) for step in steps}) == 1


@pytest.mark.parametrize(
    ("here", "there"),
    [
        ([each.name for each in Operation], steps_pb2.Operation.keys()),
        ([each.name for each in Check], rules_pb2.Check.keys()),
        ([each.name for each in Mode], rules_pb2.Mode.keys()),
        ([each.name for each in Action], rules_pb2.Action.keys()),
    ],
)
def test_both_sides_know_the_same_names(here: list[str], there: list[str]) -> None:
    prefix = there[0].removesuffix("UNSPECIFIED")
    assert [f"{prefix}{name}" for name in here] == there[1:]


@pytest.mark.parametrize(
    ("here", "there", "only_there"),
    [
        (RuleSet, rules_pb2.RuleSet, {"character_classes"}),
        (FrameHeader, rules_pb2.FrameHeader, set()),
        (Bucket, rules_pb2.Bucket, set()),
        (Selector, rules_pb2.Selector, set()),
        (PacketRule, rules_pb2.PacketRule, set()),
        (Trigger, rules_pb2.Trigger, set()),
        (Step, steps_pb2.Step, set()),
        (EdgePolicy, policy_pb2.Policy, {"version"}),
    ],
)
def test_no_field_is_forgotten(here: type, there: type[Message], only_there: set[str]) -> None:
    assert len(fields(here)) == len({field.name for field in there.DESCRIPTOR.fields} - only_there)


Change = Callable[[rules_pb2.RuleSet], object]


def say(rules: rules_pb2.RuleSet) -> rules_pb2.PacketRule:
    return rules.rules[0]


def step(rules: rules_pb2.RuleSet) -> steps_pb2.Step:
    return rules.rules[0].layouts[0].steps[0]


def change(part: Callable[[rules_pb2.RuleSet], object], **fields: object) -> Change:
    """Sets fields of one part of the rules."""

    def apply(rules: rules_pb2.RuleSet) -> None:
        for name, value in fields.items():
            setattr(part(rules), name, value)

    return apply


def whole(rules: rules_pb2.RuleSet) -> rules_pb2.RuleSet:
    return rules


ROWS: list[tuple[str, Change, str]] = [
    ("no header", lambda rules: rules.ClearField("clientbound"), "header of a direction is missing"),
    ("impossible header", change(lambda rules: rules.serverbound, opcode_width_bytes=3), "opcode of 3 bytes"),
    ("no states", lambda rules: rules.ClearField("states"), "0 states"),
    ("too many states", lambda rules: rules.states.extend(["s"] * 100), "102 states: at most 16"),
    ("too many flags", lambda rules: rules.flags.extend(["f"] * 100), "101 flags"),
    ("too many bands", lambda rules: rules.bands.extend([rules_pb2.WordRange()] * 100), "101 opcode bands"),
    ("too many buckets", lambda rules: rules.buckets.extend([rules_pb2.Bucket()] * 1000), "1001 buckets"),
    ("too many rules", lambda rules: rules.rules.extend([rules_pb2.PacketRule()] * MAX_RULES), "1026 rules"),
    ("too many triggers", lambda rules: rules.triggers.extend([rules_pb2.Trigger()] * 100), "101 triggers"),
    ("too many resets", lambda rules: rules.counter_resets.extend(range(2000)), "2000 counter resets"),
    ("too many notices", lambda rules: rules.notices.extend([rules_pb2.RefusalNotice()] * 64), "65 notices"),
    ("too many layouts", lambda rules: say(rules).layouts.extend([steps_pb2.Layout()] * 8), "9 layouts"),
    ("too many classes", lambda rules: rules.character_classes.extend([bytes(32)] * 256), "257 character classes"),
    ("short class", lambda rules: rules.character_classes.append(b"x"), "character class of 1 bytes"),
    ("no such class", change(step, character_class=1), "SAY: character class 1: there are 1"),
    ("no operation", change(step, operation=0), "SAY: step of unknown operation 0"),
    ("unknown operation", change(step, operation=99), "unknown operation 99"),
    ("too wide", change(step, width_bytes=1 << 31), "width 2147483648"),
    ("no such register", change(step, register=8), "register 8"),
    ("governs too much", change(step, governed_steps=257), "over 257 steps"),
    ("impossible length", change(step, low=300), "SAY: text: 300 to 256 cannot be a length"),
    ("too many ranges", lambda rules: step(rules).ranges.extend([steps_pb2.IntegerRange()] * 65), "65 ranges"),
    ("too many phrases", lambda rules: step(rules).phrases.extend([b"x"] * 64), "65 phrases"),
    ("phrase with capitals", lambda rules: step(rules).phrases.append(b"X"), "written small"),
    ("strange capture", change(step, capture="password"), "cannot be captured"),
    (
        "loop without an end",
        lambda rules: (
            say(rules)
            .layouts[0]
            .steps.extend(
                [
                    steps_pb2.Step(operation="OPERATION_REPEAT", width_bytes=1, high=9, governed_steps=1),
                    steps_pb2.Step(operation="OPERATION_REST", high=9),
                ]
            )
        ),
        "a loop without an end",
    ),
    ("unknown mode", change(say, mode=9), "unknown mode 9"),
    ("no mode", change(say, mode=0), "unknown mode 0"),
    ("unknown action", change(say, action=-5), "unknown action -5"),
    ("an answer without a text", change(say, action=Action.ANSWER), "an answer has 1 to"),
    ("cost NaN", change(say, cost_units=float("nan")), "a cost of nan"),
    ("rate NaN", change(lambda rules: rules.buckets[0], units_per_second=float("nan")), "nan per second"),
    ("rate without bound", change(lambda rules: rules.buckets[0], units_per_second=float("inf")), "inf per second"),
    ("burst without bound", change(lambda rules: rules.buckets[0], burst_units=float("inf")), "burst of inf"),
    ("time NaN", change(whole, after_change_seconds=float("nan")), "nan seconds"),
    ("no such bucket", change(say, bucket=1), "SAY: bucket 1: there are 1"),
    ("no such state", change(say, next_state=7), "SAY: state 7: there are 2"),
    ("no such flag", change(say, needs=2), "a flag that there is not"),
    ("no such memory", change(lambda rules: rules.triggers[0], memory=4), "ENTERMAP: memory 4"),
    ("no rule's name", change(say, name=""), "rule name of 0 bytes"),
    ("a rule twice", change(lambda rules: rules.rules[1], opcode=1), "its opcode has a rule already"),
    ("a check twice", lambda rules: rules.modes.append(rules.modes[0]), "layout stands twice"),
    ("unknown check", lambda rules: rules.modes.append(rules_pb2.CheckMode(check=42)), "unknown check 42"),  # type: ignore[arg-type]
    ("check without a mode", lambda rules: rules.modes.append(rules_pb2.CheckMode(check=1)), "unknown mode 0"),  # type: ignore[arg-type]
    (
        "action unspecified",
        lambda rules: rules.actions.append(rules_pb2.CheckAction(check="CHECK_SIZE")),
        "unknown action 0",
    ),
    ("empty notice", lambda rules: rules.notices.append(rules_pb2.RefusalNotice(reason="r")), "'r' of 0 bytes"),
]


@pytest.mark.parametrize(("change", "said"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_what_cannot_be_obeyed_is_refused_whole(change: Change, said: str) -> None:
    message = policy_pb2.Policy.FromString(encode_policy(POLICY).policy)
    change(message.rules)
    with pytest.raises(TunnelFault, match=said) as caught:
        decode_policy(sealed(message.SerializeToString()))
    assert str(caught.value).startswith("the policy's rules are impossible: ")


def test_too_many_steps_in_all_are_refused() -> None:
    message = policy_pb2.Policy.FromString(encode_policy(POLICY).policy)
    raw = steps_pb2.Step(operation="OPERATION_RAW")
    full = rules_pb2.PacketRule(name="x", layouts=[steps_pb2.Layout(steps=[raw] * 256)] * 8)
    message.rules.rules.extend([full] * 8)
    with pytest.raises(TunnelFault, match=f"at most {MAX_TOTAL_STEPS} are allowed"):
        decode_policy(sealed(message.SerializeToString()))


def test_a_text_from_the_policy_is_cut_and_harmless_in_the_reason() -> None:
    message = policy_pb2.Policy.FromString(encode_policy(POLICY).policy)
    message.rules.states.extend(["\x1b[2J" + "x" * 5000] * 2)
    with pytest.raises(TunnelFault, match="stands twice") as caught:
        decode_policy(sealed(message.SerializeToString()))
    assert len(str(caught.value)) < 2 * MAX_FAULT_CHARACTERS
    assert str(caught.value).isprintable()


class TestOwnMistakes:
    """What a pack can get wrong is said where it is made, not at every edge."""

    def test_a_number_that_does_not_fit(self) -> None:
        huge = Trigger(name="t", opcode=1, value_width_bytes=4, value_high=1 << 40)
        with pytest.raises(LayoutError, match="cannot be carried"):
            encode_rules(rules_of(triggers=(huge,)))

    def test_too_many_classes(self) -> None:
        layouts = [
            tuple(
                Step(operation=Operation.TEXT, characters=bytes(each in (number, bit) for each in range(256)))
                for number in range(150)
            )
            for bit in (200, 201)
        ]
        rules = tuple(
            PacketRule(name=f"r{place}", opcode=place, states=1, layouts=(steps,))
            for place, steps in enumerate(layouts)
        )
        with pytest.raises(MisuseError, match=f"at most {MAX_CHARACTER_CLASSES}"):
            encode_policy(EdgePolicy("pko", "", RAW, RAW, rules=rules_of(rules=rules)))

    def test_a_policy_that_is_too_large(self) -> None:
        rules = tuple(PacketRule(name=f"r{each}", opcode=each, states=1, answer=bytes(1000)) for each in range(300))
        with pytest.raises(MisuseError, match="no edge would accept this policy: policy of 3"):
            encode_policy(EdgePolicy("pko", "", RAW, RAW, rules=rules_of(rules=rules)))


def rules_of(rules: tuple[PacketRule, ...] = (), triggers: tuple[Trigger, ...] = ()) -> RuleSet:
    """A rule set with these rules and triggers only."""
    return RuleSet(
        serverbound=HEADER, clientbound=HEADER, states=("s",), bands=((0, 9),), rules=rules, triggers=triggers
    )


def accepts(raw: bytes) -> bool:
    """Whether bytes are a policy; they are that or a fault, and quickly."""
    began = perf_counter()
    said = ""
    try:
        decode_policy(sealed(raw))
    except TunnelFault as fault:
        said = str(fault)
    assert perf_counter() - began < 5
    assert len(said) < 1000
    return not said


@given(st.binary(max_size=300))
def test_any_bytes_are_a_policy_or_a_fault(raw: bytes) -> None:
    accepts(raw)


@given(st.data())
def test_any_damage_gives_a_policy_or_a_fault(data: st.DataObject) -> None:
    raw = bytearray(encode_policy(POLICY).policy)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(raw)))
        raw[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    accepts(bytes(raw))


@pytest.mark.parametrize(
    "policy",
    [
        policy_pb2.Policy(version=2, game="g", rules=rules_pb2.RuleSet(rules=[rules_pb2.PacketRule()] * 125_000)),
        policy_pb2.Policy(version=2, game="g", rules=rules_pb2.RuleSet(states=[""] * 125_000)),
        policy_pb2.Policy(version=2, game="g", closing_notices=[policy_pb2.ClosingNotice()] * 125_000),
    ],
    ids=["rules", "states", "notices"],
)
def test_many_empty_parts_are_refused_quickly(policy: policy_pb2.Policy) -> None:
    raw = policy.SerializeToString()
    assert len(raw) <= MAX_POLICY_BYTES
    assert not accepts(raw)
