"""The world in play: who stands where, moves (6 to 508) and chat (1 to 501) to everybody in sight.

Used by `world` alone. A move is answered by one 508 that says "on the way"; a second one at its end, which
a real server sends after the time the walk takes, is not sent (``docs/sim.md``).
"""

from collections.abc import Mapping

from games.pack import Codec
from games.packet import Packet
from games.pko.action import Move, MoveNotice
from games.pko.chat import Said, Say
from games.pko.connection import EnterMap
from games.pko.sim.ledger import Ledger, StreamKind
from games.pko.sim.lines import line_number
from games.pko.sim.options import MAP_SIDE_CM, WorldOptions
from games.pko.sim.outlet import Outlet
from games.pko.sim.scene import Places, Sight
from games.pko.sim.tallies import WorldTallies
from games.pko.sim.visit import AT_ONCE, State, Visit

MAP_NAME = b"garner"
FIRST_WORLD_ID = 10_001
CHAT_COLOUR = 0xFFFFFFFF


class Stage:
    """Characters in play, by the number of their connection."""

    def __init__(
        self,
        codec: Codec,
        options: WorldOptions,
        visits: Mapping[int, Visit],
        outlet: Outlet,
        tallies: WorldTallies,
    ) -> None:
        self._codec = codec
        self._visits = visits
        self._outlet = outlet
        self._tallies = tallies
        self._places = Places(options.sight_cm, options.sight_group)
        self._sight = Sight(options.sight_cm)
        self._ping_interval_seconds = options.ping_interval_seconds
        self._next_world_id = FIRST_WORLD_ID
        self.ledger = Ledger()

    @property
    def has_room(self) -> bool:
        """Whether one more character can enter."""
        return self._places.has_room

    def enter(self, visit: Visit, name: bytes) -> None:
        """Put a character on the map and tell its client where it is; there must be room."""
        place = self._places.take()
        if place is None:
            raise ValueError("no place is free: ask has_room first")
        x, y = self._places.point(place)
        visit.place = place
        visit.world_id = self._next_world_id  # never given out twice, so a ledger can tell two lives apart
        self._next_world_id += 1
        visit.state = State.PLAYING
        visit.due_seconds = AT_ONCE
        visit.next_ping_seconds = self._outlet.now_seconds + self._ping_interval_seconds
        visit.pinged_seconds = None
        self._sight.put(visit.number, x, y)
        self.ledger.begin(visit.world_id)
        self._outlet.send(
            visit,
            EnterMap(
                map_name=MAP_NAME,
                character_id=visit.number,
                world_id=visit.world_id,
                comm_id=visit.number,
                comm_name=name,
                name=name,
                x=x,
                y=y,
                radius=40,
            ),
        )

    def leave(self, visit: Visit) -> None:
        """Take a character off the map; nothing happens if it is not there."""
        if visit.place is None:
            return
        self._places.free(visit.place)
        visit.place = None
        self._sight.remove(visit.number)
        self.ledger.close(visit.world_id)

    def move(self, visit: Visit, packet: Move) -> None:
        """Let a character walk, and show it to everybody in sight, itself included."""
        if packet.world_id != visit.world_id:
            self._tallies.foreign_actions += 1
            return
        if not all(0 <= each.x <= MAP_SIDE_CM and 0 <= each.y <= MAP_SIDE_CM for each in packet.path):
            self._tallies.off_map_moves += 1
            return
        self.ledger.observe(visit.world_id, StreamKind.MOVE, packet.packet_id)
        goal = packet.path[-1]
        self._sight.put(visit.number, goal.x, goal.y)
        self._show(visit, MoveNotice(world_id=visit.world_id, packet_id=packet.packet_id, path=packet.path))

    def say(self, visit: Visit, packet: Say) -> None:
        """Let everybody in sight read what a character says, itself included."""
        # What a gate and a game server keep from other players (protocol file, table 4.2).
        if b"#21" in packet.text or packet.text.startswith(b"&"):
            self._tallies.dropped_texts += 1
            return
        number = line_number(packet.text)
        if number is not None:
            self.ledger.observe(visit.world_id, StreamKind.SAY, number)
        self._show(visit, Said(speaker_id=visit.world_id, text=packet.text, colour=CHAT_COLOUR))

    def _show(self, visit: Visit, packet: Packet) -> None:
        frame = self._codec.seal(packet)
        for number in self._sight.around(visit.number):
            self._outlet.send_frame(self._visits[number], frame)
