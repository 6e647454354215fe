"""Drives `parrot` with the test kit."""

from core.features.kit import Kit
from games.pko.chat import Say
from parrot import Parrot


def test_the_words_go_on_and_come_back() -> None:
    player = Kit(Parrot).player()
    assert player.says(Say(text=b"hello")) == [Say(text=b"hello")]
    assert player.texts == [b"You said: hello"]
