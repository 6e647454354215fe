"""The window grows while its thread is busy, step by step, and shrinks when there is time again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunnel.pace import BUSY_SHARE, FREE_SHARE, MOST_STEPS, Pace


def test_a_window_is_as_it_was_set_while_there_is_time() -> None:
    pace = Pace(0.001)
    pace.note(0.2)
    assert pace.window_seconds() == 0.001


def test_it_grows_up_to_a_bound_and_comes_back() -> None:
    pace = Pace(0.001)
    seen = []
    for share in (0.9, 0.9, 0.9, 0.4, 0.1, 0.1, 0.1):
        pace.note(share)
        seen.append(round(pace.window_seconds() * 1000))
    assert seen == [2, 3, 3, 3, 2, 1, 1]


def test_no_window_stays_none() -> None:
    pace = Pace(0.0)
    pace.note(1.0)
    assert pace.window_seconds() == 0.0


@given(st.lists(st.floats(0, 1), max_size=50))
def test_it_stays_within_its_bounds(shares: list[float]) -> None:
    pace = Pace(0.001)
    for share in shares:
        before = pace.window_seconds()
        pace.note(share)
        after = pace.window_seconds()
        assert 0.001 <= after <= 0.001 * MOST_STEPS + 1e-9
        assert (after > before) <= (share > BUSY_SHARE)
        assert (after < before) <= (share < FREE_SHARE)


def test_a_thread_that_works_is_seen_to(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = {"monotonic": 100.0, "thread_time": 5.0}
    for name in clock:
        monkeypatch.setattr(f"tunnel.pace.time.{name}", lambda name=name: clock[name])
    pace = Pace(0.001)
    clock["monotonic"] += 0.05
    clock["thread_time"] += 0.05
    assert pace.window_seconds() == 0.001  # not looked at yet
    clock["monotonic"] += 0.06
    clock["thread_time"] += 0.06
    assert pace.window_seconds() == 0.002
    clock["monotonic"] += 0.2
    assert pace.window_seconds() == 0.001
