"""Rounds: each member once a round, however they come and go."""

from edge.rounds import STEPS, Rounds


def one_round(rounds: Rounds[int]) -> list[int]:
    return sorted(member for _ in range(STEPS) for member in rounds.step())


def test_each_member_is_visited_once_a_round() -> None:
    rounds: Rounds[int] = Rounds()
    for member in range(95):
        rounds.add(member)
    assert one_round(rounds) == list(range(95))
    assert max(len(rounds.step()) for _ in range(STEPS)) == -(-95 // STEPS)
    for member in range(0, 95, 2):
        rounds.remove(member)
        rounds.remove(member)
    assert one_round(rounds) == sorted(rounds.members()) == list(range(1, 95, 2))
    assert len(rounds) == 47


def test_a_member_may_leave_while_it_is_visited() -> None:
    rounds: Rounds[int] = Rounds()
    for member in range(40):
        rounds.add(member)
    for _ in range(STEPS):
        for member in rounds.step():
            rounds.remove(member)
    assert len(rounds) == 0
