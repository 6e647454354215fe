"""Policies: any bytes are a policy that can be obeyed, or are refused whole with a reason."""

from collections.abc import Iterable
from hashlib import sha256

from core.policy import compile_policy
from games.registry import load_pack
from protos.tidegate.tunnel.v1 import tunnel_pb2
from tests.wire.explained_rules import CLASSIC, COUNTED, PLAIN, frame, text
from tunnel.policy import EdgePolicy, decode_policy, encode_policy
from wire.errors import TunnelFault
from wire.guard import Guard
from wire.layout import FrameLayout
from wire.scanner import Scanner
from wire.tables import Tables

MAX_BYTES = 4000
MODULES = (
    "tunnel.policy",
    "tunnel.rules_codec",
    "tunnel.rules_codec_numbers",
    "tunnel.rules_codec_packets",
    "tunnel.rules_codec_steps",
    "wire.rules",
    "wire.steps",
    "wire.layout",
)

_LAYOUT = FrameLayout(min_frame_bytes=8, max_frame_bytes=400, bare_frame_bytes=(2,))
_STREAM = b"\x00\x02" + frame(431, bytes(40)) + frame(1, b"\x01" + text(b"hi")) + frame(6, b"\x01" + bytes(30))


def fuzz_one(data: bytes) -> None:
    """Read a policy, write it again, and obey it."""
    try:
        policy = decode_policy(tunnel_pb2.Policy(policy=data, sha256=sha256(data).digest()))
    except TunnelFault as fault:
        assert str(fault)
        assert len(str(fault)) < 1000
        return
    assert decode_policy(encode_policy(policy)) == policy
    if policy.rules is not None:
        guard = Guard(Tables(policy.rules), {}, {})
        scanner = Scanner(_LAYOUT)
        passed = guard.check(scanner.feed(_STREAM), scanner, 1)
        assert len(passed) <= len(_STREAM)


def seeds() -> Iterable[bytes]:
    """Policies of small rule sets, and of a real game as far as it fits."""
    for rules in (None, PLAIN, CLASSIC, COUNTED):
        yield encode_policy(EdgePolicy("pko", "classic", _LAYOUT, _LAYOUT, rules=rules)).policy
    yield encode_policy(compile_policy(load_pack("echo"), "")).policy
    yield b""
