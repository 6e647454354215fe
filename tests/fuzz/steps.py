"""Makes layout programs out of a fuzzer's bytes: mostly possible ones, of every kind of step."""

from collections.abc import Sequence

from tests.fuzz.source import Source
from tests.wire.explained_rules import CLASSIC
from wire.steps import MEMORIES, REGISTERS, Operation, Step

MAX_DEPTH = 3

CLASSES = (
    b"",
    bytes(1 if 32 <= byte < 127 else 0 for byte in range(256)),
    bytes(1 if byte in b"abc\0" else 0 for byte in range(256)),
)

KNOWN: tuple[tuple[Step, ...], ...] = tuple(steps for rule in CLASSIC.rules for steps in rule.layouts)
"""Layouts like those of a real game."""


def take_steps(source: Source) -> Sequence[Step]:
    """Return a layout, which may be an impossible one."""
    return _take_block(source, 1, [])


def _take_block(source: Source, depth: int, known: list[int]) -> list[Step]:
    steps: list[Step] = []
    for _ in range(1 + source.below(4)):
        if not source.left:
            break
        steps += _take_step(source, depth, known)
    return steps


def _take_step(source: Source, depth: int, known: list[int]) -> list[Step]:
    operation = source.pick(tuple(Operation))
    low = source.below(6)
    high = low + source.below(40)
    match operation:
        case Operation.INT:
            return [_take_int(source, known)]
        case Operation.TEXT:
            phrases = (b"ab",) if source.flag() else ()
            characters = source.pick(CLASSES)
            return [Step(operation=operation, name="t", low=low, high=high, characters=characters, phrases=phrases)]
        case Operation.RAW:
            return [Step(operation=operation, low=low, high=low, name="raw")]
        case Operation.MEMORY:
            return [Step(operation=operation, register=source.below(MEMORIES), name="m")]
        case Operation.SEQUENCE | Operation.REST:
            return [Step(operation=operation, low=low, high=high, name="s")]
        case _ if depth > MAX_DEPTH:
            return []
    inner = _take_block(source, depth + 1, list(known))
    width = sum(each.width if each.operation is Operation.INT else each.low for each in inner) or 1
    if operation is Operation.REPEAT:
        width = source.pick((0, 1, 2, 4))
        high = high if width else low
    registers = known or [0]
    begin = Step(
        operation=operation,
        name="block",
        low=low,
        high=high,
        width=width if operation in (Operation.REPEAT, Operation.PACKED) else 0,
        little_endian=operation is Operation.REPEAT and source.flag(),
        register=source.pick(registers) if operation is Operation.WHEN else -1,
        ranges=((0, 40), (100, 1000)) if operation is Operation.WHEN else (),
        inverted=source.flag(),
        steps=len(inner),
    )
    return [begin, *inner]


def _take_int(source: Source, known: list[int]) -> Step:
    width = source.pick((1, 2, 4, 8))
    signed = source.flag()
    bits = 8 * width - signed
    lowest = -(1 << bits) if signed else 0
    highest = min((1 << bits) - 1, (1 << 63) - 1)
    register = source.below(REGISTERS + 4)
    if register < REGISTERS:
        known.append(register)
    return Step(
        operation=Operation.INT,
        name="i",
        width=width,
        signed=signed,
        little_endian=source.flag(),
        low=max(lowest, -source.number()) if signed else source.below(2),
        high=min(highest, 100 + source.number(4)),
        ranges=((5, 9),) if source.flag() else (),
        register=register if register < REGISTERS else -1,
        secret=source.flag(),
    )
