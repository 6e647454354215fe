"""Hypothesis strategies made from field types: any legal packet of any class, of any game.

``packets_of(cls)`` is all another test needs. A new field type needs one line in ``_plain``.
"""

from typing import Any, TypeVar

from hypothesis import strategies as st

from games import composites, fields, texts
from games.packet import Record

LONGEST_BYTES = 200
"""Content is kept this short where a bound allows more: bounds have tests of their own."""

MOST_ITEMS = 6

STEP = 500
"""How far two points of a walk lie apart at most, on each axis."""

R = TypeVar("R", bound=Record)


@st.composite
def packets_of(draw: st.DrawFn, cls: type[R]) -> R:
    """Draw a record or packet of ``cls`` with every field within its bounds."""
    values: dict[str, Any] = {}
    for name, field in cls.FIELDS:
        values[name] = draw(_value(field, values))
    return cls(**values)


def _value(field: fields.Field, earlier: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Return the strategy of a field whose presence may hang on those before it."""
    match field:
        case composites.When(name, values, inner):
            return _plain(inner) if earlier[name] in values else st.none()
        case composites.Unless(name, values, inner):
            return st.none() if earlier[name] in values else _plain(inner)
        case composites.Tail(inner):
            return st.none() | _plain(inner)
        case _:
            return _plain(field)


def _plain(field: fields.Field) -> st.SearchStrategy[Any]:
    match field:
        case fields.Int():
            return st.one_of([st.integers(low, high) for low, high in _gaps(field)])
        case fields.Float():
            # A signalling NaN may change its bits on the way through a register, so none are drawn.
            return st.floats(width=32, allow_nan=False)
        case fields.SplitInt64():
            return st.integers(-(1 << 63), (1 << 63) - 1)
        case fields.Raw(size):
            return st.binary(min_size=size, max_size=size)
        case fields.Sequence(limit, exact):
            return _content(limit) if exact is None else st.binary(min_size=exact, max_size=exact)
        case texts.String():
            return _text(field)
        case fields.Rest(limit):
            return _content(limit)
        case _:
            return _compound(field)


def _compound(field: fields.Field) -> st.SearchStrategy[Any]:
    match field:
        case composites.Remembered(_, inner):
            return _plain(inner)
        case composites.Struct(record):
            return packets_of(record)
        case composites.Repeat(count, item):
            return _items(_plain(item), count.lowest, count.highest)
        case composites.Array(count, item):
            return _items(_plain(item), count, count)
        case composites.Packed(record, low, high, measured):
            return _walks(record, low, high) if measured else _items(packets_of(record), low, high)
        case _:
            raise NotImplementedError(f"no strategy for fields of type {type(field).__name__}")


@st.composite
def _walks(draw: st.DrawFn, record: type[R], low: int, high: int) -> tuple[R, ...]:
    """Draw a way as somebody goes it: each point within some steps of the one before."""
    points: list[R] = [draw(packets_of(record))] if low else []
    bounds = {name: field for name, field in record.FIELDS if isinstance(field, fields.Int)}
    for _ in range(draw(st.integers(len(points), max(low, min(high, MOST_ITEMS)))) - len(points)):
        last = points[-1] if points else draw(packets_of(record))
        steps = {name: getattr(last, name) + draw(st.integers(-STEP, STEP)) for name in bounds}
        points.append(
            record(**{name: min(max(step, bounds[name].lowest), bounds[name].highest) for name, step in steps.items()})
        )
    return tuple(points)


def _gaps(field: fields.Int) -> list[tuple[int, int]]:
    """Return the ranges of legal values: what lies between those that are denied."""
    gaps = []
    low = field.lowest
    for first, last in sorted(field.denied):
        if low < first:
            gaps.append((low, first - 1))
        low = max(low, last + 1)
    return [*gaps, (low, field.highest)] if low <= field.highest else gaps


def _text(field: texts.String) -> st.SearchStrategy[bytes]:
    letters = st.text(
        field.characters.allowed.decode("latin-1"),
        min_size=field.low_bytes,
        max_size=min(field.limit_bytes, LONGEST_BYTES),
    )
    return letters.map(lambda text: text.encode("latin-1")).filter(lambda text: not field.problem_of(text))


def _content(limit_bytes: int, low_bytes: int = 0) -> st.SearchStrategy[bytes]:
    return st.binary(min_size=low_bytes, max_size=min(limit_bytes, LONGEST_BYTES))


def _items(item: st.SearchStrategy[Any], low: int, high: int) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(item, min_size=low, max_size=max(low, min(high, MOST_ITEMS))).map(tuple)
