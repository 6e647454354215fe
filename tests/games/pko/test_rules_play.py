"""Honest players and the rules: nothing that they send is refused."""

from collections import Counter
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from games.packet import Direction, Packet
from games.pko import PACKETS
from games.pko.chat import Say
from games.pko.connection import BeginPlay, EnterMap, Login, LoginAccepted
from games.pko.ping import Ping, PingReply
from games.pko.sim.dialects import SCRIPTED
from games.pko.sim.effects import Effect, Send
from games.pko.sim.player import OK
from games.pko.trade import TradeGold
from tests.games.pko.guarded import PACK, Guarded
from tests.games.pko.sim.joined import Joined
from tests.games.strategies import packets_of

CLASSIC = PACK.codec("classic")


class GuardedJoined(Joined):
    """Players whose bytes go through guards on their way to the server."""

    def __init__(self, dialect: str) -> None:
        super().__init__(dialect)
        self.sessions: dict[int, Guarded] = {}

    def _to_world(self, number: int, data: bytes) -> None:
        session = self._session(number)
        if data:
            assert session.frames(data) == ""
        super()._to_world(number, data)

    def _carry_out(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Send):
                self._session(effect.connection).says(effect.data)
            super()._carry_out([effect])

    def _session(self, number: int) -> Guarded:
        if number not in self.sessions:
            self.sessions[number] = Guarded(self.codec.dialect.name)
        session = self.sessions[number]
        session.now = int(self.now * 1_000_000_000)
        return session


@pytest.mark.parametrize("dialect", SCRIPTED)
def test_scripted_players_are_never_refused(dialect: str) -> None:
    joined = GuardedJoined(dialect)
    players = joined.crowd(3, play_seconds=30.0, chat_seconds=2.0, moves_per_second=3.0)
    joined.run(32, step_seconds=0.02)
    assert [player.outcome for player in players] == [OK] * 3
    for session in joined.sessions.values():
        assert session.guard.identity.keys() == {"account", "hardware", "character"}
        assert session.refused == Counter()


IN_GAME = [
    cls
    for cls in PACKETS
    if cls.DIRECTION is Direction.SERVERBOUND
    and cls in CLASSIC.classes(cls.DIRECTION, cls.OPCODE)
    and not 431 <= cls.OPCODE <= 438
    and cls.OPCODE not in (346, 347)
]
"""Packets of a player in the world."""


def in_the_world() -> Guarded:
    session = Guarded()
    session.client(Login(account=b"admin", password=bytes(24), mac=b"00-25", version=136))
    session.server(LoginAccepted(key=bytes(8), characters=()))
    session.client(BeginPlay(name=b"Ann"))
    session.server(EnterMap(map_name=b"garner", character_id=1, world_id=2, name=b"Ann", x=1, y=1))
    session.server_raw(561, b"\1")
    return session


@given(packets=st.lists(st.sampled_from(IN_GAME).flatmap(packets_of), min_size=1, max_size=8))
@settings(max_examples=80)
def test_any_legal_packets_at_a_human_pace_pass(packets: list[Packet]) -> None:
    session = in_the_world()
    for packet in packets:
        session.wait(12)
        session.server_raw(813)  # no trade is agreed to
        session.server_raw(561, b"\1")
        if isinstance(packet, PingReply):
            session.server(Ping(words=packet.words))
        expected = "client_state" if packet.OPCODE == 349 and "reading" not in session.guard.flags else ""
        assert session.client(packet) == expected


def test_a_busy_second_passes() -> None:
    session = in_the_world()
    busy: list[Packet] = [
        *[Say(text=b"hi")] * 4,
        *[TradeGold(kind=1, character_id=2, operation=1, amount=5)] * 20,
        *[cls() for cls in IN_GAME if cls.MAX_BYTES == 0 and cls.OPCODE not in (349, 48)],
    ]
    assert [session.client(packet) for packet in busy] == [""] * len(busy)
