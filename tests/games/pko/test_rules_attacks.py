"""The known exploits of the game, one by one: what each is, its packet, and why it is refused."""

from typing import NamedTuple

import pytest

from games.packet import Direction, Packet
from games.pko import account, action, chat, connection, guild, items, npc, ping, social, trade
from games.pko.action import Point
from games.pko.connection import BeginPlay, EnterMap, Login, LoginAccepted
from tests.games.pko.guarded import Guarded
from tests.games.rows import sequence, string

WHO = b"\0\0\0\x07\0\0\0\x09"
HERE = b"\0\0\0\0\0\0\0\0"
PIN = b"E10ADC3949BA59ABBE56E057F20F883E"
LOGIN = Login(account=b"admin", password=bytes(24), mac=b"00-25-22-DF-AC-79-00-00", version=136)
ACCEPTED = LoginAccepted(key=bytes(8), characters=())
ENTERED = EnterMap(map_name=b"garner", character_id=7, world_id=70, name=b"Ann", x=217_000, y=1)

OPCODE = "client_opcode"
LAYOUT = "client_layout"
SIZE = "client_size"
STATE = "client_state"
WORD = "client_session_word"


def player(*, state: str = "in_game", dialect: str = "classic") -> Guarded:
    session = Guarded(dialect)
    if state == "greeted":
        return session
    assert session.client(LOGIN) == ""
    session.server(ACCEPTED)
    if state == "in_game":
        assert session.client(BeginPlay(name=b"Ann")) == ""
        session.server(ENTERED)
        session.wait(10)  # the grace after a change is over
    assert session.guard.state == state
    return session


class Attack(NamedTuple):
    number: int  # in section 4b of the protocol notes
    what: str
    opcode: int
    body: bytes
    reason: str
    state: str = "in_game"
    session_word: int | None = None


def learn(skill: int, levels: int = 1) -> bytes:
    return skill.to_bytes(2, "big") + bytes([levels])


def login(name: bytes) -> bytes:
    return string(b"nobill") + string(name) + sequence(bytes(24)) + string(b"00-25") + b"\x03\x8f\0\x88"


def moved(*points: tuple[int, int]) -> bytes:
    path = b"".join(part.to_bytes(4, "little", signed=True) for point in points for part in point)
    return WHO + b"\x01" + sequence(path)


