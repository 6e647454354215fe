"""One player's session between a scripted client and a scripted server, held to the pack's rules."""

from collections import Counter
from functools import cache

from games.packet import Packet
from games.registry import load_pack
from games.rules import compile_rules
from wire.guard import Guard
from wire.rules import RuleSet
from wire.scanner import Scanner
from wire.tables import Tables
from wire.watcher import Watcher

PACK = load_pack("pko")

SECOND = 1_000_000_000


def rules_of(dialect: str = "classic") -> RuleSet:
    rules = compile_rules(PACK, dialect)
    assert rules is not None
    return rules


@cache
def tables_of(dialect: str) -> Tables:
    return Tables(rules_of(dialect))


class Guarded:
    """``client`` and ``server`` pass packets; time stands still but for `wait`."""

    def __init__(self, dialect: str = "classic") -> None:
        self.codec = PACK.codec(dialect)
        tables = tables_of(dialect)
        self.rules = tables.rules
        self.refused: Counter[str] = Counter()
        self.guard = Guard(tables, self.refused, Counter())
        self.now = 100 * SECOND
        self._watcher = Watcher(self.rules)
        self._serverbound = Scanner(PACK.serverbound)
        self._clientbound = Scanner(PACK.clientbound)
        self._counter = 0

    def wait(self, seconds: float) -> None:
        self.now += int(seconds * SECOND)

    def client(self, packet: Packet, *, session_word: int | None = None) -> str:
        """Send a packet; return why it was refused, or nothing."""
        counter = None
        if self.codec.dialect.serverbound.counter_bytes:
            self._counter = 0 if packet.OPCODE in self.codec.dialect.counter_resets else self._counter
            counter = self._counter
            self._counter += session_word is None
        return self.frames(self.codec.seal(packet, counter=counter, session_word=session_word))

    def raw(self, opcode: int, body: bytes = b"", *, session_word: int | None = None) -> str:
        """Send a body that no packet class would write, in a dialect without a counter."""
        return self.frames(self.codec.dialect.serverbound.seal(opcode, body, session_word=session_word))

    def frames(self, span: bytes) -> str:
        """Send whole frames; return why the first of them was refused, or nothing."""
        passed = self.guard.check(span, self._serverbound, self.now)
        refusals = self.guard.take_refusals()
        assert bool(refusals) == (passed != span)
        return refusals[0].reason if refusals else ""

    def server(self, packet: Packet) -> None:
        """Let the server say something."""
        self.says(self.codec.seal(packet))

    def server_raw(self, opcode: int, body: bytes = b"") -> None:
        """Let the server say something that has no packet class."""
        self.says(self.codec.dialect.clientbound.seal(opcode, body))

    def says(self, span: bytes) -> None:
        for event in self._watcher.find(span, self._clientbound):
            self.guard.apply(event, self.now)
