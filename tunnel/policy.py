"""The policy as values: what a core makes of a pack and what an edge obeys, and its form on the wire.

A policy comes from another machine, so reading one checks every part and refuses it as a whole.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256

from google.protobuf.message import DecodeError

from protos.tidegate.policy.v1 import policy_pb2
from protos.tidegate.tunnel.v1 import tunnel_pb2
from tunnel.rules_codec import decode_rules, encode_rules
from wire.errors import LayoutError, MisuseError, TunnelFault
from wire.layout import FrameLayout
from wire.reasons import MAX_REASON_BYTES, is_told
from wire.rules import RuleSet
from wire.scanner import Scanner

POLICY_VERSION = 2
MAX_POLICY_BYTES = 256 * 1024
MAX_CLOSING_NOTICES = 64
MAX_NOTICE_BYTES = 4096
MAX_KEEP_ALIVE_BYTES = 64
MAX_FAULT_CHARACTERS = 300
"""How much of what is wrong is said: a text out of the policy may stand in it."""


@dataclass(frozen=True, slots=True)
class EdgePolicy:
    """All an edge knows about the game. ``closing_notices`` holds whole frames by reason code.

    ``rules`` None means that only frames are checked, not what they say. ``keep_alive`` is a frame for either side
    while the tunnel is broken, empty where the game has none, and goes out every ``keep_alive_seconds``.
    """

    game: str
    dialect: str
    serverbound: FrameLayout
    clientbound: FrameLayout
    closing_notices: Mapping[str, bytes] = field(default_factory=dict)
    rules: RuleSet | None = None
    keep_alive: bytes = b""
    keep_alive_seconds: float = 0.0

    def notice_for(self, reason: str) -> bytes:
        """Return the frames that tell a player why the session ends; nothing where there is nothing to tell."""
        return self.closing_notices.get(reason, b"") if is_told(reason) else b""


def encode_policy(policy: EdgePolicy) -> tunnel_pb2.Policy:
    """Return the policy as the tunnel's message, with its checksum; equal policies give equal bytes.

    Raises MisuseError for a policy that no edge would accept.
    """
    notices = policy.closing_notices
    message = policy_pb2.Policy(
        version=POLICY_VERSION,
        game=policy.game,
        dialect=policy.dialect,
        serverbound=_encode_layout(policy.serverbound),
        clientbound=_encode_layout(policy.clientbound),
        closing_notices=[policy_pb2.ClosingNotice(reason=each, frames=notices[each]) for each in sorted(notices)],
        rules=None if policy.rules is None else encode_rules(policy.rules),
        keep_alive=policy.keep_alive,
        keep_alive_milliseconds=int(policy.keep_alive_seconds * 1000),
    )
    raw = message.SerializeToString(deterministic=True)
    sealed = tunnel_pb2.Policy(policy=raw, sha256=sha256(raw).digest())
    try:
        decode_policy(sealed)
    except TunnelFault as fault:
        raise MisuseError(f"no edge would accept this policy: {fault}") from fault
    return sealed


def decode_policy(message: tunnel_pb2.Policy) -> EdgePolicy:
    """Read and check a policy; raises TunnelFault saying what is wrong with it."""
    raw = message.policy
    if not 1 <= len(raw) <= MAX_POLICY_BYTES:
        raise TunnelFault(f"policy of {len(raw)} bytes: 1 to {MAX_POLICY_BYTES} are allowed")
    if sha256(raw).digest() != message.sha256:
        raise TunnelFault("the policy does not match its checksum")
    try:
        parsed = policy_pb2.Policy.FromString(raw)
    except DecodeError as error:
        raise TunnelFault(f"the policy cannot be read: {error}") from error
    if parsed.version != POLICY_VERSION:
        raise TunnelFault(f"policy version {parsed.version}: version {POLICY_VERSION} is known here")
    if not 1 <= len(parsed.game.encode()) <= MAX_REASON_BYTES or len(parsed.dialect.encode()) > MAX_REASON_BYTES:
        raise TunnelFault("the policy's game or dialect is missing or too long")
    if len(parsed.closing_notices) > MAX_CLOSING_NOTICES:
        raise TunnelFault(f"{len(parsed.closing_notices)} closing notices: at most {MAX_CLOSING_NOTICES} are allowed")
    serverbound = _decode_layout(parsed.serverbound, "serverbound")
    clientbound = _decode_layout(parsed.clientbound, "clientbound")
    _check_keep_alive(parsed, (serverbound, clientbound))
    return EdgePolicy(
        game=parsed.game,
        dialect=parsed.dialect,
        serverbound=serverbound,
        clientbound=clientbound,
        closing_notices=dict(_decode_notice(notice) for notice in parsed.closing_notices),
        rules=_decode_rules(parsed),
        keep_alive=parsed.keep_alive,
        keep_alive_seconds=parsed.keep_alive_milliseconds / 1000,
    )


def _check_keep_alive(parsed: policy_pb2.Policy, layouts: tuple[FrameLayout, ...]) -> None:
    if len(parsed.keep_alive) > MAX_KEEP_ALIVE_BYTES:
        raise TunnelFault(f"keep-alive of {len(parsed.keep_alive)} bytes: at most {MAX_KEEP_ALIVE_BYTES} are allowed")
    if not parsed.keep_alive and parsed.keep_alive_milliseconds == 0:
        return
    if not 100 <= parsed.keep_alive_milliseconds <= 3_600_000:
        raise TunnelFault(f"keep-alive every {parsed.keep_alive_milliseconds} ms: 100 to 3600000 are possible")
    for layout in layouts:
        try:
            scanner = Scanner(layout)
            whole = scanner.feed(parsed.keep_alive) == parsed.keep_alive and scanner.frames == 1
        except LayoutError as error:
            raise TunnelFault(f"the policy's keep-alive: {error}") from error
        if not whole or scanner.fault is not None:
            raise TunnelFault("the policy's keep-alive is not one frame of the game")


def policy_digest(policy: EdgePolicy) -> str:
    """Return the policy's checksum as 64 hexadecimal digits: the same for equal policies, on every machine."""
    return encode_policy(policy).sha256.hex()


