"""Constants of the tunnel's contract: protocol version, method, limits."""

PROTOCOL_VERSION = 4
"""Version of the contract in ``protos/tidegate/tunnel/v1``; both ends must speak the same."""

ATTACH = "/tidegate.tunnel.v1.TunnelService/Attach"
"""The one method of the service in the contract."""

MAX_MESSAGE_BYTES = 2 << 20
"""Bound on one gRPC message: a batch of at most 1 MiB and its envelope."""

MAX_BATCH_BYTES = 1 << 20
"""Bound on the chunks of one batch, as the contract says."""

MAX_FOLLOWING = 63
"""Bound on the messages that follow another in one gRPC message, as the contract says."""

MAX_FOLLOWING_BYTES = 16 * 1024
"""Bound on the chunks of all those together, as the contract says: one gRPC message is handled at one go, and is to be
no more work than one batch. What is larger is worth a gRPC message of its own."""

DEFAULT_RING_BYTES = 32 << 20
"""What a tunnel may keep for the other end to get again. More waits only for one that does not come back."""

HELLO_TIMEOUT_SECONDS = 5.0
"""How long either side waits for the other's first message."""

MAX_GREETING_BYTES = 4096
"""A hello or a welcome, with all that stands in its message: it is kept as long as the tunnel."""

MAX_NAME_BYTES = 64
