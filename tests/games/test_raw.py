"""No framing at all."""

from games.registry import load_pack


def test_raw_has_no_framing_and_knows_nothing() -> None:
    pack = load_pack("raw")
    assert not pack.serverbound.is_framed
    assert not pack.clientbound.is_framed
    assert not pack.packets
    assert not pack.opcodes
    assert pack.keep_alive == b""
    assert pack.notice is None
    assert pack.default_dialect == ""
