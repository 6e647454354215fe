"""Layout programs as data: which are refused, and how long a body they allow."""

import pytest

from wire.errors import LayoutError
from wire.steps import MAX_STEPS, Operation, Step, check_steps

BYTE = Step(operation=Operation.INT, name="byte", width=1, high=255)
KEPT = Step(operation=Operation.INT, name="kept", width=1, high=255, register=0)


def when(register: int = 0, steps: int = 1) -> Step:
    return Step(operation=Operation.WHEN, name="when", register=register, ranges=((1, 1),), steps=steps)


def repeat(steps: int = 1) -> Step:
    return Step(operation=Operation.REPEAT, name="repeat", width=1, high=10, steps=steps)


def nested(depth: int) -> tuple[Step, ...]:
    return (*(repeat(steps=depth - place) for place in range(depth)), BYTE)


IMPOSSIBLE = [
    ((BYTE,) * (MAX_STEPS + 1), "257 steps"),
    ((Step(operation=Operation.INT, width=3),), "integer of 3 bytes"),
    ((Step(operation=Operation.INT, width=1, high=256),), "no range of this integer"),
    ((Step(operation=Operation.INT, width=2, low=5, high=4),), "no range of this integer"),
    ((Step(operation=Operation.INT, width=1, high=9, ranges=((3, 2),)),), "ranges"),
    ((Step(operation=Operation.INT, width=1, high=9, register=8),), "register 8"),
    ((Step(operation=Operation.TEXT, low=-1, high=3),), "cannot be a length"),
    ((Step(operation=Operation.TEXT, high=3, characters=b"\1" * 255),), "256 bytes"),
    ((Step(operation=Operation.TEXT, high=3, characters=b"\2" * 256),), "each 0 or 1"),
    ((Step(operation=Operation.TEXT, high=3, phrases=(b"BIG",)),), "written small"),
    ((Step(operation=Operation.TEXT, high=3, phrases=(b"",)),), "phrases of 1"),
    ((Step(operation=Operation.TEXT, high=3, capture="shoe size"),), "cannot be captured"),
    ((Step(operation=Operation.RAW, low=1, high=2),), "exactly so many"),
    ((Step(operation=Operation.REST, high=1 << 21),), "cannot be a length"),
    ((Step(operation=Operation.MEMORY, register=4),), "memory 4"),
    ((repeat(steps=2), BYTE), "a block of 2 steps where 1 are left"),
    ((repeat(steps=0), BYTE), "a block of 0 steps"),
    ((repeat(), Step(operation=Operation.REST, high=5)), "a loop without an end"),
    ((repeat(), Step(operation=Operation.RAW)), "a loop without an end"),
    ((repeat(steps=2), Step(operation=Operation.TAIL, steps=1), BYTE), "a loop without an end"),
    ((Step(operation=Operation.REPEAT, width=1, high=70000, steps=1), BYTE), "70000 items"),
    ((Step(operation=Operation.REPEAT, width=0, low=1, high=2, steps=1), BYTE), "exactly so many items"),
    ((Step(operation=Operation.PACKED, width=2, high=9, steps=1), BYTE), "records of 2 bytes whose fields have 1"),
    ((Step(operation=Operation.PACKED, width=0, high=9, steps=1), BYTE), "records of 0 bytes"),
    ((when(), BYTE), "register 0 has no value"),
    ((KEPT, when(register=-1), BYTE), "register -1 has no value"),
    # What a block sets may not have been set: the block may have been skipped.
    ((Step(operation=Operation.TAIL, steps=1), KEPT, when(), BYTE), "register 0 has no value"),
    ((Step(operation=Operation.INT, width=1, high=9, steps=1), BYTE), "only blocks govern"),
    (nested(4), "at most 4 deep"),
]


@pytest.mark.parametrize(("steps", "why"), IMPOSSIBLE, ids=[why for _, why in IMPOSSIBLE])
def test_impossible_layouts_are_refused_with_the_reason(steps: tuple[Step, ...], why: str) -> None:
    with pytest.raises(LayoutError, match=why):
        check_steps(steps)


@pytest.mark.parametrize(
    ("steps", "fewest", "most"),
    [
        ((), 0, 0),
        ((BYTE, BYTE), 2, 2),
        ((Step(operation=Operation.TEXT, low=1, high=20),), 4, 23),
        ((Step(operation=Operation.SEQUENCE, low=24, high=24),), 26, 26),
        ((Step(operation=Operation.REST, high=7),), 0, 7),
        ((repeat(), BYTE), 1, 11),
        ((Step(operation=Operation.REPEAT, low=5, high=5, steps=1), BYTE), 5, 5),
        ((Step(operation=Operation.PACKED, width=2, low=1, high=32, steps=2), BYTE, BYTE), 4, 66),
        ((KEPT, when(), BYTE), 1, 2),
        ((BYTE, Step(operation=Operation.TAIL, steps=1), BYTE), 1, 2),
        (nested(3), 1, 1 + 10 * (1 + 10 * (1 + 10))),
    ],
)
def test_bounds_of_a_body(steps: tuple[Step, ...], fewest: int, most: int) -> None:
    assert check_steps(steps) == (fewest, most)
