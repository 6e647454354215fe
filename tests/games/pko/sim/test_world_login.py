"""The scripted server up to the map: greeting, login, choice of characters, refusals."""

import pytest

from games.packet import Packet
from games.pko.connection import (
    BeginPlay,
    BeginPlayReply,
    DeleteCharacter,
    DeleteCharacterReply,
    EndPlay,
    EndPlayRefused,
    EndPlayReply,
    EnterMap,
    Greeting,
    LoginAccepted,
    LoginRefused,
    LoginWithAddress,
    Logout,
    LogoutReply,
    NewCharacter,
    NewCharacterByType,
    NewCharacterReply,
)
from games.pko.framing import ORDINARY, answer_word
from games.pko.sim.effects import CloseReason
from games.pko.sim.world import World
from games.registry import load_pack
from tests.games.pko.sim.client import Port, login, make_world
from wire.errors import MisuseError

PIN = b"21E0DC3394" + b"0" * 22


@pytest.fixture
def port() -> Port:
    return Port(make_world(refused_accounts={b"pirate": 1006}))


def test_the_server_speaks_first(port: Port) -> None:
    client = port.connect()
    (greeting,) = client.take()
    assert isinstance(greeting, Greeting)
    assert len(greeting.stamp) == 20


def test_a_login_is_answered_by_the_characters(port: Port) -> None:
    client = port.connect()
    client.take()
    client.send(login(b"admin"))
    (accepted,) = client.take()
    assert isinstance(accepted, LoginAccepted)
    assert [slot.name for slot in accepted.characters] == [b"admin"]
    assert len(accepted.key) == 8
    assert accepted.comm_encrypt == 0
    assert client.hangup is None


def test_a_login_with_an_address_is_taken_too(port: Port) -> None:
    client = port.connect()
    client.take()
    client.send(LoginWithAddress(account=b"a", password=bytes(24), mac=b"m", address=1, version=136))
    assert isinstance(client.take()[0], LoginAccepted)


def test_a_character_enters_the_map(port: Port) -> None:
    client = port.connect()
    client.send(login(b"admin"))
    client.take()
    client.send(BeginPlay(name=b"admin"))
    reply, entered = client.take()
    assert reply == BeginPlayReply(error=0)
    assert isinstance(entered, EnterMap)
    assert entered.name == b"admin"
    assert port.world.playing == 1


@pytest.mark.parametrize(
    ("account", "version", "error"),
    [(b"someone", 135, 7), (b"pirate", 136, 1006), (b"online", 136, 1104)],
)
def test_logins_are_refused_by_number_and_hung_up(port: Port, account: bytes, version: int, error: int) -> None:
    port.enter(b"online")
    client = port.connect()
    client.take()
    client.send(login(account, version))
    assert client.take() == [LoginRefused(error=error)]
    assert client.hangup is not None
    assert (client.hangup.reason, client.hangup.after_seconds) == (CloseReason.LOGIN, 0.1)
    client.send(login(b"again"))
    assert client.take() == []


def test_a_second_login_on_one_connection_is_refused(port: Port) -> None:
    client = port.enter(b"admin")
    client.send(login(b"other"))
    assert client.take() == [LoginRefused(error=1004)]
    assert client.closed_for is CloseReason.LOGIN
    assert port.world.playing == 0


@pytest.mark.parametrize("how", ["close", "logout"])
def test_an_account_can_come_back(port: Port, how: str) -> None:
    client = port.enter(b"admin")
    if how == "logout":
        client.send(Logout(), session_word=1)
    else:
        port.world.disconnect(client.number, port.now)
    assert port.enter(b"admin").entered is not None


@pytest.mark.parametrize(
    ("packet", "answer"),
    [
        (BeginPlay(name=b"x"), BeginPlayReply(error=6)),
        (EndPlay(), EndPlayRefused(error=6)),
        (NewCharacterByType(name=b"x", birthplace=b"", body_type=1, hair=1, face=1), NewCharacterReply(error=6)),
        (DeleteCharacter(name=b"x", pin=PIN), DeleteCharacterReply(error=6)),
    ],
)
def test_before_the_login_nothing_else_is_done(port: Port, packet: Packet, answer: Packet) -> None:
    client = port.connect()
    client.take()
    client.send(packet)
    assert client.take() == [answer]
    assert port.world.tallies.wrong_state == 1


