"""What sections of settings are made of: the frozen model that each is, and the fields that edges and cores both have.

Used by `tidegate.settings_edge`, `tidegate.settings_core` and `tidegate.settings_every_relay`.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from wire.credits import MAX_WINDOW_BYTES, MIN_WINDOW_BYTES


class Section(BaseModel):
    """What all sections share: frozen, no unknown keys, and no conversions (a number in quotes is a mistake)."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, arbitrary_types_allowed=True)


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
        description=(
            "How long a batch waits for company, up to three times as long while processor time is short; "
            "0 sends each at once, at more CPU."
        ),
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
HoldSeconds = Annotated[
    float,
    Field(
        ge=0,
        le=3600,
        allow_inf_nan=False,
        description="How long players are kept when the tunnel breaks, until it is back; 0 ends them at once.",
    ),
]
RingBytes = Annotated[
    int,
    Field(
        ge=1 << 20,
        le=1 << 30,
        description="What a tunnel may keep for the other end to get again; at half of it players are read no further.",
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
