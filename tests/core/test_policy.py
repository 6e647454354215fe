"""Compiling a pack into a policy."""

from core.policy import compile_policy
from games.registry import load_pack
from tunnel.policy import decode_policy, encode_policy
from wire.reasons import Reason, is_told


def test_a_game_with_notices_gets_one_for_each_reason_a_player_is_told() -> None:
    policy = compile_policy(load_pack("echo"), "plain")
    assert set(policy.closing_notices) == {reason for reason in Reason if is_told(reason)}
    assert decode_policy(encode_policy(policy)) == policy


def test_a_game_without_notices_gets_none() -> None:
    assert compile_policy(load_pack("raw"), "").closing_notices == {}
