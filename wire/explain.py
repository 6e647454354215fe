"""Says in one sentence what was wrong with a refused frame, with its fields and the place where they stop to fit.

The edge calls it for refused frames only, `tests/fuzz` for any. The guard has decided by then, fast and without
words; this reads the same frame again with the same rules. It must not know the session: what depends on it (the
state it was in, the counter it was at) is told from the rules' side.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from wire.errors import PacketFault
from wire.reasons import Reason, explain
from wire.rules import PacketRule, RuleSet
from wire.step_reader import Reading, read_steps
from wire.wording import count_of, describe_sizes, show_name

MAX_CHARACTERS = 512
"""All texts of an explanation together: as much as the log shows of one value."""

MAX_SENTENCE_CHARACTERS = 200

_NO_FIELDS = Reading((), is_whole=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What is known about a refused frame; every text is ASCII without control characters.

    ``rule`` is empty and ``opcode`` None where the frame has none. ``fields`` are names and shown values, those of
    secret fields masked. ``offset_bytes``, from the frame's beginning, is where the layout that got farthest stopped
    to fit; None where one fits or there is none. ``has_secrets``: the frame's bytes are to be shown to nobody.
    """

    rule: str
    opcode: int | None
    fields: tuple[tuple[str, str], ...]
    offset_bytes: int | None
    text: str
    has_secrets: bool = False

    def describe_fields(self) -> str:
        """Return the fields as one text."""
        return " ".join(f"{name}={value}" for name, value in self.fields)


@dataclass(frozen=True, slots=True)
class _Seen:
    """A frame that is being explained, with what could be found out about it."""

    rules: RuleSet
    frame: bytes
    frame_bytes: int
    opcode: int | None
    rule: PacketRule | None
    reading: Reading

    @property
    def name(self) -> str:
        return "this packet" if self.rule is None else show_name(self.rule.name)

    @property
    def word(self) -> int:
        """The session word; the ordinary one where there is none."""
        header = self.rules.serverbound
        at = header.session_word_offset_bytes
        return header.ordinary_session_word if at < 0 else self.number(at, 4)

    @property
    def body_end(self) -> int:
        """Where the body ends and the trailer, if there is one, begins."""
        header = self.rules.serverbound
        is_call = self.word != header.ordinary_session_word
        return self.frame_bytes - (0 if is_call else len(header.trailer))

    def number(self, at: int, width: int) -> int:
        return _number(self.rules, self.frame, at, width)


def find_rule(rules: RuleSet, frame: bytes) -> PacketRule | None:
    """Return the rule that holds for a frame, by its opcode and what else tells packets apart; None if none does."""
    opcode = read_opcode(rules, frame)
    found = None
    for rule in rules.rules:
        if rule.opcode != opcode:
            continue
        if rule.selector is None:
            found = rule
            continue
        at = rules.serverbound.body_offset_bytes + rule.selector.offset_bytes
        width = rule.selector.width_bytes
        if at + width <= len(frame) and _number(rules, frame, at, width) == rule.selector.value:
            return rule
    return found


def read_opcode(rules: RuleSet, frame: bytes) -> int | None:
    """Return the opcode of a frame; None if it ends before, or the game has none."""
    at, width = rules.serverbound.opcode_offset_bytes, rules.serverbound.opcode_width_bytes
    return _number(rules, frame, at, width) if width and at + width <= len(frame) else None


