"""Who runs on which processor, and how often a load is started."""

import pytest

from bench.contestants import CONTESTANTS_BY_NAME
from bench.loads import LOADS_BY_NAME
from bench.run import Places, Plan, places_of


@pytest.mark.parametrize(
    ("processors", "relays", "places"),
    [
        ([3, 5], 2, Places([3, 5], origin=3, load=5)),
        ([3, 5, 6], 2, Places([3, 5], origin=3, load=5)),
        ([0, 1, 2, 3], 2, Places([0, 1], origin=2, load=3)),
        ([0, 1], 0, Places([], origin=0, load=1)),
        ([0, 1], 3, Places([0, 1, 0], origin=0, load=1)),
        ([7], 2, None),
    ],
)
def test_neighbours_are_on_different_processors(processors: list[int], relays: int, places: Places | None) -> None:
    assert places_of(processors, relays) == places


def test_a_load_that_varies_from_start_to_start_is_started_more_often() -> None:
    loads = [LOADS_BY_NAME["quiet"], LOADS_BY_NAME["flight"]]
    plan = Plan(loads=loads, contestants=[CONTESTANTS_BY_NAME["direct"]], seconds=3, rounds=2, open_files=1024)
    turns = [(load.name, number) for number, load, _ in plan.turns()]
    assert turns == [*(("quiet", number) for number in (1, 2)), *(("flight", number) for number in range(1, 7))]
