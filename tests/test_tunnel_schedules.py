"""Edge and core joined in memory, under thousands of schedules of bytes, breaks, delays and half-sent messages.

No gRPC, no socket and no clock: each message is handed over by hand, and a seed decides what happens next. Whatever
happens, what a player said is what the game server hears, and the other way round.
"""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from random import Random
from types import SimpleNamespace
from typing import Any, cast

import pytest

from core.core_tunnel import CoreLimits, CoreTunnel, Places
from core.origin_watch import OriginWatch
from core.policy import compile_policy
from edge.edge_tunnel import EdgeTunnel, SocketAddress
from games.registry import load_pack
from protos.tidegate.tunnel.v1 import tunnel_pb2
from tests.tunnel.fakes import FakeLink
from tunnel.attachment import Attachment
from tunnel.counters import Counters
from tunnel.link import Link, LinkEvents
from tunnel.messages import MessageParser
from tunnel.session import Session
from wire.batches import Batch
from wire.liveness import Liveness

WINDOW_BYTES = 16 * 1024
SCHEDULES = 60
SEEDS_EACH = 25
STEPS = 120


def attachment() -> Attachment:
    """What a tunnel end needs of an attachment when nobody carries it."""
    return cast("Attachment", SimpleNamespace(liveness=Liveness(0), give_up=lambda _: None, has_slept=lambda: False))


class FakeOrigin:
    """Game servers without sockets, by slot."""

    def __init__(self) -> None:
        self.links: dict[int, FakeLink] = {}

    async def open(self, events: LinkEvents) -> Link:
        session = cast("Session", events)
        link = self.links[session.slot] = FakeLink(capacity=4000, session=session)
        return link


@dataclass
class Player:
    """One player's side: the link at the edge, and everything that went in at either end."""

    link: FakeLink
    session: Session
    said: bytearray = field(default_factory=bytearray)
    heard: bytearray = field(default_factory=bytearray)  # what the game server said to it
    has_left: bool = False
    server_has_left: bool = False


