"""What can be set: one frozen pydantic model per section, with types, bounds, units and explanations.

Read by `tidegate.settings`, which checks every source against these; docs/settings.md is tested against
them. Nothing here knows where a value comes from.

A unit stands in the name where it is a time or a size; ``UNITS`` has the others.
"""

import re
import socket
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from fleet.address import Address, parse_address
from tunnel.options import MAX_NAME_BYTES
from wire.credits import DEFAULT_WINDOW_BYTES, MAX_WINDOW_BYTES, MIN_WINDOW_BYTES

UNITS = {"max_sessions": "sessions", "backlog": "connections", "workers": "processes"}
"""Units of the numbers whose names do not end with one."""


def _read_address(value: object) -> Address:
    if isinstance(value, Address):
        return value
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not an address: write HOST:PORT, such as 127.0.0.1:1973")
    return parse_address(value)


def _read_target(value: object) -> Address:
    address = _read_address(value)
    if address.port == 0:
        raise ValueError(f"{str(address)!r}: port 0 means any free port, which is for listening only; write 1 to 65535")
    return address


def _host_name() -> str:
    """The machine's name as a legal name for a relay, which is what people call it by default."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname())[:MAX_NAME_BYTES] or "unnamed"


NAME_RULE = f"1 to {MAX_NAME_BYTES} letters, digits, dots, dashes or underscores"

ListenAddress = Annotated[Address, BeforeValidator(_read_address)]
TargetAddress = Annotated[Address, BeforeValidator(_read_target)]
Name = Annotated[str, Field(pattern=rf"^[A-Za-z0-9._-]{{1,{MAX_NAME_BYTES}}}$")]
WindowBytes = Annotated[
    int,
    Field(
        ge=MIN_WINDOW_BYTES,
        le=MAX_WINDOW_BYTES,
        description="Bytes one session may have on the road in one direction; the most it can pile up here.",
    ),
]
FlushWindowMilliseconds = Annotated[
    float,
    Field(
        ge=0,
        le=100,
        allow_inf_nan=False,
        description="Longest wait for company before a batch goes out; 0 sends each at once, at more CPU.",
    ),
]
DrainSeconds = Annotated[
    float,
    Field(
        ge=0,
        le=86400,
        allow_inf_nan=False,
        description="After the first SIGTERM, how long running sessions may go on before they are closed.",
    ),
]
HalfCloseSeconds = Annotated[
    float,
    Field(
        ge=0,
        le=3600,
        allow_inf_nan=False,
        description="How long a session lives on when one side has ended its direction and the other has not.",
    ),
]
Workers = Annotated[
    int,
    Field(
        ge=1,
        le=64,
        description="Processes that share the port, each with tunnels of its own; one that dies is started anew.",
    ),
]
CloseLingerSeconds = Annotated[
    float,
    Field(
        ge=0,
        le=300,
        allow_inf_nan=False,
        description="How long a closed session's last bytes may take to leave before the socket is cut.",
    ),
]


class Section(BaseModel):
    """What all sections share: frozen, no unknown keys, and no conversions (a number in quotes is a mistake)."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, arbitrary_types_allowed=True)


class GameSettings(Section):
    """Which game is relayed. Used by the core, which tells the edges."""

    name: str = Field("pko", description="The game pack.")
    dialect: str = Field("", description="Wire variant of the game; empty means the pack's first.")
    framing: Mapping[str, object] = Field(
        default_factory=dict,
        description="Settings of the pack itself; only `generic` has any (length_bytes, order, counts_itself, "
        "offset_bytes, max_frame_bytes).",
    )


class EdgeSettings(Section):
    """The player-facing relay."""

    listen: ListenAddress = Field(Address("127.0.0.1", 1973), description="Where players connect; port 0 takes any.")
    core: TargetAddress = Field(Address("127.0.0.1", 7400), description="The core to attach to.")
    name: Name = Field(default_factory=_host_name, description="What this edge is called at the core and in logs.")
    region: Name = Field("local", description="Where this edge stands.")
    max_sessions: int = Field(10_000, ge=1, le=1_000_000, description="Players at once; further ones are refused.")
    window_bytes: WindowBytes = DEFAULT_WINDOW_BYTES
    flush_window_milliseconds: FlushWindowMilliseconds = 1.0
    drain_seconds: DrainSeconds = 30.0
    half_close_seconds: HalfCloseSeconds = 30.0
    close_linger_seconds: CloseLingerSeconds = 5.0
    workers: Workers = 1
    backlog: int = Field(1024, ge=1, le=65535, description="Connections the system may queue before they are accepted.")


class CoreSettings(Section):
    """The game-facing relay."""

    listen: ListenAddress = Field(Address("127.0.0.1", 7400), description="Where edges attach; port 0 takes any.")
    origin: TargetAddress = Field(Address("127.0.0.1", 1974), description="The game server.")
    name: Name = Field(default_factory=_host_name, description="What this core is called at the edges and in logs.")
    region: Name = Field("local", description="Where this core stands.")
    connect_timeout_seconds: float = Field(
        10.0,
        ge=0.1,
        le=300,
        allow_inf_nan=False,
        description="How long the game server may take to accept a connection.",
    )
    max_sessions: int = Field(100_000, ge=1, le=1_000_000, description="Sessions at once, over all edges.")
    workers: Workers = 1
    window_bytes: WindowBytes = DEFAULT_WINDOW_BYTES
    flush_window_milliseconds: FlushWindowMilliseconds = 1.0
    drain_seconds: DrainSeconds = 30.0
    half_close_seconds: HalfCloseSeconds = 30.0
    close_linger_seconds: CloseLingerSeconds = 5.0


class LogSettings(Section):
    """What a process says on standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="The least that is logged.")
    format: Literal["auto", "json", "text"] = Field(
        "auto",
        description="`json` lines, readable `text`, or `auto`: text on a terminal and JSON otherwise.",
    )
    stats_seconds: float = Field(
        0.0,
        ge=0,
        le=86400,
        allow_inf_nan=False,
        description="How often a process logs its counters; 0 is never.",
    )


SECTIONS: dict[str, type[Section]] = {
    "game": GameSettings,
    "edge": EdgeSettings,
    "core": CoreSettings,
    "log": LogSettings,
}
"""The sections in the order they are shown."""
