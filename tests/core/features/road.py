"""A session's road through a real host, without sockets: client, line and game server for the tests of the engine.

The client numbers what it sends as its dialect wants; the server checks every number, as a game server does.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any, TypeVar

from core.features.api import Feature, RawPacket
from core.features.containment import Loaded, Watch
from core.features.errors import Place
from core.features.host import FeatureHost
from core.features.kit import KitBans
from core.features.loader import Source, make_feature
from core.features.session import Peer
from core.store.memory import MemoryStore
from core.store.protocol import Store
from games.pack import Codec
from games.packet import Direction, Packet
from games.pko import connection as pko
from games.registry import load_pack
from games.rules import compile_rules
from wire.scanner import split_frames
from wire.watcher import Watcher

F = TypeVar("F", bound=Feature)

PACK = load_pack("pko")
SERVERBOUND, CLIENTBOUND = Direction.SERVERBOUND, Direction.CLIENTBOUND
_numbers = itertools.count(1)


def loaded_of(
    cls: type[Feature], settings: Mapping[str, Any] | None = None, *, name: str = "", dialect: str = ""
) -> Loaded:
    """A feature as the loader makes it; not connected to anything."""
    source = Source(name or cls.__name__.lower(), None, settings or {}, Place("settings"))
    return make_feature(source, cls, PACK.codec(dialect), PACK.name)


async def host_of(
    *classes: type[Feature],
    dialect: str = "classic",
    store: Store | None = None,
    watch: Watch | None = None,
    malformed_passes: bool = False,
) -> FeatureHost:
    """A host with these features, in this order."""
    host = FeatureHost(
        PACK, dialect, store or MemoryStore(), KitBans(), watch=watch, malformed_passes=lambda _: malformed_passes
    )
    await host.switch([loaded_of(each, dialect=dialect) for each in classes])
    return host


def feature_of(host: FeatureHost, cls: type[F]) -> F:
    """The feature of that class which runs."""
    (found,) = [each.feature for each in host.plan.features if isinstance(each.feature, cls)]
    return found


@functools.cache
def watcher_of(dialect: str) -> Watcher:
    """What finds the packets that encrypt; one for all sessions."""
    rules = compile_rules(PACK, dialect)
    assert rules is not None
    return Watcher(rules)


def peer_of(number: int, region: str = "test") -> Peer:
    """Where a session comes from."""
    here = ip_address("127.0.0.1")
    return Peer(number.to_bytes(16, "big"), ip_address("192.0.2.1"), 40_000, here, 1973, "edge-1", region, 0.0)


class Road:
    """One session, and its line: what came out is in ``to_server`` and ``to_player``."""

    def __init__(self, host: FeatureHost, dialect: str = "classic", *, region: str = "test") -> None:
        self.host = host
        self.codec: Codec = PACK.codec(dialect)
        self.to_server = b""
        self.to_player = b""
        self.reason = ""
        self.discarded = 0
        self.released_or_over = asyncio.Event()
        self.rooms = {SERVERBOUND: True, CLIENTBOUND: True}
        self._counter = 0
        self.inspector = host.open(self, peer_of(next(_numbers), region), watcher_of(dialect))
        self.preface = host.preface(self.inspector.session)
        host.opened(self.inspector.session)
        self.session = self.inspector.session

    # The line.

    def has_room(self, *, serverbound: bool) -> bool:
        return not self.reason and self.rooms[SERVERBOUND if serverbound else CLIENTBOUND]

    def inject(self, frames: bytes, *, serverbound: bool) -> None:
        assert not self.reason
        if serverbound:
            self.to_server += frames
        else:
            self.to_player += frames

    def release(self, frames: bytes) -> None:
        self.to_server += frames
        self.released_or_over.set()
        self._end_if_closing()

    def end(self, reason: str) -> None:
        if not self.reason:
            self.reason = reason
            self.discarded = self.inspector.ended(reason)
            self.released_or_over.set()

    # Both ends.

    def client_frame(self, packet: Packet | RawPacket, *, word: int | None = None) -> bytes:
        """A frame of the client, with its number."""
        opcode = packet.opcode if isinstance(packet, RawPacket) else packet.OPCODE
        body = packet.body if isinstance(packet, RawPacket) else packet.encode()
        dialect, counter = self.codec.dialect, None
        if dialect.serverbound.counter_bytes:
            counter = self._counter = 0 if opcode in dialect.counter_resets else self._counter
            self._counter += word is None
        return dialect.serverbound.seal(opcode, body, counter=counter, session_word=word)

    def server_frame(self, packet: Packet | RawPacket) -> bytes:
        """A frame of the game server."""
        opcode = packet.opcode if isinstance(packet, RawPacket) else packet.OPCODE
        body = packet.body if isinstance(packet, RawPacket) else packet.encode()
        return self.codec.dialect.clientbound.seal(opcode, body)

    def says(self, *packets: Packet | RawPacket) -> None:
        """The client sends packets, in one span."""
        self.client_sends(b"".join(self.client_frame(each) for each in packets))

    def client_sends(self, span: bytes) -> None:
        """The client sends a span of whole frames."""
        if not self.reason:
            self.to_server += self.inspector.serverbound(span)
            self._end_if_closing()

    def hears(self, *packets: Packet | RawPacket) -> None:
        """The game server sends packets, in one span."""
        self.server_sends(b"".join(self.server_frame(each) for each in packets))

    def server_sends(self, span: bytes) -> None:
        """The game server sends a span of whole frames."""
        if not self.reason:
            self.to_player += self.inspector.clientbound(span)
            self._end_if_closing()

    def at_server(self) -> list[Packet | RawPacket]:
        """What the game server got since the last look."""
        span, self.to_server = self.to_server, b""
        return self._read(span, SERVERBOUND)

    def at_player(self) -> list[Packet | RawPacket]:
        """What the player got since the last look."""
        span, self.to_player = self.to_player, b""
        return self._read(span, CLIENTBOUND)

    async def enter(self, account: bytes = b"anna", character: bytes = b"Anna") -> Road:
        """Log in and enter a map; what went over the road meanwhile is forgotten."""
        self.says(login(account))
        await settled()
        self.hears(accepted(character))
        self.says(pko.BeginPlay(name=character))
        await settled()
        self.hears(pko.BeginPlayReply(), entered(character))
        self.to_server = self.to_player = b""
        return self

    def _end_if_closing(self) -> None:
        if self.inspector.closing:
            self.end(self.inspector.closing)

    def _read(self, span: bytes, direction: Direction) -> list[Packet | RawPacket]:
        found: list[Packet | RawPacket] = []
        for raw in split_frames(PACK.layout(direction), span):
            frame = self.codec.open(direction, raw)
            packet = self.codec.decode(direction, frame)
            found.append(RawPacket(frame.opcode or 0, frame.body, direction) if packet is None else packet)
        return found


def login(account: bytes = b"anna") -> pko.Login:
    """A login of the classic client."""
    return pko.Login(account=account, password=bytes(24), mac=b"00-11-22-33-44-55", version=136)


def accepted(*names: bytes, comm_encrypt: int = 0) -> pko.LoginAccepted:
    """The server's answer to it."""
    slots = tuple(pko.CharacterSlot(name=name, job=b"", level=1, look=b"") for name in names)
    return pko.LoginAccepted(key=bytes(8), characters=slots, comm_encrypt=comm_encrypt)


def entered(name: bytes = b"Anna", map_name: bytes = b"garner") -> pko.EnterMap:
    """The map."""
    return pko.EnterMap(map_name=map_name, character_id=1, world_id=1, name=name, x=217_000, y=278_000)


def numbers_of(span: bytes, resets: frozenset[int] = frozenset({431, 438})) -> list[int]:
    """The numbers of a serverbound span of a counted dialect, checked as a game server checks them."""
    found, expected = [], 0
    for raw in split_frames(PACK.serverbound, span):
        if len(raw) < 12 or raw[2:6] != b"\x80\0\0\0":
            continue
        if int.from_bytes(raw[6:8], "big") in resets:
            expected = 0
        found.append(int.from_bytes(raw[8:12], "big"))
        assert found[-1] == expected, f"number {found[-1]} where {expected} belongs"
        expected += 1
    return found


async def settled() -> None:
    """Let the tasks that can go on do so."""
    for _ in range(20):
        await asyncio.sleep(0)
