"""The inspector: one session's frames on their way through the features.

It stands between the link to the game server and the tunnel (`tunnel.inspector`). Frames that nobody asked for stay in
their span; the others are decoded, shown to the handlers in order, and go on as the verdicts say. It decides nothing
itself and knows no sockets; what it does to the session goes through its `Line`.

A login is held, with all that comes behind it, until the features have admitted it and what they keep of the account is
there; meanwhile nothing else waits. The choice of a character is held for what is kept of that.
"""

from __future__ import annotations

import contextlib
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

from core.features.api import DROP, RawPacket
from core.features.containment import FAILED, Containment
from core.features.session import Peer, Session
from games.envelope import Frame
from games.pack import Codec, Pack
from games.packet import Direction, Packet
from games.players import Player, Step
from tunnel.inspector import Line
from wire.errors import MisuseError, PacketFault
from wire.numbering import Numbering
from wire.reasons import Reason
from wire.scanner import Scanner
from wire.watcher import Watcher

if TYPE_CHECKING:
    from core.features.plan import Handler, Plan

MAX_SENT_PER_FRAME = 64
"""Packets that handlers may send while one frame is handled; more is taken for a loop."""

_SERVERBOUND = Direction.SERVERBOUND
_CLIENTBOUND = Direction.CLIENTBOUND

Ready = bytes | tuple[int, bytes]
"""A frame; or opcode and body of one that gets its number when it goes out."""

_HELD_AT = frozenset({Step.LOGIN, Step.CHARACTER})


class InspectorHost(Protocol):
    """What an inspector needs of the host, or of the test kit."""

    @property
    def plan(self) -> Plan:
        """The current plan."""
        ...

    @property
    def containment(self) -> Containment:
        """What runs handlers."""
        ...

    @property
    def pack(self) -> Pack:
        """The game."""
        ...

    @property
    def codec(self) -> Codec | None:
        """Its codec; None for a game without packets."""
        ...

    @property
    def cipher_opcodes(self) -> frozenset[int]:
        """Clientbound opcodes that may say that what follows is encrypted."""
        ...

    @property
    def charset(self) -> str:
        """The game's charset."""
        ...

    def must_hold(self, session: Session, step: Step) -> bool:
        """Whether anything has to be awaited at this step."""
        ...

    async def admit(self, session: Session, step: Step) -> str | None:
        """Load what is kept and ask who must be asked; returns None, or the text of a refusal. Never raises."""
        ...

    def start_gate(self, gate: Coroutine[Any, Any, None]) -> None:
        """Run a gate of `Inspector`, not before the call that started it has returned."""
        ...

    def stepped(self, session: Session, step: Step) -> None:
        """A session has come to a step of the game; called after the handlers of that packet."""
        ...

    def malformed(self, session: Session, direction: Direction, opcode: int | None, fault: PacketFault) -> bool:
        """A frame that somebody asked for is not what its opcode promises; whether it may go on nevertheless."""
        ...

    def session_over(self, session: Session, reason: str) -> None:
        """A session has ended."""
        ...

    def broken(self, session: Session, error: Exception) -> None:
        """A mistake of the engine's own: the session goes on without features, or ends."""
        ...

    def unsent(self, session: Session, what: str) -> None:
        """Something a feature wanted to send could not be sent."""
        ...


@dataclass(frozen=True, slots=True)
class _Given:
    """One packet of a verdict."""

    opcode: int
    body: bytes
    packet: Packet | None
    ready: Ready


