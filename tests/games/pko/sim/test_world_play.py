"""The scripted server in play: moves, chat, pings, keep-alives, and how connections end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from games.pko.action import MoveNotice, OtherAction, Point
from games.pko.chat import Said, Say, Whisper
from games.pko.connection import Logout
from games.pko.ping import CheckPing, CheckPingReply
from games.pko.sim.effects import CloseReason
from games.pko.sim.ledger import Tally
from tests.games.pko.sim.client import Port, login, make_world
from tests.games.rows import string


@pytest.fixture
def port() -> Port:
    return Port(make_world(sight_group=2))


def test_a_move_is_shown_to_all_in_sight_and_to_nobody_else(port: Port) -> None:
    mover, witness, stranger = port.enter(b"mover"), port.enter(b"witness"), port.enter(b"stranger")
    move = mover.move(77)
    notice = MoveNotice(world_id=move.world_id, packet_id=77, path=move.path)
    assert mover.take() == [notice]
    assert witness.take() == [notice]
    assert stranger.take() == []


def test_who_walks_far_away_is_out_of_sight(port: Port) -> None:
    mover, witness = port.enter(b"mover"), port.enter(b"witness")
    assert mover.entered is not None
    mover.move(1, to=Point(x=mover.entered.x + 10_000, y=mover.entered.y))
    mover.move(2)
    assert [notice.packet_id for notice in mover.take() if isinstance(notice, MoveNotice)] == [1, 2]
    assert [notice.packet_id for notice in witness.take() if isinstance(notice, MoveNotice)] == [2]


def test_a_freed_place_goes_to_a_new_character_with_a_new_id(port: Port) -> None:
    first, witness = port.enter(b"first"), port.enter(b"witness")
    port.world.disconnect(first.number, port.now)
    second = port.enter(b"second")
    assert first.entered is not None
    assert second.entered is not None
    assert (first.entered.x, first.entered.y) == (second.entered.x, second.entered.y)
    assert first.entered.world_id != second.entered.world_id
    second.move(1)
    assert len(witness.take()) == 1


def test_chat_is_read_by_all_in_sight(port: Port) -> None:
    speaker, witness, stranger = port.enter(b"speaker"), port.enter(b"witness"), port.enter(b"stranger")
    speaker.send(Say(text=b"1: ahoy"))
    for client in (speaker, witness):
        (said,) = client.take()
        assert isinstance(said, Said)
        assert said.text == b"1: ahoy"
    assert stranger.take() == []


def test_commands_of_game_masters_are_dropped(port: Port) -> None:
    client = port.enter(b"speaker")
    client.send(Say(text=b"&make 1,1"))
    assert client.take() == []
    assert port.world.tallies.dropped_texts == 1


def test_a_text_that_a_gate_keeps_back_is_malformed(port: Port) -> None:
    client = port.enter(b"speaker")
    client.send_bytes(port.codec.dialect.serverbound.seal(Say.OPCODE, string(b"boom #21 boom")))
    assert client.take() == []
    assert port.world.tallies.malformed_packets == 1


def test_the_ledger_holds_what_clients_sent(port: Port) -> None:
    client = port.enter(b"mover")
    for number in (1, 2, 2, 5):
        client.move(number)
    client.send(Say(text=b"1: x"))
    client.send(Say(text=b"a person's line"))
    assert port.world.ledger.tally() == Tally(received=4, lost=2, doubled=1)
    assert port.world.report()["ledger"] == port.world.ledger.summary()


def test_what_is_not_scripted_is_counted_and_ignored(port: Port) -> None:
    client = port.enter(b"admin")
    client.send(OtherAction(world_id=1, packet_id=1, action=30))
    client.send(Whisper(to=b"x", text=b"y"))
    client.send_bytes(bytes.fromhex("0008 80000000 0800"))
    client.send_bytes(bytes.fromhex("0009 80000000 0006 00"))
    client.send_bytes(bytes.fromhex("0008 00000005 0001"))
    client.send_bytes(bytes.fromhex("0008 80000005 0001"))
    client.send(CheckPingReply())
    assert client.take() == []
    assert client.hangup is None
    tallies = port.world.tallies
    assert (tallies.ignored_packets, tallies.unknown_opcodes, tallies.malformed_packets, tallies.ignored_calls) == (
        3,
        1,
        1,
        2,
    )


@pytest.mark.parametrize("x", [-1, 409_601])
def test_a_move_off_the_map_is_malformed(port: Port, x: int) -> None:
    client = port.enter(b"admin")
    body = client.move(1).encode()
    client.take()
    client.send_bytes(
        port.codec.dialect.serverbound.seal(6, body[:-8] + x.to_bytes(4, "little", signed=True) + body[-4:])
    )
    assert client.take() == []
    assert port.world.tallies.malformed_packets == 1


def test_moves_of_others_are_ignored(port: Port) -> None:
    client, other = port.enter(b"admin"), port.enter(b"other")
    client.entered = other.entered
    client.move(1)
    assert client.take() == other.take() == []
    assert port.world.tallies.foreign_actions == 1


def test_a_move_before_the_map_is_ignored(port: Port) -> None:
    player = port.enter(b"player")
    client = port.connect()
    client.entered = player.entered
    client.take()
    client.move(1)
    assert client.take() == []
    assert port.world.tallies.wrong_state == 1


def test_pings_come_every_twenty_seconds_and_are_timed(port: Port) -> None:
    client = port.enter(b"admin")
    port.tick(19.9)
    assert CheckPing() not in client.take()
    port.tick(0.1)
    assert CheckPing() in client.take()
    port.now += 0.25
    client.send(CheckPingReply())
    assert port.world.round_trips.count == 1
    assert port.world.round_trips.largest_seconds == pytest.approx(0.25)
    port.tick(19.74)
    assert CheckPing() not in client.take()
    port.tick(0.02)
    assert CheckPing() in client.take()


def test_a_keep_alive_follows_two_seconds_of_sending_nothing(port: Port) -> None:
    client = port.enter(b"admin")
    port.tick(1.9)
    assert client.take() == []
    client.move(1)
    port.tick(1.9)
    assert len(client.take()) == 1
    port.tick(0.2)
    assert client.take() == [None]
    port.tick(0.2)
    assert client.take() == []


def test_silence_ends_after_a_minute_and_a_keep_alive_is_no_silence(port: Port) -> None:
    client = port.enter(b"admin")
    port.tick(59)
    client.send_bytes(b"\x00\x02")
    port.tick(59)
    assert client.hangup is None
    port.tick(1.1)
    assert client.closed_for is CloseReason.PING_LIMIT
    assert port.world.playing == 0


def test_a_login_must_come_within_eight_seconds(port: Port) -> None:
    late, early = port.connect(), port.connect()
    port.tick(7.9)
    early.send(login(b"early"))
    port.tick(0.2)
    assert late.closed_for is CloseReason.LOGIN
    assert early.hangup is None


@pytest.mark.parametrize("length", [0, 1, 3, 4, 5, 6, 7, 16385, 65535])
def test_a_bad_length_ends_the_connection_at_once(port: Port, length: int) -> None:
    client = port.enter(b"admin")
    client.send_bytes(port.codec.seal(Say(text=b"1: first")) + length.to_bytes(2, "big"))
    assert len(client.take()) == 1
    assert client.hangup is not None
    assert (client.hangup.reason, client.hangup.after_seconds) == (CloseReason.BAD_LENGTH, 0)


def test_a_stalled_client_is_given_up(port: Port) -> None:
    client, witness = port.enter(b"admin"), port.enter(b"witness")
    port.deliver(port.world.stall(client.number, port.now))
    assert client.closed_for is CloseReason.SEND_QUEUE_FULL
    witness.move(1)
    assert client.take() == []
    assert port.world.report()["closes"] == {"send_queue_full": 1}


def test_calls_about_a_connection_that_is_gone_do_nothing(port: Port) -> None:
    client = port.connect()
    port.world.disconnect(client.number, port.now)
    assert port.world.receive(client.number, b"\x00\x00", port.now) == []
    assert port.world.stall(client.number, port.now) == []
    assert port.world.disconnect(client.number, port.now) == []


@pytest.mark.parametrize("dialect", ["counter", "counter+trailer"])
def test_the_packet_counter_is_checked_from_zero(dialect: str) -> None:
    port = Port(make_world(dialect), dialect)
    client = port.connect()
    client.send(login(b"admin"), counter=0)
    client.send(Say(text=b"x"), counter=1)
    client.send_bytes(b"\x00\x02")
    client.send(Say(text=b"x"), counter=2)
    assert client.hangup is None
    client.send(Say(text=b"x"), counter=4)
    assert client.closed_for is CloseReason.OUT_OF_STEP


def test_calls_are_not_checked_for_their_counter() -> None:
    port = Port(make_world("counter+trailer"), "counter+trailer")
    client = port.connect()
    client.send(login(b"admin"), counter=0)
    client.send(Logout(), counter=1234, session_word=1)
    assert client.closed_for is CloseReason.LOGOUT


def test_a_wrong_trailer_ends_the_connection() -> None:
    port = Port(make_world("counter+trailer"), "counter+trailer")
    client = port.connect()
    frame = port.codec.seal(login(b"admin"), counter=0)
    client.send_bytes(frame[:-2] + b"\x00\x88")
    assert client.closed_for is CloseReason.REFUSED_FRAME


@given(st.lists(st.tuples(st.binary(max_size=40), st.integers(0, 65535)), max_size=6), st.booleans())
def test_any_bytes_are_survived(frames: list[tuple[bytes, int]], playing: bool) -> None:
    port = Port(make_world())
    client = port.enter(b"admin") if playing else port.connect()
    for body, opcode in frames:
        client.send_bytes(port.codec.dialect.serverbound.seal(opcode, body))
        client.send_bytes(port.codec.dialect.serverbound.seal(opcode % 450, body))
    for body, _ in frames:
        client.send_bytes(body)
    port.tick(100)
    assert client.hangup is not None
