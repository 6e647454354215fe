"""A policy as people read it: names instead of numbers, in plain values that become a table or JSON.

Called by the command ``policy``. Which value means nothing (an empty list, None) is the same everywhere.
"""

from collections.abc import Sequence
from typing import Any

from tunnel.policy import EdgePolicy, policy_digest
from wire.rules import DEFAULT_ACTIONS, Action, Check, Mode, PacketRule, RuleSet, Trigger
from wire.steps import Operation, Step

View = dict[str, Any]


def view_policy(policy: EdgePolicy) -> View:
    """Return the whole policy; without rules only what holds for frames."""
    view: View = {
        "game": policy.game,
        "dialect": policy.dialect,
        "policy": policy_digest(policy),
        "max_frame_bytes": policy.serverbound.max_frame_bytes if policy.serverbound.is_framed else None,
    }
    if policy.rules is not None:
        rules = policy.rules
        view |= {
            "states": list(rules.states),
            "flags": list(rules.flags),
            "session": _view_session(rules),
            "checks": {str(check): _view_check(rules, check) for check in Check},
            "packets": [view_packet(rules, rule) for rule in rules.rules],
            "triggers": [_view_trigger(rules, trigger) for trigger in rules.triggers],
        }
    return view


def view_packet(rules: RuleSet, rule: PacketRule) -> View:
    """Return one packet's rule."""
    selector = rule.selector
    return {
        "opcode": rule.opcode,
        "name": rule.name,
        "selector": None
        if selector is None
        else {"offset_bytes": selector.offset_bytes, "width_bytes": selector.width_bytes, "value": selector.value},
        "states": names_in(rule.states, rules.states),
        "needs": names_in(rule.needs, rules.flags),
        "forbids": names_in(rule.forbids, rules.flags),
        "next_state": None if rule.next_state < 0 else rules.states[rule.next_state],
        "sets": names_in(rule.sets, rules.flags),
        "clears": names_in(rule.clears, rules.flags),
        "session_words": None if rule.session_words is None else list(rule.session_words),
        "min_body_bytes": rule.min_body_bytes,
        "max_body_bytes": rule.max_body_bytes,
        "rate": view_rate(rules, rule.bucket),
        "shares_rate_with": [
            other.name for other in rules.rules if other is not rule and other.bucket == rule.bucket >= 0
        ],
        "cost": rule.cost,
        "mode": _name(rule.mode),
        "action": _name(rule.action),
        "rate_action": _name(rule.rate_action),
        "layouts": [[_view_step(step) for step in steps] for steps in rule.layouts],
    }


def view_rate(rules: RuleSet, bucket: int) -> View | None:
    """Return a bucket's name and numbers, None for no limit."""
    if bucket < 0:
        return None
    found = rules.buckets[bucket]
    return {"name": found.name, "per_second": found.per_second, "burst": found.burst}


def names_in(mask: int, names: Sequence[str]) -> list[str]:
    """Return the names whose bits are set."""
    return [name for place, name in enumerate(names) if mask >> place & 1]


def describe_step(step: Step) -> str:
    """Say what a step of a layout wants, without the field's name."""
    match step.operation:
        case Operation.INT:
            return f"{_integer(step)} {_bounds(step)}{_but(step)}"
        case Operation.TEXT:
            return f"text of {_span(step)} bytes{_characters(step)}"
        case Operation.SEQUENCE:
            return f"{_span(step)} bytes after their length"
        case Operation.RAW:
            return f"{step.low} bytes"
        case Operation.REST:
            return f"the rest, at most {step.high} bytes"
        case Operation.REPEAT if step.width == 0:
            return f"{step.low} times:"
        case Operation.REPEAT:
            return f"count of {8 * step.width} bits, {_span(step)} times:"
        case Operation.PACKED:
            measured = ", the way along them measured" if step.measured else ""
            return f"{_span(step)} records of {step.width} bytes after their length in bytes{measured}:"
        case Operation.WHEN:
            return f"if register {step.register} is {'not ' if step.inverted else ''}{_ranges(step)}:"
        case Operation.TAIL:
            return "if anything is left:"
        case Operation.MEMORY:
            return f"what memory {step.register} holds"


def _view_session(rules: RuleSet) -> View:
    return {
        "frames": view_rate(rules, rules.frame_bucket),
        "bytes": view_rate(rules, rules.byte_bucket),
        "bare": view_rate(rules, rules.bare_bucket),
        "refusals": view_rate(rules, rules.refusal_bucket),
        "distance": view_rate(rules, rules.distance_bucket),
        "after_change_seconds": rules.after_change_seconds,
    }


def _view_check(rules: RuleSet, check: Check) -> View:
    action = rules.actions.get(check, DEFAULT_ACTIONS[check])
    return {"mode": _name(rules.modes.get(check, Mode.ENFORCE)), "action": _name(action)}


def _view_trigger(rules: RuleSet, trigger: Trigger) -> View:
    value = None
    if trigger.value_width_bytes:
        value = {
            "offset_bytes": trigger.value_offset_bytes,
            "width_bytes": trigger.value_width_bytes,
            "low": trigger.value_low,
            "high": trigger.value_high,
        }
    return {
        "opcode": trigger.opcode,
        "name": trigger.name,
        "value": value,
        "next_state": None if trigger.next_state < 0 else rules.states[trigger.next_state],
        "sets": names_in(trigger.sets, rules.flags),
        "clears": names_in(trigger.clears, rules.flags),
        "memory": None if trigger.memory < 0 else trigger.memory,
    }


def _view_step(step: Step) -> View:
    governs = {"steps": step.steps} if step.steps else {}
    return {"operation": step.operation.name.lower(), "name": step.name, "is": describe_step(step), **governs}


def _name(value: Mode | Action | None) -> str | None:
    return None if value is None else value.name.lower()


def _integer(step: Step) -> str:
    order = " little-endian" if step.little_endian and step.width > 1 else ""
    return f"{'i' if step.signed else 'u'}{8 * step.width}{order}"


def _bounds(step: Step) -> str:
    return f"= {step.low}" if step.low == step.high else f"from {step.low} to {step.high}"


def _span(step: Step) -> str:
    return str(step.low) if step.low == step.high else f"{step.low} to {step.high}"


def _but(step: Step) -> str:
    return f", but not {_ranges(step)}" if step.ranges else ""


def _ranges(step: Step) -> str:
    return " or ".join(str(low) if low == high else f"{low} to {high}" for low, high in step.ranges) or "anything"


def _characters(step: Step) -> str:
    of = f", {sum(step.characters)} kinds of byte allowed" if step.characters else ""
    phrases = ", ".join(repr(phrase.decode("ascii", "backslashreplace")) for phrase in step.phrases)
    return f"{of}{f', without {phrases}' if phrases else ''}"
