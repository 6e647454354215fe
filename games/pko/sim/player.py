"""One scripted player: the client's side of a session, from the greeting to the end of the logout.

`tidegate.sim.bots` makes one per connection, feeds it what the socket read and writes what it returns; the
tests join it with a `world.World` in memory. It knows no clock: ``now_seconds`` is the caller's.

::

    GREETING --940--> LOGIN --931--> BEGIN --933--> MAP --516--> PLAY --time is up-->
    SETTLE --all echoes are back--> LOGOUT --932--> HANGUP --closed by the server--> "ok"

Whatever else happens finishes it with a reason in words.
"""

from collections.abc import Callable, Mapping
from typing import Any

from games.envelope import Frame
from games.pack import Codec
from games.packet import Direction, Packet
from games.pko.action import MoveNotice
from games.pko.chat import PopupNotice, Said, SystemInfo
from games.pko.connection import (
    BeginPlay,
    BeginPlayReply,
    EnterMap,
    EnterMapRefused,
    Greeting,
    Login,
    LoginAccepted,
    LoginRefused,
    Logout,
    LogoutReply,
    MapCrash,
)
from games.pko.framing import KEEP_ALIVE, answer_word, call_word
from games.pko.ping import CheckPing, CheckPingReply
from games.pko.sim.dialects import check_scripted
from games.pko.sim.dice import Dice
from games.pko.sim.glance import MOVE_OPCODE, glance_move
from games.pko.sim.histogram import Histogram
from games.pko.sim.intake import Intake
from games.pko.sim.ledger import Ledger
from games.pko.sim.options import PlayerOptions
from games.pko.sim.outgoing import Outgoing
from games.pko.sim.part import Part
from games.pko.sim.steps import EXPECTED, Step
from wire.errors import PacketFault

OK = "ok"
"""The outcome of a player that did all it had to do."""

LOGOUT_CALL = 1
"""The number of the logout call: the first and only one of a session."""

PASSWORD_BYTES = 24
MAX_STREAMS = 4096


