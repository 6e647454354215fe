"""Constants of the tunnel's gRPC side: protocol version, limits, channel and server options."""

PROTOCOL_VERSION = 4
"""Version of the contract in ``protos/tidegate/tunnel/v1``; both ends must speak the same."""

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

MAX_NAME_BYTES = 64

_COMMON: tuple[tuple[str, int], ...] = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_metadata_size", 8192),
    # A peer that is frozen rather than dead is only found with the ping timeout set: gRPC waits a minute
    # for the answer otherwise, whatever the keepalive timeout says.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.ping_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
)

CHANNEL_OPTIONS: tuple[tuple[str, int], ...] = (
    *_COMMON,
    # A connection of its own per attempt: the shared pool would hand a failed one's back-off to the next.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_retries", 0),
    # A proxy of the environment is for the web; gRPC would send even loopback through it.
    ("grpc.enable_http_proxy", 0),
)


def server_options(*, shares_port: bool) -> tuple[tuple[str, int], ...]:
    """Return the options of a core's server; ``shares_port`` lets other workers listen on the same port."""
    return (
        *_COMMON,
        # Unless workers are meant: a second core would bind the same port silently and get half of the edges.
        ("grpc.so_reuseport", int(shares_port)),
        # The name is the one gRPC reads: with `min_recv_ping…` it ends in GOAWAY too_many_pings.
        ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
        ("grpc.max_concurrent_streams", 64),
    )
