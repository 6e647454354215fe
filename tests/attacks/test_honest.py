"""What honest clients send passes, unchanged, in every place of the game and in every dialect."""

import pytest

from tests.attacks.honest import Client
from tests.attacks.players import PACK


@pytest.mark.parametrize("dialect", PACK.dialects)
def test_nothing_honest_is_refused(dialect: str) -> None:
    client = Client(dialect, seed=1)
    client.play(8000)
    assert not client.player.refused
    never = {rule.name for rule in client.player.rules.rules} - set(client.sent)
    assert not never, "every packet was played"
    assert set(client.places) >= {"logging_in", "select", "entering", "in_game"}