ATTACKS = [
    Attack(1, "Lua by opcode 2", 2, string(b"os.exit()"), OPCODE),
    *(Attack(1, f"opcode {opcode}", opcode, b"", OPCODE) for opcode in (3, 4, 5)),
    Attack(2, "the phrase that ends a server", 1, string(b"hey /ByeByeLeecher now"), LAYOUT),
    Attack(4, "a path of no points", 6, WHO + b"\x01" + sequence(b""), SIZE),
    Attack(4, "a path of 33 points", 6, WHO + b"\x01" + sequence(HERE * 33), SIZE),
    Attack(4, "a path of 128 points, -128 to the server", 6, WHO + b"\x01" + sequence(HERE * 128), SIZE),
    Attack(4, "a path of 256 points, none to the server", 6, WHO + b"\x01" + sequence(HERE * 256), SIZE),
    Attack(4, "a path of a point and a half", 6, WHO + b"\x01" + sequence(HERE * 2 + HERE[:4]), LAYOUT),
    Attack(4, "a path beyond the map", 6, moved((0, 0), (409_601, 0)), LAYOUT),
    Attack(4, "a path before the map", 6, moved((0, 0), (0, -1)), LAYOUT),
    Attack(
        4, "the same in a skill", 6, WHO + b"\x02\x02\0" + sequence(HERE * 33) + bytes(12), SIZE
    ),
    Attack(5, "a forging group of 49", 25, b"\x01\x02\0\x31" + bytes(49 * 4 + 8), LAYOUT),
    Attack(5, "a lottery group of 65535", 95, b"\x01\xff\xff" + bytes(60), LAYOUT),
    Attack(5, "a forging group that is not there", 25, b"\x01\x02" + bytes(8), LAYOUT),
    Attack(6, "a ping that nobody asked for", 15, bytes(20), LAYOUT),
    Attack(7, "chat as a synchronous call", 1, string(b"hi"), WORD, session_word=1),
    Attack(7, "an answer to a call", 1, string(b"hi"), WORD, session_word=0x80000001),
    Attack(7, "a logout with a large number", 432, b"", WORD, session_word=0x10000),
    Attack(7, "a logout that is no call", 432, b"", WORD),
    Attack(8, "no rows a page", 65, b"\0\0", LAYOUT),
    Attack(8, "page -1", 61, b"\xff\xff\0\x0c", LAYOUT),
    Attack(8, "no rows a page of the list", 61, b"\0\x01\0\0", LAYOUT),
    *(
        Attack(9, f"{number} items in {what}", 6, WHO + body % number.to_bytes(2, "big", signed=True), LAYOUT)
        for number in (0, -1, 1000)
        for what, body in (
            ("throw", b"\x09\0\x01%b" + bytes(8)),
            ("place", b"\x0c\0\x01%b\0\x02"),
            ("bank", b"\x1a\x01\0\x01%b\x01\0\x02"),
            ("temporary bag", b"\x1d\0\x01%b\0\x02"),
        )
    ),
    Attack(9, "place -3", 6, WHO + b"\x0d\xff\xfd", LAYOUT),
    Attack(10, "SQL in an account", 431, login(b"a';--"), LAYOUT, "greeted"),
    Attack(10, "SQL in a registration", 438, string(b"a") + string(PIN) + string(b"a'b@c.de"), LAYOUT, "greeted"),
    Attack(10, "SQL in a new name", 435, string(b"A'; DROP") + string(b"Argent City") + bytes(12), LAYOUT, "select"),
    Attack(10, "SQL in a name", 433, string(b"A';--"), LAYOUT, "select"),
    Attack(10, "SQL in a pin", 346, string(b"' OR 1=1"), LAYOUT, "select"),
    Attack(10, "SQL in a guild's name", 401, b"\x01" + string(b"A'") + string(b"B"), LAYOUT),
    Attack(10, "SQL in a guild's password", 409, string(b"A;B"), LAYOUT),
    Attack(10, "SQL in a guild's motto", 410, string(b"all for one --"), LAYOUT),
    Attack(10, "SQL in a motto", 6017, string(b"a\\b") + b"\0\x01\0", LAYOUT),
    Attack(10, "SQL in a friend's name", 6011, string(b"A'B"), LAYOUT),
    *(
        Attack(11, f"skill {skill}", 11, learn(skill), LAYOUT)
        for skill in (0, 25, 38, 202, 280, 311, 322, 329, 341, 453, 459, 467, 501)
    ),
    Attack(11, "five levels at once", 11, learn(201, 5), LAYOUT),
    Attack(12, "a login in the game", 431, login(b"a"), STATE),
    Attack(13, "more gold than there is", 319, b"\x01" + bytes(4) + b"\x01\0\x77\x35\x94\x01", LAYOUT),
    Attack(13, "more credit than there is", 319, b"\x01" + bytes(4) + b"\x01\x01\0\x1e\x84\x81", LAYOUT),
    Attack(13, "a currency that is none", 319, b"\x01" + bytes(4) + b"\x01\x02\0\0\0\x01", LAYOUT),
    Attack(13, "a stall's price", 330, string(b"A") + b"\x01\x01\x80\0\0\0\x01\x01", LAYOUT),
    Attack(13, "a guild's gold", 6414, b"\x01\x01\xff\xff\xff\xff", LAYOUT),
    Attack(14, "a book closed that is not open", 349, b"", STATE),
    Attack(14, "forging without an anvil", 29, b"\0\x01", LAYOUT),
    *(Attack(15, f"store {opcode} unopened", opcode, bytes(size), STATE) for opcode, size in
      ((42, 8), (43, 4), (44, 4), (45, 4))),
    Attack(17, "the code that crashes clients", 1, string(b"look: #21"), LAYOUT),
    Attack(18, "a line of 257 bytes", 1, string(b"x" * 257), SIZE),
    Attack(18, "a motto of 50 bytes", 410, string(b"x" * 50), SIZE),
    Attack(18, "a name of 21 bytes", 6001, string(b"x" * 21), SIZE),
    Attack(18, "a length that is not the text's", 6001, b"\0\x20abc\0", LAYOUT),
    Attack(19, "junk behind a fixed packet", 17, b"junk", SIZE),
    Attack(19, "junk behind a text", 6405, string(b"hi") + b"\0\0", LAYOUT),
    Attack(20, "a packet cut short", 16, bytes(7), SIZE),
    Attack(20, "a text cut short", 6403, string(b"Ann"), SIZE),
    Attack(21, "a move before the login", 6, moved((0, 0)), STATE, "greeted"),
    Attack(21, "chat at the choice of characters", 6402, string(b"hi"), STATE, "select"),
    Attack(21, "a new character in the game", 436, string(b"A") + string(PIN), STATE),
    *(
        Attack(22, f"opcode {opcode} of servers", opcode, b"", OPCODE)
        for opcode in (0, 500, 516, 1003, 1504, 2003, 4015, 4502, 5516, 6000, 6500, 7502, 65535)
    ),
    *(
        Attack(22, f"action {number} of servers", 6, WHO + bytes([number]), OPCODE)
        for number in (0, 3, 4, 5, 6, 7, 14, 15, 17, 23, 38, 255)
    ),
]  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: f"{attack.number}-{attack.what}")
def test_attack(attack: Attack) -> None:
    session = player(state=attack.state)
    assert session.raw(attack.opcode, attack.body, session_word=attack.session_word) == attack.reason


