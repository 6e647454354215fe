"""The section of an edge. Put beside the others by `tidegate.settings_models`."""

from pydantic import Field

from fleet.address import Address
from tidegate.settings_addresses import (
    ListenAddress,
    OptionalListen,
    OptionalTarget,
    Prefixes,
    PrefixTexts,
    TargetAddresses,
    Targets,
)
from tidegate.settings_section import (
    CloseLingerSeconds,
    DrainSeconds,
    FlushWindowMilliseconds,
    HalfCloseSeconds,
    HoldSeconds,
    ProcessorNumbers,
    Processors,
    RingBytes,
    Section,
    WindowBytes,
    Workers,
)
from tidegate.settings_texts import GameName, Name, host_name
from tunnel.options import DEFAULT_RING_BYTES
from wire.credits import DEFAULT_WINDOW_BYTES


class EdgeSettings(Section):
    """The player-facing relay."""

    listen: ListenAddress = Field(Address("127.0.0.1", 1973), description="Where players connect; port 0 takes any.")
    core: TargetAddresses = Field(
        Targets((Address("127.0.0.1", 7400),)),
        description="The core to attach to, or a list of up to 8: new players go to the best one (docs/tunnel.md).",
    )
    game: GameName = Field(
        "",
        description="Use only cores of this game, of those that discovery finds; empty is the game of the first core.",
    )
    name: Name = Field(default_factory=host_name, description="What this edge is called at the core and in logs.")
    region: Name = Field("local", description="Where this edge stands.")
    max_sessions: int = Field(10_000, ge=1, le=1_000_000, description="Players at once; further ones are refused.")
    window_bytes: WindowBytes = DEFAULT_WINDOW_BYTES
    flush_window_milliseconds: FlushWindowMilliseconds = 1.0
    drain_seconds: DrainSeconds = 30.0
    hold_seconds: HoldSeconds = 30.0
    ring_bytes: RingBytes = DEFAULT_RING_BYTES
    half_close_seconds: HalfCloseSeconds = 30.0
    close_linger_seconds: CloseLingerSeconds = 5.0
    workers: Workers = 1
    processors: Processors = ProcessorNumbers()
    backlog: int = Field(1024, ge=1, le=65535, description="Connections the system may queue before they are accepted.")
    max_per_address: int = Field(
        16,
        ge=0,
        le=1_000_000,
        description="Connections at once from one IPv4 address or one IPv6 /64, over all workers; 0 is no limit.",
    )
    max_per_prefix: int = Field(
        256,
        ge=0,
        le=1_000_000,
        description="Connections at once from one IPv4 /24 or one IPv6 prefix, over all workers; 0 is no limit.",
    )
    ipv6_prefix_bits: int = Field(48, ge=16, le=64, description="What counts as one prefix in IPv6.")
    prefix_accepts_per_second: float = Field(
        20.0,
        ge=0,
        le=1_000_000,
        allow_inf_nan=False,
        description="New connections from one prefix in the long run, over all workers; 0 is no limit.",
    )
    prefix_accepts_burst: int = Field(
        40, ge=1, le=1_000_000, description="New connections from one prefix at once, after a pause."
    )
    accepts_per_second: float = Field(
        500.0,
        ge=0,
        le=1_000_000,
        allow_inf_nan=False,
        description="New connections from everybody in the long run, over all workers; 0 is no limit.",
    )
    accepts_burst: int = Field(
        1000, ge=1, le=1_000_000, description="New connections from everybody at once, after a pause."
    )
    exempt: Prefixes = Field(
        PrefixTexts(("127.0.0.0/8", "::1")),
        description="Addresses that none of these limits on addresses and rates hold for.",
    )
    login_seconds: float = Field(
        30.0,
        ge=0,
        le=3600,
        allow_inf_nan=False,
        description="How long a player may take to log in (in a game without rules: to send a packet); 0 is for ever.",
    )
    frame_seconds: float = Field(
        10.0,
        ge=0,
        le=3600,
        allow_inf_nan=False,
        description="How long a packet that was begun may take to be whole, before the login; 0 is for ever.",
    )
    idle_seconds: float = Field(
        60.0,
        ge=0,
        le=86400,
        allow_inf_nan=False,
        description="How long a client may send no whole packet; 0 is for ever.",
    )
    policy_cache: str = Field(
        "",
        description="File that keeps the last policy (docs/policy.md), to let players in before the core answers.",
    )
    bans_cache: str = Field(
        "",
        description="File that keeps the bans (docs/admission.md), to know them before the core answers.",
    )
    deny_file: str = Field("", description="List of who is kept out (docs/admission.md); read again when it changes.")
    allow_file: str = Field("", description="List of who comes in whatever the deny list and the limits say.")
    proxy_from: Prefixes = Field(
        PrefixTexts(),
        description="Load balancers, which must send a PROXY header (version 1 or 2) before each connection's bytes.",
    )
    proxy_header_seconds: float = Field(
        5.0,
        ge=0.5,
        le=60,
        allow_inf_nan=False,
        description="How long a load balancer may take to send its PROXY header.",
    )
    public: OptionalTarget = Field(
        "",
        description="Where players connect as the world sees it, for launchers (docs/steering.md); empty is `listen`.",
    )
    probe: OptionalListen = Field(
        "",
        description="Where probes are answered, by UDP and HTTP; empty is UDP on the players' port number alone.",
    )
