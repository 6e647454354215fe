"""The sections that only a core uses: the game, the core itself, its features and its store.

Put beside the others by `tidegate.settings_models`.
"""

from collections.abc import Mapping

from pydantic import Field

from core.store.address import MEMORY
from core.store.names import DEFAULT_PREFIX
from fleet.address import Address
from tidegate.settings_addresses import AdminText, ListenAddress, TargetAddress
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
from tidegate.settings_texts import Charset, Name, StorePrefix, StoreUrl, host_name
from tunnel.options import DEFAULT_RING_BYTES
from wire.credits import DEFAULT_WINDOW_BYTES


class GameSettings(Section):
    """Which game is relayed. Used by the core, which tells the edges."""

    name: str = Field("pko", description="The game pack.")
    dialect: str = Field("", description="Wire variant of the game; empty means the pack's first.")
    rules_file: str = Field(
        "", description="What the operator changes of the game's rules (docs/policy.md); read again when it changes."
    )
    charset: Charset = Field(
        "latin-1",
        description="How features read and write names and texts, such as gbk or cp1251; on the wire they stay bytes.",
    )
    framing: Mapping[str, object] = Field(
        default_factory=dict,
        description="Settings of the pack itself; only `generic` has any (length_bytes, order, counts_itself, "
        "offset_bytes, max_frame_bytes).",
    )


class CoreSettings(Section):
    """The game-facing relay."""

    listen: ListenAddress = Field(Address("127.0.0.1", 7400), description="Where edges attach; port 0 takes any.")
    origin: TargetAddress = Field(Address("127.0.0.1", 1974), description="The game server.")
    name: Name = Field(default_factory=host_name, description="What this core is called at the edges and in logs.")
    region: Name = Field("local", description="Where this core stands.")
    connect_timeout_seconds: float = Field(
        10.0,
        ge=0.1,
        le=300,
        allow_inf_nan=False,
        description="How long the game server may take to accept a connection.",
    )
    origin_check_seconds: float = Field(
        5.0,
        ge=0,
        le=20,
        allow_inf_nan=False,
        description=(
            "How often a core that registers, or has `http.listen`, connects to the game server while no player does; "
            "0 is never."
        ),
    )
    admin: AdminText = Field(
        "",
        description="Where operators' commands reach this core (docs/admin.md): `unix:PATH`, HOST:PORT (with "
        "certificates also for other machines), or `off`; empty is a socket of one's own.",
    )
    max_sessions: int = Field(100_000, ge=1, le=1_000_000, description="Sessions at once, over all edges.")
    workers: Workers = 1
    processors: Processors = ProcessorNumbers()
    window_bytes: WindowBytes = DEFAULT_WINDOW_BYTES
    flush_window_milliseconds: FlushWindowMilliseconds = 1.0
    drain_seconds: DrainSeconds = 30.0
    hold_seconds: HoldSeconds = 30.0
    ring_bytes: RingBytes = DEFAULT_RING_BYTES
    half_close_seconds: HalfCloseSeconds = 30.0
    close_linger_seconds: CloseLingerSeconds = 5.0


class FeatureSettings(Section):
    """What operators add to the game; used by the core (docs/features.md)."""

    folder: str = Field("", description="Where features and their features.toml are; empty loads none.")
    call_budget_milliseconds: float = Field(
        5.0,
        ge=0.1,
        le=1000,
        allow_inf_nan=False,
        description="A feature's call that takes longer is named in the log: all players wait for it.",
    )
    call_limit_milliseconds: float = Field(
        100.0,
        ge=10,
        le=10_000,
        allow_inf_nan=False,
        description="A feature's call that takes longer is stopped; after three in a minute the feature is taken out.",
    )


class StoreSettings(Section):
    """What cores remember and share (docs/store.md)."""

    url: StoreUrl = Field(
        MEMORY,
        description="`memory:` for one core alone, or a Redis: `redis://HOST:PORT/DB`; a password in it is not shown.",
    )
    prefix: StorePrefix = Field(
        DEFAULT_PREFIX, description="What all keys begin with; its hash tag keeps them together on a Cluster."
    )
