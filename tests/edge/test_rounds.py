"""Rounds: each member when it is due, however they come and go."""

from edge.rounds import NEVER, STEP_SECONDS, Rounds


def take_all(rounds: Rounds[int], now: float) -> list[int]:
    taken = []
    while (member := rounds.take_due(now)) is not None:
        taken.append(member)
    return taken


def test_each_member_is_taken_once_when_it_is_due() -> None:
    rounds: Rounds[int] = Rounds()
    for member in range(100):
        rounds.set(member, 1000.0 + member)
    assert take_all(rounds, 999.9) == []
    assert take_all(rounds, 1049.5) == list(range(50))
    assert take_all(rounds, 1050.0 + 2 * STEP_SECONDS) == [50]
    assert take_all(rounds, 2000.0) == list(range(51, 100))
    assert take_all(rounds, 3000.0) == []
    assert rounds.members() == list(range(100))
    assert len(rounds) == 100


def test_a_step_is_the_most_that_a_look_comes_late_and_none_comes_early() -> None:
    rounds: Rounds[int] = Rounds()
    rounds.set(1, 1000.001)
    assert take_all(rounds, 1000.0) == []
    assert take_all(rounds, 1000.001 + STEP_SECONDS) == [1]


def test_what_is_set_again_is_due_at_the_new_time_only() -> None:
    rounds: Rounds[int] = Rounds()
    for member in range(4):
        rounds.set(member, 1000.0)
    rounds.set(0, 1005.0)
    rounds.set(1, NEVER)
    rounds.set(2, 990.0)
    assert take_all(rounds, 999.0) == [2]
    assert take_all(rounds, 1001.0) == [3]
    assert take_all(rounds, 1e9) == [0]


def test_what_was_due_before_is_due_at_once() -> None:
    rounds: Rounds[int] = Rounds()
    rounds.set(1, 1000.0)
    assert take_all(rounds, 1001.0) == [1]
    rounds.set(2, 500.0)
    assert take_all(rounds, 1001.0 + STEP_SECONDS) == [2]


def test_a_member_may_leave_while_others_are_due() -> None:
    rounds: Rounds[int] = Rounds()
    for member in range(40):
        rounds.set(member, 1000.0)
    assert rounds.take_due(1001.0) == 0
    for member in range(20):
        rounds.remove(member)
        rounds.remove(member)
    assert take_all(rounds, 1001.0) == list(range(20, 40))
    assert rounds.members() == list(range(20, 40))


def test_it_says_when_to_look_and_who_looks_then_finds_somebody() -> None:
    rounds: Rounds[int] = Rounds()
    assert take_all(rounds, 1000.0) == []
    assert rounds.next_due(1000.0, 1.0) == 1001.0
    assert rounds.set(1, NEVER) == NEVER
    assert rounds.next_due(1000.0, 1.0) == 1001.0
    looks = [rounds.set(member, due) for member, due in ((1, 1000.503), (2, 1000.111), (3, 1000.9), (4, 5000.0))]
    assert rounds.next_due(1000.0, 1.0) == min(looks)
    assert 1000.111 <= min(looks) < 1000.111 + STEP_SECONDS
    assert rounds.next_due(1000.0, 0.05) == 1000.05, "nobody is due by then"
    taken = []
    now = 1000.0
    while (now := rounds.next_due(now, 100.0)) < 1100.0:
        found = take_all(rounds, now)
        assert found
        taken += found
    assert taken == [2, 1, 3]
