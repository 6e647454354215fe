"""The choice of a core: who is taken, when the favourite is left, and what a fleet of edges does to its cores."""

from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.core_choice import (
    LOAD_MARGIN,
    PATIENCE_SECONDS,
    RETURN_PAUSE_SECONDS,
    SETTLE_SECONDS,
    CoreChoice,
    SeenCore,
)

STEP_SECONDS = 0.5
LONG_SECONDS = 3 * PATIENCE_SECONDS[1]


def core(address: str, load: float = 0.0, round_trip_ms: float = 10.0, **more: Any) -> SeenCore:
    return replace(
        SeenCore(address=address, is_attached=True, sessions=int(load * 1000), capacity=1000),
        round_trip_seconds=round_trip_ms / 1000,
        **more,
    )


class Edge:
    """A choice with a clock."""

    def __init__(self, seed: int = 1) -> None:
        self.choice = CoreChoice(Random(seed))
        self.seconds = 1000.0

    def sees(self, *cores: SeenCore, seconds: float = 0.0) -> str:
        """Look at the same cores again and again for a while; return who gets a player at the end."""
        end = self.seconds + seconds
        while True:
            chosen = self.choice.choose(cores, self.seconds)
            if self.seconds >= end:
                return "" if chosen is None else chosen.address
            self.seconds += STEP_SECONDS


@pytest.mark.parametrize(
    ("cores", "expected"),
    [
        ([], ""),
        ([core("a"), core("b")], "a"),
        ([core("a", is_attached=False), core("b")], "b"),
        ([core("a", is_wanted=False), core("b")], "b"),
        ([core("a", is_draining=True), core("b")], "b"),
        ([core("a", is_foreign=True), core("b")], "b"),
        ([core("a", problems=("its game server is away",)), core("b")], "b"),
        ([core("a", 1.0), core("b", 0.999)], "b"),
        ([core("a", problems=("late",)), core("b", 1.0)], "a"),
        ([core("a", 0.5, problems=("late",)), core("b", 0.1, problems=("late",))], "b"),
        ([core("a", 1.0), core("b", is_draining=True)], "a"),
        ([core("a", 0.5), core("b", 0.3, 200)], "b"),
        ([core("a", 0.34, 50), core("b", 0.30, 50)], "a"),
        ([core("a", 0.34, 50), core("b", 0.30, 30)], "b"),
        ([core("a", 0.30, 50), core("b", 0.34, 30)], "b"),
        ([core("a", 0, 2), core("b", 0, 1)], "a"),
        ([core("a", 0, 50), core("b", 0, 45)], "a"),
        ([core("a", 0, 0), core("b", 0, 5)], "a"),
        ([core("a", 0, 5), core("b", 0, 0)], "a"),
        ([SeenCore(address="a", is_attached=True, sessions=9), core("b", 0.2)], "a"),
        ([core("a", is_draining=True), core("b", is_attached=False)], ""),
    ],
)
def test_the_first_choice(cores: list[SeenCore], expected: str) -> None:
    assert Edge().sees(*cores) == expected


def test_a_favourite_is_left_only_when_another_was_better_for_a_while() -> None:
    edge = Edge()
    assert edge.sees(core("a", 0.3), core("b", 0.3), seconds=SETTLE_SECONDS) == "a"
    assert edge.sees(core("a", 0.39), core("b", 0.3), seconds=LONG_SECONDS) == "a", "no margin"
    assert edge.sees(core("a", 0.5), core("b", 0.3), seconds=PATIENCE_SECONDS[0] - STEP_SECONDS) == "a"
    assert edge.sees(core("a", 0.39), core("b", 0.3)) == "a", "and from the beginning"
    assert edge.sees(core("a", 0.5), core("b", 0.3), seconds=PATIENCE_SECONDS[0] - STEP_SECONDS) == "a"
    assert edge.sees(core("a", 0.5), core("b", 0.3), seconds=PATIENCE_SECONDS[1]) == "b"
    assert edge.choice.why == "it has less to do"
    assert edge.sees(core("a", 0.35), core("b", 0.4), seconds=LONG_SECONDS) == "b"


