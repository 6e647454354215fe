"""Field types, one by one: bytes, bounds, both ways."""

import struct
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from games import composites, fields, texts
from games.fields import Field, Reader
from games.packet import Record, record
from wire.errors import EncodeError, PacketFault


@record
class Pair(Record):
    """A record of three bytes for the fields that hold records."""

    left: fields.U8
    right: fields.U16


ONE = Pair(left=1, right=2)
TWO = Pair(left=3, right=4)

# field, value, bytes
ROWS: list[tuple[Field, Any, bytes]] = [
    (fields.Int(1), 255, b"\xff"),
    (fields.Int(1, signed=True), -1, b"\xff"),
    (fields.Int(2), 258, b"\x01\x02"),
    (fields.Int(2, signed=True), -2, b"\xff\xfe"),
    (fields.Int(4), 0xFFFFFFFF, b"\xff\xff\xff\xff"),
    (fields.Int(4, signed=True, little_endian=True), -2, b"\xfe\xff\xff\xff"),
    (fields.Int(2, low=911, high=911), 911, b"\x03\x8f"),
    (fields.Int(1, denied=((2, 3), (5, 5))), 4, b"\x04"),
    (fields.Float(), 1.5, b"\0\0\xc0\x3f"),
    (fields.Float(little_endian=False), 1.5, b"\x3f\xc0\0\0"),
    (fields.SplitInt64(), 0x0102030405060708, b"\x01\x02\x03\x04\x05\x06\x07\x08"),
    (fields.SplitInt64(low_half_first=True), 0x0102030405060708, b"\x05\x06\x07\x08\x01\x02\x03\x04"),
    (fields.SplitInt64(), -2, b"\xff" * 7 + b"\xfe"),
    (fields.Sequence(4), b"abcd", b"\0\x04abcd"),
    (fields.Sequence(4), b"", b"\0\0"),
    (fields.Sequence(4, exact_bytes=2), b"ab", b"\0\x02ab"),
    (texts.String(3), b"abc", b"\0\x04abc\0"),
    (texts.String(3), b"", b"\0\x01\0"),
    (fields.Raw(2), b"ab", b"ab"),
    (composites.Struct(Pair), ONE, b"\x01\0\x02"),
    (composites.Repeat(fields.Int(1), composites.Struct(Pair)), (ONE, TWO), b"\x02\x01\0\x02\x03\0\x04"),
    (composites.Repeat(fields.Int(2), fields.Int(1)), (), b"\0\0"),
    (composites.Array(2, fields.Int(1)), (1, 2), b"\x01\x02"),
    (composites.Remembered(0, composites.Array(2, fields.Int(1))), (1, 2), b"\x01\x02"),
    (composites.Packed(Pair, 1, 2), (ONE, TWO), b"\0\x06\x01\0\x02\x03\0\x04"),
]


def written(field: Field, value: Any, earlier: dict[str, Any] | None = None) -> bytes:
    out = bytearray()
    field.write(out, value, earlier or {})
    return bytes(out)


@pytest.mark.parametrize(("field", "value", "raw"), ROWS, ids=repr)
def test_row(field: Field, value: Any, raw: bytes) -> None:
    assert written(field, value) == raw
    reader = Reader(raw + b"next")
    assert field.read(reader, {}) == value
    assert reader.remaining == 4
    assert field.min_bytes <= len(raw) <= field.max_bytes
    for size in range(len(raw)):
        with pytest.raises(PacketFault):
            field.read(Reader(raw[:size]), {})


@pytest.mark.parametrize(
    ("field", "raw"),
    [
        (fields.Int(2, low=911, high=911), b"\0\x01"),
        (fields.Int(1, high=1), b"\x02"),
        (fields.Int(1, denied=((2, 3), (5, 5))), b"\x03"),
        (fields.Int(1, denied=((2, 3), (5, 5))), b"\x05"),
        (fields.Sequence(4), b"\0\x05abcde"),
        (fields.Sequence(4, exact_bytes=2), b"\0\x01a"),
        (texts.String(3), b"\0\x05abcd\0"),
        (texts.String(3), b"\0\0"),
        (texts.String(3, low_bytes=1), b"\0\x01\0"),
        (texts.String(3), b"\0\x03abc"),
        (fields.Rest(2), b"abc"),
        (composites.Packed(Pair, 1, 2), b"\0\0"),
        (composites.Packed(Pair, 1, 2), b"\0\x04abcd"),
        (composites.Packed(Pair, 1, 2), b"\0\x09abcabcabc"),
    ],
    ids=repr,
)
def test_bytes_that_break_a_bound(field: Field, raw: bytes) -> None:
    with pytest.raises(PacketFault):
        field.read(Reader(raw), {})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (fields.Int(1), 256),
        (fields.Int(1), -1),
        (fields.Int(2, low=911, high=911), 910),
        (fields.Int(1, denied=((2, 3),)), 2),
        (fields.Float(), 1e39),
        (fields.SplitInt64(), 1 << 63),
        (fields.Sequence(4), b"abcde"),
        (fields.Sequence(4, exact_bytes=2), b"a"),
        (texts.String(3), b"abcd"),
        (texts.String(3, low_bytes=1), b""),
        (fields.Raw(2), b"a"),
        (fields.Rest(2), b"abc"),
        (composites.Repeat(fields.Int(1, high=1), fields.Int(1)), (1, 2)),
        (composites.Array(2, fields.Int(1)), (1,)),
        (composites.Packed(Pair, 1, 2), ()),
        (composites.Packed(Pair, 1, 2), (ONE, ONE, ONE)),
    ],
    ids=repr,
)
def test_values_that_break_a_bound(field: Field, value: Any) -> None:
    with pytest.raises(EncodeError):
        written(field, value)


