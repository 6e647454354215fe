"""From packet classes to layout programs: the same fields, as steps that an edge can run without the class.

Called when rules are compiled (`games.rules`). What a program accepts is exactly what the class decodes, but for
remembered fields (`games.composites.Remembered`), of which only the program knows what they must hold.

=====================================  =========================================================
field                                  steps
=====================================  =========================================================
Int, String, Sequence, Raw, Rest       INT, TEXT, SEQUENCE, RAW, REST
Float, SplitInt64                      RAW: any bytes are a value
Struct                                 those of its record, in place
Repeat, Array                          REPEAT and the item's; without a count on the wire for Array
Packed                                 PACKED and the record's
When, Unless                           WHEN and the field's; the field they ask about gets a register
Tail                                   TAIL and the field's
Remembered                             MEMORY
=====================================  =========================================================
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from games.characters import ANY
from games.composites import Array, Packed, Remembered, Repeat, Struct, Tail, Unless, When
from games.fields import Field, Float, Int, Raw, Rest, Sequence, SplitInt64
from games.packet import Record
from games.texts import String
from wire.errors import LayoutError
from wire.steps import REGISTERS, Operation, Step


def steps_of(cls: type[Record]) -> tuple[Step, ...]:
    """Return the layout program of a record or packet class; raises LayoutError where there can be none."""
    return _Compiler().record(cls)


class _Compiler:
    """One program: hands out its registers."""

    def __init__(self) -> None:
        self._next_register = 0

    def record(self, cls: type[Record]) -> tuple[Step, ...]:
        """Return the steps of a record's fields."""
        asked = {field.name for _, field in cls.FIELDS if isinstance(field, When | Unless)}
        registers: dict[str, int] = {}
        steps: list[Step] = []
        for name, field in cls.FIELDS:
            made = self._field(name, field, registers)
            if name in asked:
                registers[name] = self._new_register(f"{cls.__name__}.{name}", made)
                made = (replace(made[0], register=registers[name]),)
            steps += made
        return tuple(steps)

    def _new_register(self, name: str, made: tuple[Step, ...]) -> int:
        if len(made) != 1 or made[0].operation is not Operation.INT:
            raise LayoutError(f"{name}: another field's presence can hang on an integer only")
        if self._next_register == REGISTERS:
            raise LayoutError(f"{name}: at most {REGISTERS} fields can decide about others")
        self._next_register += 1
        return self._next_register - 1

    def _field(self, name: str, field: Field, registers: dict[str, int]) -> tuple[Step, ...]:
        match field:
            case Int():
                return (_integer(name, field),)
            case String():
                return (_text(name, field),)
            case Sequence(limit, exact, secret):
                low = 0 if exact is None else exact
                high = limit if exact is None else exact
                return (Step(operation=Operation.SEQUENCE, name=name, low=low, high=high, secret=secret),)
            case Raw(size):
                return (_raw(name, size),)
            case Float() | SplitInt64():
                return (_raw(name, field.min_bytes),)
            case Rest(limit):
                return (Step(operation=Operation.REST, name=name, high=limit),)
            case _:
                return self._compound(name, field, registers)

    def _compound(self, name: str, field: Field, registers: dict[str, int]) -> tuple[Step, ...]:
        match field:
            case Struct(record):
                return self.record(record)
            case Repeat(count, item):
                return _block(_repeat(name, count), self._field(name, item, {}))
            case Array(count, item):
                head = Step(operation=Operation.REPEAT, name=name, low=count, high=count)
                return _block(head, self._field(name, item, {}))
            case Packed(record):
                return _block(_packed(name, field), self.record(record))
            case When(other, values, inner):
                return _block(_when(name, other, registers, values), self._field(name, inner, {}))
            case Unless(other, values, inner):
                head = replace(_when(name, other, registers, values), inverted=True)
                return _block(head, self._field(name, inner, {}))
            case Tail(inner):
                return _block(Step(operation=Operation.TAIL, name=name), self._field(name, inner, {}))
            case Remembered(memory, _):
                return (Step(operation=Operation.MEMORY, name=name, register=memory),)
            case _:
                raise LayoutError(f"{name}: no step reads a field of type {type(field).__name__}")


def _integer(name: str, field: Int) -> Step:
    return Step(
        operation=Operation.INT,
        name=name,
        width=field.width,
        signed=field.signed,
        little_endian=field.little_endian,
        low=field.lowest,
        high=field.highest,
        ranges=field.denied,
    )


def _text(name: str, field: String) -> Step:
    return Step(
        operation=Operation.TEXT,
        name=name,
        low=field.low_bytes,
        high=field.limit_bytes,
        characters=b"" if field.characters == ANY else field.characters.table,
        phrases=field.phrases,
        secret=field.secret,
        capture=field.capture,
    )


def _raw(name: str, size: int) -> Step:
    return Step(operation=Operation.RAW, name=name, low=size, high=size)


def _packed(name: str, field: Packed) -> Step:
    return Step(
        operation=Operation.PACKED,
        name=name,
        width=field.record.MIN_BYTES,
        low=field.low_items,
        high=field.high_items,
        measured=field.measured,
    )


def _repeat(name: str, count: Int) -> Step:
    if count.signed or count.denied:
        raise LayoutError(f"{name}: a count has no sign and no gaps")
    return Step(
        operation=Operation.REPEAT,
        name=name,
        width=count.width,
        little_endian=count.little_endian,
        low=count.lowest,
        high=count.highest,
    )


def _when(name: str, other: str, registers: dict[str, int], values: frozenset[int]) -> Step:
    if other not in registers:
        raise LayoutError(f"{name}: there is no field {other} before it in its record")
    return Step(operation=Operation.WHEN, name=name, register=registers[other], ranges=tuple(_runs(values)))


def _runs(values: frozenset[int]) -> Iterator[tuple[int, int]]:
    """Yield the runs of whole numbers in ``values``, first and last."""
    for value in sorted(values):
        if value - 1 not in values:
            last = value
            while last + 1 in values:
                last += 1
            yield value, last


def _block(head: Step, inner: tuple[Step, ...]) -> tuple[Step, ...]:
    return (replace(head, steps=len(inner)), *inner)
