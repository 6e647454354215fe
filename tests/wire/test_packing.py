"""What the kernel does to bytes and numbers: refused outside of what is there.

The compiled form is only in C: what uses it (guard, program, session) is tested in both forms.
"""

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.packing import cut, find_unlike, join, read_amount, take_all, write_amount

TABLE = bytes(byte % 3 for byte in range(256))


def test_a_cut_is_what_stands_there() -> None:
    assert cut(b"abcdef", 2, 4) == b"cd"
    assert cut(b"abcdef", 6, 6) == b""


@pytest.mark.parametrize(("start", "end"), [(-1, 2), (3, 2), (0, 7), (7, 7)])
def test_nothing_is_read_outside(start: int, end: int) -> None:
    with pytest.raises(IndexError):
        cut(b"abcdef", start, end)
    with pytest.raises(IndexError):
        find_unlike(b"abcdef", start, end, TABLE, 1)


def test_a_table_has_an_entry_for_each_byte() -> None:
    with pytest.raises(IndexError):
        find_unlike(b"abc", 0, 3, TABLE[1:], 1)


@given(st.binary(max_size=30), st.tuples(st.integers(0, 30), st.integers(0, 30)), st.integers(0, 2))
def test_the_first_byte_of_another_kind(data: bytes, ends: tuple[int, int], kind: int) -> None:
    start, end = sorted(min(each, len(data)) for each in ends)
    found = find_unlike(data, start, end, TABLE, kind)
    assert start <= found <= end
    assert all(TABLE[byte] == kind for byte in data[start:found])
    assert found == end or TABLE[data[found]] != kind


def test_amounts_are_read_and_written_by_place() -> None:
    amounts = array("q", [1, -2])
    write_amount(amounts, 0, -(1 << 63))
    assert [read_amount(amounts, place) for place in (0, 1)] == [-(1 << 63), -2]
    for wrong, place in ((amounts, 2), (amounts, -1), (array("i", [1, 2]), 0)):
        with pytest.raises(IndexError):
            read_amount(wrong, place)
        with pytest.raises(IndexError):
            write_amount(wrong, place, 0)


def test_what_is_joined_is_a_part_of_the_one_and_all_of_the_other() -> None:
    head = bytearray(b"head")
    assert join(head, 2, b"body") == b"hebody"
    assert join(head, 0, b"") == b""
    for size in (-1, 5):
        with pytest.raises(IndexError):
            join(head, size, b"body")


def test_who_takes_all_leaves_nothing() -> None:
    batch = bytearray(b"batch")
    assert take_all(batch) == b"batch"
    assert take_all(batch) == b""
    batch += b"again"
    assert take_all(batch) == b"again"
