"""Drives `treasure` with the test kit."""

from core.features.kit import Kit, KitPlayer
from games.pko.chat import ColourNotice
from treasure import GOLDEN, Treasure

SETTINGS = {"maps": ["garner", "darkblue"], "wait_seconds": 60.0}


def dig(kit: Kit[Treasure], player: KitPlayer) -> str | None:
    return kit.commands["dig"].run(player.session, "")


def test_the_first_to_dig_on_the_right_map_has_it() -> None:
    kit = Kit(Treasure, SETTINGS)
    here, there = kit.player(), kit.player(account="bert", character="Bert", map_name="darkblue")
    assert dig(kit, here) == "Nothing but sand."
    kit.advance(60)
    assert there.texts == [b"A chest was washed ashore on garner: write /dig there."]
    assert dig(kit, there) == "Nothing but sand."
    assert dig(kit, here) is None
    assert ColourNotice(rgb=GOLDEN, text=b"You have it! Chests so far: 1") in here.sent_to_player
    assert there.texts[-1] == b"Anna has found the chest."
    assert dig(kit, here) == "Nothing but sand."


def test_the_next_chest_is_elsewhere_and_finds_are_kept() -> None:
    kit = Kit(Treasure, SETTINGS)
    kit.advance(60)
    dig(kit, kit.player())
    kit.advance(60)
    assert kit.feature.where == "darkblue"
    again = kit.player(map_name="darkblue")
    dig(kit, again)
    assert kit.feature.finds[again.session].chests == 2