@pytest.mark.parametrize("dialect", ["counter", "counter+trailer"])
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: f"{attack.number}-{attack.what}")
def test_attack_with_a_packet_counter(attack: Attack, dialect: str) -> None:
    session = player(state=attack.state, dialect=dialect)
    envelope = session.codec.dialect.serverbound
    counter = {"greeted": 0, "select": 1, "in_game": 2}[attack.state]
    counter = 0 if attack.opcode in (431, 438) else counter
    frame = envelope.seal(attack.opcode, attack.body, counter=counter, session_word=attack.session_word)
    assert session.frames(frame) == attack.reason


def test_a_second_login_is_refused_until_the_first_is_answered() -> None:
    session = player(state="greeted")
    assert session.client(LOGIN) == ""
    session.wait(10)
    assert session.client(LOGIN) == STATE
    session.server(connection.LoginRefused(error=1002))
    assert session.client(LOGIN) == ""
    session.server(connection.LoginRefused(error=1002))
    assert session.client(LOGIN) == "client_packet_rate"
    session.wait(2)
    assert session.client(LOGIN) == ""


def test_a_trade_does_not_change_once_it_was_agreed_to() -> None:
    session = player()
    item = trade.TradeItem(kind=1, character_id=2, operation=1, trade_slot=1, bag_slot=1, count=1)
    gold = trade.TradeGold(kind=1, character_id=2, operation=1, amount=5)
    agreed = trade.TradeConfirm(kind=1, character_id=2)
    assert session.client(item) == session.client(gold) == session.client(agreed) == ""
    assert session.client(item) == session.client(gold) == STATE
    assert session.client(trade.TradeCancel(kind=1, character_id=2)) == session.client(item) == ""
    for opcode, body in ((813, b""), (815, b""), (818, b"\1"), (811, b"\3\x2d"), (811, b"\3\x2f"), (811, b"\3\x32\1")):
        session.wait(10)
        assert session.client(agreed) == ""
        session.server_raw(811, b"\3\x2c")  # somebody's item on the table
        assert session.client(item) == STATE
        session.server_raw(opcode, body)
        assert session.client(item) == ""


def test_a_store_is_used_while_it_is_open() -> None:
    session = player()
    buy = trade.StoreBuy(good_id=1)
    assert session.client(trade.StoreOpen(pin=PIN)) == ""
    assert session.client(buy) == STATE
    session.server_raw(561, b"\1")
    assert session.client(trade.StoreList(class_id=1, page=1, number=9)) == session.client(buy) == ""
    assert session.client(trade.StoreClose()) == ""
    assert session.client(buy) == STATE


def test_a_ping_is_answered_with_its_own_words() -> None:
    session = player()
    session.server(ping.Ping(words=(1, 2, 3, 4, 5)))
    assert session.client(ping.PingReply(words=(1, 2, 3, 4, 6))) == LAYOUT
    assert session.client(ping.PingReply(words=(1, 2, 3, 4, 5))) == ""
    session.server(ping.Ping(words=(6, 7, 8, 9, 10)))
    assert session.client(ping.PingReply(words=(1, 2, 3, 4, 5))) == LAYOUT
    assert not session.guard.closing


