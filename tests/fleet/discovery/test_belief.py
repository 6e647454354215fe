"""Belief: a great loss is doubted for a while, what a relay says itself is believed at once."""

import pytest

from fleet.address import Address
from fleet.discovery.belief import CONFIRM_SECONDS, Belief
from fleet.discovery.entries import SILENCE
from fleet.health import Health
from fleet.records import Record

GOOD = Health()
DRAINS = Health(is_draining=True)
SICK = Health(("the game server does not answer",))
SILENT = Health((f"{SILENCE}: TTL expired",))


def fleet(**healths: Health) -> tuple[Record, ...]:
    return tuple(
        Record("core", name, Address("10.0.0.1", 7000 + ord(name)), health=health) for name, health in healths.items()
    )


ALL = fleet(a=GOOD, b=GOOD, c=GOOD)


@pytest.mark.parametrize(
    ("before", "answer", "at_once", "in_the_end"),
    [
        ((), fleet(a=GOOD), fleet(a=GOOD), fleet(a=GOOD)),
        ((), (), (), ()),
        (ALL, (), ALL, ()),
        (ALL, fleet(a=GOOD), ALL, fleet(a=GOOD)),
        (ALL, fleet(a=GOOD, b=GOOD), fleet(a=GOOD, b=GOOD), fleet(a=GOOD, b=GOOD)),
        (fleet(a=GOOD), (), fleet(a=GOOD), ()),
        (ALL, fleet(a=SILENT, b=SILENT, c=SILENT), ALL, fleet(a=SILENT, b=SILENT, c=SILENT)),
        (ALL, fleet(a=SILENT, b=GOOD, c=GOOD), fleet(a=SILENT, b=GOOD, c=GOOD), fleet(a=SILENT, b=GOOD, c=GOOD)),
        (ALL, fleet(a=SILENT, b=DRAINS), fleet(a=GOOD, b=DRAINS, c=GOOD), fleet(a=SILENT, b=DRAINS)),
        (ALL, fleet(a=SICK, b=SICK, c=SICK), fleet(a=SICK, b=SICK, c=SICK), fleet(a=SICK, b=SICK, c=SICK)),
        (
            ALL,
            fleet(a=DRAINS, b=DRAINS, c=DRAINS),
            fleet(a=DRAINS, b=DRAINS, c=DRAINS),
            fleet(a=DRAINS, b=DRAINS, c=DRAINS),
        ),
        (fleet(a=SICK, b=SICK), (), (), ()),
        (fleet(a=DRAINS), (), (), ()),
        (ALL, fleet(d=GOOD), (*ALL, *fleet(d=GOOD)), fleet(d=GOOD)),
        (fleet(a=GOOD, b=GOOD), fleet(a=GOOD, c=GOOD), fleet(a=GOOD, c=GOOD), fleet(a=GOOD, c=GOOD)),
    ],
)
def test_what_is_believed(
    before: tuple[Record, ...],
    answer: tuple[Record, ...],
    at_once: tuple[Record, ...],
    in_the_end: tuple[Record, ...],
) -> None:
    belief = Belief(before)
    assert belief.hear(answer, 100.0, is_doubtful=False) == at_once
    assert belief.hear(answer, 100.0 + CONFIRM_SECONDS - 0.01, is_doubtful=False) == at_once
    assert belief.hear(answer, 100.0 + CONFIRM_SECONDS, is_doubtful=False) == in_the_end
    assert belief.held == 0
    assert belief.wait_seconds(200.0) is None


def test_how_long_to_wait_for_the_confirmation() -> None:
    belief = Belief(ALL)
    assert belief.wait_seconds(100.0) is None
    belief.hear((), 100.0, is_doubtful=False)
    assert belief.held == 3
    assert belief.wait_seconds(104.0) == CONFIRM_SECONDS - 4
    assert belief.wait_seconds(120.0) == 0.0


def test_who_comes_back_in_time_was_never_gone() -> None:
    """As after an agent was started anew: one after the other registers, and each has the whole time."""
    belief = Belief(ALL)
    belief.hear((), 100.0, is_doubtful=False)
    assert belief.hear(fleet(a=GOOD), 104.0, is_doubtful=False) == ALL
    assert belief.hear(fleet(a=GOOD, b=GOOD), 108.0, is_doubtful=False) == ALL
    assert belief.hear(ALL, 108.5, is_doubtful=False) == ALL
    assert belief.held == 0


@pytest.mark.parametrize("answer", [(), fleet(a=GOOD, b=GOOD)])
def test_a_doubtful_source_loses_nobody_and_its_time_does_not_count(answer: tuple[Record, ...]) -> None:
    belief = Belief(ALL)
    assert belief.hear(answer, 100.0, is_doubtful=True) == ALL
    assert belief.hear(answer, 1000.0, is_doubtful=True) == ALL
    assert belief.hear(answer, 1001.0, is_doubtful=False) == ALL
    assert belief.hear(answer, 1000.0 + CONFIRM_SECONDS, is_doubtful=False) == answer


def test_after_a_doubt_a_small_loss_is_doubted_for_a_while_too() -> None:
    belief = Belief(ALL)
    belief.hear(ALL, 100.0, is_doubtful=True)
    assert belief.hear(fleet(a=GOOD, b=GOOD), 105.0, is_doubtful=False) == ALL
    assert belief.hear(ALL, 106.0, is_doubtful=False) == ALL
    assert belief.hear(fleet(a=GOOD, b=GOOD), 110.0, is_doubtful=False) == fleet(a=GOOD, b=GOOD)
