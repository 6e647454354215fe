"""Liveness: who is silent, who slept, and how long the way is."""

import pytest

from wire.errors import TunnelFault
from wire.liveness import BEATS_AT_ONCE, SILENT_TICKS, SLEPT_NS, TICK_SECONDS, Liveness

TICK_NS = int(TICK_SECONDS * 1e9)
MS = 1_000_000


def test_a_silent_end_is_dead_after_its_ticks_and_a_message_saves_it() -> None:
    liveness = Liveness(0)
    assert not any(liveness.tick(number * TICK_NS) for number in range(1, SILENT_TICKS + 1))
    liveness.heard()
    times = [(SILENT_TICKS + number) * TICK_NS for number in range(1, SILENT_TICKS + 2)]
    assert [liveness.tick(each) for each in times] == [False] * SILENT_TICKS + [True]


def test_a_silent_end_is_doubtful_before_it_is_dead() -> None:
    liveness = Liveness(0)
    doubts = []
    for number in range(1, SILENT_TICKS + 2):
        is_dead = liveness.tick(number * TICK_NS)
        doubts.append((liveness.is_doubtful, is_dead))
    assert doubts == [(False, False)] * 2 + [(True, False)] * 2 + [(True, True)]
    liveness.heard()
    assert not liveness.is_doubtful


def test_an_end_that_slept_itself_blames_nobody() -> None:
    liveness = Liveness(0)
    assert not liveness.slept(SLEPT_NS)
    assert liveness.slept(SLEPT_NS + 1)
    assert not liveness.tick(3600 * SLEPT_NS), "one tick, however late"
    assert not liveness.slept(3600 * SLEPT_NS)


def test_a_sleep_counts_as_time_without_attachment() -> None:
    liveness = Liveness(0)
    liveness.tick(TICK_NS)
    assert liveness.idle_seconds(TICK_NS + 5 * SLEPT_NS) == 5.0


def test_round_trip_and_jitter_come_from_heartbeats_of_clocks_that_have_nothing_in_common() -> None:
    near, far = Liveness(0), Liveness(0)
    offset = 7_000_000_000_000
    now, away = 0, (30 * MS, 50 * MS)
    for number in range(200):
        now += TICK_NS
        sent, echoed, waited = near.beat(now)
        arrival = now + away[number % 2]
        far.take(sent, echoed, waited, arrival + offset)
        sent, echoed, waited = far.beat(arrival + 10 * MS + offset)
        near.take(sent, echoed, waited, arrival + 10 * MS + 20 * MS)
    assert 45 * MS < near.round_trip_ns < 75 * MS, "without the 10 ms that it waited there"
    assert near.jitter_ns < 21 * MS
    assert 15 * MS < far.jitter_ns < 21 * MS


@pytest.mark.parametrize("echoed", [2000, 1001, 99, 1 << 63])
def test_an_echo_of_what_was_never_said_is_a_fault(echoed: int) -> None:
    with pytest.raises(TunnelFault, match="heartbeat with an echo"):
        Liveness(100).take(1, echoed, 0, 1000)


@pytest.mark.parametrize("waited", [501, 600, 1 << 63])
def test_a_wait_longer_than_the_way_is_no_measure_of_it(waited: int) -> None:
    liveness = Liveness(100)
    liveness.take(1, 500, waited, 1000)
    assert liveness.round_trip_ns == 0
    liveness.take(2, 700, 100, 1000)
    assert liveness.round_trip_ns == 200


def test_heartbeats_come_a_few_a_second_or_are_a_fault() -> None:
    liveness = Liveness(0)
    now = 0
    for _ in range(1000):
        now += TICK_NS
        liveness.take(now, 0, 0, now)
    for _ in range(BEATS_AT_ONCE):  # of a road that stood still
        liveness.take(now, 0, 0, now + TICK_NS)
    with pytest.raises(TunnelFault, match="more than 100 heartbeats at once"):
        liveness.take(now, 0, 0, now + TICK_NS)