def _decode_rules(parsed: policy_pb2.Policy) -> RuleSet | None:
    if not parsed.HasField("rules"):
        return None
    try:
        return decode_rules(parsed.rules)
    except TunnelFault as fault:
        text = "".join(each if each.isprintable() else "?" for each in str(fault)[:MAX_FAULT_CHARACTERS])
        raise TunnelFault(f"the policy's rules are impossible: {text}") from fault


def _encode_layout(layout: FrameLayout) -> policy_pb2.FrameLayout:
    return policy_pb2.FrameLayout(
        length_offset_bytes=layout.length_offset_bytes,
        length_width_bytes=layout.length_width_bytes,
        little_endian=layout.little_endian,
        length_adjust_bytes=layout.length_adjust_bytes,
        min_frame_bytes=layout.min_frame_bytes,
        max_frame_bytes=layout.max_frame_bytes,
        bare_frame_bytes=layout.bare_frame_bytes,
    )


def _decode_layout(message: policy_pb2.FrameLayout, direction: str) -> FrameLayout:
    try:
        return FrameLayout(
            length_offset_bytes=message.length_offset_bytes,
            length_width_bytes=message.length_width_bytes,
            little_endian=message.little_endian,
            length_adjust_bytes=message.length_adjust_bytes,
            min_frame_bytes=message.min_frame_bytes,
            max_frame_bytes=message.max_frame_bytes,
            bare_frame_bytes=tuple(message.bare_frame_bytes),
        )
    except LayoutError as error:
        raise TunnelFault(f"the policy's {direction} layout is impossible: {error}") from error


def _decode_notice(notice: policy_pb2.ClosingNotice) -> tuple[str, bytes]:
    if not 1 <= len(notice.reason.encode()) <= MAX_REASON_BYTES or not 1 <= len(notice.frames) <= MAX_NOTICE_BYTES:
        raise TunnelFault(f"closing notice {notice.reason[:MAX_REASON_BYTES]!r} of {len(notice.frames)} bytes")
    return notice.reason, notice.frames