def explain_frame(
    rules: RuleSet, reason: str, frame: bytes, *, frame_bytes: int | None = None, is_opaque: bool = False
) -> Explanation:
    """Say why a serverbound frame was refused; never raises, whatever the frame is.

    ``frame`` may be only the beginning of one that is ``frame_bytes`` long. With ``is_opaque`` the frame is
    encrypted from its opcode on.
    """
    opcode = None if is_opaque else read_opcode(rules, frame)
    rule = None if opcode is None else find_rule(rules, frame)
    seen = _Seen(rules, frame, max(frame_bytes or 0, len(frame)), opcode, rule, _NO_FIELDS)
    has_secrets = _has_secrets(rules, opcode)
    if rule is not None and rule.layouts:
        seen = replace(seen, reading=_read(seen, rule, hides=False))
        if has_secrets and (seen.reading.fault is not None or not seen.reading.is_whole):
            # The secret may stand where another field is expected, if the client speaks another dialect.
            seen = replace(seen, reading=_read(seen, rule, hides=True))
    say = _SENTENCES.get(reason)
    text = show_sentence(explain(reason) if say is None else say(seen))
    name = "" if rule is None else seen.name
    fault = seen.reading.fault
    return Explanation(
        rule=name,
        opcode=opcode,
        fields=_within_bound(seen.reading.fields, MAX_CHARACTERS - len(text) - len(name)),
        offset_bytes=None if fault is None else fault.offset_bytes,
        text=text,
        has_secrets=has_secrets,
    )


def show_sentence(text: str) -> str:
    """Return a sentence as bounded ASCII that no terminal obeys."""
    shown = "".join(letter if " " <= letter <= "~" else "?" for letter in text[:MAX_SENTENCE_CHARACTERS])
    return shown if len(text) <= MAX_SENTENCE_CHARACTERS else f"{shown[:-3]}..."


def _has_secrets(rules: RuleSet, opcode: int | None) -> bool:
    layouts = (steps for rule in rules.rules if rule.opcode == opcode for steps in rule.layouts)
    return any(step.secret for steps in layouts for step in steps)


def _read(seen: _Seen, rule: PacketRule, *, hides: bool) -> Reading:
    """Read the body with the layout that fits, or else with the first of those that get farthest."""
    start, end = seen.rules.serverbound.body_offset_bytes, seen.body_end
    if end < start:
        return _NO_FIELDS
    memories: Mapping[int, bytes | int] = {trigger.memory: trigger.memory_bytes for trigger in seen.rules.triggers}
    best = _NO_FIELDS
    farthest = -1
    for steps in rule.layouts:
        reading = read_steps(steps, seen.frame, start, end, memories, hides=hides)
        if reading.fault is None:
            return reading
        if reading.fault.offset_bytes > farthest:
            best, farthest = reading, reading.fault.offset_bytes
    return best


def _within_bound(fields: tuple[tuple[str, str], ...], characters: int) -> tuple[tuple[str, str], ...]:
    """Return the fields that together are not longer than ``characters``; the last may be cut."""
    shown = []
    for name, value in fields:
        characters -= len(name) + len(value)
        if characters < 0:
            kept = len(value) + characters - 3
            if kept > 0:
                shown.append((name, f"{value[:kept]}..."))
            break
        shown.append((name, value))
    return tuple(shown)


def _number(rules: RuleSet, frame: bytes, at: int, width: int) -> int:
    return int.from_bytes(frame[at : at + width], "little" if rules.serverbound.little_endian else "big")


# One sentence for each reason. They are called for any frame, so each must be right where there is no rule, too.


def _rate(seen: _Seen, place: int, what: str, cost: float = 1.0) -> str:
    if place < 0:
        return f"{what} came faster than is allowed"
    bucket = seen.rules.buckets[place]
    weighed = "" if cost == 1 else f", each counted as {cost:g}"
    return f"{what} came faster than {bucket.per_second:g} a second and {bucket.burst:g} at once{weighed}"


def _frame_rate(seen: _Seen) -> str:
    header = seen.rules.serverbound
    if seen.frame_bytes < header.body_offset_bytes and seen.opcode is None and header.opcode_width_bytes:
        return _rate(seen, seen.rules.bare_bucket, "frames without a header")
    return _rate(seen, seen.rules.frame_bucket, "packets")


def _packet_rate(seen: _Seen) -> str:
    if seen.rule is None:
        return "this packet came faster than is allowed"
    return _rate(seen, seen.rule.bucket, seen.name, seen.rule.cost)


def _distance(seen: _Seen) -> str:
    place = seen.rules.distance_bucket
    if place < 0:
        return "the way is longer than is allowed"
    bucket = seen.rules.buckets[place]
    return f"the way is longer than {bucket.per_second:g} a second and {bucket.burst:g} at once"


