"""Random rule sets that can exist: layouts with blocks in blocks, rules, triggers, whole policies."""

from collections.abc import Callable
from typing import TypeVar

from hypothesis import strategies as st

from tunnel.policy import EdgePolicy
from wire.layout import RAW, FrameLayout
from wire.reasons import Reason
from wire.rules import Action, Bucket, Check, FrameHeader, Mode, PacketRule, RuleSet, Selector, Trigger
from wire.steps import CAPTURES, MAX_DEPTH, MEMORIES, REGISTERS, Operation, Step

Value = TypeVar("Value")

NAMES = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF), min_size=1, max_size=16)
FIELD_NAMES = st.sampled_from(["", "name", "count", "größe"])
WORDS = st.integers(0, (1 << 32) - 1)
LENGTHS = st.tuples(st.integers(0, 300), st.integers(0, 300)).map(lambda pair: (min(pair), max(pair)))
CLASSES = st.sampled_from([b"", bytes(256), bytes([1] * 256), bytes(each in b"abc" for each in range(256))])


def pairs(values: st.SearchStrategy[int]) -> st.SearchStrategy[tuple[int, int]]:
    """Two values, the smaller first."""
    return st.tuples(values, values).map(lambda pair: (min(pair), max(pair)))


def optional(values: st.SearchStrategy[Value]) -> st.SearchStrategy[Value | None]:
    return st.none() | values


@st.composite
def integers(draw: st.DrawFn, register: int = -1) -> Step:
    """An INT step; with a register it keeps what it read."""
    width, signed = draw(st.sampled_from([1, 2, 4, 8])), draw(st.booleans())
    bits = 8 * width - signed
    low, high = draw(pairs(st.integers(-(1 << bits) if signed else 0, min((1 << bits) - 1, (1 << 63) - 1))))
    return Step(
        operation=Operation.INT,
        name=draw(FIELD_NAMES),
        width=width,
        signed=signed,
        little_endian=draw(st.booleans()),
        low=low,
        high=high,
        ranges=tuple(draw(st.lists(pairs(st.integers(-(1 << 63), (1 << 63) - 1)), max_size=3))),
        register=register,
        secret=draw(st.booleans()),
    )


@st.composite
def texts(draw: st.DrawFn) -> Step:
    low, high = draw(LENGTHS)
    phrases = st.lists(st.binary(min_size=1, max_size=8).map(bytes.lower), max_size=3)
    return Step(
        operation=Operation.TEXT,
        name=draw(FIELD_NAMES),
        little_endian=draw(st.booleans()),
        low=low,
        high=high,
        characters=draw(CLASSES),
        phrases=tuple(draw(phrases)),
        secret=draw(st.booleans()),
        capture=draw(st.sampled_from(["", *CAPTURES])),
    )


def plain(operation: Operation) -> Callable[[tuple[int, int]], Step]:
    """Makes a step of bytes out of a range of lengths."""
    return lambda lengths: Step(
        operation=operation, low=lengths[1] if operation is Operation.RAW else lengths[0], high=lengths[1]
    )


LEAVES = st.one_of(
    integers(), texts(), *(LENGTHS.map(plain(each)) for each in (Operation.SEQUENCE, Operation.RAW, Operation.REST))
)


@st.composite
def blocks(draw: st.DrawFn, depth: int) -> list[Step]:
    """A step that governs others, with those; what it needs stands before it."""
    operation = draw(st.sampled_from([Operation.REPEAT, Operation.PACKED, Operation.WHEN, Operation.TAIL]))
    if operation is Operation.PACKED:
        if draw(st.booleans()):
            point = Step(operation=Operation.INT, width=4, signed=True, high=9)
            return [Step(operation=operation, width=8, high=9, steps=2, measured=True), point, point]
        fields = draw(st.lists(integers(), min_size=1, max_size=3))
        low, high = draw(LENGTHS)
        record = sum(field.width for field in fields)
        return [Step(operation=operation, width=record, low=low, high=high, steps=len(fields)), *fields]
    inner = draw(bodies(depth + 1))
    if operation is Operation.REPEAT:
        inner = [draw(integers()), *inner]  # items without a byte would be refused
        width = draw(st.sampled_from([0, 1, 2, 4]))
        low, high = draw(LENGTHS)
        return [Step(operation=operation, width=width, low=low if width else high, high=high, steps=len(inner)), *inner]
    inner = inner or [draw(LEAVES)]
    if operation is Operation.TAIL:
        return [Step(operation=operation, steps=len(inner)), *inner]
    register = draw(st.integers(0, REGISTERS - 1))
    ranges = tuple(draw(st.lists(pairs(st.integers(-5, 5)), max_size=2)))
    when = Step(operation=operation, register=register, ranges=ranges, inverted=draw(st.booleans()), steps=len(inner))
    return [draw(integers(register)), when, *inner]


@st.composite
def bodies(draw: st.DrawFn, depth: int = 1) -> list[Step]:
    """The steps of one block, blocks in it with their own."""
    parts = LEAVES.map(lambda step: [step])
    if depth < MAX_DEPTH:
        parts = parts | blocks(depth)
    return [step for part in draw(st.lists(parts, max_size=3)) for step in part]


def layouts() -> st.SearchStrategy[tuple[Step, ...]]:
    """A layout program of at most some dozen steps."""
    return bodies().map(tuple)


