"""What cores say of themselves, their edges and their sessions in the store, so that every core knows the fleet.

Written by `core.admin.registry`, read by `core.admin.fleet`. Each is a JSON object in an owned field, which vanishes
with the process that wrote it::

    table     field                  one for
    cores     self                   each core worker
    edges     hash of the tunnel     each tunnel of each core
    sessions  the session's id       each session

Other programs may write there too, so everything is checked when it is read.
"""

from __future__ import annotations

from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.roster import Seat

CORES = "registry:cores"
EDGES = "registry:edges"
SESSIONS = "registry:sessions"
SELF = "self"

MAX_ENTRY_BYTES = 8192

_LAST_SECOND = 253_402_300_799.0  # of the year 9999
_MAX_COUNT = (1 << 64) - 1

Text = Annotated[str, Field(max_length=256)]
Count = Annotated[int, Field(ge=0, le=_MAX_COUNT)]
Figure = Annotated[float, Field(ge=0, le=1e18, allow_inf_nan=False)]
Moment = Annotated[float, Field(ge=0, le=_LAST_SECOND, allow_inf_nan=False)]
Sentences = Annotated[tuple[Text, ...], Field(max_length=16)]


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True)


class CoreEntry(_Entry):
    """One worker of a core. Times are seconds of `time.time`; rates are of the last two seconds.

    ``store_since`` and ``discovery_since`` are since when those are away, 0 while they are not.
    """

    name: Text
    region: Text = ""
    version: Text = ""
    game: Text = ""
    address: Text = ""
    admin: Text = ""
    worker: Count = 1
    workers: Count = 1
    epoch: Count = 0
    since: Moment = 0.0
    sessions: Count = 0
    capacity: Count = 0
    edges: Count = 0
    is_draining: bool = False
    problems: Sentences = ()
    frames_per_second: Figure = 0.0
    bytes_per_second: Figure = 0.0
    loop_delay_ms: Figure = 0.0
    bans: Count = 0
    store: Text = ""
    store_since: Moment = 0.0
    store_problem: Text = ""
    store_queued: Count = 0
    discovery: Text = ""
    discovery_since: Moment = 0.0
    discovery_problem: Text = ""
    ignored: Sentences = ()


class EdgeEntry(_Entry):
    """One tunnel of an edge worker, as the core at its other end sees it, with what the edge reports of itself.

    ``process`` tells the workers of an edge apart. ``sessions`` and the counts are of the worker, over all its tunnels;
    ``sessions_here`` and ``frames_per_second`` of this core. ``away_since`` is 0 while the tunnel is attached.
    """

    name: Text
    process: Text
    core: Text
    region: Text = ""
    version: Text = ""
    since: Moment = 0.0
    away_since: Moment = 0.0
    sessions: Count = 0
    capacity: Count = 0
    sessions_here: Count = 0
    round_trip_ms: Figure = 0.0
    jitter_ms: Figure = 0.0
    frames_per_second: Figure = 0.0
    bytes_per_second: Figure = 0.0
    frames_refused: Count = 0
    sessions_refused: Count = 0
    players_at: Text = ""
    probes_at: Text = ""
    is_draining: bool = False
    can_retire: bool = False
    has_reported: bool = False
    problems: Sentences = ()


class SessionEntry(_Entry):
    """One session. ``state`` is one of `core.roster.STATES`."""

    id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    core: Text
    edge: Text
    region: Text = ""
    address: Text = ""
    port: Count = 0
    since: Moment = 0.0
    state: Text = ""
    account: Text = ""
    character: Text = ""
    map_name: Text = ""


Entry = TypeVar("Entry", bound=_Entry)


def session_entry(seat: Seat, core: str) -> SessionEntry:
    """Return a session of this core as it is published."""
    return SessionEntry(
        id=seat.id,
        core=core,
        edge=seat.edge,
        region=seat.region,
        address=seat.address,
        port=seat.peer.port,
        since=seat.peer.since,
        state=seat.state,
        account=seat.account,
        character=seat.character,
        map_name=seat.map_name,
    )


def encode_entry(entry: _Entry) -> bytes:
    """Return an entry as it is written."""
    return entry.model_dump_json(exclude_defaults=True).encode()


def decode_entry(kind: type[Entry], raw: bytes) -> Entry | None:
    """Read an entry that anybody may have written; None for what cannot be one."""
    if len(raw) > MAX_ENTRY_BYTES:
        return None
    try:
        return kind.model_validate_json(raw)
    except ValidationError:
        return None
