"""The game's opcodes: the table of all names, and the bands that say which way a number travels.

Sections 3.1 to 3.5 of the protocol notes. The bands are the rule (a gate routes by opcode // 500, and
behind it one dispatcher serves clients and servers alike); the names are for people, and for the check
that every typed packet has one.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from games.pack import Opcode
from games.packet import Direction
from games.pko.opcodes_clientbound import FROM_GAME_SERVER, FROM_GROUP_SERVER
from games.pko.opcodes_serverbound import TO_GAME_SERVER, TO_GROUP_SERVER

SERVERBOUND = Direction.SERVERBOUND
CLIENTBOUND = Direction.CLIENTBOUND

BAND_WIDTH = 500


@dataclass(frozen=True, slots=True)
class Band:
    """A range of opcodes, both ends included; ``direction`` is None where only servers talk to each other."""

    name: str
    first: int
    last: int
    direction: Direction | None
    summary: str


def _band(name: str, first: int, summary: str, direction: Direction | None = None) -> Band:
    return Band(name, first, first + BAND_WIDTH - 1, direction, summary)


BANDS = (
    _band("CM", 0, "client to game server", SERVERBOUND),
    _band("MC", 500, "game server or gate to client", CLIENTBOUND),
    _band("TM", 1000, "gate to game server"),
    _band("MT", 1500, "game server to gate"),
    _band("TP", 2000, "gate to group server"),
    _band("PT", 2500, "group server to gate"),
    _band("PA", 3000, "group server to account server"),
    _band("AP", 3500, "account server to group server"),
    _band("MM", 4000, "game server to game server"),
    _band("PM", 4500, "group server to game server"),
    _band("PC", 5000, "group server to client", CLIENTBOUND),
    _band("MP", 5500, "game server to group server"),
    _band("CP", 6000, "client to group server", SERVERBOUND),
    _band("OS", 6500, "monitor"),
    _band("SO", 7000, "monitor"),
    _band("TC", 7500, "monitor; 7502 is a gate's disconnect notice to the client in one new fork"),
)


def band_of(opcode: int) -> Band | None:
    """Return the band an opcode lies in, or None above the last."""
    index = opcode // BAND_WIDTH
    return BANDS[index] if 0 <= index < len(BANDS) else None


def is_legal(direction: Direction, opcode: int) -> bool:
    """Whether a frame with this opcode may travel this way at all; a band's first number never does."""
    band = band_of(opcode)
    return band is not None and band.direction is direction and opcode != band.first


# Their names are the client's, but their numbers lie in the band towards it, and servers send them.
_NAMED_AGAINST_THEIR_WAY = frozenset({599, 600})


def _rows(table: str, direction: Direction) -> Iterator[Opcode]:
    for line in table.split("\n")[1:-1]:
        number, name, note = f"{line} ".split(" ", 2)
        against = direction is SERVERBOUND and int(number) in _NAMED_AGAINST_THEIR_WAY
        yield Opcode(int(number), name, CLIENTBOUND if against else direction, note.strip())


OPCODES = (
    *_rows(TO_GAME_SERVER, SERVERBOUND),
    *_rows(TO_GROUP_SERVER, SERVERBOUND),
    *_rows(FROM_GAME_SERVER, CLIENTBOUND),
    *_rows(FROM_GROUP_SERVER, CLIENTBOUND),
)
"""All rows of two public forks; a number may have two names."""

MOVED = (
    Opcode(6022, "CP_PING", SERVERBOUND, "TG, DK and FS"),
    Opcode(6023, "CP_REPORT_WG", SERVERBOUND, "TG, DK and FS"),
    Opcode(6025, "CP_PING", SERVERBOUND, "NO"),
    Opcode(6026, "CP_REPORT_WG", SERVERBOUND, "NO"),
    Opcode(5022, "PC_PING", CLIENTBOUND, "TG, DK and FS"),
)
"""Names of the table under the numbers that other forks give them [3.5]."""
