"""The pack: one game described as data, and the codec that reads and writes its frames.

Who uses it: the core (frame layouts, notices, decoders for features), the bots and the scripted server
(encoders), the command line (which dialects exist). A pack knows nothing of sockets or sessions.
`games.rules` compiles its rules for edges.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from games.envelope import Envelope, Frame
from games.packet import Direction, Packet
from games.players import Follows
from games.rule_rows import GameRules
from wire.errors import MisuseError, PacketFault
from wire.layout import FrameLayout


@dataclass(frozen=True, slots=True)
class Opcode:
    """One row of a game's opcode table. ``note`` says which forks have it, where not all do."""

    number: int
    name: str
    direction: Direction
    note: str = ""


@dataclass(frozen=True, slots=True)
class Dialect:
    """One wire variant of a game.

    ``style`` selects among packet classes of one opcode; ``counter_resets`` are the opcodes at whose
    building a client sets its packet counter back to 0.
    """

    name: str
    summary: str
    serverbound: Envelope
    clientbound: Envelope
    style: str = ""
    counter_resets: frozenset[int] = frozenset()

    def envelope(self, direction: Direction) -> Envelope:
        """Return the envelope of one direction."""
        return self.serverbound if direction is Direction.SERVERBOUND else self.clientbound


@dataclass(frozen=True, slots=True)
class Pack:
    """A game: its layouts, dialects, opcodes and packets.

    ``notice`` makes the frame that shows a player a text before the session ends; None where the game has
    no such thing. ``keep_alive`` is a frame a relay may send by itself to either side, empty if none. ``rules``
    says what a client may send when; None for a game whose frames are only cut. ``chat_line`` makes the frame that
    shows a player in the game a text; ``follows`` says what packets tell about who is playing.
    """

    name: str
    summary: str
    serverbound: FrameLayout
    clientbound: FrameLayout
    dialects: Mapping[str, Dialect] = field(default_factory=dict)
    opcodes: tuple[Opcode, ...] = ()
    packets: tuple[type[Packet], ...] = ()
    keep_alive: bytes = b""
    notice: Callable[[str | bytes], bytes] | None = None
    rules: GameRules | None = None
    chat_line: Callable[[str | bytes], bytes] | None = None
    follows: Follows = field(default_factory=dict)

    def layout(self, direction: Direction) -> FrameLayout:
        """Return the frame layout of one direction."""
        return self.serverbound if direction is Direction.SERVERBOUND else self.clientbound

    @property
    def default_dialect(self) -> str:
        """The dialect used when none is named: the first, or nothing for a game without any."""
        return next(iter(self.dialects), "")

    def codec(self, dialect: str = "") -> Codec:
        """Return the codec of a dialect; raises MisuseError for a name the pack does not have."""
        name = dialect or self.default_dialect
        if name not in self.dialects:
            known = ", ".join(self.dialects) or "none"
            raise MisuseError(f"game {self.name} has no dialect {name!r}; it has: {known}")
        return Codec(self, self.dialects[name])


class Codec:
    """Frames to packets and back, for one dialect of one pack."""

    def __init__(self, pack: Pack, dialect: Dialect) -> None:
        self.pack = pack
        self.dialect = dialect
        self._classes = _index(pack.packets, dialect.style)

    def classes(self, direction: Direction, opcode: int) -> tuple[type[Packet], ...]:
        """Return the packet classes of an opcode, tagged ones first."""
        return self._classes.get((direction, opcode), ())

    def open(self, direction: Direction, frame: bytes) -> Frame:
        """Take a whole frame apart; raises PacketFault."""
        return self.dialect.envelope(direction).open(frame)

    def decode(self, direction: Direction, frame: Frame) -> Packet | None:
        """Read the body of a frame, or return None where its opcode has no packet class here.

        The tag chooses the class; without one the first class that fits. Raises PacketFault when none does,
        with what the first of them said.
        """
        if frame.opcode is None:
            return None
        classes = self.classes(direction, frame.opcode)
        tagged = [cls for cls in classes if cls.TAG is not None and cls.TAG.matches(frame.body)]
        return _first_that_fits(tagged or [cls for cls in classes if cls.TAG is None], frame.body)

    def seal(self, packet: Packet, *, counter: int | None = None, session_word: int | None = None) -> bytes:
        """Write a packet as a whole frame; raises EncodeError."""
        envelope = self.dialect.envelope(packet.DIRECTION)
        return envelope.seal(packet.OPCODE, packet.encode(), counter=counter, session_word=session_word)


def _index(
    packets: Iterable[type[Packet]],
    style: str,
) -> dict[tuple[Direction, int], tuple[type[Packet], ...]]:
    index: dict[tuple[Direction, int], tuple[type[Packet], ...]] = {}
    for cls in packets:
        if not cls.STYLES or style in cls.STYLES:
            key = (cls.DIRECTION, cls.OPCODE)
            # A class without a tag is the fallback, so it stands behind those that have one.
            row = sorted((*index.get(key, ()), cls), key=lambda each: each.TAG is None)
            index[key] = tuple(row)
    return index


def _first_that_fits(classes: Iterable[type[Packet]], body: bytes) -> Packet | None:
    first_fault: PacketFault | None = None
    for cls in classes:
        try:
            return cls.decode(body)
        except PacketFault as fault:
            first_fault = first_fault or fault
    if first_fault is not None:
        raise first_fault
    return None
