"""The guard: whatever a client and a game server send, however it is cut, the same frames pass, whole ones only."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from games.registry import load_pack
from games.rules import compile_rules
from tests.fuzz.source import Source, cut
from tests.wire.explained_rules import CLASSIC, COUNTED, ORDINARY, PLAIN, frame, text
from wire.errors import TunnelFault
from wire.events import pack_event
from wire.explain import MAX_CHARACTERS, explain_frame, find_rule
from wire.guard import MAX_REFUSALS, Guard, Refusal
from wire.layout import FrameLayout
from wire.reasons import Reason
from wire.rules import Action, Bucket, Check, Mode, RuleSet
from wire.scanner import Scanner, split_frames
from wire.steps import Operation
from wire.tables import Tables

MAX_BYTES = 800
MODULES = ("wire.guard", "wire.program", "wire.scanner", "wire.tables", "wire.watcher", "wire.events", "wire.explain")

LAYOUT = FrameLayout(min_frame_bytes=8, max_frame_bytes=400, bare_frame_bytes=(2,))
TINY = FrameLayout(min_frame_bytes=2, max_frame_bytes=400)
"""Frames may end anywhere in their header."""

_MILD = dict.fromkeys(Check, Action.DROP)
_FAST = tuple(replace(bucket, per_second=1e6, burst=1e6) for bucket in CLASSIC.buckets)
_SLOW = tuple(Bucket(name=bucket.name, per_second=1, burst=3) for bucket in CLASSIC.buckets)

PKO = load_pack("pko")
VECTORS = Path(__file__).parents[2] / "data" / "pko-vectors.txt"

RULE_SETS: tuple[tuple[RuleSet, FrameLayout], ...] = (
    (CLASSIC, LAYOUT),
    (COUNTED, LAYOUT),
    (replace(COUNTED, actions={**_MILD, Check.COUNTER: Action.CLOSE}, buckets=_FAST), LAYOUT),
    (replace(CLASSIC, actions=_MILD, buckets=_SLOW, refusal_bucket=-1), LAYOUT),
    (replace(COUNTED, modes=dict.fromkeys(Check, Mode.AUDIT)), LAYOUT),
    (replace(CLASSIC, modes={Check.LAYOUT: Mode.OFF, Check.STATE: Mode.OFF}, actions=_MILD), TINY),
    (replace(COUNTED, actions=dict.fromkeys(Check, Action.NOTIFY), buckets=_FAST), TINY),
    (PLAIN, LAYOUT),
    *((compile_rules(PKO, dialect) or PLAIN, PKO.serverbound) for dialect in ("counter", "counter+trailer", "classic")),
)
_TABLES = tuple((Tables(rules), rules, layout) for rules, layout in RULE_SETS)
_AUDIT = 4
"""Place of the rules that only count."""

_NUMBERED = (1, 2, 6, 8, 9)
"""Places of the rules under which what passes is numbered without a gap: the packet counter is enforced."""

_OPCODES = tuple((*(rule.opcode for rule in rules.rules), 2, 1234, 0) for rules, _ in RULE_SETS)
_BODIES = (b"", b"\x01" + text(b"hi"), b"\x01\x00\x08" + bytes(16), b"stamp", b"\x00\x01\x00\x02")
_LOGIN = text(b"player1") + b"\x00\x18" + bytes(24) + b"\x00\x88"

Part = tuple[str, bytes]


def fuzz_one(data: bytes) -> None:
    """Run a stream of frames and events whole and cut, and compare."""
    source = Source(data)
    place = source.below(len(_TABLES))
    tables, rules, layout = _TABLES[place]
    seed, now = source.number(2), source.number(4)
    parts = _take_parts(source, rules, _OPCODES[place])
    whole = _run(parts, tables, rules, layout, now, 0)
    pieces = _run(parts, tables, rules, layout, now, seed + 1)
    assert whole.out == pieces.out
    assert whole.ended == pieces.ended
    assert (whole.refused, whole.audited) == (pieces.refused, pieces.audited)
    assert whole.replies == pieces.replies
    assert whole.place == pieces.place
    sent = b"".join(payload for kind, payload in parts if kind == "data")
    assert len(whole.out) <= len(sent)
    split_frames(layout, whole.out)
    if not whole.refused or place == _AUDIT:
        assert sent.startswith(whole.out)
    if whole.count:
        _check_explanations(whole.kept, rules)
    if place in _NUMBERED:
        _check_counters(whole, rules, layout)


@dataclass(slots=True)
class _Run:
    """What came of one run."""

    out: bytes = b""
    ended: str = ""
    refused: dict[str, int] = field(default_factory=dict)
    audited: dict[str, int] = field(default_factory=dict)
    replies: list[bytes] = field(default_factory=list)
    kept: list[Refusal] = field(default_factory=list)
    place: tuple[object, ...] = ()
    was_opaque: bool = False

    @property
    def count(self) -> int:
        return sum(self.refused.values()) + sum(self.audited.values())


def _run(parts: list[Part], tables: Tables, rules: RuleSet, layout: FrameLayout, now: int, seed: int) -> _Run:
    """Give the parts to a guard; ``seed`` 0 as they are, otherwise cut."""
    run = _Run()
    guard, scanner = Guard(tables, run.refused, run.audited), Scanner(layout)
    out = []
    for kind, payload in parts:
        if kind == "event":
            try:
                guard.apply(payload, now)
            except TunnelFault:
                continue
            run.was_opaque = run.was_opaque or guard.state == "opaque"
            continue
        for piece in cut(payload, seed - 1) if seed else (payload,):
            span = scanner.feed(piece)
            passed = guard.check(span, scanner, now) if span else b""
            assert len(passed) <= len(span)
            out.append(passed)
            if guard.has_findings():
                kept = guard.take_refusals()
                assert len(kept) <= MAX_REFUSALS
                run.kept += kept
                run.replies += guard.take_replies()
    run.out = b"".join(out)
    run.ended = str(guard.closing) or str(scanner.fault)
    run.place = (guard.state, guard.flags, guard.identity, guard.is_logged_in)
    return run


def _take_parts(source: Source, rules: RuleSet, opcodes: Sequence[int]) -> list[Part]:
    """Return what client and game server send, in order."""
    parts: list[Part] = []
    counter = 0
    while source.left and len(parts) < 60:
        match source.below(8):
            case 0:
                trigger = source.pick(rules.triggers) if rules.triggers else None
                if trigger is not None:
                    memory = b"stamp".ljust(trigger.memory_bytes) if trigger.memory >= 0 else b""
                    parts.append(("event", pack_event(trigger, memory)))
            case 1:
                parts.append(("event", source.take(source.below(20))))
            case 2:
                parts.append(("data", source.take(source.below(40))))
            case 3:
                parts.append(("data", b"\x00\x02"))
            case 4:
                parts.append(("data", _put(rules, 431, 0, _LOGIN, ORDINARY)))
                counter = 1
            case kind:
                opcode = source.pick(opcodes)
                body = source.pick(_BODIES) if kind == 5 else source.take(source.below(64))
                odd = source.number()
                word = ORDINARY if odd & 15 else source.pick((0, 1, 0xFFFF, 0x80000001))
                parts.append(("data", _put(rules, opcode, counter + (odd >> 4 == 15), body, word)))
                counter += 1
    return parts


def _put(rules: RuleSet, opcode: int, counter: int, body: bytes, word: int) -> bytes:
    if rules.serverbound.counter_offset_bytes < 0:
        return frame(opcode, body, word)
    trailer = rules.serverbound.trailer if word == ORDINARY else b""
    return frame(opcode, counter.to_bytes(4, "big") + body + trailer, word)


def _check_explanations(kept: list[Refusal], rules: RuleSet) -> None:
    for refusal in kept:
        said = explain_frame(rules, refusal.reason, refusal.frame, frame_bytes=refusal.frame_bytes)
        shown = [said.text, said.rule, *(part for each in said.fields for part in each)]
        assert sum(map(len, shown)) <= MAX_CHARACTERS
        assert said.text.isascii()
        assert said.text.isprintable()
        if refusal.reason is Reason.CLIENT_LAYOUT and len(refusal.frame) == refusal.frame_bytes:
            assert said.rule == refusal.rule
            rule = find_rule(rules, refusal.frame)
            assert rule is not None
            repeats = any(step.operation is Operation.MEMORY for steps in rule.layouts for step in steps)
            assert repeats or said.offset_bytes is not None  # what a session must repeat only its guard knows


def _check_counters(run: _Run, rules: RuleSet, layout: FrameLayout) -> None:
    """Read what passed as a game server does: each counter is the one that is due."""
    header = rules.serverbound
    expected = 0
    for each in split_frames(layout, run.out):
        word = int.from_bytes(each[2:6], "big")
        if run.was_opaque or (len(each) >= 6 and word != ORDINARY):
            return  # calls may or may not be counted
        if len(each) < header.body_offset_bytes:
            continue
        if int.from_bytes(each[6:8], "big") in rules.counter_resets:
            expected = 0
        assert int.from_bytes(each[8:12], "big") == expected
        expected += 1


def seeds() -> Iterable[bytes]:
    """Sessions that log in and play, in each of the rule sets; and frames of a real client."""
    rows = (row for row in VECTORS.read_text().splitlines() if row and not row.startswith("#"))
    bodies = [bytes.fromhex(row.rpartition("|")[2].strip()) for row in rows]
    opcodes = _OPCODES[-1]
    calls = [
        bytes([7, opcodes.index(int.from_bytes(each[6:8], "big")), len(each) - 8]) + each[8:] + b"\1"
        for each in bodies
        if len(each) < 64 and int.from_bytes(each[6:8], "big") in opcodes
    ]
    for place in (8, 9, 10):
        yield bytes([place, 0, place, 0, 0, 0, 9, 0, 2]) + b"".join(calls)
    game = bytes([0, 2])  # the event "in game"
    login, say, odd = bytes([4]), bytes([5, 0, 1, 1]), bytes([5, 0, 1, 0xF1])
    for place in range(len(RULE_SETS)):
        start = bytes([place, 0, place, 0, 0, 0, 9])
        yield start + login + game + say * 9 + bytes([3]) * 6
        yield start + login + game + say + odd + say + bytes([6, 5, 3, 1, 2, 3, 1]) + say
        yield start + login + bytes([0, 3]) + bytes([2, 12, 0, 10, 0, 0, 0, 0, 1, 2, 3, 4, 0, 10])
        yield start + login + game + bytes([0, 0]) + bytes([5, 8, 3, 1]) + bytes([2, 3, 0, 3, 0])
