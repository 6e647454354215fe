"""One scripted player against a hand-driven server: what it says, and what it does not put up with."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from games.packet import Direction, Packet
from games.pko.action import Move, MoveNotice
from games.pko.chat import PopupNotice, Said, Say, SystemInfo
from games.pko.connection import (
    BeginPlay,
    BeginPlayReply,
    CharacterSlot,
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
from games.pko.framing import ORDINARY
from games.pko.ping import CheckPing, CheckPingReply, Ping
from games.pko.sim.intake import Intake
from games.pko.sim.ledger import StreamKind, Tally
from games.pko.sim.options import PlayerOptions
from games.pko.sim.player import OK, Player
from games.registry import load_pack
from wire.errors import MisuseError

OPTIONS = PlayerOptions(
    account=b"bot00001",
    seed=1,
    play_seconds=10,
    moves_per_second=1,
    chat_seconds=0,
    answer_seconds=5,
)
GREETING = Greeting(stamp=b"[01-01 00:00:00:000]")
ACCEPTED = LoginAccepted(key=bytes(8), characters=(CharacterSlot(name=b"Rend", job=b"", level=1, look=b""),))
ENTERED = EnterMap(map_name=b"garner", character_id=1, world_id=42, name=b"Rend", x=1000, y=1000)


class Server:
    """The other end, by hand."""

    def __init__(self, options: PlayerOptions = OPTIONS, dialect: str = "classic") -> None:
        self.codec = load_pack("pko").codec(dialect)
        self.now = 0.0
        self.player = Player(self.codec, options, self.now)
        self.intake = Intake(self.codec, Direction.SERVERBOUND)
        self.words: list[int | None] = []
        self.counters: list[int | None] = []

    def send(self, packet: Packet, *, session_word: int | None = None) -> list[Packet | None]:
        return self.send_bytes(self.codec.seal(packet, session_word=session_word))

    def send_bytes(self, data: bytes) -> list[Packet | None]:
        return self.read(self.player.feed(data, self.now))

    def tick(self, seconds: float) -> list[Packet | None]:
        self.now += seconds
        return self.read(self.player.tick(self.now))

    def read(self, data: bytes) -> list[Packet | None]:
        """Return what the player wrote; None stands for a keep-alive."""
        frames = list(self.intake.feed(data))
        self.words = [frame.session_word for frame in frames]
        self.counters += [frame.counter for frame in frames if frame.opcode is not None]
        return [self.codec.decode(Direction.SERVERBOUND, frame) for frame in frames]

    def echo(self, packet: Packet | None) -> None:
        if isinstance(packet, Move):
            self.send(MoveNotice(world_id=packet.world_id, packet_id=packet.packet_id, path=packet.path))
        elif isinstance(packet, Say):
            self.send(Said(speaker_id=ENTERED.world_id, text=packet.text))

    def log_in(self) -> "Server":
        for packet in (GREETING, ACCEPTED, BeginPlayReply(), ENTERED):
            self.send(packet)
        assert self.player.is_playing
        return self


def test_it_logs_in_step_by_step() -> None:
    server = Server()
    assert server.tick(1) == []
    (login,) = server.send(GREETING)
    assert isinstance(login, Login)
    assert (login.account, login.version, len(login.password), len(login.mac)) == (b"bot00001", 136, 24, 23)
    assert server.send(ACCEPTED) == [BeginPlay(name=b"Rend")]
    assert server.send(BeginPlayReply()) == []
    assert not server.player.is_playing
    assert server.send(ENTERED) == []
    assert server.player.is_playing


def test_it_walks_and_times_its_echoes() -> None:
    server = Server().log_in()
    moves = [packet for _ in range(30) for packet in server.tick(0.1) if packet is not None]
    assert [move.packet_id for move in moves if isinstance(move, Move)] == [1, 2, 3]
    server.now += 0.5
    for move in moves:
        server.echo(move)
    assert server.player.round_trips.count == 3
    assert server.player.round_trips.smallest_seconds >= 0.5
    assert server.player.ledger.tally() == Tally(sent=3, received=3)


def test_it_speaks_in_numbered_lines() -> None:
    server = Server(PlayerOptions(account=b"b", seed=2, moves_per_second=0, chat_seconds=1, chat_bytes=12)).log_in()
    lines = [packet for _ in range(30) for packet in server.tick(0.1) if packet is not None]
    assert [line.text for line in lines if isinstance(line, Say)] == [b"1: ahoy ther", b"2: ahoy ther", b"3: ahoy ther"]


def test_it_answers_pings_and_keeps_its_connection_alive() -> None:
    server = Server(PlayerOptions(account=b"b", moves_per_second=0, chat_seconds=0)).log_in()
    assert server.tick(1.9) == []
    assert server.tick(0.2) == [None]
    assert server.send(CheckPing()) == [CheckPingReply()]
    assert server.tick(1.9) == []
    assert server.tick(0.2) == [None]


def test_it_logs_out_by_a_call_once_all_echoes_are_back() -> None:
    server = Server().log_in()
    moves = [packet for _ in range(95) for packet in server.tick(0.1) if isinstance(packet, Move)]
    for move in moves[:-1]:
        server.echo(move)
    assert Logout() not in server.tick(1)
    last = MoveNotice(world_id=42, packet_id=moves[-1].packet_id, path=moves[-1].path)
    assert server.send(last) == [Logout()]
    assert server.words == [1]
    assert server.send(LogoutReply(), session_word=1 + ORDINARY) == []
    assert server.player.outcome is None
    server.player.closed(server.now)
    assert server.player.outcome == OK


def test_echoes_that_stay_away_are_lost_and_named() -> None:
    server = Server().log_in()
    moves = [packet for _ in range(105) for packet in server.tick(0.1) if isinstance(packet, Move)]
    assert Logout() in server.tick(5)
    server.send(LogoutReply(), session_word=1 + ORDINARY)
    server.player.closed(server.now)
    assert server.player.outcome == f"{len(moves)} of its frames did not come back"
    assert server.player.ledger.tally(StreamKind.MOVE).lost == len(moves)


def test_it_holds_back_when_too_much_is_unanswered() -> None:
    options = PlayerOptions(account=b"b", moves_per_second=10, min_move_interval_seconds=0, max_unanswered=4)
    server = Server(options).log_in()
    moves = [packet for _ in range(20) for packet in server.tick(0.1) if isinstance(packet, Move)]
    assert len(moves) == 4
    assert server.player.held_back > 10
    server.echo(moves[0])
    assert any(isinstance(packet, Move) for packet in server.tick(0.2))


def test_it_does_not_make_up_for_a_long_pause() -> None:
    server = Server().log_in()
    moves = [packet for packet in server.tick(8) if isinstance(packet, Move)]
    assert len(moves) <= 2


def test_others_in_sight_are_watched_from_their_first_number_on() -> None:
    server = Server().log_in()
    for number in (7, 8, 10, 9, 9):
        server.send(MoveNotice(world_id=5, packet_id=number, path=()))
    server.send(Said(speaker_id=6, text=b"3: x"))
    server.send(Said(speaker_id=6, text=b"a person's line"))
    assert server.player.ledger.tally() == Tally(received=5, doubled=1, reordered=1)


def test_due_seconds_is_when_something_happens() -> None:
    server = Server().log_in()
    for _ in range(40):
        due = server.player.due_seconds
        before = server.player.frames_sent
        server.read(server.player.tick(due - 0.001))
        assert server.player.frames_sent == before
        server.now = due
        for packet in server.read(server.player.tick(due)):
            server.echo(packet)
        if server.player.outcome is not None or Logout() in server.read(server.player.tick(due)):
            break


@pytest.mark.parametrize("dialect", ["counter", "counter+trailer"])
def test_packets_are_counted_from_the_login_on(dialect: str) -> None:
    server = Server(dialect=dialect).log_in()
    server.send(CheckPing())
    server.tick(2.5)
    for number in (1, 2):
        server.send(MoveNotice(world_id=42, packet_id=number, path=()))
    server.read(server.player.leave(server.now))
    assert server.counters == list(range(len(server.counters)))
    assert len(server.counters) >= 5


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (LoginRefused(error=1002), "login refused with error 1002"),
        (LoginAccepted(key=b"", characters=()), "the account has no character"),
        (LoginAccepted(key=b"", characters=(), comm_encrypt=1), "the server wants encryption"),
        (BeginPlayReply(), "opcode 933 came while it was waiting for the answer to its login"),
        (GREETING, "opcode 940 came while it was waiting for the answer to its login"),
        (Ping(words=(0, 0, 0, 0, 0)), "opcode 515 came"),
    ],
)
def test_what_is_wrong_at_the_login(packet: Packet, reason: str) -> None:
    server = Server()
    server.send(GREETING)
    assert server.send(packet) == []
    assert server.player.outcome is not None
    assert server.player.outcome.startswith(reason)
    assert server.tick(100) == server.send(GREETING) == []


def test_refusals_on_the_way_to_the_map() -> None:
    server = Server()
    for packet in (GREETING, ACCEPTED, BeginPlayReply(), EnterMapRefused(error=9)):
        server.send(packet)
    assert server.player.outcome == "map refused with error 9"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x00\x05\x80\x00\x00", "the server sent a frame of 5 bytes at stream offset"),
        (bytes.fromhex("0008 80000000 0395"), "opcode 917 came"),
        (bytes.fromhex("0009 80000000 01fc 00"), "the server sent a packet that cannot be read"),
    ],
)
def test_what_is_wrong_in_play(data: bytes, reason: str) -> None:
    server = Server().log_in()
    server.send_bytes(data)
    assert server.player.outcome is not None
    assert server.player.outcome.startswith(reason)


def test_an_answer_to_another_call_is_no_logout() -> None:
    server = Server()
    server.log_in()
    assert server.read(server.player.leave(server.now)) == [Logout()]
    server.send(LogoutReply())
    assert server.player.outcome == "the logout was answered with session word 0x80000000"


@pytest.mark.parametrize("notice", [SystemInfo(text=b"hi"), PopupNotice(text=b"hi"), MapCrash(text=b"hi")])
def test_notices_are_kept_for_the_reason(notice: Packet) -> None:
    server = Server().log_in()
    assert server.send(notice) == []
    assert server.player.is_playing
    server.player.closed(server.now)
    assert server.player.outcome is not None
    assert server.player.outcome.endswith("; the last notice was: hi")


@pytest.mark.parametrize("steps", range(4))
def test_patience_has_an_end_at_every_step(steps: int) -> None:
    server = Server()
    for packet in (GREETING, ACCEPTED, BeginPlayReply())[:steps]:
        server.send(packet)
    for _ in range(6):
        server.send_bytes(b"\x00\x02")
        server.tick(1)
    assert server.player.outcome is not None
    assert server.player.outcome.startswith("its patience ended while it was waiting for")


def test_silence_has_an_end_too() -> None:
    server = Server(PlayerOptions(account=b"b", play_seconds=100)).log_in()
    server.tick(30)
    assert server.player.outcome == "the server sent nothing for 30 s"


def test_a_server_that_does_not_close_after_the_logout_is_no_success() -> None:
    server = Server().log_in()
    server.read(server.player.leave(server.now))
    server.send(LogoutReply(), session_word=1 + ORDINARY)
    server.tick(3.1)
    assert server.player.outcome == "its patience ended while it was waiting for the server to close"


def test_a_dialect_with_another_login_is_not_scripted() -> None:
    with pytest.raises(MisuseError, match="tg"):
        Server(dialect="tg")


@given(st.lists(st.tuples(st.binary(max_size=60), st.integers(0, 65535)), max_size=5), st.binary(max_size=30))
def test_any_bytes_are_survived(frames: list[tuple[bytes, int]], junk: bytes) -> None:
    server = Server().log_in()
    for body, opcode in frames:
        server.send_bytes(server.codec.dialect.clientbound.seal(opcode, body))
    server.send_bytes(junk)
    server.tick(100)
    assert server.player.outcome is not None
