"""Drives `quiet_hours` with the test kit."""

import pytest

from core.features.kit import Kit
from games.pko.chat import Say, SayToAll
from quiet_hours import QuietHours

SHOUT = SayToAll(text=b"selling a boat")


def kit_at(hour: float, **settings: int | float | str) -> Kit[QuietHours]:
    kit = Kit(QuietHours, settings, operators=("root",))
    kit.advance((hour * 3600 - kit.time) % 86_400)
    return kit


@pytest.mark.parametrize(
    ("hour", "span", "is_quiet"),
    [
        (22.9, (23, 7), False),
        (23.0, (23, 7), True),
        (2.5, (23, 7), True),
        (7.0, (23, 7), False),
        (1.0, (1, 5), True),
        (5.0, (1, 5), False),
        (23.0, (1, 5), False),
    ],
)
def test_the_night(hour: float, span: tuple[int, int], *, is_quiet: bool) -> None:
    player = kit_at(hour, from_hour=span[0], until_hour=span[1]).player()
    assert player.says(SHOUT) == ([] if is_quiet else [SHOUT])
    assert player.texts == ([b"The world channel is quiet at night."] if is_quiet else [])


def test_other_channels_and_operators_are_heard() -> None:
    kit = kit_at(3)
    assert kit.player().says(Say(text=b"psst")) == [Say(text=b"psst")]
    assert kit.player(account="root", character="Root").says(SHOUT) == [SHOUT]


def test_another_clock() -> None:
    assert kit_at(12, utc_offset_hours=12.0).player().says(SHOUT) == []
