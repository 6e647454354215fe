"""Frames of a real client: they decode to the right classes and encode to themselves."""

from pathlib import Path
from typing import NamedTuple

import pytest

from games.packet import Direction, Packet
from games.pko.account import CreatePin, UpdatePin
from games.pko.connection import BeginPlay, DeleteCharacter, Login
from games.pko.framing import ORDINARY
from games.pko.guild import GuildCreate
from games.pko.progress import LearnSkill
from games.registry import load_pack

PIN = b"E10ADC3949BA59ABBE56E057F20F883E"

EXPECTED: dict[int, Packet] = {
    431: Login(
        account=b"admin",
        password=bytes.fromhex("2b58e283be8c880197b4b79c983fb76739a48cc18bcd16bb"),
        mac=b"00-25-22-DF-AC-79-00-00",
        version=136,
    ),
    346: CreatePin(pin=PIN),
    347: UpdatePin(old=PIN, new=PIN),
    433: BeginPlay(name=b"BetaTest3"),
    436: DeleteCharacter(name=b"Rend", pin=PIN),
    11: LearnSkill(skill_id=201),
    401: GuildCreate(confirm=1, name=b"Test", password=b"test"),
}


class Vector(NamedTuple):
    """One line of the file."""

    opcode: int
    frame: bytes


def read_vectors() -> list[Vector]:
    """Read the file; its comment says what it is."""
    lines = Path(__file__).parents[2].joinpath("data", "pko-vectors.txt").read_text().splitlines()
    parts = [line.split("|") for line in lines if line and not line.startswith("#")]
    return [Vector(int(text.split()[0]), bytes.fromhex(frame)) for text, frame in parts]


def test_every_vector_is_expected() -> None:
    assert [vector.opcode for vector in read_vectors()] == list(EXPECTED)


@pytest.mark.parametrize("vector", read_vectors(), ids=lambda vector: str(vector.opcode))
def test_vector_decodes_and_encodes_to_itself(vector: Vector) -> None:
    codec = load_pack("pko").codec("classic")
    frame = codec.open(Direction.SERVERBOUND, vector.frame)
    assert (frame.opcode, frame.session_word, frame.counter) == (vector.opcode, ORDINARY, None)
    packet = codec.decode(Direction.SERVERBOUND, frame)
    assert packet == EXPECTED[vector.opcode]
    assert codec.seal(packet) == vector.frame
