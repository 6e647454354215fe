"""Drives `welcome_back` with the test kit."""

import pytest

from core.features.kit import Kit
from welcome_back import DAY_SECONDS, WelcomeBack


@pytest.mark.parametrize(
    ("away_seconds", "spoken"),
    [(5.0, b"a moment"), (300.0, b"5 minutes"), (7200.0, b"2 hours"), (3.0 * DAY_SECONDS, b"3 days")],
)
def test_who_comes_again_is_told_how_long_it_was(away_seconds: float, spoken: bytes) -> None:
    kit = Kit(WelcomeBack)
    first = kit.player()
    assert first.texts == [b"Welcome, Anna."]
    first.leave()
    kit.advance(away_seconds)
    assert kit.player(character="Mate").texts == [b"Welcome back, Mate: you were away for " + spoken + b"."]


def test_another_account_is_new() -> None:
    kit = Kit(WelcomeBack)
    kit.player().leave()
    assert kit.player(account="bert", character="Bert").texts == [b"Welcome, Bert."]


def test_a_login_that_came_to_nothing_is_no_visit() -> None:
    kit = Kit(WelcomeBack)
    kit.player(in_game=False).leave()
    assert kit.player().texts == [b"Welcome, Anna."]
