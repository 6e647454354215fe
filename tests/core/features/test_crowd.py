"""The crowd: messages to players of all cores, told to those whom they are for and to nobody else."""

import json
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

import pytest
from structlog.testing import capture_logs

from core.features import Direction, RawPacket
from core.features.crowd import AT_ONCE, TOPIC, Crowd
from core.features.session import Outlet, Peer, Session
from core.store.memory import MemoryStore
from core.store.protocol import MAX_VALUE_BYTES
from games.packet import Packet
from games.pko.chat import Say, SystemInfo
from games.players import Player
from wire.errors import EncodeError, MisuseError


class Seen:
    """An outlet that remembers."""

    def __init__(self) -> None:
        self.done: list[tuple[str, Any]] = []
        self.is_open = True
        self.is_opaque = False
        self.error: Exception | None = None

    def send(self, packet: Packet | RawPacket) -> bool:
        if self.error is not None:
            raise self.error
        self.done.append(("send", packet))
        return True

    def show(self, text: str | bytes, *, popup: bool) -> bool:
        if self.error is not None:
            raise self.error
        self.done.append(("popup" if popup else "tell", text))
        return True

    def close(self, text: str | bytes) -> None:
        self.done.append(("close", text))


class World:
    """Two cores with one store, and players on both."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.cores = Crowd(self.store), Crowd(self.store)
        self.seen: dict[str, Seen] = {}
        self.sessions: dict[str, Session] = {}
        rows = [("anna", "Anna", "eu"), ("Bert", "Berta", "us"), ("anna", "Second", "us"), ("", "", "eu")]
        for number, (account, character, region) in enumerate(rows):
            name = f"s{number}"
            here = ip_address("127.0.0.1")
            peer = Peer(number.to_bytes(16, "big"), here, 1, here, 2, "edge", region, 0.0)
            self.seen[name] = Seen()
            player = Player(account=account.encode(), character=character.encode(), is_in_game=bool(character))
            outlet: Outlet = self.seen[name]
            self.sessions[name] = Session(peer, player, outlet)
            self.cores[number % 2].add(self.sessions[name])

    def told(self) -> set[str]:
        return {name for name, seen in self.seen.items() if seen.done}


AUDIENCES: list[tuple[dict[str, Any], set[str]]] = [
    ({}, {"s0", "s1", "s2"}),  # at the login there is nowhere to show it
    ({"account": "anna"}, {"s0", "s2"}),
    ({"account": "ANNA"}, {"s0", "s2"}),
    ({"account": "bert"}, {"s1"}),
    ({"account": "nobody"}, set()),
    ({"character": "berta"}, {"s1"}),
    ({"region": "eu"}, {"s0"}),
    ({"region": "EU"}, set()),
    ({"account": "anna", "region": "us"}, {"s2"}),
    ({"account": "anna", "character": "Anna", "region": "eu"}, {"s0"}),
]


@pytest.mark.parametrize(("audience", "expected"), AUDIENCES, ids=[str(row[0]) for row in AUDIENCES])
def test_whom_a_message_is_for(audience: dict[str, Any], expected: set[str]) -> None:
    for core in (0, 1):
        world = World()
        world.cores[core].tell("hello", **audience)
        assert world.told() == expected
        world = World()
        world.cores[core].send(SystemInfo(text=b"hello"), **audience)
        assert world.told() == expected


def test_what_is_told() -> None:
    world = World()
    crowd = world.cores[0]
    crowd.tell("grüße", account="bert")
    crowd.tell(b"\xff\x00raw", account="bert", popup=True)
    crowd.send(SystemInfo(text=b"hi"), account="bert")
    crowd.close("Out.", account="bert")
    assert world.seen["s1"].done == [
        ("tell", "grüße".encode("latin-1")),
        ("popup", b"\xff\x00raw"),
        ("send", RawPacket(517, SystemInfo(text=b"hi").encode(), Direction.CLIENTBOUND)),
        ("close", b"Out."),
    ]


def test_a_text_of_a_player_comes_through_unchanged() -> None:
    """Bytes of an unknown charset, made a text and told on."""
    world = World()
    raw = bytes(range(1, 256))
    world.cores[1].tell(raw.decode("ascii", "surrogateescape"), account="bert")
    assert world.seen["s1"].done == [("tell", world.sessions["s1"].raw(raw.decode("ascii", "surrogateescape")))]


def test_sessions_are_ended_by_name_only() -> None:
    world = World()
    with pytest.raises(MisuseError, match="not for all players"):
        world.cores[0].close("Out.")
    world.cores[0].close("Out.", session_id=world.sessions["s1"].id)
    assert world.told() == {"s1"}


def test_what_cannot_be_sent_to_many_is_refused() -> None:
    world = World()
    with pytest.raises(MisuseError, match="only packets for players"):
        world.cores[0].send(Say(text=b"x"))
    with pytest.raises(MisuseError, match=f"at most {MAX_VALUE_BYTES}"):
        world.cores[0].tell("x" * MAX_VALUE_BYTES)
    assert world.told() == set()


@pytest.mark.parametrize("error", [EncodeError("too long"), MisuseError("a loop"), AttributeError("x"), OSError()])
def test_a_session_that_cannot_be_told_does_not_keep_the_others_from_it(error: Exception) -> None:
    world = World()
    world.seen["s0"].error = error
    world.cores[0].tell("hello")
    assert world.told() == {"s1", "s2"}


def test_finding_a_session_of_this_core() -> None:
    world = World()
    here = world.cores[0]
    assert here.find(account="ANNA") is world.sessions["s0"]
    assert here.find(character="second") is world.sessions["s2"]
    assert here.find(session_id=world.sessions["s2"].id) is world.sessions["s2"]
    assert here.find(session_id=world.sessions["s2"].id, account="bert") is None
    assert here.find(account="bert") is None, "who is at another core"
    assert [each.id for each in here.here] == [world.sessions[name].id for name in ("s0", "s2")]
    here.remove(world.sessions["s0"])
    here.remove(world.sessions["s0"])
    assert here.find(account="anna") is world.sessions["s2"]


def test_a_core_that_is_closed_hears_no_more() -> None:
    world = World()
    world.cores[0].close_bus()
    world.cores[1].tell("hello")
    assert world.told() == {"s1"}


TO = {"account": "", "character": "", "region": "", "session_id": ""}
JUNK: list[Any] = [
    5,
    None,
    [],
    {},
    {"do": "tell"},
    {"do": "tell", "to": {}},
    {"do": "tell", "to": TO},
    {"do": "tell", "to": {**TO, "more": 1}, "text": "x"},
    {"do": "tell", "to": {**TO, "account": 5}, "text": "x"},
    {"do": "tell", "to": {**TO, "session_id": []}, "text": "x"},
    {"do": "tell", "to": {**TO, "session_id": {"a": 1}}, "text": "x"},
    {"do": "tell", "to": None, "text": "x"},
    {"do": "jump", "to": TO, "text": "x"},
    {"do": "send", "to": TO, "text": "x"},
    {"do": "send", "to": TO, "raw": "!", "opcode": 1},
    {"do": "send", "to": TO, "raw": "MQ==", "opcode": "x"},
    {"do": "send", "to": TO, "raw": "MQ==", "opcode": 1e400},
    {"do": ["tell"], "to": TO, "text": "x"},
]


@pytest.mark.parametrize(
    "message",
    [b"", b"\xff", b"[" * 60_000, *(json.dumps(each).encode() for each in JUNK)],
    ids=lambda message: message[:60],
)
def test_junk_from_other_cores_is_told_and_does_nothing(message: bytes) -> None:
    world = World()
    with capture_logs() as lines:
        world.store.publish(TOPIC, message)
    assert world.told() == set()
    assert {line["event"] for line in lines} == {"message_unreadable"}
    assert all(len(str(line["reason"])) <= 200 for line in lines)
    world.cores[0].tell("hello")
    assert len(world.told()) == 3


def test_a_message_for_thousands_leaves_the_traffic_its_turn() -> None:
    later: list[Callable[[], None]] = []
    crowd = Crowd(MemoryStore(), later.append)
    outlets = []
    for number in range(3 * AT_ONCE - 1):
        here = ip_address("127.0.0.1")
        outlets.append(Seen())
        peer = Peer(number.to_bytes(16, "big"), here, 1, here, 2, "edge", "eu", 0.0)
        crowd.add(Session(peer, Player(is_in_game=True), outlets[-1]))
    crowd.tell("hello")
    rounds = 0
    while later:
        assert sum(len(each.done) for each in outlets) == (rounds + 1) * AT_ONCE
        later.pop()()
        rounds += 1
    assert rounds == 2
    assert all(len(each.done) == 1 for each in outlets)