@pytest.mark.parametrize(
    ("packet", "answer"),
    [
        (BeginPlay(name=b"admin"), BeginPlayReply(error=2)),
        (NewCharacter(name=b"x", birthplace=b"", look=bytes(1626)), NewCharacterReply(error=2)),
        (DeleteCharacter(name=b"x", pin=PIN), DeleteCharacterReply(error=2)),
    ],
)
def test_in_play_there_is_no_choice_of_characters(port: Port, packet: Packet, answer: Packet) -> None:
    client = port.enter(b"admin")
    client.send(packet)
    assert client.take() == [answer]


def test_leaving_the_map_and_coming_back(port: Port) -> None:
    client = port.enter(b"admin")
    client.send(EndPlay())
    (reply,) = client.take()
    assert isinstance(reply, EndPlayReply)
    assert port.world.playing == 0
    client.send(EndPlay())
    assert client.take() == [EndPlayRefused(error=3)]
    client.send(BeginPlay(name=b"admin"))
    assert isinstance(client.take()[-1], EnterMap)


def test_characters_are_made_and_deleted(port: Port) -> None:
    client = port.connect()
    client.send(login(b"admin"))
    client.take()

    def make(name: bytes) -> int:
        client.send(NewCharacter(name=name, birthplace=b"Argent City", look=bytes(1626)))
        (reply,) = client.take()
        assert isinstance(reply, NewCharacterReply)
        return reply.error

    assert [make(b"Rend"), make(b"Rend"), make(b"no[way"), make(b"Third"), make(b"Fourth")] == [0, 526, 531, 0, 525]
    client.send(DeleteCharacter(name=b"Rend", pin=PIN))
    client.send(DeleteCharacter(name=b"Rend", pin=PIN))
    client.send(BeginPlay(name=b"Rend"))
    assert client.take() == [
        DeleteCharacterReply(error=0),
        DeleteCharacterReply(error=524),
        BeginPlayReply(error=524),
    ]


def test_a_full_map_refuses() -> None:
    port = Port(make_world(sight_cm=50_000, sight_group=1))
    for number in range(49):
        port.enter(b"a%d" % number)
    client = port.connect()
    client.send(login(b"late"))
    client.send(BeginPlay(name=b"late"))
    assert client.take()[-1] == BeginPlayReply(error=5)


@pytest.mark.parametrize("stage", ["greeted", "playing"])
def test_the_logout_is_a_call(port: Port, stage: str) -> None:
    client = port.enter(b"admin") if stage == "playing" else port.connect()
    client.take()
    client.send(Logout(), session_word=9)
    (frame,) = client.frames
    assert frame.session_word == answer_word(9) == 9 + ORDINARY
    assert client.take() == [LogoutReply()]
    assert client.hangup is not None
    assert (client.hangup.reason, client.hangup.after_seconds) == (CloseReason.LOGOUT, 0.065)
    assert port.world.playing == 0


def test_a_logout_that_is_no_call_is_not_answered(port: Port) -> None:
    client = port.enter(b"admin")
    client.send(Logout())
    assert client.take() == []
    assert client.closed_for is CloseReason.LOGOUT


def test_further_connections_than_allowed_are_hung_up_at_once() -> None:
    port = Port(make_world(max_connections=2))
    first, _, third = port.connect(), port.connect(), port.connect()
    assert first.hangup is None
    assert third.take() == []
    assert third.hangup is not None
    assert third.hangup.after_seconds == 0
    port.world.disconnect(third.number, port.now)
    port.world.disconnect(first.number, port.now)
    assert port.connect().hangup is None
    assert port.world.tallies.refused_connections == 1


def test_a_dialect_with_another_login_is_not_scripted() -> None:
    with pytest.raises(MisuseError, match="tg"):
        World(load_pack("pko").codec("tg"))
