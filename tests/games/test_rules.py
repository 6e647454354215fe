"""Compiling rules: names become numbers, rules get sizes, layouts and buckets."""

from dataclasses import replace
from typing import Annotated

import pytest

from games.envelope import Envelope
from games.fields import U8, U16, Rest
from games.pack import Dialect, Opcode, Pack
from games.packet import Direction, Packet, Tag, packet
from games.program import steps_of
from games.registry import load_pack, pack_names
from games.rule_rows import GameRules, Heard, Rate, Row, Selected, SessionRates, Value
from games.rules import compile_rules
from wire.errors import LayoutError, MisuseError
from wire.layout import FrameLayout
from wire.rules import Action, Bucket, Check, PacketRule, RuleSet, Selector, Trigger

SERVERBOUND = Direction.SERVERBOUND
CLIENTBOUND = Direction.CLIENTBOUND

LAYOUT = FrameLayout(min_frame_bytes=8, max_frame_bytes=64, bare_frame_bytes=(2,))
PLAIN = Envelope(
    layout=LAYOUT,
    header_bytes=8,
    opcode_offset_bytes=6,
    session_word_offset_bytes=2,
    ordinary_session_word=7,
)
COUNTED = replace(PLAIN, counter_bytes=4, trailer=b"!!")


@packet(1, SERVERBOUND)
class Hello(Packet):
    """Sent once."""

    value: U8


@packet(2, SERVERBOUND, tag=Tag(0, 1, 5))
class Five(Packet):
    """Kind 5."""

    kind: U8
    value: U16


@packet(2, SERVERBOUND)
class OtherKind(Packet):
    """Any other kind."""

    kind: U8


@packet(3, SERVERBOUND)
class Leave(Packet):
    """Empty."""


@packet(9, CLIENTBOUND)
class Told(Packet):
    """What a refused hello gets."""

    value: U8


RULES = GameRules(
    states=("new", "known", "dark"),
    flags=("open", "shut"),
    bands=((1, 99),),
    session_rates=SessionRates(Rate(1, 2), Rate(3, 4), Rate(5, 6), Rate(7, 8)),
    usual_states=("known",),
    usual_rate=Rate(10, 20),
    rows={
        1: Row(
            states=("new",),
            next_state="known",
            sets=("open",),
            rate=Rate(0.5, 1),
            action=Action.ANSWER,
            answer=Told(value=3),
        ),
        3: Row(calls=(1, 9), rate="shared", cost=2, needs=("open",), forbids=("shut",), clears=("open", "shut")),
        4: Row(name="FOURTH", body_bytes=(1, 2)),
    },
    selected={2: Selected(0, 1, {5: Row(name="FIVE"), 6: Row(name="SIX", rate_action=Action.CLOSE)})},
    differences={"counted": {4: Row(name="COUNTED_FOURTH", rate="shared")}},
    heard=(
        Heard(name="goes dark", opcode=9, value=Value(-2, 1, 1, 3), next_state="dark", styles=frozenset({"new"})),
        Heard(name="remembers", opcode=10, remembers=(1, 12), sets=("shut",)),
    ),
    buckets={"shared": Rate(2, 3)},
    never=frozenset({50}),
    only={"new": frozenset({5})},
    unknown_body_bytes=30,
    opaque_state="dark",
    opaque_calls=(1, 5),
    notice=lambda text: text.encode()[:8],
)

PACK = Pack(
    name="toy",
    summary="for these tests",
    serverbound=LAYOUT,
    clientbound=LAYOUT,
    dialects={
        "plain": Dialect("plain", "first", PLAIN, PLAIN, style="old"),
        "counted": Dialect("counted", "second", COUNTED, PLAIN, style="new", counter_resets=frozenset({1})),
    },
    opcodes=(
        *(Opcode(number, f"C_NAME_{number}", SERVERBOUND) for number in (5, 4, 3, 2, 1, 50, 100)),
        Opcode(3, "C_LATER", SERVERBOUND),
        Opcode(9, "S_TOLD", CLIENTBOUND),
    ),
    packets=(Hello, Five, OtherKind, Leave, Told),
    rules=RULES,
)


def compiled(dialect: str = "", **changes: object) -> RuleSet:
    rules = compile_rules(replace(PACK, rules=replace(RULES, **changes)), dialect)  # type: ignore[arg-type]
    assert rules is not None
    return rules


def by_name(rules: RuleSet) -> dict[str, PacketRule]:
    return {rule.name: rule for rule in rules.rules}