@dataclass(frozen=True, slots=True)
class NeverRead:
    """An item that must not be reached: the count before it was impossible."""

    min_bytes: int = 3
    max_bytes: int = 3

    def read(self, reader: Reader, earlier: object) -> Any:
        raise AssertionError("an item was read")

    def write(self, out: bytearray, value: Any, earlier: object) -> None:
        raise AssertionError("an item was written")


def test_a_count_that_cannot_fit_is_refused_before_any_item() -> None:
    with pytest.raises(PacketFault, match="255 items cannot fit in the 2 bytes"):
        composites.Repeat(fields.Int(1), NeverRead()).read(Reader(b"\xffab"), {})


def test_rest_takes_all_there_is() -> None:
    reader = Reader(b"abc")
    assert fields.Rest(3).read(reader, {}) == b"abc"
    assert reader.remaining == 0
    assert fields.Rest(3).read(reader, {}) == b""
    assert written(fields.Rest(3), b"ab") == b"ab"
    assert (fields.Rest(3).min_bytes, fields.Rest(3).max_bytes) == (0, 3)


CONDITIONAL = [
    (composites.When("flag", frozenset({2}), fields.Int(1)), 2, 1),
    (composites.Unless("flag", frozenset({1}), fields.Int(1)), 2, 1),
]


@pytest.mark.parametrize(("field", "present", "absent"), CONDITIONAL, ids=["When", "Unless"])
def test_a_field_that_hangs_on_an_earlier_one(field: Field, present: int, absent: int) -> None:
    assert (field.min_bytes, field.max_bytes) == (0, 1)
    reader = Reader(b"\x07")
    assert field.read(reader, {"flag": absent}) is None
    assert reader.remaining == 1
    assert field.read(reader, {"flag": present}) == 7
    assert written(field, 7, {"flag": present}) == b"\x07"
    assert written(field, None, {"flag": absent}) == b""
    for value, flag in ((7, absent), (None, present)):
        with pytest.raises(EncodeError, match="flag"):
            written(field, value, {"flag": flag})


def test_a_tail_is_there_or_not() -> None:
    tail = composites.Tail(fields.Int(2))
    assert (tail.min_bytes, tail.max_bytes) == (0, 2)
    assert tail.read(Reader(b""), {}) is None
    assert tail.read(Reader(b"\0\x05"), {}) == 5
    assert written(tail, None) == b""
    assert written(tail, 5) == b"\0\x05"
    with pytest.raises(PacketFault):
        tail.read(Reader(b"\0"), {})


def test_a_fault_names_field_and_offset() -> None:
    reader = Reader(b"\x01\x02")
    reader.take(1)
    reader.field = "Pair.right"
    with pytest.raises(PacketFault, match=r"Pair\.right at offset 1: 2 bytes are needed and 1 are left") as caught:
        reader.take(2)
    assert (caught.value.field, caught.value.offset_bytes) == ("Pair.right", 1)


@given(st.floats(width=32, allow_nan=False))
def test_floats_are_the_four_native_bytes(value: float) -> None:
    raw = struct.pack("<f", value)
    assert written(fields.Float(), value) == raw
    assert fields.Float().read(Reader(raw), {}) == value


def test_short_names_mean_what_they_say() -> None:
    @record
    class All(Record):
        a: fields.U8
        b: fields.I8
        c: fields.U16
        d: fields.I16
        e: fields.U32
        f: fields.I32
        g: fields.I32LE
        h: fields.F32LE
        i: Annotated[bytes, fields.Raw(1)]

    out = bytearray()
    All(a=1, b=-1, c=1, d=-1, e=1, f=-1, g=1, h=1.0, i=b"!").write_to(out)
    assert out == b"\x01\xff\0\x01\xff\xff\0\0\0\x01\xff\xff\xff\xff\x01\0\0\0\0\0\x80\x3f!"