class Player:
    """Feed it bytes and ticks, write what it returns, close the connection once ``outcome`` is set.

    ``outcome`` is None while the player is at work, then `OK` or the reason in words. ``due_seconds`` says
    when it next wants a tick; ticking earlier is harmless. Raises MisuseError for a dialect whose login is
    not scripted.
    """

    def __init__(
        self,
        codec: Codec,
        options: PlayerOptions,
        now_seconds: float,
        round_trips: Histogram | None = None,
    ) -> None:
        self._codec = check_scripted(codec)
        self._options = options
        self._intake = Intake(codec, Direction.CLIENTBOUND)
        self._out = Outgoing(codec, now_seconds)
        self._now = self._last_received_seconds = now_seconds
        self._step = Step.GREETING
        self._deadline_seconds = now_seconds + options.answer_seconds
        self._part: Part | None = None
        self._play_seconds = options.play_seconds
        self._missing = ""  # what had not come back when the patience for it ended
        self._last_notice = ""
        self.ledger = Ledger(MAX_STREAMS)
        self.round_trips = Histogram() if round_trips is None else round_trips
        self.outcome: str | None = None
        # Any: each handler takes the packet class it is listed under.
        self._handlers: Mapping[type[Packet], Callable[[Any], None]] = {
            Greeting: self._take_greeting,
            LoginAccepted: self._take_login,
            LoginRefused: self._take_refusal,
            BeginPlayReply: self._take_begin,
            EnterMap: self._take_map,
            EnterMapRefused: self._take_refusal,
            MoveNotice: self._take_move,
            Said: self._take_line,
            CheckPing: self._take_ping,
            LogoutReply: self._take_logout,
            SystemInfo: self._take_notice,
            PopupNotice: self._take_notice,
            MapCrash: self._take_notice,
        }

    @property
    def is_playing(self) -> bool:
        """Whether the character is in the world."""
        return self._step in (Step.PLAY, Step.SETTLE)

    @property
    def frames_received(self) -> int:
        """Whole frames so far, keep-alives included."""
        return self._intake.frames

    @property
    def frames_sent(self) -> int:
        """Whole frames so far, keep-alives included."""
        return self._out.frames

    @property
    def held_back(self) -> int:
        """Moves not made because too many were unanswered."""
        return self._part.held_back if self._part else 0

    @property
    def due_seconds(self) -> float:
        """When the next tick is wanted, on the caller's clock."""
        due = min(
            self._deadline_seconds,
            self._out.last_seconds + self._options.keep_alive_seconds,
            self._last_received_seconds + self._options.silence_seconds,
        )
        if self._step is Step.PLAY and self._part is not None:
            due = min(due, self._part.due_seconds)
        return due

    def feed(self, data: bytes, now_seconds: float) -> bytes:
        """Take what was read; return what to write, maybe nothing."""
        if self.outcome is None:
            self._now = self._last_received_seconds = now_seconds
            self._read(data)
            if self._step is Step.SETTLE:
                self._settle()
        return self._out.take()

    def tick(self, now_seconds: float) -> bytes:
        """Do what time demands; return what to write, maybe nothing."""
        if self.outcome is None:
            self._now = now_seconds
            self._act()
        return self._out.take()

    def leave(self, now_seconds: float) -> bytes:
        """Stop playing now and log out in order; one that is not in the world yet does so on its arrival."""
        self._now = now_seconds
        self._play_seconds = 0.0
        if self._step is Step.PLAY:
            self._stop_playing()
        return self._out.take()

    def closed(self, now_seconds: float) -> None:
        """Tell it that the connection is closed."""
        self._now = now_seconds
        if self.outcome is None and self._step is Step.HANGUP:
            self._finish(self._missing or OK)
        elif self.outcome is None:
            self._finish(f"the connection was closed while it was {self._step.value}")

    def _read(self, data: bytes) -> None:
        try:
            for frame in self._intake.feed(data):
                if frame.opcode is not None:
                    self._take(frame)
                if self.outcome is not None:
                    return
        except PacketFault as fault:
            self._finish(f"the server sent a packet that cannot be read: {fault}")
        if self._intake.fault is not None:
            self._finish(f"the server sent a {self._intake.fault}")

    def _take(self, frame: Frame) -> None:
        if frame.opcode == MOVE_OPCODE and self._part is not None:
            moved = glance_move(frame.body)
            if moved is not None and self._step in EXPECTED[MoveNotice]:
                self._part.take_move(*moved, self._now)
                return
        packet = self._codec.decode(Direction.CLIENTBOUND, frame)
        if packet is None or self._step not in EXPECTED.get(type(packet), ()):
            self._finish(f"opcode {frame.opcode} came while it was {self._step.value}")
        elif isinstance(packet, LogoutReply) and frame.session_word != answer_word(LOGOUT_CALL):
            self._finish(f"the logout was answered with session word {frame.session_word:#x}")
        else:
            self._handlers[type(packet)](packet)

    def _act(self) -> None:
        if self._now - self._last_received_seconds >= self._options.silence_seconds:
            self._finish(f"the server sent nothing for {self._options.silence_seconds:g} s")
        elif self._now >= self._deadline_seconds:
            self._end_of_patience()
        elif self._step is Step.PLAY and self._part is not None:
            for packet in self._part.packets(self._now):
                self._send(packet)
        if self.outcome is None and self._now - self._out.last_seconds >= self._options.keep_alive_seconds:
            self._out.add_frame(KEEP_ALIVE, self._now)

    def _end_of_patience(self) -> None:
        if self._step is Step.PLAY:
            self._stop_playing()
        elif self._step is Step.SETTLE and self._part is not None:
            self._missing = f"{self._part.unanswered} of its frames did not come back"
            self.ledger.settle()
            self._log_out()
        else:
            self._finish(f"its patience ended while it was {self._step.value}")

    def _take_greeting(self, packet: Greeting) -> None:  # noqa: ARG002
        options = self._options
        dice = Dice(options.seed)
        # A real client enciphers the stamp with its password; the scripted server takes any 24 bytes.
        password = bytes(dice.within(0, 255) for _ in range(PASSWORD_BYTES))
        mac = b"00-25-22-DF-%02X-%02X-00-00" % (options.seed >> 8 & 0xFF, options.seed & 0xFF)
        self._send(Login(account=options.account, password=password, mac=mac, version=options.version))
        self._wait_for(Step.LOGIN, options.answer_seconds)

    def _take_login(self, packet: LoginAccepted) -> None:
        names = [slot.name for slot in packet.characters if slot.name is not None]
        if packet.comm_encrypt:
            self._finish("the server wants encryption, which is not scripted")
        elif not names:
            self._finish("the account has no character")
        else:
            self._send(BeginPlay(name=names[0]))
            self._wait_for(Step.BEGIN, self._options.answer_seconds)

    def _take_refusal(self, packet: LoginRefused | EnterMapRefused) -> None:
        what = "login" if isinstance(packet, LoginRefused) else "map"
        self._finish(f"{what} refused with error {packet.error}")

    def _take_begin(self, packet: BeginPlayReply) -> None:
        if packet.error:
            self._finish(f"begin-play refused with error {packet.error}")
        else:
            self._wait_for(Step.MAP, self._options.answer_seconds)

    def _take_map(self, packet: EnterMap) -> None:
        self._part = Part(self._options, packet, self.ledger, self.round_trips, self._now)
        self._wait_for(Step.PLAY, self._play_seconds)

    def _take_move(self, packet: MoveNotice) -> None:
        if self._part is not None:
            self._part.take_move(packet.world_id, packet.packet_id, self._now)

    def _take_line(self, packet: Said) -> None:
        if self._part is not None:
            self._part.take_line(packet)

    def _take_ping(self, packet: CheckPing) -> None:  # noqa: ARG002
        if self._step is not Step.LOGOUT:
            self._send(CheckPingReply())

    def _take_logout(self, packet: LogoutReply) -> None:  # noqa: ARG002
        self._wait_for(Step.HANGUP, self._options.logout_seconds)

    def _take_notice(self, packet: SystemInfo | PopupNotice | MapCrash) -> None:
        self._last_notice = packet.text.decode("ascii", "replace")

    def _stop_playing(self) -> None:
        self._wait_for(Step.SETTLE, self._options.answer_seconds)
        self._settle()

    def _settle(self) -> None:
        if self._part is not None and not self._part.unanswered:
            self._log_out()

    def _log_out(self) -> None:
        self._send(Logout(), session_word=call_word(LOGOUT_CALL))
        self._wait_for(Step.LOGOUT, self._options.logout_seconds)

    def _wait_for(self, step: Step, seconds: float) -> None:
        self._step = step
        self._deadline_seconds = self._now + seconds

    def _finish(self, outcome: str) -> None:
        self._step = Step.FINISHED
        self.ledger.settle()
        notice = f"; the last notice was: {self._last_notice}" if self._last_notice and outcome != OK else ""
        self.outcome = outcome + notice

    def _send(self, packet: Packet, *, session_word: int | None = None) -> None:
        self._out.add(packet, self._now, session_word=session_word)
