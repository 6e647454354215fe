"""A rule set as the guards use it: looked up by opcode, with every verdict worked out beforehand.

One for all sessions of an edge. Made anew when the policy changes; nothing in it changes but the names that are
denied.
"""

from array import array
from collections.abc import Container, Mapping

from wire.program import Program
from wire.reasons import Reason
from wire.rules import DEFAULT_ACTIONS, Action, Bucket, Check, Mode, PacketRule, RuleSet

CHECKS = tuple(Check)
REASONS = tuple(Reason(f"client_{check}") for check in CHECKS)

OFF = 0
AUDIT = 1
DROP = int(Action.DROP)
NOTIFY = int(Action.NOTIFY)
ANSWER = int(Action.ANSWER)
CLOSE = int(Action.CLOSE)

MAX_LIMIT = 1 << 61
"""Nanoseconds; a bucket never holds more, so that times stay within 64 bits."""

MAX_PLACES = 1 << 16
"""Opcodes below this are looked up by place: half a megabyte at most."""

_RATES = (Check.PACKET_RATE, Check.DISTANCE)
_CONTENTS = (Check.STATE, Check.SIZE, Check.LAYOUT)
"""Checks whose action a rule may set; one of the others that fails is no matter of the packet."""

_SECOND = 1_000_000_000


class Entry:
    """One rule. ``verdicts`` has what is done when a check fails, by the check's place: OFF, AUDIT or an action."""

    __slots__ = (
        "answer",
        "bucket",
        "charge",
        "clears",
        "first_word",
        "forbids",
        "last_word",
        "max_body",
        "min_body",
        "name",
        "needs",
        "next_state",
        "programs",
        "resets_counter",
        "sets",
        "states",
        "verdicts",
    )

    def __init__(self, rule: PacketRule, rules: RuleSet) -> None:
        ordinary = rules.serverbound.ordinary_session_word
        self.name = rule.name
        self.states = rule.states
        self.needs = rule.needs
        self.forbids = rule.forbids
        self.next_state = rule.next_state
        self.sets = rule.sets
        self.clears = rule.clears
        self.first_word, self.last_word = rule.session_words or (ordinary, ordinary)
        self.min_body = rule.min_body_bytes
        self.max_body = rule.max_body_bytes
        self.programs = tuple(Program(steps) for steps in rule.layouts)
        self.bucket = rule.bucket
        self.charge = 0 if rule.bucket < 0 else int(interval(rules.buckets[rule.bucket]) * rule.cost)
        self.resets_counter = rule.opcode in rules.counter_resets
        self.answer = rule.answer
        self.verdicts = bytes(_verdict(rules, check, rule) for check in CHECKS)


class Choice:
    """What stands for an opcode: one entry, or one for each value of a selector in the body."""

    __slots__ = ("by_value", "offset", "otherwise", "width")

    def __init__(self) -> None:
        self.otherwise: Entry | None = None
        self.by_value: dict[int, Entry] = {}
        self.offset = 0
        self.width = 0


class Tables:
    """A rule set made ready.

    ``denied`` holds by kind (`wire.steps.CAPTURES`) the names that are not admitted, in small letters; it may be
    replaced at any time.
    """

    __slots__ = (
        "bare_bucket",
        "body",
        "by_opcode",
        "byte_bucket",
        "choices",
        "counter",
        "denied",
        "distance_bucket",
        "frame_bucket",
        "grace",
        "intervals",
        "limits",
        "little",
        "needed",
        "opaque",
        "opcode_offset",
        "opcode_width",
        "ordinary",
        "refusal_bucket",
        "rules",
        "trailer",
        "verdicts",
        "word",
    )

    def __init__(self, rules: RuleSet) -> None:
        header = rules.serverbound
        self.rules = rules
        self.opcode_offset = header.opcode_offset_bytes
        self.opcode_width = header.opcode_width_bytes
        self.body = header.body_offset_bytes
        self.little = header.little_endian
        self.word = header.session_word_offset_bytes
        self.ordinary = header.ordinary_session_word
        self.counter = header.counter_offset_bytes
        # A frame that does not even hold these is a bare one.
        self.needed = max(self.opcode_offset + self.opcode_width, self.word + 4 if self.word >= 0 else 0)
        self.trailer = header.trailer
        self.frame_bucket = rules.frame_bucket
        self.byte_bucket = rules.byte_bucket
        self.bare_bucket = rules.bare_bucket
        self.refusal_bucket = rules.refusal_bucket
        self.distance_bucket = rules.distance_bucket
        self.opaque = rules.opaque_state
        self.grace = int(rules.after_change_seconds * _SECOND)
        self.intervals = array("q", [interval(bucket) for bucket in rules.buckets])
        self.limits = array("q", [min(int(bucket.burst * interval(bucket)), MAX_LIMIT) for bucket in rules.buckets])
        self.verdicts = bytes(_verdict(rules, check, None) for check in CHECKS)
        self.denied: Mapping[str, Container[bytes]] = {}
        self.choices: dict[int, Choice] = {}
        for rule in rules.rules:
            choice = self.choices.setdefault(rule.opcode, Choice())
            entry = Entry(rule, rules)
            if rule.selector is None:
                choice.otherwise = entry
            else:
                choice.offset = rule.selector.offset_bytes
                choice.width = rule.selector.width_bytes
                choice.by_value[rule.selector.value] = entry
        # The same by place, as far as that goes: an opcode that is looked up by its hash is an object first.
        few = [opcode for opcode in self.choices if opcode < MAX_PLACES]
        self.by_opcode: list[Choice | None] = [None] * (max(few, default=-1) + 1)
        for opcode in few:
            self.by_opcode[opcode] = self.choices[opcode]


def interval(bucket: Bucket) -> int:
    """Return how many nanoseconds one unit of a bucket takes to come in."""
    return max(1, round(_SECOND / bucket.per_second))


def _verdict(rules: RuleSet, check: Check, rule: PacketRule | None) -> int:
    mode = rules.modes.get(check, Mode.ENFORCE)
    action = rules.actions.get(check, DEFAULT_ACTIONS[check])
    if rule is not None:
        mode = min(mode, rule.mode)
        own = {**dict.fromkeys(_RATES, rule.rate_action), **dict.fromkeys(_CONTENTS, rule.action)}
        action = own.get(check) or action
    if mode is Mode.OFF:
        return OFF
    return AUDIT if mode is Mode.AUDIT or action is Action.PASS else int(action)
