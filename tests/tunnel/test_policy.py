"""Policies: what is encoded comes out, and a policy that cannot be checked is refused whole."""

from hashlib import sha256

import pytest

from protos.tidegate.policy.v1 import policy_pb2
from protos.tidegate.tunnel.v1 import tunnel_pb2
from tunnel.policy import MAX_POLICY_BYTES, EdgePolicy, decode_policy, encode_policy
from wire.errors import TunnelFault
from wire.layout import RAW, FrameLayout

POLICY = EdgePolicy(
    game="pko",
    dialect="classic",
    serverbound=FrameLayout(min_frame_bytes=8, max_frame_bytes=16384, bare_frame_bytes=(2,)),
    clientbound=RAW,
    closing_notices={"origin_lost": b"\x00\x02"},
)

HUGE_FRAMES = policy_pb2.FrameLayout(length_width_bytes=2, max_frame_bytes=1 << 30)


def sealed(raw: bytes) -> tunnel_pb2.Policy:
    return tunnel_pb2.Policy(policy=raw, sha256=sha256(raw).digest())


def changed(**fields: object) -> tunnel_pb2.Policy:
    message = policy_pb2.Policy.FromString(encode_policy(POLICY).policy)
    message.MergeFrom(policy_pb2.Policy(**fields))  # type: ignore[arg-type]  # rows mix the types of several fields
    return sealed(message.SerializeToString())


def test_round_trip() -> None:
    assert decode_policy(encode_policy(POLICY)) == POLICY


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (tunnel_pb2.Policy(), "policy of 0 bytes"),
        (sealed(bytes(MAX_POLICY_BYTES + 1)), "are allowed"),
        (tunnel_pb2.Policy(policy=b"x", sha256=bytes(32)), "checksum"),
        (sealed(b"\xff\xff\xff"), "cannot be read"),
        (changed(version=99), "version 99"),
        (changed(game="g" * 65), "game or dialect"),
        (changed(serverbound=policy_pb2.FrameLayout(length_width_bytes=3)), "serverbound layout is impossible"),
        (
            changed(clientbound=policy_pb2.FrameLayout(length_width_bytes=2, max_frame_bytes=1 << 30)),
            "clientbound layout is impossible",
        ),
        (changed(closing_notices=[policy_pb2.ClosingNotice(reason="r")]), "closing notice 'r' of 0 bytes"),
        (changed(closing_notices=[policy_pb2.ClosingNotice(reason="r", frames=b"x")] * 65), "at most 64"),
    ],
)
def test_what_cannot_be_checked_is_refused(message: tunnel_pb2.Policy, said: str) -> None:
    with pytest.raises(TunnelFault, match=said):
        decode_policy(message)
