"""Last known values: ends, bounds, and which change is newer."""

import math

import pytest

from core.store.last_known import ENTRY_BYTES, LastKnown, end_of
from wire.errors import MisuseError


def test_values_end() -> None:
    known = LastKnown()
    known.put("a", b"1", 10.0)
    known.put("b", b"2", math.inf)

    assert known.get("a", 9.9) == b"1"
    assert list(known.items(10.0)) == [("b", b"2", math.inf)]
    assert known.get("a", 10.0) is None
    assert len(known) == 1


def test_the_longest_unused_is_forgotten_and_counted() -> None:
    known = LastKnown(max_values=2)
    known.put("a", b"1", math.inf)
    known.put("b", b"2", math.inf)
    known.get("a", 0.0)
    known.put("c", b"3", math.inf)

    assert [known.get(key, 0.0) for key in "abc"] == [b"1", None, b"3"]
    assert known.forgotten == 1


def test_bytes_are_bounded() -> None:
    known = LastKnown(max_bytes=2 * ENTRY_BYTES + 100)
    known.put("a", bytes(40), math.inf)
    known.put("a", bytes(50), math.inf)
    known.put("b", bytes(40), math.inf)
    assert len(known) == 2
    known.put("b", bytes(60), math.inf)
    assert len(known) == 1


def test_a_deletion_is_newer_than_what_was_asked_for_before() -> None:
    known = LastKnown()
    stamp = known.stamp
    assert not known.is_newer("a", stamp)
    known.put("a", None, math.inf)
    assert known.is_newer("a", stamp)
    assert known.get("a", 0.0) is None
    assert not list(known.items(0.0))


@pytest.mark.parametrize(("seconds", "end"), [(0, math.inf), (5, 15.0)])
def test_ends(seconds: float, end: float) -> None:
    assert end_of(seconds, 10.0) == end


@pytest.mark.parametrize("seconds", [-1, math.nan, math.inf, 1e12])
def test_ends_that_cannot_be(seconds: float) -> None:
    with pytest.raises(MisuseError):
        end_of(seconds, 0.0)
