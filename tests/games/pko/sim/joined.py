"""A scripted server and its players joined in memory, with a clock that the test moves.

Bytes travel at once, in pieces of at most ``cut_bytes``; hang-ups come when they are due.
"""

from collections.abc import Iterable

from games.pko.sim.effects import Effect, Hangup, Send
from games.pko.sim.options import PlayerOptions, WorldOptions
from games.pko.sim.player import Player
from games.pko.sim.world import World
from games.registry import load_pack

STEP_SECONDS = 0.01


class Joined:
    def __init__(
        self,
        dialect: str = "classic",
        options: WorldOptions | None = None,
        *,
        cut_bytes: int = 65536,
        start_seconds: float = 1000.0,
    ) -> None:
        self.codec = load_pack("pko").codec(dialect)
        self.world = World(self.codec, options)
        self.now = start_seconds
        self.hangups: list[Hangup] = []
        self.players: dict[int, Player] = {}
        self._cut_bytes = cut_bytes
        self._closing: list[tuple[float, int]] = []

    def join(self, options: PlayerOptions) -> Player:
        player = Player(self.codec, options, self.now)
        number, effects = self.world.connect(self.now)
        self.players[number] = player
        self._carry_out(effects)
        return player

    def crowd(self, count: int, **options: float) -> list[Player]:
        pattern = {"play_seconds": 5.0, "chat_seconds": 1.0, **options}
        return [
            self.join(PlayerOptions(account=b"bot%05d" % number, seed=number, **pattern))  # type: ignore[arg-type]
            for number in range(1, count + 1)
        ]

    def run(self, seconds: float, step_seconds: float = STEP_SECONDS) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now += step_seconds
            self._close_due()
            self._carry_out(self.world.tick(self.now))
            for number, player in tuple(self.players.items()):
                self._to_world(number, player.tick(self.now))

    def close(self, number: int) -> None:
        """Break one connection."""
        self._carry_out(self.world.disconnect(number, self.now))
        self.players.pop(number).closed(self.now)

    def _close_due(self) -> None:
        due = [number for at, number in self._closing if at <= self.now]
        self._closing = [(at, number) for at, number in self._closing if at > self.now]
        for number in due:
            if number in self.players:
                self.close(number)

    def _to_world(self, number: int, data: bytes) -> None:
        for piece in _pieces(data, self._cut_bytes):
            self._carry_out(self.world.receive(number, piece, self.now))

    def _carry_out(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Send):
                player = self.players[effect.connection]
                for piece in _pieces(effect.data, self._cut_bytes):
                    self._to_world(effect.connection, player.feed(piece, self.now))
            else:
                self.hangups.append(effect)
                self._closing.append((self.now + effect.after_seconds, effect.connection))


def _pieces(data: bytes, size: int) -> Iterable[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))
