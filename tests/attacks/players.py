"""A PKO client in front of an edge's kernel: scanner and guard under the default policy, in any dialect.

Sans I/O: what it sends is framed, checked and returned as it would go into the tunnel; what the game server says goes
through the core's watcher. Frames are numbered and get their trailer as the dialect wants it.
"""

import struct
from collections import Counter
from dataclasses import dataclass
from functools import cache

from games.pack import Codec
from games.packet import Packet
from games.pko.connection import BeginPlay, EnterMap, Login, LoginAccepted
from games.pko.framing import ORDINARY, TRAILER
from games.registry import load_pack
from games.rules import compile_rules
from wire.guard import Guard
from wire.rules import RuleSet
from wire.scanner import Scanner
from wire.tables import Tables
from wire.watcher import Watcher

SECOND = 1_000_000_000
PACK = load_pack("pko")

LOGIN = Login(account=b"admin", password=bytes(24), mac=b"00-11-22-33-44-55-66-77", version=136)
ACCEPTED = LoginAccepted(key=bytes(8), characters=())
MAP = EnterMap(map_name=b"garner", character_id=7, world_id=8, name=b"Ann", x=217_000, y=278_000)


@cache
def default_rules(dialect: str) -> RuleSet:
    """Return the rules that an edge has when the operator has changed nothing."""
    rules = compile_rules(PACK, dialect)
    assert rules is not None
    return rules


@dataclass(frozen=True)
class Said:
    """A frame of a client before it has a header: opcode, body and session word."""

    opcode: int
    body: bytes = b""
    word: int = ORDINARY


class Player:
    """One connection. ``refused`` counts frames by reason; ``ended`` is why the edge closed it, empty if it did not."""

    def __init__(self, dialect: str = "classic", rules: RuleSet | None = None) -> None:
        self.codec: Codec = PACK.codec(dialect)
        self.rules = rules or default_rules(dialect)
        self.refused: Counter[str] = Counter()
        self.guard = Guard(Tables(self.rules), self.refused, self.refused)
        self.scanner = Scanner(PACK.serverbound)
        self.watcher = Watcher(self.rules)
        self.now = 1000 * SECOND
        self.counter = 0

    @property
    def ended(self) -> str:
        """Why the edge would close the connection."""
        return "client_frame_length" if self.scanner.fault is not None else str(self.guard.closing)

    def frame(self, said: Said) -> bytes:
        """Return a frame as the dialect's client builds it, whatever its content."""
        envelope = self.codec.dialect.serverbound
        body = said.body
        if envelope.counter_bytes:
            if said.opcode in self.codec.dialect.counter_resets:
                self.counter = 0
            body = self.counter.to_bytes(4, "big") + body
            self.counter += 1
            if envelope.trailer and said.word == ORDINARY:
                body += TRAILER
        return struct.pack(">HIH", 8 + len(body), said.word, said.opcode) + body

    def send(self, *said: Said | bytes) -> bytes:
        """Send frames, or bytes as they are; return what goes on."""
        return self.take(b"".join(each if isinstance(each, bytes) else self.frame(each) for each in said))

    def take(self, stream: bytes) -> bytes:
        """Receive a piece of the client's stream at the edge; return what goes on."""
        return self.guard.check(self.scanner.feed(stream), self.scanner, self.now)

    def say(self, packet: Packet) -> bytes:
        """Send a packet of the pack."""
        return self.send(Said(packet.OPCODE, packet.encode()))

    def hear(self, *packets: Packet | Said) -> None:
        """The game server says something."""
        scanner = Scanner(PACK.clientbound)
        for packet in packets:
            body = packet.body if isinstance(packet, Said) else packet.encode()
            opcode = packet.opcode if isinstance(packet, Said) else packet.OPCODE
            frame = struct.pack(">HIH", 8 + len(body), ORDINARY, opcode) + body
            for event in self.watcher.find(frame, scanner):
                self.guard.apply(event, self.now)

    def wait(self, seconds: float) -> None:
        """Let time go by."""
        self.now += int(seconds * SECOND)

    def be(self, place: str) -> "Player":
        """Get to a place of the game as an honest client does, and let the time of changes go by."""
        if place != "greeted":
            assert self.say(LOGIN)
        if place in ("select", "in_game"):
            self.hear(ACCEPTED)
        if place == "in_game":
            assert self.say(BeginPlay(name=b"Ann"))
            self.hear(MAP)
        assert self.guard.state == place
        assert not self.refused
        self.wait(30)
        return self