@st.composite
def headers(draw: st.DrawFn) -> FrameHeader:
    width = draw(st.sampled_from([0, 1, 2, 4]))
    body = draw(st.integers(8, 64))
    return FrameHeader(
        opcode_offset_bytes=draw(st.integers(0, body - width)),
        opcode_width_bytes=width,
        body_offset_bytes=body,
        little_endian=draw(st.booleans()),
        session_word_offset_bytes=draw(st.just(-1) | st.integers(0, body - 4)),
        ordinary_session_word=draw(WORDS),
        counter_offset_bytes=draw(st.just(-1) | st.integers(0, body - 4)),
        trailer=draw(st.binary(max_size=8)),
    )


def buckets() -> st.SearchStrategy[Bucket]:
    return st.builds(Bucket, name=NAMES, per_second=st.floats(0.001, 1e9), burst=st.floats(1, 1e9))


@st.composite
def packet_rules(
    draw: st.DrawFn, key: tuple[int, int | None], states: int, flags: int, buckets: int, memories: frozenset[int]
) -> PacketRule:
    """A rule for an opcode and, unless None, a selector's value."""
    fewest, most = draw(pairs(st.integers(0, 1 << 20)))
    masks = st.integers(0, (1 << flags) - 1)
    actions = optional(st.sampled_from(Action))
    steps = draw(st.lists(layouts(), max_size=2))
    for memory in draw(st.sets(st.sampled_from(sorted(memories)), max_size=2)) if memories else ():
        steps.append((Step(operation=Operation.MEMORY, register=memory),))
    return PacketRule(
        name=draw(NAMES),
        opcode=key[0],
        selector=None if key[1] is None else Selector(offset_bytes=key[0] % 257, width_bytes=2, value=key[1]),
        states=draw(st.integers(0, (1 << states) - 1)),
        needs=draw(masks),
        forbids=draw(masks),
        next_state=draw(st.integers(-1, states - 1)),
        sets=draw(masks),
        clears=draw(masks),
        session_words=draw(optional(pairs(WORDS))),
        min_body_bytes=fewest,
        max_body_bytes=most,
        layouts=tuple(steps),
        bucket=draw(st.integers(-1, buckets - 1)),
        cost=draw(st.floats(0, 1e6)),
        mode=draw(st.sampled_from(Mode)),
        action=draw(actions),
        rate_action=draw(actions),
        answer=draw(st.binary(min_size=1, max_size=20)),
    )


@st.composite
def triggers(draw: st.DrawFn, states: int, flags: int, memories: frozenset[int]) -> Trigger:
    low, high = draw(pairs(WORDS))
    masks = st.integers(0, (1 << flags) - 1)
    return Trigger(
        name=draw(NAMES),
        opcode=draw(WORDS),
        value_offset_bytes=draw(st.integers(-256, 256)),
        value_width_bytes=draw(st.sampled_from([0, 1, 2, 4])),
        value_low=low,
        value_high=high,
        next_state=draw(st.integers(-1, states - 1)),
        sets=draw(masks),
        clears=draw(masks),
        memory=draw(st.sampled_from([-1, *sorted(memories)])),
        memory_bytes=20,
    )


@st.composite
def rule_sets(draw: st.DrawFn) -> RuleSet:
    """A rule set with every part it can have, small."""
    states = draw(st.lists(NAMES, min_size=1, max_size=16, unique=True))
    flags = draw(st.lists(NAMES, max_size=32, unique=True))
    found = draw(st.lists(buckets(), max_size=4, unique_by=lambda bucket: bucket.name))
    memories = draw(st.frozensets(st.integers(0, MEMORIES - 1)))
    keys = draw(st.lists(st.tuples(WORDS, optional(st.integers(0, 65535))), max_size=3, unique=True))
    filling = [Trigger(name="fills", opcode=1, memory=memory, memory_bytes=20) for memory in sorted(memories)]
    others = draw(st.lists(triggers(len(states), len(flags), memories), max_size=3))
    places = st.integers(-1, len(found) - 1)
    return RuleSet(
        serverbound=draw(headers()),
        clientbound=draw(headers()),
        states=tuple(states),
        bands=tuple(draw(st.lists(pairs(WORDS), min_size=1, max_size=3))),
        rules=tuple(draw(packet_rules(key, len(states), len(flags), len(found), memories)) for key in keys),
        flags=tuple(flags),
        buckets=tuple(found),
        triggers=(*filling, *others),
        counter_resets=draw(st.frozensets(WORDS, max_size=5)),
        opaque_state=draw(st.integers(-1, len(states) - 1)),
        opaque_session_words=draw(optional(pairs(WORDS))),
        frame_bucket=draw(places),
        byte_bucket=draw(places),
        bare_bucket=draw(places),
        refusal_bucket=draw(places),
        distance_bucket=draw(places),
        after_change_seconds=draw(st.floats(0, 60)),
        modes=draw(st.dictionaries(st.sampled_from(Check), st.sampled_from(Mode))),
        actions=draw(st.dictionaries(st.sampled_from(Check), st.sampled_from(Action))),
        notices=draw(st.dictionaries(st.sampled_from(Reason), st.binary(min_size=1, max_size=20), max_size=5)),
    )


def policies() -> st.SearchStrategy[EdgePolicy]:
    """A whole policy, mostly with rules."""
    return st.builds(
        EdgePolicy,
        game=NAMES,
        dialect=st.just("") | NAMES,
        serverbound=st.just(FrameLayout(min_frame_bytes=8, max_frame_bytes=16384, bare_frame_bytes=(2,))),
        clientbound=st.just(RAW),
        closing_notices=st.dictionaries(st.sampled_from(Reason), st.binary(min_size=1, max_size=20), max_size=3),
        rules=rule_sets() | st.none(),
    )
