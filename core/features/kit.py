"""The test kit: a feature without network and clock. Packets in, actions out.

::

    def test_it_answers() -> None:
        kit = Kit(Parrot)
        player = kit.player(account="anna", character="Anna")
        assert player.says(Say(text=b"hello")) == [Say(text=b"hello")]  # what the game server gets
        assert player.texts == [b"You said: hello"]

The kit runs the same inspector as a core, with a clock that only `Kit.advance` moves and a store in memory. What raises
in a feature is raised in the test.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, Generic, TypeVar, cast
from uuid import UUID

from core.features.api import Command, Event, Feature, RawPacket
from core.features.book import KeptBook
from core.features.containment import Containment, Loaded
from core.features.crowd import Crowd
from core.features.errors import Place
from core.features.inspector import Inspector
from core.features.kept import account_key, character_key
from core.features.loader import Source, connect, make_feature
from core.features.plan import Plan, make_plan
from core.features.ports import BanEntry, BanKind, Log, Players
from core.features.session import Peer, Session
from core.store.memory import MemoryStore
from core.store.protocol import Store
from games.pack import Codec
from games.packet import Direction, Packet
from games.players import Step
from games.registry import load_pack
from wire.errors import MisuseError, PacketFault
from wire.scanner import split_frames

FeatureT = TypeVar("FeatureT", bound=Feature)
Sent = Packet | RawPacket

START_SECONDS = 1_000_000.0
"""Where the kit's clock begins; wall time is the same."""

MAX_TURNS = 100_000
"""How often work may make way for others; one that does so more often never ends."""


@dataclass
class KitTimer:
    """A call that waits for `Kit.advance`."""

    call: Callable[[], object]
    session: Session | None
    is_cancelled: bool = False

    def cancel(self) -> None:
        """Do not call it."""
        self.is_cancelled = True


@dataclass
class KitBans:
    """Remembers bans."""

    entries: dict[tuple[BanKind, str], BanEntry] = field(default_factory=dict)
    now: Callable[[], float] = lambda: START_SECONDS

    def add(self, kind: BanKind, value: str, *, reason: str = "", seconds: float = 0, by: str = "") -> None:
        """Remember a ban."""
        until = self.now() + seconds if seconds else 0.0
        self.entries[kind, value] = BanEntry(kind, value, reason, by, self.now(), until)

    def remove(self, kind: BanKind, value: str) -> bool:
        """Forget a ban."""
        return self.entries.pop((kind, value), None) is not None

    @property
    def all(self) -> list[BanEntry]:
        """All bans."""
        return list(self.entries.values())


@dataclass
class KitLog:
    """Remembers the names of log lines and their fields."""

    lines: list[tuple[str, dict[str, object]]] = field(default_factory=list)

    def debug(self, event: str, **fields: object) -> None:
        """Take a line."""
        self.lines.append((event, fields))

    info = warning = error = debug


class _RaisingContainment(Containment):
    """Contains nothing: a test must see what raises."""

    def run(self, loaded: Loaded, call: Callable[..., Any], *arguments: Any) -> Any:
        """Call a feature's code."""
        loaded.counts.calls += 1
        return call(*arguments)

    def failed(self, loaded: Loaded, what: str, error: BaseException | str) -> None:
        """Raise what was to be counted."""
        raise error if isinstance(error, BaseException) else MisuseError(f"{loaded.name}: {what}: {error}")


