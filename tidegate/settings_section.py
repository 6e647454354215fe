"""What sections of settings are made of: the frozen model that each is, and the fields that edges and cores both have.

Used by `tidegate.settings_edge`, `tidegate.settings_core` and `tidegate.settings_every_relay`.
"""

import json
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from wire.credits import MAX_WINDOW_BYTES, MIN_WINDOW_BYTES


class Section(BaseModel):
    """What all sections share: frozen, no unknown keys, and no conversions (a number in quotes is a mistake)."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, arbitrary_types_allowed=True)


MAX_PROCESSORS = 64
"""In one list: as many as there can be workers."""

MAX_PROCESSOR = 4095
"""The highest number of one; what a machine has is found when the relay starts."""


class ProcessorNumbers(tuple[int, ...]):
    """Processors by the system's numbers; shown as TOML writes them."""

    __slots__ = ()

    def __str__(self) -> str:
        return json.dumps(self) if self else ""


def _read_processors(value: object) -> ProcessorNumbers:
    if not isinstance(value, list | tuple) or not all(type(each) is int for each in value):
        raise ValueError(f"{str(value)[:60]!r} is not a list of numbers: write one such as [0, 1]")
    if len(value) > MAX_PROCESSORS:
        raise ValueError(f"{len(value)} processors: at most {MAX_PROCESSORS} are possible")
    if wrong := [each for each in value if not 0 <= each <= MAX_PROCESSOR]:
        raise ValueError(f"{wrong[0]} is no processor: 0 to {MAX_PROCESSOR} are possible")
    return ProcessorNumbers(value)


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
        description=("How long a batch waits for company, from the last one on; 0 sends each at once, at more CPU."),
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
Processors = Annotated[
    ProcessorNumbers,
    BeforeValidator(_read_processors),
    Field(
        description=(
            "Which processor each worker runs on: the first on the first of these, the second on the second, and so on "
            "in turn. Empty leaves it to the system. `tidegate up` leaves it in any case."
        ),
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
