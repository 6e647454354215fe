"""Who is playing, told by the packets of the way into the game."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from games.packet import Packet
from games.pko.account import Register
from games.pko.chat import Say
from games.pko.connection import (
    BeginPlay,
    BeginPlayByIndex,
    BeginPlayReply,
    CharacterSlot,
    EndPlayRefused,
    EndPlayReply,
    EnterMap,
    EnterMapRefused,
    Login,
    LoginAccepted,
    LoginHashed,
    LoginRefused,
    LoginWithAddress,
)
from games.pko.players import FOLLOWS
from games.players import Player, Step
from games.registry import load_pack

SLOTS = (CharacterSlot(name=b"Anna", job=b"", level=1, look=b""), CharacterSlot(valid=0))
LOGIN = Login(account=b"anna", password=bytes(24), mac=b"00-11", version=136)
ACCEPTED = LoginAccepted(key=b"", characters=SLOTS)
CHOICE = BeginPlay(name=b"Anna")
MAP = EnterMap(map_name=b"garner", character_id=1, world_id=7, name=b"Anna", x=100, y=-200)
OTHER_MAP = EnterMap(map_name=b"magicsea", character_id=1, world_id=7, name=b"Anna", x=5, y=6)
LEFT = EndPlayReply(characters=SLOTS)

GREETED = Player()
CLAIMED = Player(account=b"anna", hardware_address=b"00-11", is_logging_in=True)
SELECTING = Player(account=b"anna", hardware_address=b"00-11", is_logged_in=True, characters=(b"Anna", b""))
CHOSEN = replace(SELECTING, character=b"Anna")
PLAYING = replace(CHOSEN, is_in_game=True, map_name=b"garner", world_id=7, x=100, y=-200)
ELSEWHERE = replace(PLAYING, map_name=b"magicsea", x=5, y=6)

REFUSED = LoginRefused(error=1001)
NO_MAP = EnterMapRefused(error=1)
Row = tuple[Sequence[Packet], Step, Player]
ROWS: dict[str, Row] = {
    "a login": ([LOGIN], Step.LOGIN, CLAIMED),
    "a login refused": ([LOGIN, REFUSED], Step.LOGIN_REFUSED, GREETED),
    "a login accepted": ([LOGIN, ACCEPTED], Step.LOGGED_IN, SELECTING),
    "a choice": ([LOGIN, ACCEPTED, CHOICE], Step.CHARACTER, CHOSEN),
    "a choice taken": ([LOGIN, ACCEPTED, CHOICE, BeginPlayReply()], Step.NOTHING, CHOSEN),
    "a choice refused": ([LOGIN, ACCEPTED, CHOICE, BeginPlayReply(error=9)], Step.CHARACTER_REFUSED, SELECTING),
    "the map": ([LOGIN, ACCEPTED, CHOICE, MAP], Step.ENTERED, PLAYING),
    "another map": ([LOGIN, ACCEPTED, CHOICE, MAP, OTHER_MAP], Step.CHANGED_MAP, ELSEWHERE),
    "a map refused": ([LOGIN, ACCEPTED, CHOICE, NO_MAP], Step.CHARACTER_REFUSED, SELECTING),
    "leaving": ([LOGIN, ACCEPTED, CHOICE, MAP, LEFT], Step.LEFT, SELECTING),
    "entering again": ([LOGIN, ACCEPTED, CHOICE, MAP, LEFT, CHOICE, MAP], Step.ENTERED, PLAYING),
    "a login of the other fork": (
        [LoginWithAddress(account=b"anna", password=bytes(24), mac=b"00-11", address=1, version=136)],
        Step.LOGIN,
        CLAIMED,
    ),
    "a login of the TG line": (
        [LoginHashed(account=b"anna", password_hash=b"AB", mac=b"00-11", version=1)],
        Step.LOGIN,
        CLAIMED,
    ),
    "a login behind a login": ([LOGIN, LOGIN], Step.OUT_OF_TURN, CLAIMED),
    "a login behind one that was refused": ([LOGIN, REFUSED, LOGIN], Step.LOGIN, CLAIMED),
    "a choice by place": ([LOGIN, ACCEPTED, BeginPlayByIndex(index=0)], Step.CHARACTER, CHOSEN),
    "a choice of an empty place": ([LOGIN, ACCEPTED, BeginPlayByIndex(index=1)], Step.CHARACTER, SELECTING),
    "a choice beyond the places": ([LOGIN, ACCEPTED, BeginPlayByIndex(index=255)], Step.CHARACTER, SELECTING),
    "a choice before the login": ([BeginPlayByIndex(index=0)], Step.CHARACTER, GREETED),
}


def follow(packets: Sequence[Packet]) -> tuple[Step, Player]:
    player, step = Player(), Step.NOTHING
    for packet in packets:
        step = FOLLOWS[type(packet)](player, packet)
    return step, player


@pytest.mark.parametrize(("packets", "step", "player"), ROWS.values(), ids=ROWS)
def test_rows(packets: Sequence[Packet], step: Step, player: Player) -> None:
    assert follow(packets) == (step, player)


def test_a_second_login_leaves_nothing_of_the_first() -> None:
    """A server refuses it or begins anew; what was proven for the first name is not for the second."""
    other = Login(account=b"bert", password=bytes(24), mac=b"99", version=136)
    _, player = follow([LOGIN, ACCEPTED, CHOICE, MAP, other])
    assert player == Player(account=b"bert", hardware_address=b"99", is_logging_in=True)


def test_an_answer_is_to_the_login_that_the_server_got_first() -> None:
    """Otherwise who knows one password is logged in under any name."""
    other = Login(account=b"root", password=bytes(24), mac=b"99", version=136)
    _, player = follow([LOGIN, other, ACCEPTED])
    assert not (player.is_logged_in and player.account == b"root")


def test_a_name_that_the_server_tells_is_the_one_that_counts() -> None:
    """The client chose "anna", and the server writes the name as it was made."""
    _, player = follow([LOGIN, ACCEPTED, BeginPlay(name=b"anna"), MAP])
    assert player.character == b"Anna"


def test_the_pack_follows_these_packets_and_no_others() -> None:
    pack = load_pack("pko")
    assert pack.follows is FOLLOWS
    assert set(FOLLOWS) <= set(pack.packets)
    assert not {Say, Register, EndPlayRefused} & set(FOLLOWS)


@pytest.mark.parametrize("dialect", load_pack("pko").dialects)
def test_each_dialect_has_a_login_a_choice_and_a_map(dialect: str) -> None:
    codec = load_pack("pko").codec(dialect)
    opcodes = {(cls.DIRECTION, cls.OPCODE) for cls in FOLLOWS}
    followed = {cls for way, opcode in opcodes for cls in codec.classes(way, opcode) if cls in FOLLOWS}
    assert {cls.OPCODE for cls in followed} == {431, 931, 433, 933, 516, 934}