class Kit(Generic[FeatureT]):
    """One feature in a small world. ``settings`` are as they would stand in TOML; ``others`` are loaded behind it."""

    def __init__(
        self,
        feature: type[FeatureT],
        settings: Mapping[str, Any] | None = None,
        *,
        others: tuple[type[Feature], ...] = (),
        game: str = "pko",
        dialect: str = "",
        operators: tuple[str, ...] = (),
    ) -> None:
        self.pack = load_pack(game)
        self.codec: Codec | None = self.pack.codec(dialect) if self.pack.dialects else None
        self.charset = "latin-1"
        self.cipher_opcodes: frozenset[int] = frozenset()
        self.time = START_SECONDS
        self.store: Store = MemoryStore(clock=lambda: self.time)
        self.bans = KitBans(now=lambda: self.time)
        self.log: Log = KitLog()
        self.book = KeptBook(self.store)
        self.crowd = Crowd(self.store)
        self.operators = frozenset(name.lower() for name in operators)
        self.containment: Containment = _RaisingContainment(lambda: int(self.time * 1e9))
        self.events: list[Event] = []
        self.work: list[tuple[str, Coroutine[Any, Any, None]]] = []
        self.unsent_packets: list[str] = []
        self._timers: list[tuple[float, int, KitTimer]] = []
        self._numbers = itertools.count(1)
        self.connections = itertools.count(1)
        self._gates: list[Coroutine[Any, Any, None]] = []
        first = self._load(feature, settings)
        self._loaded = (first, *(self._load(each, None) for each in others))
        self.plan: Plan = make_plan(self._loaded, self.pack, self.codec, self.containment)
        self.feature = cast("FeatureT", first.feature)
        for loaded in self._loaded:
            self.containment.run(loaded, loaded.feature.started)
            for mark in loaded.signature.clocks:
                self._tick(getattr(loaded.feature, mark.method), mark.seconds)

    def player(
        self,
        *,
        account: str = "anna",
        character: str = "Anna",
        map_name: str = "garner",
        hardware_address: str = "00-11-22-33-44-55",
        address: str = "192.0.2.1",
        region: str = "test",
        in_game: bool = True,
    ) -> KitPlayer:
        """Connect a player, and bring them into the game unless ``in_game`` is False."""
        player = KitPlayer(self, address, region)
        if in_game:
            player.enter(account, character, map_name, hardware_address)
        return player

    def advance(self, seconds: float) -> None:
        """Let time pass, and call what is due meanwhile."""
        end = self.time + seconds
        while self._timers and self._timers[0][0] <= end:
            due, _, timer = heapq.heappop(self._timers)
            self.time = max(self.time, due)
            if not timer.is_cancelled and (timer.session is None or timer.session.is_open):
                timer.call()
        self.time = end

    def run_work(self) -> None:
        """Run the work that was spawned, to its end; it may make way for others, and wait for the kit's store only."""
        while self.work:
            _, work = self.work.pop(0)
            _run(work)

    def close(self) -> None:
        """Drop the work that was not run; for features whose work is not what a test is about."""
        for _, work in self.work:
            work.close()
        self.work.clear()

    # What an inspector needs (`core.features.inspector.InspectorHost`).

    def must_hold(self, session: Session, step: Step) -> bool:
        """Whether a gate must open first."""
        del session
        return step in (Step.LOGIN, Step.CHARACTER)

    async def admit(self, session: Session, step: Step) -> str | None:
        """Load what is kept, and ask the features."""
        if step is Step.CHARACTER:
            await self.book.use("character", character_key(session))
            return None
        await self.book.use("account", account_key(session))
        await self.book.use_session(session.id, account_key(session))
        for loaded in self.plan.with_hook("admits"):
            answer = await loaded.feature.admits(session)
            if answer is not None:
                return answer
        return None

    def start_gate(self, gate: Coroutine[Any, Any, None]) -> None:
        """Run a gate after the call that began it."""
        self._gates.append(gate)

    def open_gates(self) -> None:
        """Run the gates that wait."""
        while self._gates:
            _run(self._gates.pop(0))

    def stepped(self, session: Session, step: Step) -> None:
        """Tell the features."""
        hooks = {
            Step.LOGGED_IN: "logged_in",
            Step.ENTERED: "entered",
            Step.CHANGED_MAP: "changed_map",
            Step.LEFT: "left",
        }
        if step in hooks:
            self._tell_all(hooks[step], session)

    def malformed(self, session: Session, direction: Direction, opcode: int | None, fault: PacketFault) -> bool:
        """Let it pass towards the player, as a core does."""
        del session, opcode, fault
        return direction is Direction.CLIENTBOUND

    def broken(self, session: Session, error: Exception) -> None:
        """Raise it: a test must see it."""
        del session
        raise error

    def unsent(self, session: Session, what: str) -> None:
        """Remember what could not be sent."""
        del session
        self.unsent_packets.append(what)

    def session_over(self, session: Session, reason: str) -> None:
        """Tell the features."""
        self._tell_all("closed", session, reason)
        self.crowd.remove(session)
        self.book.leave_session(session.id, is_orderly=True)

    # What a feature needs (`core.features.ports.Relay`).

    @property
    def players(self) -> Players:
        """Who is connected."""
        return self.crowd

    @property
    def commands(self) -> dict[str, Command]:
        """The chat commands."""
        return self.plan.commands

    def now(self) -> float:
        """The kit's time."""
        return self.time

    def wall_time(self) -> float:
        """The kit's time."""
        return self.time

    def after(self, seconds: float, call: Callable[[], object], session: Session | None) -> KitTimer:
        """Have something called by `advance`."""
        timer = KitTimer(call, session)
        heapq.heappush(self._timers, (self.time + seconds, next(self._numbers), timer))
        return timer

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Keep work for `run_work`."""
        self.work.append((name, work))

    def emit(self, event: Event) -> None:
        """Remember an event, and tell the features."""
        self.events.append(event)
        for loaded in self.plan.with_hook("noticed"):
            self.containment.run(loaded, loaded.feature.noticed, event)

    def read_kept(self, cell: str, key: str) -> bytes | None:
        """Return what is loaded."""
        return self.book.read(cell, key)

    def write_kept(self, cell: str, key: str, value: bytes | None, expiry_seconds: float) -> None:
        """Keep a value."""
        self.book.write(cell, key, value, expiry_seconds)

    async def load_kept(self, cell: str, key: str) -> bytes | None:
        """Return what is kept."""
        return await self.book.load_one(cell, key)

    # Parts.

    def _load(self, cls: type[Feature], settings: Mapping[str, Any] | None) -> Loaded:
        name = cls.__name__.lower()
        source = Source(name, None, settings or {}, Place("settings"))
        loaded = make_feature(source, cls, self.codec, self.pack.name)
        self.book.declare(connect(loaded, self))
        return loaded

    def _tick(self, call: Callable[[], object], seconds: float) -> None:
        def again() -> None:
            call()
            self._tick(call, seconds)

        self.after(seconds, again, None)

    def _tell_all(self, hook: str, *arguments: object) -> None:
        for loaded in self.plan.with_hook(hook):
            self.containment.run(loaded, getattr(loaded.feature, hook), *arguments)


class KitPlayer:
    """A player, and the session's line: what would have gone to the player and to the game server."""

    def __init__(self, kit: Kit[Any], address: str, region: str) -> None:
        self.kit = kit
        self.sent_to_player: list[Sent] = []
        self.sent_to_server: list[Sent] = []
        self.texts: list[bytes] = []
        self.popups: list[bytes] = []
        self.reason = ""
        self._counter = 0
        number = next(kit.connections)
        here = ip_address("127.0.0.1")
        peer = Peer(
            UUID(int=number).bytes, ip_address(address), 40_000 + number, here, 1973, "edge-1", region, kit.time
        )
        self._inspector = Inspector(kit, self, peer, None)
        self.session = self._inspector.session
        kit.crowd.add(self.session)
        kit.book.begin_session(self.session.id)
        prefaces = [
            kit.containment.run(each, each.feature.preface, self.session) for each in kit.plan.with_hook("preface")
        ]
        self.preface = b"".join(prefaces)
        kit._tell_all("opened", self.session)

    @property
    def is_closed(self) -> bool:
        """Whether the session was ended."""
        return bool(self.reason)

    def enter(self, account: str, character: str, map_name: str, hardware_address: str) -> None:
        """Log in, choose a character and enter the map; what the features sent meanwhile is in the lists."""
        from games.pko import connection as pko  # the kit knows one way into a game: that of the first

        raw = self.session.raw
        login = pko.Login(account=raw(account), password=bytes(24), mac=raw(hardware_address), version=136)
        slot = pko.CharacterSlot(name=raw(character), job=b"", level=1, look=b"")
        for sent in (
            login,
            pko.LoginAccepted(key=bytes(8), characters=(slot,)),
            pko.BeginPlay(name=raw(character)),
            pko.BeginPlayReply(),
            pko.EnterMap(map_name=raw(map_name), character_id=1, world_id=1, name=raw(character), x=217_000, y=278_000),
        ):
            if not self.is_closed:
                self.says(sent) if sent.DIRECTION is Direction.SERVERBOUND else self.hears(sent)

    def says(self, packet: Sent) -> list[Sent]:
        """Have the client send a packet; returns what the game server gets for it, in order."""
        before = len(self.sent_to_server)
        self._deliver(self._inspector.serverbound(self._sealed(packet)), Direction.SERVERBOUND)
        self.kit.open_gates()
        self._end_if_closing()
        return self.sent_to_server[before:]

    def hears(self, packet: Sent) -> list[Sent]:
        """Have the game server send a packet; returns what the player gets for it, in order."""
        before = len(self.sent_to_player)
        self._deliver(self._inspector.clientbound(self._sealed(packet)), Direction.CLIENTBOUND)
        self._end_if_closing()
        return self.sent_to_player[before:]

    def leave(self, reason: str = "client_closed") -> None:
        """End the connection."""
        self.end(reason)

    # The line (`tunnel.inspector.Line`).

    def has_room(self, *, serverbound: bool) -> bool:
        """Whether the session lasts."""
        del serverbound
        return not self.reason

    def inject(self, frames: bytes, *, serverbound: bool) -> None:
        """Take frames from the features."""
        self._deliver(frames, Direction.SERVERBOUND if serverbound else Direction.CLIENTBOUND)

    def release(self, frames: bytes) -> None:
        """Take frames that were held."""
        self._deliver(frames, Direction.SERVERBOUND)

    def end(self, reason: str) -> None:
        """Be ended."""
        if not self.reason:
            self.reason = str(reason)
            self._inspector.ended(reason)

    def _end_if_closing(self) -> None:
        if self._inspector.closing:
            self.end(self._inspector.closing)

    def _sealed(self, packet: Sent) -> bytes:
        codec = self.kit.codec
        if codec is None:
            raise MisuseError(f"the game {self.kit.pack.name} has no packets")
        direction = packet.direction if isinstance(packet, RawPacket) else packet.DIRECTION
        opcode = packet.opcode if isinstance(packet, RawPacket) else packet.OPCODE
        body = packet.body if isinstance(packet, RawPacket) else packet.encode()
        envelope = codec.dialect.envelope(direction)
        counter = None
        if envelope.counter_bytes:
            counter = self._counter = 0 if opcode in codec.dialect.counter_resets else self._counter
            self._counter += 1
        return envelope.seal(opcode, body, counter=counter)

    def _deliver(self, frames: bytes, direction: Direction) -> None:
        codec = self.kit.codec
        sent = self.sent_to_server if direction is Direction.SERVERBOUND else self.sent_to_player
        for raw in split_frames(self.kit.pack.layout(direction), frames):
            if codec is None:
                raise MisuseError(f"the game {self.kit.pack.name} has no packets")
            frame = codec.open(direction, raw)
            try:
                packet = codec.decode(direction, frame)
            except PacketFault:  # a feature may say what the game's own clients never say
                packet = None
            sent.append(RawPacket(frame.opcode or 0, frame.body, direction) if packet is None else packet)
            self._read_text(sent[-1])

    def _read_text(self, packet: Sent) -> None:
        """Take note of the texts that a player is shown."""
        if isinstance(packet, RawPacket) or packet.DIRECTION is not Direction.CLIENTBOUND:
            return
        pack, codec = self.kit.pack, self.kit.codec
        shown = getattr(packet, "text", None)
        if codec is None or not isinstance(shown, bytes):
            return
        for make, texts in ((pack.chat_line, self.texts), (pack.notice, self.popups)):
            if make is not None and codec.open(Direction.CLIENTBOUND, make(b"x")).opcode == packet.OPCODE:
                texts.append(shown)
                return


def _run(work: Coroutine[Any, Any, Any]) -> None:
    """Run a coroutine that waits for nothing, but may make way for others with ``asyncio.sleep(0)``."""
    for _ in range(MAX_TURNS):
        try:
            waits_for = work.send(None)
        except StopIteration:
            return
        if waits_for is not None:
            break
    work.close()
    raise MisuseError("this waits for something that the kit does not have; take what waits out, and test it by itself")
