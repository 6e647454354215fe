"""Rule sets on the wire: `wire.rules` to `protos/tidegate/policy/v1/rules.proto` and back.

Called by `tunnel.policy`. Counts are checked before anything is built from them, numbers by the rules themselves as
they are made. The same rules always give the same bytes.
"""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from protos.tidegate.policy.v1 import rules_pb2
from tunnel.rules_codec_numbers import (
    read_action,
    read_check,
    read_mode,
    read_place,
    read_range,
    write_action,
    write_check,
    write_mode,
    write_place,
    write_range,
)
from tunnel.rules_codec_packets import (
    decode_header,
    decode_rule,
    decode_trigger,
    encode_header,
    encode_rule,
    encode_trigger,
)
from tunnel.rules_codec_steps import ClassTable, read_classes
from wire.errors import LayoutError, TunnelFault
from wire.reasons import MAX_REASON_BYTES
from wire.rules import (
    MAX_BANDS,
    MAX_BUCKETS,
    MAX_FLAGS,
    MAX_LAYOUTS,
    MAX_RULES,
    MAX_STATES,
    MAX_TRIGGERS,
    Bucket,
    Check,
    RuleSet,
)

MAX_TOTAL_STEPS = 16384
"""Steps of all layouts together: about 4 MiB of memory, and ten times what the largest known game needs."""

MAX_COUNTER_RESETS = MAX_RULES
MAX_REFUSAL_NOTICES = 64
MAX_REFUSAL_NOTICE_BYTES = 4096

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


def encode_rules(rules: RuleSet) -> rules_pb2.RuleSet:
    """Return the rules as their message; raises LayoutError where a number does not fit it."""
    try:
        return _encode_rules(rules)
    except ValueError as error:  # protobuf's own, for a number out of its type's range
        raise LayoutError(f"the rules cannot be carried: {error}") from error


def decode_rules(message: rules_pb2.RuleSet) -> RuleSet:
    """Read and check rules; raises TunnelFault saying what is wrong with them."""
    _check_counts(message)
    if not message.HasField("serverbound") or not message.HasField("clientbound"):
        raise TunnelFault("the header of a direction is missing")
    classes = read_classes(message.character_classes)
    try:
        return _decode_rules(message, classes)
    except LayoutError as error:
        raise TunnelFault(str(error)) from error


def _encode_rules(rules: RuleSet) -> rules_pb2.RuleSet:
    classes = ClassTable()
    packets = [encode_rule(rule, classes) for rule in rules.rules]
    return rules_pb2.RuleSet(
        serverbound=encode_header(rules.serverbound),
        clientbound=encode_header(rules.clientbound),
        states=rules.states,
        flags=rules.flags,
        bands=[rules_pb2.WordRange(first=first, last=last) for first, last in rules.bands],
        buckets=[
            rules_pb2.Bucket(name=each.name, units_per_second=each.per_second, burst_units=each.burst)
            for each in rules.buckets
        ],
        character_classes=classes.bitmaps,
        rules=packets,
        triggers=[encode_trigger(trigger) for trigger in rules.triggers],
        counter_resets=sorted(rules.counter_resets),
        opaque_state=write_place(rules.opaque_state),
        opaque_session_words=write_range(rules.opaque_session_words),
        frame_bucket=write_place(rules.frame_bucket),
        byte_bucket=write_place(rules.byte_bucket),
        bare_bucket=write_place(rules.bare_bucket),
        refusal_bucket=write_place(rules.refusal_bucket),
        distance_bucket=write_place(rules.distance_bucket),
        after_change_seconds=rules.after_change_seconds,
        modes=[
            rules_pb2.CheckMode(check=write_check(check), mode=write_mode(rules.modes[check]))
            for check in Check
            if check in rules.modes
        ],
        actions=[
            rules_pb2.CheckAction(check=write_check(check), action=write_action(rules.actions[check]))
            for check in Check
            if check in rules.actions
        ],
        notices=[
            rules_pb2.RefusalNotice(reason=reason, frames=rules.notices[reason]) for reason in sorted(rules.notices)
        ],
    )


def _decode_rules(message: rules_pb2.RuleSet, classes: Sequence[bytes]) -> RuleSet:
    return RuleSet(
        serverbound=decode_header(message.serverbound),
        clientbound=decode_header(message.clientbound),
        states=tuple(message.states),
        flags=tuple(message.flags),
        bands=tuple((band.first, band.last) for band in message.bands),
        buckets=tuple(
            Bucket(name=each.name, per_second=each.units_per_second, burst=each.burst_units) for each in message.buckets
        ),
        rules=tuple(decode_rule(rule, classes) for rule in message.rules),
        triggers=tuple(decode_trigger(trigger) for trigger in message.triggers),
        counter_resets=frozenset(message.counter_resets),
        opaque_state=read_place(message, "opaque_state"),
        opaque_session_words=read_range(message, "opaque_session_words"),
        frame_bucket=read_place(message, "frame_bucket"),
        byte_bucket=read_place(message, "byte_bucket"),
        bare_bucket=read_place(message, "bare_bucket"),
        refusal_bucket=read_place(message, "refusal_bucket"),
        distance_bucket=read_place(message, "distance_bucket"),
        after_change_seconds=message.after_change_seconds,
        modes=_as_mapping((read_check(each.check), read_mode(each.mode)) for each in message.modes),
        actions=_as_mapping((read_check(each.check), read_action(each.action)) for each in message.actions),
        notices=_as_mapping(_read_notice(each) for each in message.notices),
    )


def _check_counts(message: rules_pb2.RuleSet) -> None:
    """Refuse what is too much before anything is made of it."""
    for what, items, limit in (
        ("states", message.states, MAX_STATES),
        ("flags", message.flags, MAX_FLAGS),
        ("opcode bands", message.bands, MAX_BANDS),
        ("buckets", message.buckets, MAX_BUCKETS),
        ("rules", message.rules, MAX_RULES),
        ("triggers", message.triggers, MAX_TRIGGERS),
        ("counter resets", message.counter_resets, MAX_COUNTER_RESETS),
        ("modes", message.modes, len(Check)),
        ("actions", message.actions, len(Check)),
        ("notices", message.notices, MAX_REFUSAL_NOTICES),
        *(("layouts", rule.layouts, MAX_LAYOUTS) for rule in message.rules[:MAX_RULES]),
    ):
        if len(items) > limit:
            raise TunnelFault(f"{len(items)} {what}: at most {limit} are allowed")
    steps = sum(len(layout.steps) for rule in message.rules for layout in rule.layouts)
    if steps > MAX_TOTAL_STEPS:
        raise TunnelFault(f"{steps} steps in all layouts: at most {MAX_TOTAL_STEPS} are allowed")


def _read_notice(message: rules_pb2.RefusalNotice) -> tuple[str, bytes]:
    reason, size = message.reason, len(message.frames)
    if not 1 <= len(reason.encode()) <= MAX_REASON_BYTES or not 1 <= size <= MAX_REFUSAL_NOTICE_BYTES:
        raise TunnelFault(f"refusal notice {reason[:MAX_REASON_BYTES]!r} of {size} bytes")
    return reason, message.frames


def _as_mapping(pairs: Iterable[tuple[_Key, _Value]]) -> dict[_Key, _Value]:
    """Return pairs as a mapping; raises TunnelFault where a key comes twice."""
    found: dict[_Key, _Value] = {}
    for key, value in pairs:
        if key in found:
            raise TunnelFault(f"{key} stands twice among the modes, actions or notices")
        found[key] = value
    return found
