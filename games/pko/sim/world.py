"""The scripted game server: one gate, one map, no monsters.

`tidegate.sim.server` feeds it what sockets read and carries out the effects it returns; tests do the same
without sockets. It does no input or output and knows no clock: ``now_seconds`` is the caller's, any
monotonic one. What it does and leaves out is told in ``docs/sim.md``; the rules are those of the protocol
file, sections 1.3 to 1.6, 4 and 5.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from games.envelope import Frame
from games.pack import Codec
from games.packet import Direction, Packet
from games.pko.action import Move
from games.pko.chat import Say
from games.pko.connection import (
    BeginPlay,
    DeleteCharacter,
    EndPlay,
    Greeting,
    Login,
    LoginWithAddress,
    Logout,
    LogoutReply,
    NewCharacter,
    NewCharacterByType,
)
from games.pko.framing import answer_word, is_answer, is_call
from games.pko.ping import CheckPingReply
from games.pko.sim.dialects import check_scripted
from games.pko.sim.effects import CloseReason, Effect
from games.pko.sim.histogram import Histogram
from games.pko.sim.intake import Intake
from games.pko.sim.ledger import Ledger
from games.pko.sim.lobby import Lobby
from games.pko.sim.options import WorldOptions
from games.pko.sim.outlet import Outlet
from games.pko.sim.pulse import Pulse, stamp
from games.pko.sim.stage import Stage
from games.pko.sim.tallies import WorldTallies
from games.pko.sim.visit import AT_ONCE, State, Visit
from games.wheel import Wheel
from wire.errors import PacketFault

_ALLOWED: Mapping[type[Packet], State] = {
    Login: State.GREETED,
    LoginWithAddress: State.GREETED,
    BeginPlay: State.SELECTING,
    NewCharacter: State.SELECTING,
    NewCharacterByType: State.SELECTING,
    DeleteCharacter: State.SELECTING,
    EndPlay: State.PLAYING,
    Move: State.PLAYING,
    Say: State.PLAYING,
    CheckPingReply: State.PLAYING,
}
"""In which state a packet is acted upon. Logout is always; what is not here has no answer."""


class World:
    """All connections of one scripted server.

    Every method returns the effects to carry out, in order. A connection is told by the number that
    `connect` gave it; calls about one that is gone do nothing. Raises MisuseError for a dialect whose
    login is not scripted.
    """

    def __init__(self, codec: Codec, options: WorldOptions | None = None) -> None:
        self._codec = check_scripted(codec)
        self._options = options or WorldOptions()
        self._visits: dict[int, Visit] = {}
        self._wheel: Wheel[int] = Wheel()  # the numbers of visits
        self._next_number = 1
        self._known_opcodes = {row.number for row in codec.pack.opcodes if row.direction is Direction.SERVERBOUND}
        self._counted = codec.dialect.serverbound.counter_bytes > 0
        self._outlet = Outlet(codec)
        self.tallies = WorldTallies()
        self._pulse = Pulse(self._options, self._outlet)
        self._stage = Stage(codec, self._options, self._visits, self._outlet, self.tallies)
        self._lobby = Lobby(self._options, self._stage, self._outlet, self.tallies)
        # Any: each handler takes the packet class it is listed under.
        self._handlers: Mapping[type[Packet], Callable[[Visit, Any], None]] = {
            Login: self._lobby.log_in,
            LoginWithAddress: self._lobby.log_in,
            BeginPlay: self._lobby.begin_play,
            NewCharacter: self._lobby.make_character,
            NewCharacterByType: self._lobby.make_character,
            DeleteCharacter: self._lobby.delete_character,
            EndPlay: self._lobby.end_play,
            Move: self._stage.move,
            Say: self._stage.say,
            CheckPingReply: self._take_ping_reply,
        }

    @property
    def ledger(self) -> Ledger:
        """The numbers of all moves and chat lines that clients sent."""
        return self._stage.ledger

    @property
    def round_trips(self) -> Histogram:
        """How long clients took to answer pings."""
        return self._pulse.round_trips

    @property
    def connections(self) -> int:
        """How many connections there are now."""
        return len(self._visits)

    @property
    def playing(self) -> int:
        """How many characters are in play now."""
        return sum(visit.state is State.PLAYING for visit in self._visits.values())

    def connect(self, now_seconds: float) -> tuple[int, list[Effect]]:
        """Take a new connection; the server speaks first."""
        self._outlet.now_seconds = now_seconds
        number = self._next_number
        self._next_number += 1
        intake = Intake(self._codec, Direction.SERVERBOUND)
        visit = Visit(number, intake, now_seconds, now_seconds, now_seconds)
        if len(self._visits) >= self._options.max_connections:
            self.tallies.refused_connections += 1
            self._outlet.hang_up(visit, CloseReason.LOGOUT, f"{len(self._visits)} connections are the most")
        else:
            self.tallies.connections += 1
            self._visits[number] = visit
            self._wheel.set(number, visit.due_seconds)
            self._outlet.send(visit, Greeting(stamp=stamp(now_seconds)))
        return number, self._outlet.take()

    def receive(self, connection: int, data: bytes, now_seconds: float) -> list[Effect]:
        """Take what was read from a connection."""
        visit = self._visits.get(connection)
        if visit is None or visit.state is State.LEAVING:
            return []
        self._outlet.now_seconds = now_seconds
        visit.last_received_seconds = now_seconds
        try:
            for frame in visit.intake.feed(data):
                self._take(visit, frame)
                # mypy narrows the state at the top of this method; a frame may have changed it.
                if State(visit.state) is State.LEAVING:
                    break
        except PacketFault as fault:
            self._hang_up(visit, CloseReason.REFUSED_FRAME, str(fault))
        if visit.intake.fault is not None:
            self._hang_up(visit, CloseReason.BAD_LENGTH, str(visit.intake.fault))
        if visit.due_seconds == AT_ONCE:
            self._wheel.set(connection, AT_ONCE)
        return self._outlet.take()

    def disconnect(self, connection: int, now_seconds: float) -> list[Effect]:
        """Forget a connection whose socket is closed; its character is gone at once, nobody can resume."""
        visit = self._visits.pop(connection, None)
        if visit is not None:
            self._wheel.remove(connection)
            self._outlet.now_seconds = now_seconds
            self._lobby.log_out(visit)
        return self._outlet.take()

    def stall(self, connection: int, now_seconds: float) -> list[Effect]:
        """Give up a connection whose client takes too little of what is sent to it."""
        visit = self._visits.get(connection)
        if visit is not None:
            self._outlet.now_seconds = now_seconds
            self._hang_up(visit, CloseReason.SEND_QUEUE_FULL, "the client does not read")
        return self._outlet.take()

    def tick(self, now_seconds: float) -> list[Effect]:
        """Do what time demands; call it some ten or twenty times a second."""
        self._outlet.now_seconds = now_seconds
        for number in self._wheel.take_due(now_seconds):
            visit = self._visits[number]
            if visit.state is State.LEAVING:
                continue
            overdue = self._pulse.overdue(visit)
            if overdue is None:
                self._pulse.beat(visit)
                self._wheel.set(number, visit.due_seconds)
            else:
                self._hang_up(visit, *overdue)
        return self._outlet.take()

    def report(self) -> dict[str, object]:
        """Return everything counted, as plain data."""
        return {
            "connections_now": self.connections,
            "playing_now": self.playing,
            **asdict(self.tallies),
            "frames_sent": self._outlet.frames,
            "closes": {reason.name.lower(): count for reason, count in sorted(self._outlet.closes.items())},
            "round_trips": self._pulse.round_trips.summary(),
            "ledger": self.ledger.summary(),
        }

    def _take(self, visit: Visit, frame: Frame) -> None:
        self.tallies.frames_received += 1
        if frame.opcode is None:
            self.tallies.keep_alives_received += 1
        elif is_call(frame.session_word):
            self._take_call(visit, frame)
        elif is_answer(frame.session_word):
            self.tallies.ignored_calls += 1
        elif self._is_in_step(visit, frame):
            self._take_message(visit, frame)

    def _is_in_step(self, visit: Visit, frame: Frame) -> bool:
        if not self._counted:
            return True
        if frame.counter != visit.next_counter:
            text = f"packet counter {frame.counter} where {visit.next_counter} belongs"
            self._hang_up(visit, CloseReason.OUT_OF_STEP, text)
            return False
        visit.next_counter = (visit.next_counter + 1) & 0xFFFFFFFF
        return True

    def _take_call(self, visit: Visit, frame: Frame) -> None:
        """Only the logout is served as a call, and calls are not checked for their counter (section 1.6)."""
        if frame.opcode == Logout.OPCODE and frame.session_word is not None:
            self._outlet.send(visit, LogoutReply(), session_word=answer_word(frame.session_word))
            self._log_out(visit)
        else:
            self.tallies.ignored_calls += 1

    def _take_message(self, visit: Visit, frame: Frame) -> None:
        try:
            packet = self._codec.decode(Direction.SERVERBOUND, frame)
        except PacketFault:
            # A real server reads missing fields as 0 and goes on; ours goes on without the packet.
            self.tallies.malformed_packets += 1
            return
        if isinstance(packet, Logout):
            self._log_out(visit)
        elif packet is not None and type(packet) in self._handlers:
            self._act(visit, packet)
        elif frame.opcode in self._known_opcodes:
            self.tallies.ignored_packets += 1
        else:
            self.tallies.unknown_opcodes += 1

    def _act(self, visit: Visit, packet: Packet) -> None:
        if visit.state is _ALLOWED[type(packet)]:
            self._handlers[type(packet)](visit, packet)
            return
        self.tallies.wrong_state += 1
        self._lobby.refuse(visit, packet)

    def _take_ping_reply(self, visit: Visit, packet: CheckPingReply) -> None:  # noqa: ARG002
        if not self._pulse.take_reply(visit):
            self.tallies.ignored_packets += 1

    def _log_out(self, visit: Visit) -> None:
        self._hang_up(visit, CloseReason.LOGOUT, "logged out", after_seconds=self._options.logout_hangup_seconds)

    def _hang_up(self, visit: Visit, reason: CloseReason, text: str, *, after_seconds: float = 0.0) -> None:
        self._outlet.hang_up(visit, reason, text, after_seconds=after_seconds)
        self._lobby.log_out(visit)
