"""One session's frames on their way through features: verdicts, order, numbers, and what is not touched."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.features import DROP, Direction, Feature, RawPacket, Session, Verdict, handles, handles_opcode
from core.features.inspector import MAX_SENT_PER_FRAME
from games.pko.account import Register
from games.pko.chat import Said, Say, SayToAll, SystemInfo, Whisper
from games.pko.connection import Login, Logout, LogoutReply
from tests.core.features.road import Road, accepted, feature_of, host_of, login, numbers_of
from tests.wire.strategies import cuts_of
from wire.scanner import Scanner, split_frames

COUNTED = ["classic", "counter", "counter+trailer"]
KEEP_ALIVE = b"\x00\x02"


class Chatty(Feature):
    """Does to a text what its first word says."""

    @handles
    def said(self, session: Session, packet: Say) -> Verdict:
        word, _, rest = packet.text.partition(b" ")
        match word:
            case b"drop":
                return DROP
            case b"twice":
                return [packet, packet]
            case b"none":
                return []
            case b"change":
                return replace(packet, text=rest + b"!")
            case b"other":
                return Whisper(to=b"Bob", text=rest or b"x")
            case b"raw":
                return RawPacket(4242, rest, Direction.SERVERBOUND)
            case b"more":
                session.send(Say(text=b"behind"))
            case b"tell":
                session.tell(b"heard")
            case b"fail":
                raise LookupError("a mistake")
            case b"stop":
                session.close(b"Enough.")
        return None

    @handles
    def heard(self, session: Session, packet: Said) -> Verdict:
        if packet.text == b"answer":
            session.send(Say(text=b"answered"))
        if packet.text == b"behind":
            session.tell(b"it stands behind")
        return DROP if packet.text == b"drop" else None


EFFECTS: dict[bytes, Callable[[bytes], list[object]]] = {
    b"plain": lambda text: [Say(text=text)],
    b"drop": lambda text: [],
    b"none": lambda text: [],
    b"twice": lambda text: [Say(text=text), Say(text=text)],
    b"change": lambda text: [Say(text=text.partition(b" ")[2] + b"!")],
    b"other": lambda text: [Whisper(to=b"Bob", text=text.partition(b" ")[2] or b"x")],
    b"raw": lambda text: [RawPacket(4242, text.partition(b" ")[2], Direction.SERVERBOUND)],
    b"more": lambda text: [Say(text=text), Say(text=b"behind")],
    b"tell": lambda text: [Say(text=text)],
    b"fail": lambda text: [Say(text=text)],
}


@pytest.mark.parametrize("dialect", COUNTED)
@pytest.mark.parametrize("word", EFFECTS)
async def test_verdicts(dialect: str, word: bytes) -> None:
    road = Road(await host_of(Chatty, dialect=dialect), dialect)
    road.says(login())
    text = word + b" it"
    road.says(Say(text=b"before"), Say(text=text), Say(text=b"after"))
    if dialect != "classic":
        numbers_of(road.to_server)
    assert road.at_server()[1:] == [Say(text=b"before"), *EFFECTS[word](text), Say(text=b"after")]


async def test_what_nobody_asked_for_or_changes_is_the_same_object() -> None:
    road = Road(await host_of(Chatty))
    nobodys = road.client_frame(Whisper(to=b"Bob", text=b"x")) + KEEP_ALIVE
    assert road.inspector.serverbound(nobodys) is nobodys
    looked_at = road.client_frame(Say(text=b"hi"))
    assert road.inspector.serverbound(looked_at + nobodys) == looked_at + nobodys


class Upper(Feature):
    @handles
    def said(self, session: Session, packet: Say) -> Verdict:
        return replace(packet, text=packet.text + b" upper")

    @handles
    def heard(self, session: Session, packet: Said) -> Verdict:
        return replace(packet, text=packet.text + b" upper")


class Lower(Feature):
    @handles
    def said(self, session: Session, packet: Say) -> Verdict:
        return replace(packet, text=packet.text + b" lower")

    @handles
    def heard(self, session: Session, packet: Said) -> Verdict:
        return replace(packet, text=packet.text + b" lower")


async def test_features_stand_in_their_order_and_clientbound_the_other_way_round() -> None:
    road = Road(await host_of(Upper, Lower))
    road.says(Say(text=b"a"))
    road.hears(Said(speaker_id=1, text=b"a"))
    assert road.at_server() == [Say(text=b"a upper lower")]
    assert road.at_player() == [Said(speaker_id=1, text=b"a lower upper")]


class Mask(Feature):
    """Takes the bytes as they are, and changes them."""

    @handles_opcode(Say.OPCODE, Direction.SERVERBOUND)
    def said(self, session: Session, packet: RawPacket) -> Verdict:
        return replace(packet, body=packet.body.replace(b"secret", b"******"))


class Witness(Feature):
    def __init__(self) -> None:
        self.seen: list[bytes] = []

    @handles
    def said(self, session: Session, packet: Say) -> None:
        self.seen.append(packet.text)


async def test_the_next_feature_sees_what_the_one_before_made_of_the_bytes() -> None:
    host = await host_of(Mask, Witness)
    Road(host).says(Say(text=b"a secret"))
    assert feature_of(host, Witness).seen == [b"a ******"]


async def test_nobody_is_asked_about_a_packet_that_is_gone_or_has_become_several() -> None:
    host = await host_of(Chatty, Witness)
    Road(host).says(Say(text=b"drop"), Say(text=b"twice"), Say(text=b"other x"), Say(text=b"plain"))
    assert feature_of(host, Witness).seen == [b"plain"]


# Wrong verdicts: none of them may come further than the feature.


class Nonsense(Feature):
    verdict: object = None

    @handles
    def said(self, session: Session, packet: Say) -> Verdict:
        return self.verdict  # type: ignore[return-value]


class _Cursed(list[object]):
    def __iter__(self) -> object:  # type: ignore[override]
        raise LookupError("no")


NONSENSE: list[tuple[str, object]] = [
    ("a number", 7),
    ("a truth", True),
    ("bytes", b"\x00\x02"),
    ("a set", {1}),
    ("a list with a hole", [None]),
    ("a list in a list", [[Say(text=b"x")]]),
    ("a class", Say),
    ("the other way", Said(speaker_id=1, text=b"x")),
    ("a text out of bounds", Say(text=b"x" * 257)),
    ("a text for bytes", Say(text="x")),  # type: ignore[arg-type]
    ("no text at all", Say(text=None)),  # type: ignore[arg-type]
    ("an opcode out of bounds", RawPacket(70_000, b"", Direction.SERVERBOUND)),
    ("no opcode", RawPacket(None, b"", Direction.SERVERBOUND)),  # type: ignore[arg-type]
    ("a body that is a text", RawPacket(1, "x", Direction.SERVERBOUND)),  # type: ignore[arg-type]
    ("a body too long", RawPacket(1, bytes(20_000), Direction.SERVERBOUND)),
    ("no direction", RawPacket(1, b"", None)),  # type: ignore[arg-type]
    ("far too many packets", [Say(text=b"x")] * 10_000),
    ("a list that does not let itself be read", _Cursed([1])),
]


@pytest.mark.parametrize("verdict", [row[1] for row in NONSENSE], ids=[row[0] for row in NONSENSE])
async def test_a_verdict_that_cannot_be_counts_and_the_packet_goes_on(verdict: object) -> None:
    host = await host_of(Nonsense, dialect="counter")
    feature_of(host, Nonsense).verdict = verdict
    road = Road(host, "counter")
    road.says(login(), Say(text=b"a"), Say(text=b"b"))
    numbers_of(road.to_server)
    assert road.at_server()[1:] == [Say(text=b"a"), Say(text=b"b")]
    assert host.plan.features[0].counts.failures == 2


async def test_a_feature_cannot_flood_from_one_packet() -> None:
    class Flood(Feature):
        @handles
        def said(self, session: Session, packet: Say) -> None:
            while True:
                session.send(packet)

    host = await host_of(Flood)
    road = Road(host)
    road.says(Say(text=b"x"))
    assert len(road.at_server()) == 1 + MAX_SENT_PER_FRAME
    assert host.plan.features[0].counts.failures == 1


# Sending.


async def test_what_is_sent_goes_either_way_from_handlers_and_timers() -> None:
    host = await host_of(Chatty, dialect="counter")
    road = await Road(host, "counter").enter()
    road.says(Say(text=b"tell"))
    road.hears(Said(speaker_id=1, text=b"answer"), Said(speaker_id=1, text=b"behind"))
    assert road.at_player() == [
        SystemInfo(text=b"heard"),
        Said(speaker_id=1, text=b"answer"),
        Said(speaker_id=1, text=b"behind"),
        SystemInfo(text=b"it stands behind"),
    ]
    feature_of(host, Chatty).after(0, lambda: road.session.send(Say(text=b"late")) and None)
    await asyncio.sleep(0.001)
    road.says(Say(text=b"next"))
    assert road.at_server() == [Say(text=b"tell"), Say(text=b"answered"), Say(text=b"late"), Say(text=b"next")]


async def test_numbers_stay_right_when_features_send_by_themselves() -> None:
    road = Road(await host_of(Chatty, dialect="counter"), "counter")
    assert road.session.send(Say(text=b"before the login"))
    road.says(login(), Say(text=b"one"))
    assert road.session.send(Say(text=b"from a timer"))
    road.hears(Said(speaker_id=1, text=b"answer"))
    road.says(Say(text=b"drop"), Say(text=b"more"), Say(text=b"end"))
    assert numbers_of(road.to_server) == [0, 0, 1, 2, 3, 4, 5, 6]


async def test_without_room_nothing_is_sent_and_no_number_is_used() -> None:
    host = await host_of(Chatty, dialect="counter")
    road = Road(host, "counter")
    road.says(login())
    road.rooms = dict.fromkeys(road.rooms, False)
    assert not road.session.send(Say(text=b"no room"))
    assert not road.session.tell(b"no room")
    assert host.unsent_packets == 2
    road.says(Say(text=b"a"))
    assert numbers_of(road.to_server) == [0, 1]
    assert road.to_player == b""


async def test_a_login_that_is_rewritten_behind_a_registration_is_numbered_from_0() -> None:
    """`realip` rewrites logins; a registration before it has counted already."""

    class Rewriting(Feature):
        @handles
        def login(self, session: Session, packet: Login) -> Verdict:
            return replace(packet, mac=packet.mac + b"-1")

    road = Road(await host_of(Rewriting, dialect="counter"), "counter")
    road.says(Register(user=b"anna", password_digest=b"A" * 32, mail=b"a@b.c"), login(), Say(text=b"x"))
    assert numbers_of(road.to_server) == [0, 0, 1]


async def test_a_call_that_is_rewritten_stays_a_call() -> None:
    """The client waits for the answer to its call, and the server answers calls only."""

    class Rewriting(Feature):
        @handles
        def logout(self, session: Session, packet: Logout) -> Verdict:
            return Logout()

        @handles
        def reply(self, session: Session, packet: LogoutReply) -> Verdict:
            return LogoutReply()

    road = Road(await host_of(Rewriting))
    call = road.client_frame(Logout(), word=5)
    road.client_sends(call)
    answer = road.codec.dialect.clientbound.seal(LogoutReply.OPCODE, b"", session_word=0x80000005)
    road.server_sends(answer)
    assert (road.to_server, road.to_player) == (call, answer)


# Closing.


@pytest.mark.parametrize("dialect", COUNTED)
async def test_nothing_goes_on_behind_the_packet_that_ended_the_session(dialect: str) -> None:
    host = await host_of(Chatty, dialect=dialect)
    road = Road(host, dialect)
    road.says(login(), Say(text=b"stop"), Say(text=b"after"))
    assert road.at_server()[1:] == [Say(text=b"stop")]
    assert b"Enough." in road.to_player
    assert road.reason == "feature_closed"
    assert not road.session.is_open
    assert not road.session.send(Say(text=b"too late"))
    assert not road.session.tell(b"too late")
    road.session.close(b"twice")
    assert road.to_player.count(b"Enough.") == 1


async def test_a_session_can_be_ended_whatever_was_sent_before() -> None:
    class Closing(Feature):
        @handles
        def heard(self, session: Session, packet: Said) -> None:
            for _ in range(MAX_SENT_PER_FRAME):
                session.tell(b"x")
            session.close(b"Out.")

    road = Road(await host_of(Closing))
    road.hears(Said(speaker_id=1, text=b"x"))
    assert road.reason == "feature_closed"


# Opaque streams.


class Greeter(Feature):
    def __init__(self) -> None:
        self.calls = 0

    def logged_in(self, session: Session) -> None:
        session.tell(b"Welcome.")
        session.send(Say(text=b"hello"))

    @handles
    def said(self, session: Session, packet: Say) -> Verdict:
        self.calls += 1
        return DROP

    @handles
    def heard(self, session: Session, packet: Said) -> Verdict:
        self.calls += 1
        return DROP


@pytest.mark.parametrize("dialect", COUNTED)
async def test_behind_a_login_that_encrypts_nothing_is_read_or_sent(dialect: str) -> None:
    host = await host_of(Greeter, dialect=dialect)
    road = Road(host, dialect)
    road.says(login())
    behind = road.server_frame(Said(speaker_id=1, text=b"this only looks like a packet"))
    reply = road.server_frame(accepted(b"Anna", comm_encrypt=1))
    road.server_sends(reply + behind)
    assert road.to_player == reply + behind
    assert road.session.is_opaque
    before, road.to_server = road.to_server, b""
    span = road.client_frame(Say(text=b"so does this")) + KEEP_ALIVE
    road.client_sends(span)
    assert road.to_server == span
    assert not road.session.send(Say(text=b"x"))
    assert not road.session.tell(b"x")
    assert feature_of(host, Greeter).calls == 0
    assert len(split_frames(road.codec.pack.serverbound, before)) == 1, "a frame too many shifts encrypted numbers"


async def test_a_login_that_cannot_be_decoded_can_encrypt_all_the_same() -> None:
    """A fork writes something else between; the edge goes by the flag, and so must the core."""
    host = await host_of(Greeter)
    road = Road(host)
    road.says(login())
    strange = RawPacket(931, bytes(2) + b"\xff\xff strange " + b"\0\0\0\x01" + b"\0\0\x32\x14", Direction.CLIENTBOUND)
    road.hears(strange, Said(speaker_id=1, text=b"x"))
    road.says(Say(text=b"x"))
    assert road.session.is_opaque
    assert feature_of(host, Greeter).calls == 0


async def test_behind_the_key_exchange_of_tg_nothing_is_read_or_sent() -> None:
    host = await host_of(Greeter, dialect="tg")
    road = Road(host, "tg")
    handshake = RawPacket(944, b"confirm", Direction.CLIENTBOUND)
    road.hears(handshake, Said(speaker_id=1, text=b"x"))
    encrypted = road.codec.dialect.serverbound.seal(Say.OPCODE, b"\xffcipher text", counter=77)
    road.client_sends(encrypted)
    assert road.session.is_opaque
    assert road.to_server == encrypted
    assert not road.session.tell(b"x")
    assert feature_of(host, Greeter).calls == 0


async def test_a_login_without_the_flag_stays_readable() -> None:
    road = Road(await host_of(Greeter))
    road.says(login())
    road.hears(accepted(b"Anna"))
    assert not road.session.is_opaque
    assert [type(each).__name__ for each in road.at_player()] == ["LoginAccepted", "PopupNotice"]


# Malformed packets.


@pytest.mark.parametrize("passes", [False, True])
async def test_a_malformed_packet_reaches_nobody(passes: bool) -> None:
    host = await host_of(Chatty, Witness, dialect="counter", malformed_passes=passes)
    road = Road(host, "counter")
    bad = RawPacket(Say.OPCODE, b"\x00\x05hi", Direction.SERVERBOUND)
    road.says(login(), bad, Say(text=b"good"))
    numbers_of(road.to_server)
    bodies = [raw[12:] for raw in split_frames(road.codec.pack.serverbound, road.to_server)]
    assert (bad.body in bodies) == passes
    assert feature_of(host, Witness).seen == [b"good"]
    assert host.malformed_frames == {"Say": 1}


async def test_what_a_game_server_sends_goes_on_even_when_nobody_can_read_it() -> None:
    host = await host_of(Chatty)
    road = Road(host)
    bad = road.server_frame(RawPacket(Said.OPCODE, b"\x01", Direction.CLIENTBOUND))
    road.server_sends(bad)
    assert road.to_player == bad
    assert host.malformed_frames == {"Said": 1}


# Properties.

TEXTS = st.builds(lambda word, rest: word + b" " + rest, st.sampled_from([*EFFECTS]), st.sampled_from([b"a", b"b"]))
PACKETS = st.lists(st.one_of(TEXTS, st.sampled_from([b"keep", b"nobody", b"call", b"bad"])), max_size=12)


def road_frames(road: Road, kinds: list[bytes]) -> list[bytes]:
    """The client's frames; the first is a login."""
    made = [road.client_frame(login())]
    for kind in kinds:
        if kind == b"keep":
            made.append(KEEP_ALIVE)
        elif kind == b"nobody":
            made.append(road.client_frame(SayToAll(text=b"x")))
        elif kind == b"call":
            made.append(road.client_frame(Logout(), word=5))
        elif kind == b"bad":
            made.append(road.client_frame(RawPacket(Say.OPCODE, b"\x00", Direction.SERVERBOUND)))
        else:
            made.append(road.client_frame(Say(text=kind)))
    return made


