"""What the fleet knows of a relay from outside: what a core or an edge says of itself when it registers.

Made by discovery from the settings or from Consul, read by edges (which core?), by the registry and by launchers.
Everything here may come from a network: whoever makes a record checks it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from fleet.address import Address
from fleet.health import Health

Role = Literal["core", "edge"]


@dataclass(frozen=True, slots=True)
class Record:
    """One core or edge. ``address`` is where edges attach (of a core) or where players connect (of an edge).

    ``game`` and ``protocol_version`` are empty and 0 where they are not known (a static address). ``sessions`` and
    ``capacity`` are counts of players; ``capacity`` 0 is unknown. ``probes_at`` is where an edge answers probes, as
    HOST:PORT; empty where it does not.
    """

    role: Role
    name: str
    address: Address
    region: str = ""
    software_version: str = ""
    protocol_version: int = 0
    game: str = ""
    capacity: int = 0
    sessions: int = 0
    probes_at: str = ""
    health: Health = field(default_factory=Health)

    @property
    def load(self) -> float:
        """The share of its capacity that is taken, 0.0 to 1.0 and above; 0 where it is not known."""
        return self.sessions / self.capacity if self.capacity else 0.0


@dataclass(frozen=True, slots=True)
class Ignored:
    """Something that was found and is no record of ours: where it was, and why it is not used, in one sentence."""

    place: str
    reason: str


@dataclass(frozen=True, slots=True)
class Found:
    """An answer of discovery: the relays of one role, and what was found beside them.

    ``is_stale``: the source does not answer now, and this is the last good answer; ``since_seconds`` (of ``time.time``)
    is since when that is so, 0 while it is fresh. ``problem`` says why in one sentence.
    """

    records: tuple[Record, ...] = ()
    ignored: tuple[Ignored, ...] = ()
    is_stale: bool = False
    since_seconds: float = 0.0
    problem: str = ""


def as_metadata(record: Record) -> Mapping[str, str]:
    """Return a record as Consul's service metadata has it: short texts under short names."""
    return {
        "role": record.role,
        "name": record.name,
        "region": record.region,
        "version": record.software_version,
        "protocol": str(record.protocol_version),
        "game": record.game,
        "capacity": str(record.capacity),
        "sessions": str(record.sessions),
        "probes_at": record.probes_at,
    }
