from itertools import combinations
from math import dist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from games.pko.sim.options import MAP_SIDE_CM
from games.pko.sim.scene import Places, Sight

WALK_CM = 425  # a corner of a walk of 300 cm to each side


@pytest.mark.parametrize(("sight_cm", "group"), [(2000, 5), (3000, 5), (3000, 50), (20_000, 3)])
def test_who_sees_whom_is_stable_wherever_characters_walk(sight_cm: int, group: int) -> None:
    places = Places(sight_cm, group)
    points = [places.point(place) for place in range(3 * group)]
    for (first, here), (second, there) in combinations(enumerate(points), 2):
        if first // group == second // group:
            assert dist(here, there) + 2 * WALK_CM <= sight_cm
        else:
            assert dist(here, there) - 2 * WALK_CM > sight_cm


def test_all_places_are_on_the_map_and_apart() -> None:
    places = Places(3000, 5)
    points = {places.point(place) for place in range(places.capacity)}
    assert len(points) == places.capacity > 10_000
    assert all(WALK_CM <= x <= MAP_SIDE_CM - WALK_CM for point in points for x in point)


def test_a_freed_place_is_given_out_again_and_there_is_an_end() -> None:
    places = Places(50_000, 1)
    taken = [places.take() for _ in range(places.capacity)]
    assert taken == list(range(places.capacity))
    assert not places.has_room
    assert places.take() is None
    places.free(7)
    places.free(3)
    assert [places.take(), places.take(), places.take()] == [3, 7, None]


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9000), st.integers(0, 9000)), min_size=1))
def test_sight_is_the_distance(steps: list[tuple[int, int, int]]) -> None:
    sight = Sight(3000)
    where: dict[int, tuple[int, int]] = {}
    for who, x, y in steps:
        sight.put(who, x, y)
        where[who] = (x, y)
    for who, here in where.items():
        assert sight.around(who) == sorted(other for other, there in where.items() if dist(here, there) <= 3000)


def test_who_left_is_not_seen() -> None:
    sight = Sight(3000)
    sight.put(1, 0, 0)
    sight.put(2, 100, 100)
    sight.remove(2)
    sight.remove(2)
    assert sight.around(1) == [1]
