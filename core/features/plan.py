"""The plan: which features get which packets, in which order. Made when features are loaded, and never changed.

A session looks at the current plan once per span, so another plan takes over between two packets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from core.features.api import Command
from core.features.containment import FAILED, Containment, Loaded
from core.features.session import Session
from games.pack import Codec, Pack
from games.packet import Direction, Packet
from games.players import Follow
from wire.interest import Interest, Selector

MAX_SELECTOR_BYTES = 4


@dataclass(frozen=True, slots=True)
class Handler:
    """One handler of one opcode; ``cls`` is None for one that takes the bytes as they are."""

    loaded: Loaded
    call: Callable[..., Any]
    cls: type[Packet] | None
    only: Selector | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What becomes of the packets. Handlers stand in the order in which they are asked: clientbound it is reversed."""

    features: tuple[Loaded, ...] = ()
    handlers: Mapping[tuple[Direction, int], tuple[Handler, ...]] = field(default_factory=dict)
    interests: Mapping[Direction, Interest] = field(default_factory=dict)
    commands: dict[str, Command] = field(default_factory=dict)
    follows: Mapping[type[Packet], Follow] = field(default_factory=dict)
    decoded: frozenset[tuple[Direction, int | None]] = frozenset()  # of which somebody wants more than the bytes

    def with_hook(self, name: str) -> list[Loaded]:
        """Return the features that want to be told something, in their order."""
        return [loaded for loaded in self.features if loaded.has_hook(name)]


def make_plan(
    features: Sequence[Loaded],
    pack: Pack,
    codec: Codec | None,
    containment: Containment,
    watched: frozenset[int] = frozenset(),
) -> Plan:
    """Make the plan of these features, which stand in the configured order.

    ``watched`` are clientbound opcodes that the inspector itself looks at.
    """
    rows: dict[tuple[Direction, int], list[Handler]] = {}
    for loaded in features:
        for mark in loaded.signature.handlers:
            call = getattr(loaded.feature, mark.method)
            rows.setdefault((mark.direction, mark.opcode), []).append(Handler(loaded, call, mark.cls, mark.only))
    for (direction, _), row in rows.items():
        if direction is Direction.CLIENTBOUND:
            row.reverse()
    follows = pack.follows  # without any feature too: one that comes later must know who is playing
    interests = {} if codec is None else {way: _interest(way, rows, codec, follows, watched) for way in Direction}
    handlers = {key: tuple(row) for key, row in rows.items()}
    decoded = {key for key, row in rows.items() if any(handler.cls is not None for handler in row)}
    decoded |= {(cls.DIRECTION, cls.OPCODE) for cls in follows}
    return Plan(tuple(features), handlers, interests, _commands(features, containment), follows, frozenset(decoded))


def _interest(
    direction: Direction,
    rows: Mapping[tuple[Direction, int], Sequence[Handler]],
    codec: Codec,
    follows: Mapping[type[Packet], Follow],
    watched: frozenset[int],
) -> Interest:
    wanted: dict[int, Selector | None] = {}
    opcodes = {opcode for way, opcode in rows if way is direction}
    followed = {cls.OPCODE for cls in follows if cls.DIRECTION is direction}
    if direction is Direction.CLIENTBOUND:
        followed |= watched
    for opcode in opcodes | followed:
        wishes = [_selector(handler) for handler in rows.get((direction, opcode), ())]
        wanted[opcode] = None if opcode in followed else _joined(wishes)
    header = codec.dialect.envelope(direction).header
    return Interest(
        wanted,
        opcode_offset_bytes=header.opcode_offset_bytes,
        opcode_width_bytes=header.opcode_width_bytes,
        body_offset_bytes=header.body_offset_bytes,
        little_endian=header.little_endian,
    )


def _selector(handler: Handler) -> Selector | None:
    """Return what tells the frames a handler wants from others of their opcode, where anything does."""
    if handler.cls is None:
        return handler.only
    tag = handler.cls.TAG
    if tag is None or tag.width_bytes > MAX_SELECTOR_BYTES:
        return None
    return Selector(tag.offset_bytes, tag.width_bytes, frozenset({tag.value}))


def _joined(wishes: Sequence[Selector | None]) -> Selector | None:
    """Return what lets all through that any of several wants; none where they look at different places."""
    first = wishes[0]
    values: set[int] = set()
    for wish in wishes:
        if first is None or wish is None:
            return None
        if (wish.offset_bytes, wish.width_bytes) != (first.offset_bytes, first.width_bytes):
            return None
        if (wish.values is None) != (first.values is None):
            return None
        values |= wish.values or set()
    return first if first is None or first.values is None else replace(first, values=frozenset(values))


def _commands(features: Sequence[Loaded], containment: Containment) -> dict[str, Command]:
    """Collect the chat commands; of two with one name the earlier feature's is taken."""
    found: dict[str, Command] = {}
    for loaded in features:
        for mark in loaded.signature.commands:
            run = _contained(containment, loaded, getattr(loaded.feature, mark.method))
            found.setdefault(mark.name, Command(mark.name, mark.help, run, loaded.name, mark.for_operators))
    return found


def _contained(
    containment: Containment, loaded: Loaded, call: Callable[[Session, str], str | None]
) -> Callable[[Session, str], str | None]:
    def run(session: Session, words: str) -> str | None:
        answer = containment.run(loaded, call, session, words)
        if answer is FAILED:
            return "This does not work at the moment."
        return answer if answer is None or isinstance(answer, str) else str(answer)

    return run