def test_a_nearer_core_is_preferred_among_those_that_are_as_busy() -> None:
    edge = Edge()
    assert edge.sees(core("far", 0.3, 80), seconds=SETTLE_SECONDS) == "far"
    assert edge.sees(core("far", 0.3, 80), core("near", 0.4, 20), seconds=LONG_SECONDS) == "far"
    assert edge.sees(core("far", 0.3, 80), core("near", 0.34, 20), seconds=LONG_SECONDS) == "near"
    assert edge.choice.why == "it is nearer"
    assert edge.sees(core("far", 0.3, 80), core("near", 0.39, 20), seconds=LONG_SECONDS) == "near"
    assert edge.sees(core("far", 0.3, 80), core("near", 0.41, 20), seconds=LONG_SECONDS) == "far"


def test_one_that_takes_nobody_is_left_at_once_and_returned_to_once_when_it_is_back() -> None:
    edge = Edge()
    a, b, c = core("a"), core("b"), core("c")
    a_away = replace(a, is_attached=False)
    assert edge.sees(a, b, c, seconds=SETTLE_SECONDS) == "a"
    assert (stand_in := edge.sees(a_away, b, c)) in ("b", "c")
    assert edge.choice.why == "the one before takes nobody now"
    assert edge.sees(a_away, b, c, seconds=1) == stand_in
    assert edge.sees(a, b, c) == "a", "a short break"
    stand_in = edge.sees(a_away, b, c, seconds=1)
    assert edge.sees(a, b, c, seconds=LONG_SECONDS) == stand_in, "a core that comes and goes is not run after"
    edge.seconds += RETURN_PAUSE_SECONDS
    both_away = [replace(each, is_attached=False) for each in (b, c)]
    assert edge.sees(a, *both_away) == "a"
    assert edge.sees(a_away, b, c, seconds=SETTLE_SECONDS) != "a"
    assert edge.sees(a, b, c, seconds=LONG_SECONDS) != "a", "it was away for long"


def test_cores_that_come_late_at_the_start_take_their_place() -> None:
    edge = Edge()
    a, b, c = core("a"), core("b"), core("c")
    assert edge.sees(c, seconds=1) == "c"
    assert edge.sees(b, c, seconds=1) == "b"
    assert edge.sees(a, b, c, seconds=1) == "a"


def test_a_favourite_of_which_nobody_is_left_is_still_it_when_it_is_back() -> None:
    edge = Edge()
    assert edge.sees(core("a"), seconds=SETTLE_SECONDS) == "a"
    assert edge.sees(core("a", is_attached=False), seconds=60) == ""
    assert edge.sees(core("a")) == "a"


seen_cores = st.lists(
    st.builds(
        SeenCore,
        address=st.sampled_from("abcdefgh"),
        is_attached=st.booleans(),
        is_wanted=st.sampled_from([True, True, False]),
        is_draining=st.sampled_from([False, False, True]),
        is_foreign=st.sampled_from([False, False, False, True]),
        problems=st.sampled_from([(), (), ("late",)]),
        sessions=st.integers(0, 110),
        capacity=st.sampled_from([0, 100]),
        round_trip_seconds=st.sampled_from([0.0, 0.001, 0.01, 0.02, 0.1]),
    ),
    max_size=8,
    unique_by=lambda each: each.address,
)


def usable(cores: list[SeenCore]) -> list[SeenCore]:
    return [each for each in cores if each.takes_players and each.has_room and not each.problems]


@given(st.lists(st.tuples(seen_cores, st.floats(0, 20)), max_size=20), st.integers())
def test_nobody_unusable_is_taken_while_somebody_is_usable(
    history: list[tuple[list[SeenCore], float]], seed: int
) -> None:
    choice, now = CoreChoice(Random(seed)), 0.0
    for cores, wait in history:
        now += wait
        chosen = choice.choose(cores, now)
        assert chosen is None or chosen in cores
        takers = [each for each in cores if each.takes_players]
        assert (chosen is None) == (not takers)
        if chosen is not None:
            assert chosen.takes_players
            assert chosen.has_room or not any(each.has_room for each in takers)
            assert chosen in usable(cores) or not usable(cores)
            assert choice.favourite == chosen.address


@given(seen_cores, st.integers())
def test_what_does_not_change_is_chosen_for_good(cores: list[SeenCore], seed: int) -> None:
    """However many differ in load and distance: nobody goes round in circles."""
    edge = Edge(seed)
    edge.sees(*cores, seconds=SETTLE_SECONDS + (len(cores) + 1) * (PATIENCE_SECONDS[1] + STEP_SECONDS))
    chosen = edge.choice.favourite
    for _ in range(10):
        edge.sees(*cores, seconds=PATIENCE_SECONDS[1])
        assert edge.choice.favourite == chosen
    good = usable(cores)
    if good:
        (taken,) = (each for each in good if each.address == chosen)
        assert taken.load < min(each.load for each in good) + LOAD_MARGIN