def test_the_first_dialect_whole() -> None:
    assert compiled().rules == (
        PacketRule(
            name="NAME_1",
            opcode=1,
            states=0b001,
            next_state=1,
            sets=0b01,
            min_body_bytes=1,
            max_body_bytes=1,
            layouts=(steps_of(Hello),),
            bucket=5,
            action=Action.ANSWER,
            answer=bytes.fromhex("0009 00000007 0009 03"),
        ),
        PacketRule(
            name="NAME_2 FIVE",
            opcode=2,
            states=0b010,
            selector=Selector(offset_bytes=0, width_bytes=1, value=5),
            min_body_bytes=3,
            max_body_bytes=3,
            layouts=(steps_of(Five),),
            bucket=6,
        ),
        PacketRule(
            name="NAME_2 SIX",
            opcode=2,
            states=0b010,
            selector=Selector(offset_bytes=0, width_bytes=1, value=6),
            min_body_bytes=1,
            max_body_bytes=1,
            layouts=(steps_of(OtherKind),),
            bucket=7,
            rate_action=Action.CLOSE,
        ),
        PacketRule(
            name="NAME_3",
            opcode=3,
            states=0b010,
            needs=0b01,
            forbids=0b10,
            clears=0b11,
            session_words=(1, 9),
            max_body_bytes=0,
            bucket=4,
            cost=2,
        ),
        PacketRule(name="FOURTH", opcode=4, states=0b010, min_body_bytes=1, max_body_bytes=2, bucket=8),
    )


def test_what_another_dialect_changes() -> None:
    rules = compiled("counted")
    assert by_name(rules)["COUNTED_FOURTH"].bucket == 4
    assert by_name(rules)["NAME_5"].max_body_bytes == 30
    assert (rules.serverbound.body_offset_bytes, rules.serverbound.counter_offset_bytes) == (12, 8)
    assert rules.serverbound.trailer == b"!!"
    assert rules.clientbound.counter_offset_bytes == -1
    assert rules.counter_resets == {1}
    assert [trigger.name for trigger in rules.triggers] == ["goes dark", "remembers"]


def test_buckets_states_and_the_rest() -> None:
    rules = compiled()
    assert rules.buckets[:6] == (
        Bucket(name="frames", per_second=1, burst=2),
        Bucket(name="bytes", per_second=3, burst=4),
        Bucket(name="bare frames", per_second=5, burst=6),
        Bucket(name="refusals", per_second=7, burst=8),
        Bucket(name="shared", per_second=2, burst=3),
        Bucket(name="NAME_1", per_second=0.5, burst=1),
    )
    assert [bucket.name for bucket in rules.buckets[6:]] == ["NAME_2 FIVE", "NAME_2 SIX", "FOURTH"]
    assert (rules.frame_bucket, rules.byte_bucket, rules.bare_bucket, rules.refusal_bucket) == (0, 1, 2, 3)
    assert (rules.states, rules.flags, rules.bands) == (RULES.states, RULES.flags, RULES.bands)
    assert (rules.opaque_state, rules.opaque_session_words) == (2, (1, 5))
    assert rules.notices["client_packet_rate"] == b"The play"
    assert len(rules.notices) == len(Check)
    assert rules.triggers == (Trigger(name="remembers", opcode=10, sets=0b10, memory=1, memory_bytes=12),)
    assert compiled("counted").triggers[0] == Trigger(
        name="goes dark",
        opcode=9,
        value_offset_bytes=-2,
        value_width_bytes=1,
        value_low=1,
        value_high=3,
        next_state=2,
    )


def test_bodies_never_outgrow_their_frame() -> None:
    @packet(1, SERVERBOUND)
    class Long(Packet):
        """Says no bound."""

        rest: Annotated[bytes, Rest()]

    for dialect, room in (("plain", 56), ("counted", 52)):
        rules = compile_rules(replace(PACK, packets=(Long, Told)), dialect)
        assert rules is not None
        assert by_name(rules)["NAME_1"].max_body_bytes == room


def test_compiling_is_deterministic() -> None:
    assert compiled() == compiled()


@pytest.mark.parametrize("name", [name for name in pack_names() if name != "pko"])
def test_packs_without_rules_have_none(name: str) -> None:
    pack = load_pack(name)
    assert pack.rules is None
    assert compile_rules(pack, pack.default_dialect) is None


def test_an_unknown_dialect_is_refused() -> None:
    with pytest.raises(MisuseError, match="no dialect 'middle'"):
        compiled("middle")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"rows": {1: Row(states=("gone",))}}, "gone: no such name; there are new, known, dark"),
        ({"rows": {1: Row(needs=("ajar",))}}, "ajar: no such name; there are open, shut"),
        ({"rows": {1: Row(next_state="gone")}}, "gone"),
        ({"rows": {1: Row(rate="none")}}, "none: no such bucket; there are shared"),
        ({"rows": {1: Row(name="NAME_3"), 3: Row()}}, "NAME_3: another rule or bucket has this name"),
        ({"rows": {1: Row(name="NAME_3", rate="shared"), 3: Row(rate="shared")}}, "NAME_3: another rule"),
        ({"opaque_state": "gone"}, "gone"),
    ],
    ids=str,
)
def test_rules_that_cannot_be(changes: dict[str, object], reason: str) -> None:
    with pytest.raises(LayoutError, match=reason):
        compiled("", **changes)


def test_a_counter_is_four_bytes_wide() -> None:
    odd = replace(PACK.dialects["plain"], serverbound=replace(PLAIN, counter_bytes=2))
    with pytest.raises(LayoutError, match="packet counter of 2 bytes"):
        compile_rules(replace(PACK, dialects={"odd": odd}))