def _session_word(seen: _Seen) -> str:
    ordinary = seen.rules.serverbound.ordinary_session_word
    low, high = ordinary, ordinary
    if seen.rule is not None and seen.rule.session_words is not None:
        low, high = seen.rule.session_words
    allowed = f"only 0x{low:08x} is" if low == high else f"0x{low:08x} to 0x{high:08x} are"
    return f"session word 0x{seen.word:08x} where {allowed} allowed for {seen.name}"


def _opcode(seen: _Seen) -> str:
    if seen.opcode is None:
        return f"frame of {seen.frame_bytes} bytes ends before its opcode does"
    if not any(low <= seen.opcode <= high for low, high in seen.rules.bands):
        bands = ", ".join(f"{low} to {high}" for low, high in seen.rules.bands)
        return f"opcode {seen.opcode} is in no band that clients send: {bands}"
    if seen.rule is None and any(rule.opcode == seen.opcode for rule in seen.rules.rules):
        return f"opcode {seen.opcode} is none of the kinds of it that clients send"
    return f"opcode {seen.opcode} is not sent by clients of this dialect"


def _state(seen: _Seen) -> str:
    if seen.rule is None:
        return "this packet has no place at this point of the game"
    words = [f"{seen.name} has its place in {_names(seen.rules.states, seen.rule.states) or 'no state'}"]
    if seen.rule.needs:
        words.append(f"only with {_names(seen.rules.flags, seen.rule.needs)}")
    if seen.rule.forbids:
        words.append(f"not with {_names(seen.rules.flags, seen.rule.forbids)}")
    return ", ".join(words)


def _names(names: tuple[str, ...], mask: int) -> str:
    return " or ".join(show_name(name) for place, name in enumerate(names) if mask >> place & 1)


def _counter(seen: _Seen) -> str:
    at = seen.rules.serverbound.counter_offset_bytes
    if at < 0 or at + 4 > len(seen.frame):
        return "the packet counter is missing"
    return f"packet counter {seen.number(at, 4)} is not the one that was due"


def _trailer(seen: _Seen) -> str:
    due = seen.rules.serverbound.trailer
    if seen.frame_bytes > len(seen.frame) or len(seen.frame) < len(due):
        return f"the trailer 0x{due.hex()} is missing"
    return f"ends with 0x{seen.frame[len(seen.frame) - len(due) :].hex()} where 0x{due.hex()} is due"


def _size(seen: _Seen) -> str:
    size = seen.body_end - seen.rules.serverbound.body_offset_bytes
    if size < 0 or seen.rule is None:
        return f"frame of {seen.frame_bytes} bytes, which is too short for its header"
    allowed = describe_sizes(seen.rule.min_body_bytes, seen.rule.max_body_bytes)
    return f"body of {count_of(size, 'byte')} where {allowed} allowed for {seen.name}"


def _layout(seen: _Seen) -> str:
    fault = seen.reading.fault
    if isinstance(fault, PacketFault):
        return f"{fault.field} {fault.rule}" if fault.field else fault.rule
    if not seen.reading.is_whole:
        return f"frame of {seen.frame_bytes} bytes of which too little was kept to say more"
    return f"{seen.name} does not repeat what the game server has said, or the rules have changed since"


_SENTENCES: Mapping[str, Callable[[_Seen], str]] = {
    Reason.CLIENT_FRAME_RATE: _frame_rate,
    Reason.CLIENT_BYTE_RATE: lambda seen: _rate(seen, seen.rules.byte_bucket, "bytes"),
    Reason.CLIENT_SESSION_WORD: _session_word,
    Reason.CLIENT_OPCODE: _opcode,
    Reason.CLIENT_STATE: _state,
    Reason.CLIENT_COUNTER: _counter,
    Reason.CLIENT_TRAILER: _trailer,
    Reason.CLIENT_SIZE: _size,
    Reason.CLIENT_PACKET_RATE: _packet_rate,
    Reason.CLIENT_LAYOUT: _layout,
    Reason.CLIENT_DISTANCE: _distance,
}
