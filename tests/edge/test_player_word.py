"""What an edge tells a core of who plays, and how seldom it looks."""

from typing import Any, cast

from edge.player_word import LOOKS, PlayerWord
from tunnel.session import Session


class Played:
    """A session as far as it is looked at."""

    def __init__(self) -> None:
        self.reason = ""
        self.guard: object | None = object()
        self.identity: dict[str, bytes] = {}
        self.is_logged_in = False
        self.is_opaque = False
        self.looks = 0

    def plays(self, character: bytes) -> None:
        self.identity = {"account": b"bob", "character": character}
        self.is_logged_in = True


def news(word: PlayerWord, sessions: dict[int, Played]) -> list[tuple[Any, ...]]:
    found = word.news(cast("dict[int, Session]", sessions))
    return [(each.slot, each.account, each.character, each.is_logged_in) for each in found]


def test_each_thing_is_told_once_when_it_is_known() -> None:
    word, played = PlayerWord(), Played()
    sessions = {1: played}
    assert news(word, sessions) == []
    played.identity = {"account": b"bob"}
    assert news(word, sessions) == [(1, b"bob", b"", False)]
    assert news(word, sessions) == []
    played.plays(b"Bob")
    assert news(word, sessions) == [(1, b"bob", b"Bob", True)]
    played.plays(b"Rob")
    assert news(word, sessions) == [(1, b"bob", b"Rob", True)]
    assert news(word, sessions) == []


def test_who_has_left_or_has_no_rules_is_forgotten() -> None:
    word, gone, ruleless = PlayerWord(), Played(), Played()
    gone.plays(b"Bob")
    ruleless.plays(b"Rob")
    ruleless.guard = None
    sessions = {1: gone, 2: ruleless}
    gone.reason = "client_closed"
    assert news(word, sessions) == []
    del sessions[1]
    assert news(word, sessions) == []
    assert word._told == {}
    assert not word._fresh
    assert not word._turns


def test_of_many_some_are_looked_at_each_time_and_all_in_turn() -> None:
    word = PlayerWord()
    sessions = {slot: Played() for slot in range(1, 3 * LOOKS + 1)}
    for played in sessions.values():
        played.plays(b"Bob")
    told = [len(news(word, sessions)) for _ in range(4)]
    assert sum(told) == len(sessions)
    assert max(told) <= 2 * LOOKS
    sessions[3 * LOOKS].plays(b"Rob")
    assert sum(len(news(word, sessions)) for _ in range(3)) == 1


def test_a_name_is_cut_to_what_a_core_takes() -> None:
    word, played = PlayerWord(), Played()
    played.plays(b"x" * 1000)
    ((_, _, character, _),) = news(word, {1: played})
    assert character == b"x" * 256