class Inspector:
    """See the module. ``closing`` is why the session must end, once what came out last has been sent."""

    def __init__(self, host: InspectorHost, line: Line, peer: Peer, watcher: Watcher | None) -> None:
        self.closing: str = ""
        self.is_holding = False
        self.session = Session(peer, Player(), self, host.charset)
        self._host = host
        self._line = line
        self._watcher = watcher
        self._codec = host.codec
        pack = host.pack
        self._scanners = {way: Scanner(pack.layout(way)) for way in Direction}
        self._numbering = _numbering(self._codec)
        self._is_opaque = False
        self._is_over = False
        self._held = bytearray()
        self._is_admitted = False  # the next frame was held, and may pass now
        self._admitted_step: Step | None = None  # what that frame meant
        self._now_handling: Direction | None = None
        self._following: list[Ready] = []  # what goes behind the frame that is being handled

    # What the tunnel's session calls (`tunnel.inspector.Inspector`).

    def serverbound(self, span: bytes) -> bytes:
        """Return what of a span of whole frames goes to the game server now."""
        if self.is_holding:
            self._held += span
            return b""
        return self._inspect_safely(span, _SERVERBOUND)

    def clientbound(self, span: bytes) -> bytes:
        """Return what of a span of whole frames goes to the player."""
        return self._inspect_safely(span, _CLIENTBOUND)

    def ended(self, reason: str) -> int:
        """The session is over; returns how many bytes were still held."""
        self._is_over = True
        self._host.session_over(self.session, reason)
        held = len(self._held)
        self._held.clear()
        return held

    # What features call (`core.features.session.Outlet`).

    @property
    def is_open(self) -> bool:
        """Whether the session lasts."""
        return not self._is_over and not self.closing

    @property
    def is_opaque(self) -> bool:
        """Whether the stream is encrypted."""
        return self._is_opaque

    def send(self, packet: Packet | RawPacket) -> bool:
        """Send a packet to whom its direction says."""
        direction, opcode, body = _taken_apart(packet)
        return self._send(direction, opcode, body)

    def show(self, text: str | bytes, *, popup: bool) -> bool:
        """Show the player a text."""
        pack = self._host.pack
        make = pack.notice if popup or not self.session.is_in_game else pack.chat_line
        if make is None or self._codec is None or not self._may_send():
            return self._failed_to_send("a text")
        return self._dispatch(self._codec, _CLIENTBOUND, make(text))

    def close(self, text: str | bytes) -> None:
        """End the session, after what was sent before; the player is shown ``text`` in a box."""
        self.end_with(text, Reason.FEATURE_CLOSED)

    def end_with(self, text: str | bytes, reason: Reason) -> None:
        """End the session as `close` does, for another reason."""
        if not self.is_open:
            return
        if text:
            with contextlib.suppress(MisuseError):  # what was sent before may have been too much already
                self.show(text, popup=True)
        self.closing = reason
        if self._now_handling is None:
            self._line.end(reason)

    # Frames.

    def _inspect_safely(self, span: bytes, direction: Direction) -> bytes:
        """Inspect a span; a mistake of our own costs this session its features, and no other anything.

        Where packets are numbered it costs the session: nobody knows which number comes next.
        """
        try:
            return self._inspect(span, direction)
        except Exception as error:
            self._host.broken(self.session, error)
            self._following = []
            self._is_opaque = True
            if self._numbering is not None:
                self.closing = Reason.FEATURE_CLOSED
                return b""
            return span

    def _inspect(self, span: bytes, direction: Direction) -> bytes:
        if self._is_opaque:
            return span
        if self._is_closing():
            return b""
        interest = self._host.plan.interests.get(direction)
        scanner = self._scanners[direction]
        codec = self._codec
        player = self.session.player
        position = -1 if interest is None else interest.find(span, scanner, 0, player.world_id, player.main_id)
        if interest is None or codec is None or position < 0:
            return self._pass_on(span, direction)
        out: list[bytes] = []
        begin = 0
        while position >= 0:
            end = position + scanner.length_at(span, position)
            frame = span[position:end]
            packets = self._handle(codec, frame, direction)
            if self.is_holding:
                self._held += span[position:]
                out.append(self._pass_on(span[begin:position], direction))
                return b"".join(out)
            if packets is not None or self._following:
                out.append(self._pass_on(span[begin:position], direction))
                out += self._replace(codec, frame, packets, direction)
                begin = end
            if self._is_closing() or self._is_opaque:
                break
            position = interest.find(span, scanner, end, player.world_id, player.main_id)
        if self._is_closing():
            out.append(self._pass_on(span[begin:end], direction))
        else:
            out.append(span[begin:] if self.is_opaque else self._pass_on(span[begin:], direction))
        return b"".join(out)

    def _is_closing(self) -> bool:
        return bool(self.closing)

    def _replace(self, codec: Codec, frame: bytes, packets: list[Ready] | None, direction: Direction) -> list[bytes]:
        """Return the frames that go on instead of one, and what was sent behind it."""
        following, self._following = self._following, []
        if packets is None:
            first = [self._pass_on(frame, direction)]
        else:
            if direction is _SERVERBOUND and self._numbering is not None:
                self._numbering.drop(frame)
            first = [self._sealed(codec, each) for each in packets]
        return [*first, *(self._sealed(codec, each) for each in following)]

    def _pass_on(self, span: bytes, direction: Direction) -> bytes:
        if self._numbering is None or direction is _CLIENTBOUND or not span:
            return span
        return self._numbering.pass_on(span, self._scanners[_SERVERBOUND])

    def _ready(self, codec: Codec, direction: Direction, opcode: int, body: bytes) -> Ready:
        """Put a frame together, but for its number; raises EncodeError for one that the game's layout forbids."""
        is_numbered = self._numbering is not None and direction is _SERVERBOUND
        frame = codec.dialect.envelope(direction).seal(opcode, body, counter=0 if is_numbered else None)
        return (opcode, body) if is_numbered else frame

    def _sealed(self, codec: Codec, ready: Ready) -> bytes:
        """Return a frame with the number that it must have here."""
        if isinstance(ready, bytes) or self._numbering is None:
            return cast("bytes", ready)
        opcode, body = ready
        return codec.dialect.serverbound.seal(opcode, body, counter=self._numbering.take(opcode))

    def _handle(self, codec: Codec, raw: bytes, direction: Direction) -> list[Ready] | None:
        """Show a frame to who wants it; return what goes on instead of it, or None: it goes on as it came."""
        host = self._host
        frame = Frame(opcode=None)
        try:
            frame = codec.open(direction, raw)
            if direction is _CLIENTBOUND and frame.opcode in host.cipher_opcodes:
                self._look_for_cipher(raw)
            packet = self._decode(codec, frame, direction)
        except PacketFault as fault:
            return None if host.malformed(self.session, direction, frame.opcode, fault) else []
        step, self._admitted_step = self._admitted_step or self._follow(packet), None
        if step is Step.OUT_OF_TURN:
            return []
        if (
            step in _HELD_AT
            and direction is _SERVERBOUND
            and not self._is_admitted
            and host.must_hold(self.session, step)
        ):
            self.is_holding = True
            host.start_gate(self._gate(step))
            return None
        self._is_admitted = False
        self._now_handling = direction
        try:
            packets = self._ask(codec, frame, packet, direction)
            if step is not Step.NOTHING:
                host.stepped(self.session, step)
        finally:
            self._now_handling = None
        return packets

    def _decode(self, codec: Codec, frame: Frame, direction: Direction) -> Packet | None:
        """Decode a frame, if anybody wants more than its bytes."""
        if (direction, frame.opcode) not in self._host.plan.decoded:
            return None
        return codec.decode(direction, frame)

    def _follow(self, packet: Packet | None) -> Step:
        follow = None if packet is None else self._host.plan.follows.get(type(packet))
        return Step.NOTHING if follow is None else follow(self.session.player, packet)

    def _ask(self, codec: Codec, frame: Frame, packet: Packet | None, direction: Direction) -> list[Ready] | None:
        """Ask the handlers in order; return what goes on instead, or None."""
        opcode = frame.opcode or 0
        body = frame.body
        is_call = frame.session_word != codec.dialect.envelope(direction).ordinary_session_word
        changed: list[Ready] | None = None
        for handler in self._host.plan.handlers.get((direction, opcode), ()):
            asked: Packet | RawPacket
            if handler.cls is None:
                asked = RawPacket(opcode, body, direction)
            elif packet is not None and type(packet) is handler.cls:
                asked = packet
            else:
                continue
            given = self._verdict(codec, handler, asked, direction, frame if is_call else None)
            if given is None:
                continue
            changed = [each.ready for each in given]
            if len(given) != 1 or given[0].opcode != opcode:
                break
            body = given[0].body
            packet = given[0].packet or self._decode_anew(codec, opcode, body, direction)
        return changed

    def _decode_anew(self, codec: Codec, opcode: int, body: bytes, direction: Direction) -> Packet | None:
        """Decode what a handler gave as bytes, for the handlers behind it; None where that cannot be."""
        try:
            return self._decode(codec, Frame(opcode, body), direction)
        except PacketFault:
            return None

    def _verdict(
        self,
        codec: Codec,
        handler: Handler,
        asked: Packet | RawPacket,
        direction: Direction,
        call: Frame | None,
    ) -> list[_Given] | None:
        """Ask one handler; return what it wants to go on instead, or None. ``call`` is the frame, if it is one."""
        containment = self._host.containment
        verdict = containment.run(handler.loaded, handler.call, self.session, asked)
        if verdict is None or verdict is FAILED:
            return None
        if verdict is DROP:
            return []
        try:
            packets = tuple(verdict) if isinstance(verdict, list | tuple) else (verdict,)
            if len(packets) > MAX_SENT_PER_FRAME:
                raise MisuseError(f"{len(packets)} packets; at most {MAX_SENT_PER_FRAME} can go on instead of one")
            return [self._given(codec, each, direction, call) for each in packets]
        except Exception as error:
            containment.failed(handler.loaded, handler.call.__qualname__, f"verdict: {error}")
            return None

    def _given(self, codec: Codec, packet: Packet | RawPacket, direction: Direction, call: Frame | None) -> _Given:
        way, opcode, body = _taken_apart(packet)
        if way is not direction:
            raise MisuseError(f"{type(packet).__name__} goes the other way; send it with session.send")
        if call is None or opcode != call.opcode:
            ready = self._ready(codec, way, opcode, body)
        else:  # somebody waits for the answer to it by its number
            envelope = codec.dialect.envelope(way)
            ready = envelope.seal(opcode, body, counter=call.counter, session_word=call.session_word)
        return _Given(opcode, body, packet if isinstance(packet, Packet) else None, ready)

    def _look_for_cipher(self, frame: bytes) -> None:
        """Stop reading and sending behind a packet that says that what follows is encrypted."""
        if self._watcher is None:
            return
        events = self._watcher.find(frame, self._scanners[_CLIENTBOUND])
        if any(self._watcher.is_opaque(event) for event in events):
            self._is_opaque = True

    # Sending.

    def _may_send(self) -> bool:
        return self.is_open and not self._is_opaque

    def _send(self, direction: Direction, opcode: int, body: bytes) -> bool:
        if not self._may_send() or self._codec is None:
            return self._failed_to_send(f"opcode {opcode}")
        return self._dispatch(self._codec, direction, self._ready(self._codec, direction, opcode, body))

    def _dispatch(self, codec: Codec, direction: Direction, ready: Ready) -> bool:
        """Send a frame, now or behind the one that is being handled."""
        if direction is self._now_handling:
            if len(self._following) >= MAX_SENT_PER_FRAME:
                raise MisuseError(f"more than {MAX_SENT_PER_FRAME} packets are sent while one is handled")
            self._following.append(ready)
            return True
        is_serverbound = direction is _SERVERBOUND
        if not self._line.has_room(serverbound=is_serverbound):  # looked at first: a number once taken must be sent
            return self._failed_to_send("a packet")
        self._line.inject(self._sealed(codec, ready), serverbound=is_serverbound)
        return True

    def _failed_to_send(self, what: str) -> bool:
        self._host.unsent(self.session, what)
        return False

    # The gate.

    async def _gate(self, step: Step) -> None:
        """Have the features admit the player, then let go what was held."""
        refusal = await self._host.admit(self.session, step)
        if self._is_over:
            return
        if refusal is not None:
            self.end_with(refusal, Reason.FEATURE_REFUSED)
            return
        held = bytes(self._held)
        self._held.clear()
        self.is_holding = False
        self._is_admitted = True
        self._admitted_step = step
        self._line.release(self._inspect_safely(held, _SERVERBOUND))


def _numbering(codec: Codec | None) -> Numbering | None:
    if codec is None or not codec.dialect.serverbound.counter_bytes:
        return None
    return Numbering(codec.dialect.serverbound.header, codec.dialect.counter_resets)


def _taken_apart(packet: Packet | RawPacket) -> tuple[Direction, int, bytes]:
    """Return direction, opcode and body; raises MisuseError for what is no packet, EncodeError for wrong values."""
    if isinstance(packet, RawPacket):
        return packet.direction, packet.opcode, packet.body
    if isinstance(packet, Packet) and packet.OPCODE:
        return packet.DIRECTION, packet.OPCODE, packet.encode()
    raise MisuseError(f"{type(packet).__name__} is no packet")
