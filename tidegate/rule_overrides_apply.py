"""Puts an operator's rules file over a game's policy: finds the packets that are meant, and makes the new rules.

Called when a core starts, when the file changes, and by ``tidegate policy``. Numbers of opcodes come first and names
after them, so that a name may make an exception of its opcode.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from core.policy import compile_policy
from games.registry import load_pack
from tidegate.errors import Mistake, SettingsError
from tidegate.rule_overrides import RuleOverrides, read_overrides
from tidegate.rule_overrides_draft import SESSION_BUCKETS, Draft
from tidegate.settings import Settings
from tunnel.policy import EdgePolicy, encode_policy
from wire.errors import LayoutError, MisuseError
from wire.rules import DEFAULT_ACTIONS, Action, Check, Mode, PacketRule, RuleSet

MAX_SHOWN_NAMES = 5


def compile_game(settings: Settings) -> EdgePolicy:
    """Return the policy of the game that is set, as its pack has it."""
    pack = load_pack(settings.game.name, settings.game.framing)
    return compile_policy(pack, settings.game.dialect or pack.default_dialect)


def override_policy(policy: EdgePolicy, file: str) -> EdgePolicy:
    """Return the policy with a rules file put over it; raises SettingsError with all mistakes.

    Without a file (an empty name) it is the policy as it came.
    """
    if not file:
        return policy
    overrides, mistakes = read_overrides(Path(file))
    changed = _override_rules(policy, overrides, mistakes)
    if (limit_bytes := overrides.session.max_frame_bytes) is not None:
        changed = _limit_frames(changed, limit_bytes, overrides, mistakes)
    _check_byte_burst(changed, overrides, mistakes)
    if not mistakes:
        try:
            encode_policy(changed)
        except MisuseError as error:
            mistakes.append(Mistake(file, "", str(error)))
    if mistakes:
        raise SettingsError(mistakes)
    return changed


def apply_overrides(rules: RuleSet, overrides: RuleOverrides) -> tuple[RuleSet, list[Mistake]]:
    """Return the rules with the overrides put over them, and what of these cannot be."""
    draft = Draft(rules, overrides)
    draft.change_session()
    for check, table in overrides.checks.items():
        draft.change_check(check, table)
    meant: dict[tuple[int, bool], str] = {}
    for name, packet in sorted(overrides.packets.items(), key=lambda item: not item[0].isdecimal()):
        places = draft.find(name)
        twice = [other for place in places if (other := meant.setdefault((place, name.isdecimal()), name)) != name]
        if twice:
            draft.complain(f"is the same packet as {twice[0]}", "packets", name)
        else:
            draft.change_packets(places, name, packet)
    return draft.finish(), draft.mistakes


def describe_changes(before: EdgePolicy, after: EdgePolicy) -> str:
    """Say in a few words which packets, checks and limits differ between two policies of one game."""
    parts = []
    if before.serverbound != after.serverbound:
        parts.append(f"frames up to {after.serverbound.max_frame_bytes} bytes")
    if before.rules is not None and after.rules is not None:
        old, new = before.rules, after.rules
        parts += _count(
            "packet",
            [rule.name for rule, was in zip(new.rules, old.rules, strict=True) if _differ(new, rule, old, was)],
        )
        parts += _count("check", [check for check in Check if _strictness(new, check) != _strictness(old, check)])
        parts += _count("session limit", list(_session_limits(old, new)))
    return ", ".join(parts) or "nothing"


def _override_rules(policy: EdgePolicy, overrides: RuleOverrides, mistakes: list[Mistake]) -> EdgePolicy:
    if policy.rules is None:
        keys = [("session", name) for name in overrides.session.written if name != "max_frame_bytes"]
        keys += [("checks", name) for name in overrides.checks] + [("packets", name) for name in overrides.packets]
        text = f"game {policy.game} has no rules that could be changed"
        mistakes.extend(overrides.mistake(text, *key) for key in keys)
        return policy
    rules, wrong = apply_overrides(policy.rules, overrides)
    mistakes += wrong
    return replace(policy, rules=rules)


def _limit_frames(
    policy: EdgePolicy, limit_bytes: int, overrides: RuleOverrides, mistakes: list[Mistake]
) -> EdgePolicy:
    key = ("session", "max_frame_bytes")
    if not policy.serverbound.is_framed:
        mistakes.append(overrides.mistake(f"game {policy.game} has no frames", *key))
        return policy
    try:
        layout = replace(policy.serverbound, max_frame_bytes=limit_bytes)
    except LayoutError as error:
        mistakes.append(overrides.mistake(str(error), *key))
        return policy
    return replace(policy, serverbound=layout)


def _check_byte_burst(policy: EdgePolicy, overrides: RuleOverrides, mistakes: list[Mistake]) -> None:
    """Find a burst that the longest frame would never fit into; only where the operator has changed either."""
    session, rules = overrides.session, policy.rules
    if rules is None or rules.byte_bucket < 0 or (session.bytes_burst is None and session.max_frame_bytes is None):
        return
    burst, longest = rules.buckets[rules.byte_bucket].burst, policy.serverbound.max_frame_bytes
    if policy.serverbound.is_framed and burst < longest:
        key = "max_frame_bytes" if session.bytes_burst is None else "bytes_burst"
        text = f"a frame may have {longest} bytes, which a burst of {burst:g} would never let pass"
        mistakes.append(overrides.mistake(text, "session", key))


def _count(what: str, names: list[str]) -> list[str]:
    shown = ", ".join(names[:MAX_SHOWN_NAMES]) + (" and others" if len(names) > MAX_SHOWN_NAMES else "")
    return [f"{len(names)} {what}{'' if len(names) == 1 else 's'} ({shown})"] if names else []


def _differ(new: RuleSet, rule: PacketRule, old: RuleSet, was: PacketRule) -> bool:
    return replace(rule, bucket=-1) != replace(was, bucket=-1) or _rate(new, rule.bucket) != _rate(old, was.bucket)


def _rate(rules: RuleSet, bucket: int) -> tuple[float, float] | None:
    return None if bucket < 0 else (rules.buckets[bucket].per_second, rules.buckets[bucket].burst)


def _strictness(rules: RuleSet, check: Check) -> tuple[Mode, Action]:
    return rules.modes.get(check, Mode.ENFORCE), rules.actions.get(check, DEFAULT_ACTIONS[check])


def _session_limits(old: RuleSet, new: RuleSet) -> Iterator[str]:
    for name, (attribute, _) in SESSION_BUCKETS.items():
        if _rate(new, getattr(new, attribute)) != _rate(old, getattr(old, attribute)):
            yield name
    if new.after_change_seconds != old.after_change_seconds:
        yield "after_change_seconds"