class Joined:
    """Both ends of one tunnel and the road between them."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        policy = compile_policy(load_pack("echo"), "plain")
        welcome = tunnel_pb2.Welcome(core_name="core", window_bytes=WINDOW_BYTES, epoch=1, hold_milliseconds=1000)
        self.edge = EdgeTunnel(
            bytes(16),
            welcome,
            policy,
            tunnel_pb2.Policy(),
            Counters(),
            window_bytes=WINDOW_BYTES,
            flush_window_seconds=0,
            half_close_seconds=1,
            ring_bytes=1 << 20,
        )
        self.origin = FakeOrigin()
        hello = tunnel_pb2.Hello(tunnel_id=bytes(16), edge_name="edge", window_bytes=WINDOW_BYTES)
        limits = CoreLimits(
            window_bytes=WINDOW_BYTES,
            flush_window_seconds=0,
            half_close_seconds=1,
            max_sessions=100,
            ring_bytes=1 << 20,
        )
        watch = OriginWatch(lambda: 0.0)
        self.core = CoreTunnel(hello, policy, self.origin, watch, Places(100), Counters(), limits)
        self.ends: tuple[Any, Any] = (self.edge, self.core)
        self.roads: tuple[deque[bytes], deque[bytes]] = (deque(), deque())
        self.players: list[Player] = []
        self.attach()

    def attach(self) -> None:
        """Say where both are, and go on; as `_greet_again` and `_find` do."""
        for end, other in (self.ends, self.ends[::-1]):
            end.delivery.resume(other.delivery.received)
        self.attachments = [attachment(), attachment()]
        for end, each in zip(self.ends, self.attachments, strict=True):
            end.attach(each)

    def break_off(self) -> None:
        """Lose what is on the road."""
        for end, road, each in zip(self.ends, self.roads, self.attachments, strict=True):
            road.clear()
            end.detach(each)

    def write(self, side: int) -> None:
        """Put the next message on the road, as the writer of an attachment does."""
        end = self.ends[side]
        end.queue.seal()
        numbered = end.delivery.take()
        if numbered is not None:
            end.buffer.sealed_bytes -= numbered.size_bytes
            numbered.message.acknowledged = end.delivery.received
            self.roads[side].append(numbered.message.SerializeToString())
            end.queue._relieve()

    def arrive(self, side: int) -> None:
        """Take the next message from the road."""
        if self.roads[side]:
            parser = MessageParser(tunnel_pb2.AttachRequest if side == 0 else tunnel_pb2.AttachResponse)
            message, end = parser.parse(self.roads[side].popleft()), self.ends[1 - side]
            if isinstance(message, Batch):
                end.inbox.take(message)
            else:
                end.handle(message)

    def beat(self, side: int) -> None:
        """Acknowledge, and say nothing else."""
        end = self.ends[side]
        heartbeat = tunnel_pb2.Heartbeat(sent_nanoseconds=1)
        message = end.message_type(heartbeat=heartbeat, acknowledged=end.delivery.received)
        self.roads[side].append(message.SerializeToString())

    async def step(self) -> None:
        """Have anything at all happen."""
        side = self.random.randrange(2)
        match self.random.choice(
            ("write",) * 4 + ("arrive",) * 4 + ("say",) * 4 + ("beat", "read", "open", "break", "leave")
        ):
            case "write":
                self.write(side)
            case "arrive":
                self.arrive(side)
            case "beat":
                self.beat(side)
            case "say":
                self.say(side)
            case "read":
                self.read()
            case "open" if len(self.players) < 8:
                self.open()
            case "leave" if self.random.random() < 0.2:
                self.leave(side)
            case "break":
                self.break_off()
                for _ in range(self.random.randrange(4)):  # both ends go on meanwhile
                    self.say(self.random.randrange(2))
                self.attach()
                if self.random.random() < 0.3:
                    self.write(side)
                    self.break_off()
                    self.attach()
            case _:
                pass
        await asyncio.sleep(0)

    def open(self) -> None:
        link = FakeLink(capacity=4000)
        here = SocketAddress("127.0.0.1", 1)
        session = self.edge.open_session(here, here, link)
        link.session = session
        self.players.append(Player(link, session))

    def say(self, side: int) -> None:
        """A player or its game server says a few frames, cut anywhere."""
        if not self.players:
            return
        player = self.random.choice(self.players)
        server = self.origin.links.get(player.session.slot)
        frames = b"".join(
            size.to_bytes(2, "big") + self.random.randbytes(size - 2)
            for size in (self.random.choice((3, 70, 900)) for _ in range(self.random.randrange(1, 6)))
        )
        if side == 0 and not player.has_left and not player.session.reason and not player.link.is_paused:
            player.said += frames
            player.session.link_data(frames)
        elif side == 1 and server is not None and not server.is_paused:
            session = server.session
            if session is not None and not session.reason:
                player.heard += frames
                session.link_data(frames)

    def read(self) -> None:
        """Everybody's socket takes what is there."""
        for link in (*(player.link for player in self.players), *self.origin.links.values()):
            link.read_all()

    def leave(self, side: int) -> None:
        """A player closes, or its game server does."""
        if not self.players:
            return
        player = self.random.choice(self.players)
        server = self.origin.links.get(player.session.slot)
        if side == 0 and not player.session.reason:
            player.has_left = True
            player.session.link_lost(None)
        elif side == 1 and server is not None and server.session is not None and not server.session.reason:
            player.server_has_left = True
            server.session.link_lost(None)

    async def settle(self) -> None:
        """Deliver everything there is."""
        for _ in range(400):
            for side in (0, 1):
                self.write(side)
                self.arrive(side)
                self.beat(side)
                self.arrive(side)
            self.read()
            await asyncio.sleep(0)


async def play(seed: int) -> None:
    """One schedule, and what has to hold after it."""
    joined = Joined(seed)
    for _ in range(STEPS):
        await joined.step()
    await joined.settle()
    for number, player in enumerate(joined.players):
        server = joined.origin.links.get(player.session.slot, FakeLink())  # none where there was nothing to say
        for said, heard, has_left in (
            (player.said, server.sent, player.server_has_left),
            (player.heard, player.link.sent, player.has_left),
        ):  # who has left hears no more; everybody else hears everything, also what somebody said who has left since
            assert said.startswith(heard) if has_left else heard == said, f"seed {seed}: player {number}"
    for end in joined.ends:
        assert end.delivery.is_settled, f"seed {seed}"
        assert end.delivery.held_bytes == 0
        assert len(end.sessions) == sum(not player.session.reason for player in joined.players), f"seed {seed}: slots"
        assert end.queue.pending_bytes == 0
    joined.edge.gone("tunnel_lost")
    joined.core.gone("tunnel_lost")


@pytest.fixture(autouse=True)
def heartbeats_without_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """They only acknowledge here, and no time passes between them."""
    monkeypatch.setattr("wire.liveness.BEATS_AT_ONCE", 1 << 30)


@pytest.mark.parametrize("schedule", range(SCHEDULES))
async def test_what_one_side_says_the_other_hears_whatever_breaks(schedule: int) -> None:
    for seed in range(schedule * SEEDS_EACH, (schedule + 1) * SEEDS_EACH):
        await play(seed)
