"""Counts in shared memory: like a dictionary, over several workers, and bounded."""

import mmap
import os
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.shared_counts import RATE_ROWS, WINDOW, Geometry, SharedCounts, attach_memory, create_memory, private_counts
from wire.errors import MisuseError

GEOMETRY = Geometry(places=2, connections=50)


def two_workers() -> tuple[SharedCounts, SharedCounts, int]:
    file = create_memory(GEOMETRY)
    return attach_memory(file, GEOMETRY, 0), attach_memory(file, GEOMETRY, 1), file


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 1), st.integers(0, 30)), max_size=200))
def test_counts_are_what_a_dictionary_would_say(steps: list[tuple[bool, int, int]]) -> None:
    first, second, file = two_workers()
    model: list[Counter[int]] = [Counter(), Counter()]
    for is_add, place, number in steps:
        worker, key = (first, second)[place], bytes([number]) * 8
        if is_add:
            assert worker.add(key)
            model[place][number] += 1
        else:
            worker.remove(key)
            model[place][number] = max(0, model[place][number] - 1)
    for number in range(31):
        expected = model[0][number] + model[1][number]
        assert first.held(bytes([number]) * 8) == second.held(bytes([number]) * 8) == expected
    os.close(file)


def test_what_a_dead_worker_held_is_given_back() -> None:
    first, second, file = two_workers()
    for worker in (first, second, second):
        worker.add(b"a key...")
    assert first.held(b"a key...") == 3
    first.forget(1)
    assert first.held(b"a key...") == 1
    second.remove(b"a key...")  # nothing of its own is left, and others' is not its to give
    assert first.held(b"a key...") == 1
    os.close(file)


def test_a_full_window_takes_no_further_key() -> None:
    counts = private_counts(1)  # 8 rows and a window of 32 behind the last
    keys = [bytes([number, *bytes(6), 1]) for number in range(0, 256, 8)]  # all point to the first row
    assert len(keys) == WINDOW
    assert all(counts.add(key) for key in keys)
    assert not counts.add(bytes(7) + b"\x02")
    assert all(counts.held(key) == 1 for key in keys)
    counts.remove(keys[5])
    assert counts.add(bytes(7) + b"\x02")
    assert [counts.held(key) for key in (keys[5], keys[6], bytes(7) + b"\x02")] == [0, 1, 1]


def test_a_key_that_stands_across_two_rows_is_not_taken_for_one() -> None:
    counts = private_counts(1)
    first, second = b"\0\0\0\0HBCD", b"\0EFGHIJK"  # one row after the other; all point to the first
    assert counts.add(first)
    assert counts.add(second)
    assert counts.held(first[4:] + second[:4]) == 0


def test_rates_are_remembered_and_the_one_closest_to_paid_is_forgotten_first() -> None:
    counts = private_counts(1)
    keys = [(number * RATE_ROWS).to_bytes(8, "little") for number in range(1, WINDOW + 2)]  # all of one window
    for time, key in enumerate(keys, start=100):
        counts.pay_until(key, float(time))
    assert counts.paid_until(keys[0]) == 0.0
    assert [counts.paid_until(key) for key in keys[1:]] == [float(time) for time in range(101, 101 + WINDOW)]
    counts.pay_until(keys[1], 500.0)
    assert counts.paid_until(keys[1]) == 500.0


def test_all_workers_see_the_rates() -> None:
    first, second, file = two_workers()
    first.pay_until(b"somebody", 7.5)
    first.all_paid_until = 3.25
    assert (second.paid_until(b"somebody"), second.all_paid_until) == (7.5, 3.25)
    assert first.key_of(b"a", b"1") == second.key_of(b"a", b"1") != first.key_of(b"p", b"1")
    os.close(file)


def test_memory_of_another_shape_is_refused() -> None:
    file = create_memory(GEOMETRY)
    with pytest.raises(MisuseError, match="size"):
        attach_memory(file, Geometry(2, 5000), 0)
    with pytest.raises(MisuseError, match="no place 2 among 2"):
        attach_memory(file, GEOMETRY, 2)
    with mmap.mmap(file, GEOMETRY.total_bytes) as memory:
        memory[0] = 0
    with pytest.raises(MisuseError, match="not laid out"):
        attach_memory(file, GEOMETRY, 0)
    os.close(file)