def test_a_book_is_closed_once() -> None:
    session = player()
    assert session.client(items.BookOpen()) == session.client(items.BookClose()) == ""
    assert session.client(items.BookClose()) == STATE


def test_a_flood_of_moves_ends_the_session_and_one_of_words_does_not() -> None:
    session = player()
    move = action.Move(world_id=7, packet_id=1, path=(Point(x=1, y=1), Point(x=2, y=2)))
    assert [session.client(chat.Say(text=b"hi")) for _ in range(5)] == [""] * 4 + ["client_packet_rate"]
    assert session.client(social.RoomSay(room_id=1, text=b"hi")) == "client_packet_rate"
    assert not session.guard.closing
    assert session.guard.take_replies() == [session.rules.notices["client_packet_rate"]]
    assert [session.client(move) for _ in range(19)] == [""] * 18 + ["client_packet_rate"]
    assert session.guard.closing == "client_packet_rate"


def test_a_bad_name_gets_the_answer_that_clients_understand() -> None:
    session = player(state="select")
    assert session.raw(435, string(b"O'Neil") + string(b"Argent City") + bytes(12)) == LAYOUT
    (reply,) = session.guard.take_replies()
    frame = session.codec.open(Direction.CLIENTBOUND, reply)
    assert session.codec.decode(Direction.CLIENTBOUND, frame) == connection.NewCharacterReply(error=531)


@pytest.mark.parametrize(
    ("said", "state"),
    [
        (ACCEPTED, "select"),
        (LoginAccepted(key=bytes(8), characters=(), comm_encrypt=1), "opaque"),
        *((connection.LoginRefused(error=1002, text=b"x" * size), "greeted") for size in range(12)),
        (connection.LoginRefused(error=1002, text=b"Wrong password, try again"), "greeted"),
        (connection.LoginRefused(error=7), "greeted"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_the_answer_to_a_login_means(said: Packet, state: str) -> None:
    session = player(state="greeted")
    session.client(LOGIN)
    session.server(said)
    assert session.guard.state == state


def test_in_and_out_of_the_game() -> None:
    session = player(state="select")
    for said, state in (
        (connection.BeginPlayReply(error=524), "select"),
        (connection.EnterMapRefused(error=4), "select"),
        (ENTERED, "in_game"),
    ):
        session.wait(2)
        assert session.client(BeginPlay(name=b"Ann")) == ""
        assert session.guard.state == "entering"
        session.server(said)
        assert session.guard.state == state
    session.server(ENTERED)  # another map
    assert session.guard.state == "in_game"
    assert session.client(connection.EndPlay()) == ""
    assert session.guard.state == "in_game"
    session.server(connection.EndPlayRefused(error=3))
    assert session.guard.state == "in_game"
    session.server(connection.EndPlayReply(characters=()))
    assert session.guard.state == "select"
    assert session.client(connection.Logout(), session_word=1) == ""


def test_the_other_line_exchanges_keys_first() -> None:
    session = Guarded("tg")
    session.server(account.PublicKey(size=3, key=b"der"))
    assert session.client(guild.GuildLeave()) == STATE
    assert session.client(account.PrivateKey(key=b"YQ==")) == ""
    session.server(account.Handshake(rest=b"ok"))
    assert session.guard.state == "opaque"
    assert session.frames(session.codec.dialect.serverbound.seal(0xEEEE, b"????", counter=7)) == ""
    assert session.frames(session.codec.dialect.serverbound.seal(2, b"", counter=7, session_word=0x10000)) == WORD


def test_a_number_that_two_packets_share() -> None:
    session = player()
    assert session.client(social.Rank()) == session.client(social.CaptainAnswer(answer=1, team_id=2)) == ""
    assert session.raw(97, b"\0\1\0") == LAYOUT


def test_a_talk_of_a_known_kind_is_read_as_that_kind() -> None:
    session = player()
    assert session.client(npc.OtherTalk(npc_id=1, second=400, rest=b"?")) == ""
    assert session.raw(301, b"\0\0\0\1\1\x2e\1junk") == LAYOUT
