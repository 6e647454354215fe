"""A rule set while an operator's overrides are put over it.

Called by `tidegate.rule_overrides_apply`. A packet whose rate is changed gets a bucket of its own where it shared one.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from tidegate.errors import Mistake
from tidegate.rule_overrides import CheckOverrides, PacketOverrides, RuleOverrides, suggest
from wire.errors import LayoutError
from wire.rules import MAX_RULE_NAME_BYTES, Action, Bucket, Check, Mode, PacketRule, RuleSet

SESSION_BUCKETS = {
    "frames": ("frame_bucket", "frames"),
    "bytes": ("byte_bucket", "bytes"),
    "bare": ("bare_bucket", "bare frames"),
    "refusals": ("refusal_bucket", "refusals"),
    "distance": ("distance_bucket", "distance"),
}
"""By the beginning of its keys in ``[session]``: where a rule set has the bucket, and its name when it is new."""

_RATE_KEYS = ("per_second", "burst")
_NAMED: dict[str, type[Mode | Action]] = {"mode": Mode, "action": Action, "rate_action": Action}


def plain_name(name: str) -> str:
    """Return a name as it is compared: capitals or not, spaces and underscores alike."""
    return " ".join(name.casefold().replace("_", " ").split())


class Draft:
    """A rule set while it is changed. Each change is taken whole or, with a mistake, not at all."""

    def __init__(self, rules: RuleSet, overrides: RuleOverrides) -> None:
        self.mistakes: list[Mistake] = []
        self._original = rules
        self._overrides = overrides
        self._packets = list(rules.rules)
        self._buckets = list(rules.buckets)
        self._session = {attribute: getattr(rules, attribute) for attribute, _ in SESSION_BUCKETS.values()}
        self._modes = dict(rules.modes)
        self._actions = dict(rules.actions)
        self._names = _index(rules.rules)

    def finish(self) -> RuleSet:
        """Return the changed rules; the old ones where all changes together cannot be."""
        after = self._overrides.session.after_change_seconds
        try:
            return replace(
                self._original,
                rules=tuple(self._packets),
                buckets=tuple(self._buckets),
                modes=self._modes,
                actions=self._actions,
                after_change_seconds=self._original.after_change_seconds if after is None else after,
                **self._session,
            )
        except LayoutError as error:  # more buckets than there may be
            self.complain(str(error), "packets")
            return self._original

    def complain(self, text: str, *key: str) -> None:
        """Note a mistake of a table or of a value in it."""
        self.mistakes.append(self._overrides.mistake(text, *key))

    def find(self, name: str) -> list[int]:
        """Return the places of the packets with a number or a name; none with a mistake."""
        if name.isdecimal() and name.isascii():
            found = [place for place, rule in enumerate(self._packets) if str(rule.opcode) == name]
            if not found:
                self.complain("no rule has this opcode, so it is refused already", "packets", name)
            return found
        found = self._names.get(plain_name(name), [])
        if not found:
            known = {key: self._packets[places[0]].name for key, places in self._names.items()}
            hint = suggest(plain_name(name), known) or "'tidegate policy show' lists them"
            self.complain(f"no such packet; {hint}", "packets", name)
        return found

    def change_session(self) -> None:
        """Change what holds for all packets together."""
        table = self._overrides.session
        for key, (attribute, bucket_name) in SESSION_BUCKETS.items():
            rate, burst = getattr(table, f"{key}_per_second"), getattr(table, f"{key}_burst")
            if rate is None and burst is None:
                continue
            place = self._session[attribute]
            others = self._users(place, but_session=attribute)
            changed = self._change_bucket(place, rate, burst, shared=others, name=bucket_name)
            if changed is None:
                self.complain(f"there is no rate yet: write {key}_per_second too", "session", f"{key}_burst")
            else:
                self._session[attribute] = changed

    def change_check(self, check: Check, table: CheckOverrides) -> None:
        """Change how strictly a check is held."""
        if table.mode is not None:
            self._modes[check] = Mode[table.mode.upper()]
        if table.action is not None:
            self._actions[check] = Action[table.action.upper()]

    def change_packets(self, places: list[int], name: str, table: PacketOverrides) -> None:
        """Change the packets at these places, which the operator calls ``name``."""
        changes = {key: _read_name(key, getattr(table, key)) for key in table.written if key not in _RATE_KEYS}
        for place in places:
            try:
                self._packets[place] = replace(self._packets[place], **changes)
            except LayoutError as error:
                self.complain(str(error), "packets", name)
                return
        if places and (table.per_second is not None or table.burst is not None):
            self._change_rate(places, name, table)
        for place in places:
            rule = self._packets[place]
            if rule.bucket >= 0 and rule.cost > (burst := self._buckets[rule.bucket].burst):
                self.complain(f"a cost of {rule.cost:g} over a burst of {burst:g} would never pass", "packets", name)
                return

    def _change_rate(self, places: list[int], name: str, table: PacketOverrides) -> None:
        buckets = {self._packets[place].bucket for place in places}
        place = buckets.pop() if len(buckets) == 1 else -1
        others = bool(self._users(place, but=places))
        title = self._packets[places[0]].name if len(places) == 1 else f"opcode {self._packets[places[0]].opcode}"
        changed = self._change_bucket(place, table.per_second, table.burst, shared=others, name=title)
        if changed is None:
            self.complain("there is no rate yet: write per_second too", "packets", name, "burst")
            return
        for each in places:
            self._packets[each] = replace(self._packets[each], bucket=changed)

    def _users(self, bucket: int, *, but: Iterable[int] = (), but_session: str = "") -> bool:
        """Whether others than these use a bucket."""
        spared = set(but)
        packets = any(rule.bucket == bucket for place, rule in enumerate(self._packets) if place not in spared)
        return packets or any(place == bucket for name, place in self._session.items() if name != but_session)

    def _change_bucket(
        self, place: int, per_second: float | None, burst: float | None, *, shared: bool, name: str
    ) -> int | None:
        """Return the place of a bucket with these numbers, the old one's where they are None; None if it had none."""
        if place < 0:
            if per_second is None:
                return None
            return self._add(
                Bucket(name=self._free_name(name), per_second=per_second, burst=burst or max(1, per_second))
            )
        old = self._buckets[place]
        fresh = replace(old, per_second=per_second or old.per_second, burst=burst or old.burst)
        if shared:
            return self._add(replace(fresh, name=self._free_name(name)))
        self._buckets[place] = fresh
        return place

    def _add(self, bucket: Bucket) -> int:
        self._buckets.append(bucket)
        return len(self._buckets) - 1

    def _free_name(self, name: str) -> str:
        """Return a name that no bucket has."""
        taken = {bucket.name for bucket in self._buckets}
        number, free = 1, name
        while free in taken:
            number += 1
            free = f"{name.encode()[: MAX_RULE_NAME_BYTES - 5].decode(errors='ignore')} {number}"
        return free


def _read_name(key: str, value: Any) -> Any:
    """Return a value of a packet's table as its rule has it; modes and actions come by name."""
    kind = _NAMED.get(key)
    return value if kind is None else kind[value.upper()]


def _index(rules: Iterable[PacketRule]) -> dict[str, list[int]]:
    """Return the places of rules by their plain names."""
    index: dict[str, list[int]] = {}
    for place, rule in enumerate(rules):
        index.setdefault(plain_name(rule.name), []).append(place)
    return index
