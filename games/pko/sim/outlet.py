"""The way out of the scripted server: packets become frames, frames and hang-ups become effects.

Shared by `world`, `lobby` and `stage` during one call; `take` empties it.
"""

from games.pack import Codec
from games.packet import Packet
from games.pko.sim.effects import CloseReason, Effect, Hangup, Send
from games.pko.sim.visit import State, Visit


class Outlet:
    """Collects effects in order and remembers when each connection was last sent something."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._effects: list[Effect] = []
        self.now_seconds = 0.0
        self.frames = 0
        self.closes: dict[CloseReason, int] = {}

    def send(self, visit: Visit, packet: Packet, *, session_word: int | None = None) -> None:
        """Send a packet to one connection; with a session word it is the answer to a call."""
        self.send_frame(visit, self._codec.seal(packet, session_word=session_word))

    def send_frame(self, visit: Visit, frame: bytes) -> None:
        """Send one whole frame."""
        visit.last_sent_seconds = self.now_seconds
        self.frames += 1
        self._effects.append(Send(visit.number, frame))

    def hang_up(self, visit: Visit, reason: CloseReason, text: str, *, after_seconds: float = 0.0) -> None:
        """End a connection; happens once, later reasons are not news any more."""
        if visit.state is State.LEAVING:
            return
        visit.state = State.LEAVING
        self.closes[reason] = self.closes.get(reason, 0) + 1
        self._effects.append(Hangup(visit.number, after_seconds, reason, text))

    def take(self) -> list[Effect]:
        """Hand over what has been collected."""
        effects, self._effects = self._effects, []
        return effects
