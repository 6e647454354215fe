"""A hand-driven client of a `World`: sends packets, collects what comes back. For tests of the server."""

from games.envelope import Frame
from games.packet import Direction, Packet
from games.pko.action import Move, Point
from games.pko.connection import BeginPlay, EnterMap, Login
from games.pko.sim.effects import CloseReason, Effect, Hangup, Send
from games.pko.sim.intake import Intake
from games.pko.sim.options import WorldOptions
from games.pko.sim.world import World
from games.registry import load_pack


def make_world(dialect: str = "classic", **options: object) -> World:
    return World(load_pack("pko").codec(dialect), WorldOptions(**options))  # type: ignore[arg-type]


def login(account: bytes, version: int = 136) -> Login:
    return Login(account=account, password=bytes(24), mac=b"00-25-22-DF-AC-79-00-00", version=version)


class Port:
    """All clients of one world, and its clock."""

    def __init__(self, world: World, dialect: str = "classic") -> None:
        self.world = world
        self.codec = load_pack("pko").codec(dialect)
        self.now = 500.0
        self.clients: dict[int, Client] = {}

    def connect(self) -> "Client":
        number, effects = self.world.connect(self.now)
        client = self.clients[number] = Client(self, number)
        self.deliver(effects)
        return client

    def enter(self, account: bytes) -> "Client":
        """Connect, log in and enter the world; forget what came meanwhile."""
        client = self.connect()
        client.send(login(account))
        client.send(BeginPlay(name=account))
        entered = client.take()[-1]
        assert isinstance(entered, EnterMap)
        client.entered = entered
        return client

    def tick(self, seconds: float = 0.0) -> None:
        self.now += seconds
        self.deliver(self.world.tick(self.now))

    def deliver(self, effects: list[Effect]) -> None:
        for effect in effects:
            client = self.clients[effect.connection]
            if isinstance(effect, Send):
                client.frames += list(client.intake.feed(effect.data))
            else:
                client.hangup = effect


class Client:
    def __init__(self, port: Port, number: int) -> None:
        self.port = port
        self.number = number
        self.intake = Intake(port.codec, Direction.CLIENTBOUND)
        self.frames: list[Frame] = []
        self.hangup: Hangup | None = None
        self.entered: EnterMap | None = None

    def send(self, packet: Packet, *, counter: int | None = None, session_word: int | None = None) -> None:
        self.send_bytes(self.port.codec.seal(packet, counter=counter, session_word=session_word))

    def send_bytes(self, data: bytes) -> None:
        self.port.deliver(self.port.world.receive(self.number, data, self.port.now))

    def take(self) -> list[Packet | None]:
        """Return what came since the last call; None stands for a keep-alive."""
        frames, self.frames = self.frames, []
        return [self.port.codec.decode(Direction.CLIENTBOUND, frame) for frame in frames]

    def move(self, packet_id: int, *, to: Point | None = None) -> Move:
        assert self.entered is not None
        here = Point(x=self.entered.x, y=self.entered.y)
        packet = Move(world_id=self.entered.world_id, packet_id=packet_id, path=(here, to or here))
        self.send(packet)
        return packet

    @property
    def closed_for(self) -> CloseReason | None:
        return self.hangup.reason if self.hangup else None
