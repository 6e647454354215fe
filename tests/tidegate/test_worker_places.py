"""Places in the memory in which workers count: each is one worker's, and what he held goes with him."""

import os

import pytest

from edge.shared_counts import Geometry, attach_memory
from tidegate.worker_places import WorkerPlaces

GEOMETRY = Geometry(places=3, connections=10)
KEY = b"a key..."


def test_a_worker_and_its_successor_count_apart_and_a_place_is_free_again_when_its_worker_has_ended() -> None:
    places = WorkerPlaces.create(GEOMETRY)
    taken = [places.take() for _ in range(3)]
    old, new = (attach_memory(places.file, GEOMETRY, place) for place in taken[:2])
    assert (old.add(KEY), new.add(KEY)) == (True, True)
    assert new.held(KEY) == 2
    places.give_back(taken[0])
    assert new.held(KEY) == 1
    assert places.take() == taken[0]
    for place in taken:
        places.give_back(place)
    assert places.is_unused
    assert new.held(KEY) == 0
    places.close()


def test_memory_goes_on_with_the_next_program() -> None:
    before = WorkerPlaces.create(GEOMETRY)
    place = before.take()
    worker = attach_memory(before.file, GEOMETRY, place)
    assert worker.add(KEY)
    after = WorkerPlaces.adopt(before.file)
    assert after is not None
    assert after.geometry == GEOMETRY
    after.take_again(place)
    assert not after.is_unused
    assert {after.take(), after.take()} == {0, 1, 2} - {place}
    assert worker.held(KEY) == 1
    after.give_back(place)
    assert worker.held(KEY) == 0
    after.close()


@pytest.mark.parametrize("content", [b"", b"TGADMIT1", b"TGADMIT9" + bytes(100), b"TGADMIT1" + bytes(100)])
def test_memory_of_another_version_is_not_adopted(content: bytes) -> None:
    file = os.memfd_create("test")
    os.write(file, content)
    assert WorkerPlaces.adopt(file) is None
    os.close(file)