@settings(max_examples=30)
@given(PACKETS, st.sampled_from(COUNTED), st.data())
def test_any_cutting_of_the_stream_gives_the_same(kinds: list[bytes], dialect: str, data: st.DataObject) -> None:
    """And in dialects that count, a server that checks every number finds them right."""

    async def play() -> None:
        host = await host_of(Chatty, dialect=dialect)
        outs = []
        for cut in (False, True):
            road = Road(host, dialect)
            stream = b"".join(road_frames(road, kinds))
            scanner = Scanner(road.codec.pack.serverbound)
            for piece in data.draw(cuts_of(stream)) if cut else [stream]:
                span = scanner.feed(piece)
                if span:
                    road.client_sends(span)
            if dialect != "classic":
                numbers_of(road.to_server)
            outs.append((road.to_server, road.to_player))
        assert outs[0] == outs[1]
        host.containment.take_out(host.plan.features[0], "done")
        road = Road(host, dialect)
        frames = road_frames(road, [kind for kind in kinds if kind != b"bad"])
        road.client_sends(b"".join(frames))
        assert road.to_server == b"".join(frames), "with the feature out all goes on as it came"

    asyncio.run(play())


@settings(max_examples=25)
@given(st.lists(st.sampled_from([b"drop", b"plain", b"behind", b"answer"]), max_size=8), st.data())
def test_any_cutting_gives_the_player_the_same(texts: list[bytes], data: st.DataObject) -> None:
    async def play() -> None:
        host = await host_of(Chatty)
        outs = []
        for cut in (False, True):
            road = Road(host)
            stream = b"".join(road.server_frame(Said(speaker_id=1, text=text)) for text in texts)
            scanner = Scanner(road.codec.pack.clientbound)
            for piece in data.draw(cuts_of(stream)) if cut else [stream]:
                span = scanner.feed(piece)
                if span:
                    road.server_sends(span)
            outs.append((road.to_server, road.to_player))
        assert outs[0] == outs[1]

    asyncio.run(play())
