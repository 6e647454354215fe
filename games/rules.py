"""Compiles a pack's rules (`games.rule_rows`) with its packets and opcodes to what edges obey (`wire.rules`).

The same pack and dialect always give the same rule set: rules stand in the order of their opcodes, buckets in the
order of their rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from games.pack import Codec, Pack
from games.packet import Direction, Packet, Tag
from games.program import steps_of
from games.rule_rows import GameRules, Heard, Rate, Row, Selected, Value
from wire.errors import LayoutError
from wire.reasons import Reason, explain
from wire.rules import Bucket, Check, PacketRule, RuleSet, Selector, Trigger
from wire.steps import Step

FRAMES = "frames"
FRAME_BYTES = "bytes"
BARE_FRAMES = "bare frames"
REFUSALS = "refusals"
DISTANCE = "distance"
"""Names of the session's own buckets."""

_NOTHING_SPECIAL = Row()


def compile_rules(pack: Pack, dialect: str = "") -> RuleSet | None:
    """Return the rules of a pack in one of its dialects, or None for a game without any.

    Raises MisuseError for a dialect the pack does not have, LayoutError for rules that cannot be.
    """
    return None if pack.rules is None else _Compiler(pack.rules, pack.codec(dialect)).rule_set()


class _Compiler:
    """One dialect's rule set in the making: gives names their numbers and rules their buckets."""

    def __init__(self, rules: GameRules, codec: Codec) -> None:
        self._rules = rules
        self._codec = codec
        self._dialect = codec.dialect
        session = rules.session_rates
        self._buckets: dict[str, Rate] = {
            FRAMES: session.frames,
            FRAME_BYTES: session.frame_bytes,
            BARE_FRAMES: session.bare_frames,
            REFUSALS: session.refusals,
            **({} if session.distance is None else {DISTANCE: session.distance}),
            **rules.buckets,
        }
        self._places = {name: place for place, name in enumerate(self._buckets)}
        self._names = set(self._buckets)  # of rules and buckets: people must be able to tell them apart

    def rule_set(self) -> RuleSet:
        """Compile everything."""
        rules = tuple(self._packet_rules())  # first: they add buckets
        return RuleSet(
            serverbound=self._dialect.serverbound.header,
            clientbound=self._dialect.clientbound.header,
            states=self._rules.states,
            flags=self._rules.flags,
            bands=self._rules.bands,
            rules=rules,
            buckets=tuple(
                Bucket(name=name, per_second=rate.per_second, burst=rate.burst) for name, rate in self._buckets.items()
            ),
            triggers=tuple(self._trigger(heard) for heard in self._rules.heard if self._exists(heard.styles)),
            counter_resets=self._dialect.counter_resets,
            opaque_state=self._state(self._rules.opaque_state),
            opaque_session_words=self._rules.opaque_calls,
            frame_bucket=self._places[FRAMES],
            byte_bucket=self._places[FRAME_BYTES],
            bare_bucket=self._places[BARE_FRAMES],
            refusal_bucket=self._places[REFUSALS],
            distance_bucket=self._places.get(DISTANCE, -1),
            notices=self._notices(),
        )

    def _packet_rules(self) -> Iterator[PacketRule]:
        differences = self._rules.differences.get(self._dialect.name, {})
        for opcode, name in sorted(self._opcodes().items()):
            selected = self._rules.selected.get(opcode)
            if selected is not None:
                yield from self._selected_rules(opcode, name, selected)
                continue
            row = differences.get(opcode) or self._rules.rows.get(opcode, _NOTHING_SPECIAL)
            classes = self._codec.classes(Direction.SERVERBOUND, opcode)
            yield self._packet_rule(opcode, row.name or name, row, classes)

    def _selected_rules(self, opcode: int, name: str, selected: Selected) -> Iterator[PacketRule]:
        classes = self._codec.classes(Direction.SERVERBOUND, opcode)
        for value, row in selected.rows.items():
            selector = Selector(offset_bytes=selected.offset_bytes, width_bytes=selected.width_bytes, value=value)
            tag = Tag(selected.offset_bytes, selected.width_bytes, value)
            matching = [cls for cls in classes if tag == cls.TAG]
            fallback = [cls for cls in classes if cls.TAG is None]
            yield self._packet_rule(opcode, f"{name} {row.name}", row, matching or fallback, selector)

    def _packet_rule(
        self, opcode: int, name: str, row: Row, classes: Iterable[type[Packet]], selector: Selector | None = None
    ) -> PacketRule:
        low, high, layouts = self._body(row, tuple(classes))
        return PacketRule(
            name=name,
            opcode=opcode,
            states=self._states(row.states or self._rules.usual_states),
            selector=selector,
            needs=self._flags(row.needs),
            forbids=self._flags(row.forbids),
            next_state=self._state(row.next_state),
            sets=self._flags(row.sets),
            clears=self._flags(row.clears),
            session_words=row.calls,
            min_body_bytes=low,
            max_body_bytes=high,
            layouts=layouts,
            bucket=self._bucket(name, row),
            cost=row.cost,
            action=row.action,
            rate_action=row.rate_action,
            answer=b"" if row.answer is None else self._codec.seal(row.answer),
        )

    def _body(self, row: Row, classes: tuple[type[Packet], ...]) -> tuple[int, int, tuple[tuple[Step, ...], ...]]:
        """Return the fewest and most bytes of a body, and its layouts."""
        if row.body_bytes is not None:
            return *row.body_bytes, ()
        if not classes:
            return 0, self._rules.unknown_body_bytes, ()
        envelope = self._dialect.serverbound
        room = envelope.layout.max_frame_bytes - envelope.header_bytes - envelope.counter_bytes
        low = min(cls.MIN_BYTES for cls in classes)
        high = min(max(cls.MAX_BYTES for cls in classes), room)
        if high == 0:
            return 0, 0, ()  # that an empty body is empty is a matter of size alone
        return low, high, tuple(steps_of(cls) for cls in classes)

    def _bucket(self, name: str, row: Row) -> int:
        if name in self._names:
            raise LayoutError(f"{name}: another rule or bucket has this name")
        self._names.add(name)
        if isinstance(row.rate, str):
            if row.rate not in self._rules.buckets:
                raise LayoutError(f"{row.rate}: no such bucket; there are {', '.join(self._rules.buckets) or 'none'}")
            return self._places[row.rate]
        self._buckets[name] = row.rate or self._rules.usual_rate
        self._places[name] = len(self._places)
        return self._places[name]

    def _trigger(self, heard: Heard) -> Trigger:
        value = heard.value or Value(0, 0, 0, 0)
        memory, memory_bytes = heard.remembers or (-1, 0)
        return Trigger(
            name=heard.name,
            opcode=heard.opcode,
            value_offset_bytes=value.offset_bytes,
            value_width_bytes=value.width_bytes,
            value_low=value.low,
            value_high=value.high,
            next_state=self._state(heard.next_state),
            sets=self._flags(heard.sets),
            clears=self._flags(heard.clears),
            memory=memory,
            memory_bytes=memory_bytes,
        )

    def _opcodes(self) -> dict[int, str]:
        """Return the opcodes a client of the dialect may send, each with its name: the first in the table."""
        elsewhere = {
            opcode for style, opcodes in self._rules.only.items() if style != self._dialect.style for opcode in opcodes
        }
        found: dict[int, str] = {}
        for row in self._codec.pack.opcodes:
            in_band = any(low <= row.number <= high for low, high in self._rules.bands)
            if row.direction is Direction.SERVERBOUND and in_band and row.number not in self._rules.never | elsewhere:
                found.setdefault(row.number, row.name.partition("_")[2] or row.name)
        return found

    def _notices(self) -> Mapping[str, bytes]:
        notice = self._rules.notice
        if notice is None:
            return {}
        reasons = [Reason(f"client_{check.value}") for check in Check]
        return {reason.value: notice(explain(reason)) for reason in reasons}

    def _exists(self, styles: frozenset[str]) -> bool:
        return not styles or self._dialect.style in styles

    def _state(self, name: str) -> int:
        return _place(self._rules.states, name) if name else -1

    def _states(self, names: tuple[str, ...]) -> int:
        return sum(1 << _place(self._rules.states, name) for name in set(names))

    def _flags(self, names: tuple[str, ...]) -> int:
        return sum(1 << _place(self._rules.flags, name) for name in set(names))


def _place(names: tuple[str, ...], name: str) -> int:
    if name not in names:
        raise LayoutError(f"{name}: no such name; there are {', '.join(names) or 'none'}")
    return names.index(name)
