"""Every row of the corpus against the default policy, in several dialects, whole and byte by byte."""

from collections.abc import Iterator

import pytest

from tests.attacks.players import Player, Said
from tests.attacks.rows import ATTACKS, Attack, Heard

DIALECTS = ("classic", "counter", "counter+trailer")


def attack(player: Player, row: Attack) -> Iterator[bytes]:
    """Play what comes before, and yield the frames of the attack."""
    player.be(row.place)
    for each in row.before:
        if isinstance(each, Heard):
            player.hear(Said(each.opcode, each.body))
        else:
            assert player.send(each), "what comes before is legal"
    assert not player.refused
    if row.raw:
        yield row.raw
    elif row.said is not None:
        for _ in range(row.repeat):
            yield player.frame(row.said)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("row", ATTACKS, ids=str)
def test_no_attack_leaves_the_edge(row: Attack, dialect: str) -> None:
    whole, bytewise = Player(dialect), Player(dialect)
    stream = b"".join(attack(whole, row))
    assert stream == b"".join(attack(bytewise, row))
    passed = whole.take(stream)
    assert (whole.ended or next(iter(whole.refused), "")) == row.reason
    assert set(whole.refused) <= {row.reason, "client_refusals"}
    if row.repeat == 1:
        assert passed == b""
    else:
        assert len(passed) < len(stream)
    assert b"".join(bytewise.take(stream[at : at + 1]) for at in range(len(stream))) == passed
    assert (bytewise.refused, bytewise.ended) == (whole.refused, whole.ended)


def test_the_corpus_has_all_classes() -> None:
    assert {row.number for row in ATTACKS} == set(range(1, 23))


@pytest.mark.parametrize("dialect", ["counter", "counter+trailer"])
def test_a_replayed_frame_is_out_of_its_turn(dialect: str) -> None:
    player = Player(dialect).be("in_game")
    frame = player.frame(Said(17))
    assert player.take(frame) == frame
    assert player.take(frame) == b""
    assert player.ended == "client_counter"


def test_a_forged_trailer() -> None:
    player = Player("counter+trailer").be("in_game")
    assert player.take(player.frame(Said(17))[:-2] + b"\0\0") == b""
    assert player.ended == "client_trailer"
