"""The rules of a game as a pack writes them: by name, and only where something is special.

A pack has one `GameRules`; `games.rules` compiles it, together with the pack's packets and opcodes, to what edges
obey (`wire.rules`). States, flags and shared buckets are names here; sizes and layouts come from the packet classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wire.rules import Action

if TYPE_CHECKING:
    from games.packet import Packet


@dataclass(frozen=True, slots=True)
class Rate:
    """How much is allowed: so many a second, and so many at once after a rest."""

    per_second: float
    burst: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What is special about one serverbound packet; an empty row says that nothing is.

    ``states`` none stands for the usual ones; an empty ``next_state`` leaves the state. ``rate`` is a bucket of the
    packet's own, or the name of a shared one, from which it takes ``cost``; None stands for the usual rate. ``calls``
    are the first and last session word, for packets that are sent as synchronous calls. ``body_bytes`` bounds bodies
    whose layout is not known, or shall not be looked at. ``answer`` is what Action.ANSWER sends to the player.
    ``name`` replaces the one of the opcode table, or stands behind it where a selector chose the row.
    """

    name: str = ""
    states: tuple[str, ...] = ()
    next_state: str = ""
    needs: tuple[str, ...] = ()
    forbids: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()
    clears: tuple[str, ...] = ()
    calls: tuple[int, int] | None = None
    rate: Rate | str | None = None
    cost: float = 1.0
    action: Action | None = None
    rate_action: Action | None = None
    answer: Packet | None = None
    body_bytes: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Selected:
    """Rows that share an opcode, by the value of an unsigned integer in the body; other values are illegal."""

    offset_bytes: int
    width_bytes: int
    rows: Mapping[int, Row]


@dataclass(frozen=True, slots=True)
class Value:
    """An unsigned integer in a clientbound body and the range it must be in; the offset is from the end if negative."""

    offset_bytes: int
    width_bytes: int
    low: int
    high: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What a clientbound packet says about its session; ``value`` None: the packet alone says it.

    ``remembers`` is the number of a memory and how many bytes from the body's beginning go there. ``styles`` limits
    the row to dialects of those body styles.
    """

    name: str
    opcode: int
    value: Value | None = None
    next_state: str = ""
    sets: tuple[str, ...] = ()
    clears: tuple[str, ...] = ()
    remembers: tuple[int, int] | None = None
    styles: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class SessionRates:
    """What one session may send in all: frames, their bytes, bare frames; and how many refusals end it.

    ``distance`` is how far it may go along measured paths, in the game's own unit; None where nothing is measured.
    """

    frames: Rate
    frame_bytes: Rate
    bare_frames: Rate
    refusals: Rate
    distance: Rate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GameRules:
    """All rules of a game. A session begins in the first state.

    Every serverbound opcode of the pack's table that lies in a band has a rule, in ``usual_states`` and with
    ``usual_rate``, unless a row says otherwise: ``rows`` in all dialects, ``differences`` in one of that name.
    ``never`` are numbers of the table that nobody sends; ``only`` are opcodes that exist in one body style.
    Bodies without a packet class have at most ``unknown_body_bytes``. ``notice`` makes the frame that tells a
    player why something was dropped.
    """

    states: tuple[str, ...]
    flags: tuple[str, ...]
    bands: tuple[tuple[int, int], ...]
    session_rates: SessionRates
    usual_states: tuple[str, ...]
    usual_rate: Rate
    rows: Mapping[int, Row]
    selected: Mapping[int, Selected] = field(default_factory=dict)
    differences: Mapping[str, Mapping[int, Row]] = field(default_factory=dict)
    heard: tuple[Heard, ...] = ()
    buckets: Mapping[str, Rate] = field(default_factory=dict)
    never: frozenset[int] = frozenset()
    only: Mapping[str, frozenset[int]] = field(default_factory=dict)
    unknown_body_bytes: int = 512
    opaque_state: str = ""
    opaque_calls: tuple[int, int] | None = None
    notice: Callable[[str], bytes] | None = None
