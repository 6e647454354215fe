"""Drives `trade_limit` with the test kit."""

from dataclasses import replace

from core.features.kit import Kit
from games.pko.trade import TradeGold
from trade_limit import TradeLimit

GOLD = TradeGold(kind=0, character_id=7, operation=0, amount=500)


def test_a_small_amount_passes_as_it_is() -> None:
    player = Kit(TradeLimit, {"max_gold": 500}).player()
    assert player.says(GOLD) == [GOLD]
    assert player.texts == []


def test_a_large_one_is_taken_down_and_told() -> None:
    kit = Kit(TradeLimit, {"max_gold": 499})
    player = kit.player()
    assert player.says(GOLD) == [replace(GOLD, amount=499)]
    assert player.texts == [b"At most 499 gold can be traded at once."]
    assert [(event.kind, event.fields["amount"]) for event in kit.events if event.feature] == [("incident", 500)]
