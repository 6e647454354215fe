"""The list of packs."""

import pytest

from games.registry import load_pack, pack_names
from wire.errors import MisuseError


def test_the_main_game_stands_first() -> None:
    assert pack_names() == ("pko", "echo", "generic", "raw")


@pytest.mark.parametrize("name", pack_names())
def test_every_pack_loads_under_its_name(name: str) -> None:
    pack = load_pack(name)
    assert pack.name == name
    assert pack.summary


@pytest.mark.parametrize("name", pack_names())
def test_what_a_pack_says_of_itself_agrees(name: str) -> None:
    pack = load_pack(name)
    for dialect in pack.dialects.values():
        assert dialect.serverbound.layout == pack.serverbound
        assert dialect.clientbound.layout == pack.clientbound
    if pack.keep_alive:
        assert len(pack.keep_alive) in pack.serverbound.bare_frame_bytes
        assert len(pack.keep_alive) in pack.clientbound.bare_frame_bytes
    if pack.notice is not None:
        assert pack.clientbound.allows(len(pack.notice("x" * 100_000)))


def test_an_unknown_game_is_refused_with_those_there_are() -> None:
    with pytest.raises(MisuseError, match="unknown game 'chess'; known are: pko, echo, generic, raw"):
        load_pack("chess")


@pytest.mark.parametrize("name", ["pko", "echo", "raw"])
def test_packs_without_settings_say_so(name: str) -> None:
    with pytest.raises(MisuseError, match=f"game {name} has no framing settings"):
        load_pack(name, {"offset_bytes": 1})