@given(st.floats(0, 0.8), st.integers())
def test_noise_moves_nobody(load: float, seed: int) -> None:
    edge, random = Edge(seed), Random(seed)
    favourites = set()
    for _ in range(100):
        cores = [
            core(name, max(0, load + random.uniform(-0.045, 0.045)), 20 * random.uniform(0.9, 1.1)) for name in "abc"
        ]
        favourites.add(edge.sees(*cores, seconds=STEP_SECONDS))
    assert len(favourites) == 1


# A fleet: what the choices of many edges do to the loads that they look at.

EDGES = 20
CAPACITY = 1000


class Fleet:
    """Twenty edges and three cores, in steps of a tenth of a second; loads are seen up to a second late."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.edges = [CoreChoice(Random(seed * 100 + number)) for number in range(EDGES)]
        self.sessions: dict[str, list[float]] = {"a": [], "b": [], "c": []}  # when each ends
        self.reported = dict.fromkeys(self.sessions, 0)
        self.opened: list[dict[str, int]] = [{} for _ in self.edges]
        self.down: set[str] = set()
        self.steps = 0
        self.moves = 0

    @property
    def loads(self) -> list[float]:
        return [len(sessions) / CAPACITY for name, sessions in self.sessions.items() if name not in self.down]

    def step(self, arrivals_per_second: float, stay_seconds: float) -> None:
        now = self.steps / 10
        self.steps += 1
        if self.steps % 10 == 0:
            for name, ends in self.sessions.items():
                self.sessions[name] = [end for end in ends if end > now and name not in self.down]
            self.reported = {name: len(ends) for name, ends in self.sessions.items()}
            self.opened = [{} for _ in self.edges]
            for choice in range(EDGES):
                self.choose(choice, now)
        for _ in range(int(arrivals_per_second / 10 + self.random.random())):
            number = self.random.randrange(EDGES)
            name = self.choose(number, now)
            self.opened[number][name] = self.opened[number].get(name, 0) + 1
            self.sessions[name].append(now + self.random.expovariate(1 / stay_seconds))

    def choose(self, number: int, now: float) -> str:
        choice, opened = self.edges[number], self.opened[number]
        before = choice.favourite
        cores = [
            SeenCore(
                address=name,
                is_attached=name not in self.down,
                sessions=sessions + opened.get(name, 0),
                capacity=CAPACITY,
                round_trip_seconds=0.01,
            )
            for name, sessions in self.reported.items()
        ]
        chosen = choice.choose(cores, now)
        assert chosen is not None
        self.moves += bool(before) and chosen.address != before
        return chosen.address


@pytest.mark.parametrize("seed", range(5))
def test_twenty_edges_share_three_cores(seed: int) -> None:
    fleet = Fleet(seed)
    arrivals, stay = 5.0, 300.0  # 1500 players: half of what there is
    for _ in range(4000):
        fleet.step(arrivals, stay)
    widest, moved = 0.0, fleet.moves
    for _ in range(4000):
        fleet.step(arrivals, stay)
        widest = max(widest, max(fleet.loads) - min(fleet.loads))
    assert widest < 1.5 * LOAD_MARGIN
    assert (fleet.moves - moved) / EDGES < 15, "in seven minutes, in which all players change"


@pytest.mark.parametrize("seed", range(5))
def test_a_lost_cores_players_do_not_all_run_to_the_next(seed: int) -> None:
    """A thousand come back within two seconds, faster than any load is seen."""
    fleet = Fleet(seed)
    for name in fleet.sessions:
        fleet.sessions[name] = [1e9] * 400
    for _ in range(300):
        fleet.step(0, 1)
    before = [choice.favourite for choice in fleet.edges]
    assert set(before) == {"a"}
    fleet.down.add("a")
    for _ in range(20):
        fleet.step(500, 1e9)
    assert max(fleet.loads) <= 1.05
    assert min(fleet.loads) > 0.6, "the other one has got its part"
    fleet.down.clear()
    for _ in range(200):
        fleet.step(5, 1e9)
    assert {choice.favourite for choice in fleet.edges} == {"a"}, "it is back, and empty"
