"""The rules of a game as data: what an edge lets pass, packet by packet, and what it does with the rest.

Made by a core from a pack and the operator's overrides, carried inside the policy, obeyed by the guard
(`wire.guard`) of each session. Everything is checked when it is made: a rule set that exists can be obeyed.

Order of the checks of a frame: the session's rates, session word, opcode, state, packet counter and trailer, size,
the packet's own rate, layout, the way a path is long. The first that fails names the reason.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from wire.errors import LayoutError
from wire.steps import MEMORIES, Operation, Step, check_steps

MAX_RULES = 1024
MAX_STATES = 16
MAX_FLAGS = 32
MAX_BUCKETS = 256
MAX_LAYOUTS = 8
MAX_TRIGGERS = 64
MAX_BANDS = 16
MAX_RULE_NAME_BYTES = 64
MAX_ANSWER_BYTES = 1024
MAX_TRAILER_BYTES = 8
MAX_MEMORY_BYTES = 64
MAX_BODY_BYTES = 1 << 20
MIN_RATE_PER_SECOND = 0.001
MAX_RATE_PER_SECOND = 1e9


class Check(StrEnum):
    """What a frame is checked for. Each has a reason code of its own, a mode, and what is done when it fails."""

    FRAME_RATE = "frame_rate"
    BYTE_RATE = "byte_rate"
    SESSION_WORD = "session_word"
    OPCODE = "opcode"
    STATE = "state"
    COUNTER = "counter"
    TRAILER = "trailer"
    SIZE = "size"
    PACKET_RATE = "packet_rate"
    LAYOUT = "layout"
    DISTANCE = "distance"


class Mode(IntEnum):
    """How strictly a check or a rule is held; where a check and a rule differ, the milder one holds."""

    OFF = 0
    AUDIT = 1
    """Count and log what would be refused, and let it pass."""
    ENFORCE = 2


class Action(IntEnum):
    """What is done with a refused frame. Where a stream cannot be read any more, all but PASS become CLOSE."""

    PASS = 1
    DROP = 2
    NOTIFY = 3
    """Drop it and show the player why, at most once a second."""
    ANSWER = 4
    """Drop it and send the player the rule's ``answer``."""
    CLOSE = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameHeader:
    """Where the parts of a frame stand, in bytes from its start; -1 where the game has no such part.

    An opcode of width 0 means that the game has none: only rates are checked. Session word and counter have 4
    bytes. ``ordinary_session_word`` marks a one-way message; frames with another word are calls, which carry no
    trailer and whose counter is not checked.
    """

    opcode_offset_bytes: int
    opcode_width_bytes: int
    body_offset_bytes: int
    little_endian: bool = False
    session_word_offset_bytes: int = -1
    ordinary_session_word: int = 0
    counter_offset_bytes: int = -1
    trailer: bytes = b""

    def __post_init__(self) -> None:
        if self.opcode_width_bytes not in (0, 1, 2, 4):
            raise LayoutError(f"opcode of {self.opcode_width_bytes} bytes: 0, 1, 2 or 4 are possible")
        if not 0 <= self.body_offset_bytes <= 64 or len(self.trailer) > MAX_TRAILER_BYTES:
            raise LayoutError(
                f"a body at offset {self.body_offset_bytes} behind a trailer of {len(self.trailer)} bytes"
            )
        parts = [(self.opcode_offset_bytes, self.opcode_width_bytes)]
        parts += [(at, 4) for at in (self.session_word_offset_bytes, self.counter_offset_bytes) if at != -1]
        if not all(at >= 0 and at + width <= self.body_offset_bytes for at, width in parts):
            raise LayoutError("a part of the header stands outside of it")
        if not 0 <= self.ordinary_session_word < 1 << 32:
            raise LayoutError(f"session word {self.ordinary_session_word} does not fit four bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """A token bucket: ``per_second`` units come in, up to ``burst``; a frame takes its cost out, or is refused."""

    name: str
    per_second: float
    burst: float

    def __post_init__(self) -> None:
        _check_name(self.name, "bucket")
        if not MIN_RATE_PER_SECOND <= self.per_second <= MAX_RATE_PER_SECOND:
            raise LayoutError(f"{self.name}: {self.per_second} per second is not possible")
        if not 1 <= self.burst <= MAX_RATE_PER_SECOND:
            raise LayoutError(f"{self.name}: a burst of {self.burst} is not possible: at least 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """Tells packets that share an opcode apart: an unsigned integer in the body."""

    offset_bytes: int
    width_bytes: int
    value: int

    def __post_init__(self) -> None:
        if self.width_bytes not in (1, 2, 4) or not 0 <= self.offset_bytes <= 256:
            raise LayoutError(f"selector of {self.width_bytes} bytes at {self.offset_bytes}")
        if not 0 <= self.value < 1 << (8 * self.width_bytes):
            raise LayoutError(f"selector value {self.value} does not fit {self.width_bytes} bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class PacketRule:
    """One serverbound packet. Sets of states and flags are bit masks over the rule set's names.

    ``selector`` None holds for the whole opcode, or for what no selector of it fits. ``session_words`` None means
    the ordinary one only, otherwise the first and last word allowed. ``next_state`` -1 leaves the state.
    ``layouts`` are alternatives, of which the first that fits counts; none means that the body is not looked at.
    ``bucket`` -1 means no rate of its own. ``action`` is for a failed STATE, SIZE or LAYOUT, ``rate_action`` for
    PACKET_RATE and DISTANCE; None leaves it to the check.
    """

    name: str
    opcode: int
    states: int
    selector: Selector | None = None
    needs: int = 0
    forbids: int = 0
    next_state: int = -1
    sets: int = 0
    clears: int = 0
    session_words: tuple[int, int] | None = None
    min_body_bytes: int = 0
    max_body_bytes: int = MAX_BODY_BYTES
    layouts: tuple[tuple[Step, ...], ...] = ()
    bucket: int = -1
    cost: float = 1.0
    mode: Mode = Mode.ENFORCE
    action: Action | None = None
    rate_action: Action | None = None
    answer: bytes = b""

    def __post_init__(self) -> None:
        _check_name(self.name, "rule")
        if not 0 <= self.opcode < 1 << 32:
            raise LayoutError(f"{self.name}: opcode {self.opcode} is not possible")
        if not 0 <= self.min_body_bytes <= self.max_body_bytes <= MAX_BODY_BYTES:
            raise LayoutError(f"{self.name}: bodies of {self.min_body_bytes} to {self.max_body_bytes} bytes")
        if self.session_words is not None and not 0 <= self.session_words[0] <= self.session_words[1] < 1 << 32:
            raise LayoutError(f"{self.name}: session words {self.session_words}")
        if len(self.layouts) > MAX_LAYOUTS:
            raise LayoutError(f"{self.name}: {len(self.layouts)} layouts: at most {MAX_LAYOUTS}")
        for steps in self.layouts:
            try:
                check_steps(steps)
            except LayoutError as error:
                raise LayoutError(f"{self.name}: {error}") from error
        if not 0 <= self.cost <= 1e6:
            raise LayoutError(f"{self.name}: a cost of {self.cost} is not possible")
        wants_answer = Action.ANSWER in (self.action, self.rate_action)
        if len(self.answer) > MAX_ANSWER_BYTES or (wants_answer and not self.answer):
            raise LayoutError(f"{self.name}: an answer has 1 to {MAX_ANSWER_BYTES} bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """What a clientbound packet says about its session; the core looks for them and tells the edge.

    It holds if the unsigned integer of ``value_width_bytes`` at ``value_offset_bytes`` in the body (counted from the
    body's end if negative; width 0: always) is within ``value_low`` to ``value_high``. ``memory`` -1 remembers
    nothing, otherwise ``memory_bytes`` from the body's beginning.
    """

    name: str
    opcode: int
    value_offset_bytes: int = 0
    value_width_bytes: int = 0
    value_low: int = 0
    value_high: int = 0
    next_state: int = -1
    sets: int = 0
    clears: int = 0
    memory: int = -1
    memory_bytes: int = 0

    def __post_init__(self) -> None:
        _check_name(self.name, "trigger")
        if self.value_width_bytes not in (0, 1, 2, 4) or not -256 <= self.value_offset_bytes <= 256:
            raise LayoutError(f"{self.name}: no integer of {self.value_width_bytes} at {self.value_offset_bytes}")
        if self.value_low > self.value_high or self.value_low < 0:
            raise LayoutError(f"{self.name}: {self.value_low} to {self.value_high} is no range")
        if not -1 <= self.memory < MEMORIES or not 0 <= self.memory_bytes <= MAX_MEMORY_BYTES:
            raise LayoutError(f"{self.name}: memory {self.memory} of {self.memory_bytes} bytes")


DEFAULT_ACTIONS: Mapping[Check, Action] = {
    Check.FRAME_RATE: Action.DROP,
    Check.BYTE_RATE: Action.DROP,
    Check.SESSION_WORD: Action.CLOSE,
    Check.OPCODE: Action.CLOSE,
    # A client may act a moment before it hears that its state has changed.
    Check.STATE: Action.DROP,
    Check.COUNTER: Action.CLOSE,
    Check.TRAILER: Action.CLOSE,
    Check.SIZE: Action.CLOSE,
    Check.PACKET_RATE: Action.DROP,
    Check.LAYOUT: Action.CLOSE,
    Check.DISTANCE: Action.CLOSE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSet:
    """All rules of one dialect. States, flags and buckets are numbered by their place.

    A session begins in state 0. In ``opaque_state`` (-1: none) frames are encrypted from the opcode on, so only
    framing, session word and the session's rates are checked. ``frame_bucket``, ``byte_bucket``, ``bare_bucket``
    (for frames without a header), ``refusal_bucket`` (sessions over it are closed) and ``distance_bucket`` (the way
    along measured paths, in the game's own unit) are places or -1.
    ``after_change_seconds`` is how long what was legal before a clientbound packet changed the state or a flag
    still is: the client may not have heard yet. ``notices`` are frames shown for a reason by Action.NOTIFY.
    """

    serverbound: FrameHeader
    clientbound: FrameHeader
    states: tuple[str, ...]
    bands: tuple[tuple[int, int], ...]
    rules: tuple[PacketRule, ...]
    flags: tuple[str, ...] = ()
    buckets: tuple[Bucket, ...] = ()
    triggers: tuple[Trigger, ...] = ()
    counter_resets: frozenset[int] = frozenset()
    opaque_state: int = -1
    opaque_session_words: tuple[int, int] | None = None
    frame_bucket: int = -1
    byte_bucket: int = -1
    bare_bucket: int = -1
    refusal_bucket: int = -1
    distance_bucket: int = -1
    after_change_seconds: float = 5.0
    modes: Mapping[Check, Mode] = field(default_factory=dict)
    actions: Mapping[Check, Action] = field(default_factory=dict)
    notices: Mapping[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_count(self.states, 1, MAX_STATES, "states")
        _check_count(self.flags, 0, MAX_FLAGS, "flags")
        _check_count(self.buckets, 0, MAX_BUCKETS, "buckets")
        _check_count(self.rules, 0, MAX_RULES, "rules")
        _check_count(self.triggers, 0, MAX_TRIGGERS, "triggers")
        _check_count(self.bands, 1, MAX_BANDS, "opcode bands")
        for names in (self.states, self.flags, tuple(bucket.name for bucket in self.buckets)):
            if len(set(names)) != len(names):
                raise LayoutError(f"a name stands twice in {', '.join(names)}")
            for name in names:
                _check_name(name, "name")
        if not all(0 <= low <= high < 1 << 32 for low, high in self.bands):
            raise LayoutError(f"opcode bands {self.bands}")
        own = (self.frame_bucket, self.byte_bucket, self.bare_bucket, self.refusal_bucket, self.distance_bucket)
        for place in own:
            self._check_place(place, len(self.buckets), "bucket")
        self._check_place(self.opaque_state, len(self.states), "state")
        if not 0 <= self.after_change_seconds <= 60:
            raise LayoutError(f"{self.after_change_seconds} seconds after a change: 0 to 60 are possible")
        self._check_rules()
        self._check_triggers()

    def _check_rules(self) -> None:
        seen: set[tuple[int, Selector | None]] = set()
        places: dict[int, tuple[int, int]] = {}
        for rule in self.rules:
            if (rule.opcode, rule.selector) in seen:
                raise LayoutError(f"{rule.name}: its opcode has a rule already")
            seen.add((rule.opcode, rule.selector))
            if rule.selector is not None:
                place = (rule.selector.offset_bytes, rule.selector.width_bytes)
                if places.setdefault(rule.opcode, place) != place:
                    raise LayoutError(f"{rule.name}: the selectors of an opcode stand in one place")
            self._check_masks(rule)
            self._check_place(rule.bucket, len(self.buckets), f"{rule.name}: bucket")

    def _check_triggers(self) -> None:
        sizes: dict[int, int] = {}
        for trigger in self.triggers:
            self._check_masks(trigger)
            if trigger.memory >= 0 and sizes.setdefault(trigger.memory, trigger.memory_bytes) != trigger.memory_bytes:
                raise LayoutError(f"{trigger.name}: memory {trigger.memory} has another size elsewhere")
        for rule in self.rules:
            for step in (step for steps in rule.layouts for step in steps):
                if step.operation is Operation.MEMORY and step.register not in sizes:
                    raise LayoutError(f"{rule.name}: nothing ever fills memory {step.register}")

    def _check_masks(self, each: PacketRule | Trigger) -> None:
        masks = [each.sets, each.clears]
        if isinstance(each, PacketRule):
            masks += [each.needs, each.forbids]
            if not 0 <= each.states < 1 << len(self.states):
                raise LayoutError(f"{each.name}: a state that there is not")
        if not all(0 <= mask < 1 << len(self.flags) for mask in masks):
            raise LayoutError(f"{each.name}: a flag that there is not")
        self._check_place(each.next_state, len(self.states), f"{each.name}: state")

    @staticmethod
    def _check_place(place: int, count: int, what: str) -> None:
        if not -1 <= place < count:
            raise LayoutError(f"{what} {place}: there are {count}")


def _check_name(name: str, what: str) -> None:
    if not 1 <= len(name.encode()) <= MAX_RULE_NAME_BYTES:
        raise LayoutError(f"{what} name of {len(name.encode())} bytes: 1 to {MAX_RULE_NAME_BYTES} are possible")


def _check_count(items: tuple[object, ...], low: int, high: int, what: str) -> None:
    if not low <= len(items) <= high:
        raise LayoutError(f"{len(items)} {what}: {low} to {high} are possible")
