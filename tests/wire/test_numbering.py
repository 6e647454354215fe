"""Packet counters: whatever is dropped and put in between, a server that checks every number finds them all right."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire.small_game import KEEP_ALIVE, LAYOUT, LOGIN, LOGOUT, SAY, frame, header
from tests.wire.strategies import cuts_of
from wire.layout import FrameLayout
from wire.numbering import Numbering
from wire.rules import FrameHeader
from wire.scanner import Scanner, split_frames

WRAP = 1 << 32


class Client:
    """Numbers what it sends; begins anew at a login."""

    def __init__(self, start: int = 0) -> None:
        self.next = start

    def say(self, opcode: int, body: bytes = b"") -> bytes:
        value = 0 if opcode == LOGIN else self.next
        self.next = (value + 1) % WRAP
        return frame(opcode, body, counter=value)

    def call(self) -> bytes:
        return frame(LOGOUT, word=5, counter=self.next)


class Server:
    """Checks the numbers as game servers do: not those of calls, and at a login it begins anew."""

    def __init__(self, start: int = 0) -> None:
        self.expected = start
        self.bodies: list[bytes] = []

    def hear(self, span: bytes) -> None:
        for one in split_frames(LAYOUT, span):
            if len(one) < 12 or one[2:6] != b"\x80\0\0\0":
                continue
            if int.from_bytes(one[6:8], "big") == LOGIN:
                self.expected = 0
            assert int.from_bytes(one[8:12], "big") == self.expected
            self.expected = (self.expected + 1) % WRAP
            self.bodies.append(one[12:-2])


def numbering() -> Numbering:
    return Numbering(header(is_counted=True), frozenset({LOGIN}))


def test_a_span_without_a_gap_is_handed_on_uncopied() -> None:
    client = Client()
    span = client.say(LOGIN) + client.say(SAY) + KEEP_ALIVE + client.call() + client.say(SAY)
    assert numbering().pass_on(span, Scanner(LAYOUT)) is span


def test_behind_a_dropped_frame_only_the_numbers_change() -> None:
    client, numbers = Client(), numbering()
    first, dropped = client.say(LOGIN, b"me"), client.say(SAY, b"bad")
    behind = client.say(SAY, b"one") + KEEP_ALIVE + client.call() + client.say(SAY, b"two")
    numbers.pass_on(first, Scanner(LAYOUT))
    numbers.drop(dropped)
    call = frame(LOGOUT, word=5, counter=3)
    expected = frame(SAY, b"one", counter=1) + KEEP_ALIVE + call + frame(SAY, b"two", counter=2)
    assert numbers.pass_on(behind, Scanner(LAYOUT)) == expected


@pytest.mark.parametrize("unnumbered", [KEEP_ALIVE, frame(LOGOUT, word=5, counter=1), frame(SAY)[:10]])
def test_what_has_no_number_leaves_no_gap(unnumbered: bytes) -> None:
    client, numbers, server = Client(), numbering(), Server()
    server.hear(numbers.pass_on(client.say(LOGIN), Scanner(LAYOUT)))
    numbers.drop(unnumbered)
    server.hear(numbers.pass_on(client.say(SAY), Scanner(LAYOUT)))
    assert server.expected == 2


def test_what_is_put_in_before_the_login_does_not_disturb_it() -> None:
    client, numbers, server = Client(), numbering(), Server()
    server.hear(frame(SAY, b"early", counter=numbers.take(SAY)))
    server.hear(numbers.pass_on(client.say(LOGIN) + client.say(SAY), Scanner(LAYOUT)))
    assert server.expected == 2


@pytest.mark.parametrize("earlier", [0, 1, 3])
def test_a_login_that_is_replaced_begins_anew_too(earlier: int) -> None:
    """A registration before the login has counted already."""
    client, numbers, server = Client(), numbering(), Server()
    for _ in range(earlier):
        server.hear(numbers.pass_on(client.say(SAY), Scanner(LAYOUT)))
    numbers.drop(client.say(LOGIN, b"as it came"))
    server.hear(frame(LOGIN, b"rewritten", counter=numbers.take(LOGIN)))
    server.hear(numbers.pass_on(client.say(SAY), Scanner(LAYOUT)))
    assert server.expected == 2


def test_numbers_wrap_around() -> None:
    client, numbers, server = Client(WRAP - 3), numbering(), Server(WRAP - 3)
    scanner = Scanner(LAYOUT)
    server.hear(numbers.pass_on(client.say(SAY), scanner))
    numbers.drop(client.say(SAY))
    server.hear(frame(SAY, counter=numbers.take()) + frame(SAY, counter=numbers.take()))
    server.hear(numbers.pass_on(client.say(SAY) + client.say(SAY), scanner))
    assert server.expected == 2


def test_another_layout() -> None:
    """Little-endian, without session words: every frame that is long enough is numbered."""
    layout = FrameLayout(length_width_bytes=4, little_endian=True, min_frame_bytes=5, max_frame_bytes=100)
    place = FrameHeader(
        opcode_offset_bytes=4,
        opcode_width_bytes=1,
        body_offset_bytes=9,
        little_endian=True,
        session_word_offset_bytes=-1,
        ordinary_session_word=0,
        counter_offset_bytes=5,
        trailer=b"",
    )

    def one(opcode: int, number: int) -> bytes:
        return (10).to_bytes(4, "little") + bytes([opcode]) + number.to_bytes(4, "little") + b"!"

    numbers = Numbering(place, frozenset({9}))
    scanner = Scanner(layout)
    bare = (5).to_bytes(4, "little") + b"\x01"
    numbers.drop(one(1, 0))
    assert numbers.pass_on(bare + one(1, 1) + one(1, 2), scanner) == bare + one(1, 0) + one(1, 1)
    assert numbers.pass_on(one(9, 0) + one(1, 1), scanner) == one(9, 0) + one(1, 1)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["pass", "pass", "pass", "drop", "replace", "twice", "put in", "bare", "call"]),
        st.sampled_from([SAY, SAY, SAY, LOGIN]),
    ),
    max_size=30,
)


@given(STEPS, st.sampled_from([0, 1, WRAP - 2]), st.data())
def test_a_server_that_checks_finds_nothing(steps: list[tuple[str, int]], start: int, data: st.DataObject) -> None:
    """Frames that go on are passed on in spans cut anywhere between them, as they come; calls are left alone."""
    client, numbers, server, scanner = Client(start), numbering(), Server(start), Scanner(LAYOUT)
    if start:
        server.hear(numbers.pass_on(client.say(SAY, b"first"), scanner))
        server.bodies.clear()
    waiting: list[bytes] = []
    expected: list[bytes] = []

    def flush() -> None:
        pieces = data.draw(st.lists(st.integers(1, 4), max_size=4)) if waiting else []
        for size in pieces:
            server.hear(numbers.pass_on(b"".join(waiting[:size]), scanner))
            del waiting[:size]
        server.hear(numbers.pass_on(b"".join(waiting), scanner))
        waiting.clear()

    for number, (step, opcode) in enumerate(steps):
        body = b"%d" % number
        if step in ("bare", "call"):
            waiting.append(KEEP_ALIVE if step == "bare" else client.call())
            continue
        if step == "pass":
            waiting.append(client.say(opcode, body))
            expected.append(body)
            continue
        flush()
        if step != "put in":
            numbers.drop(client.say(opcode, body))
        for _ in range({"drop": 0, "replace": 1, "twice": 2, "put in": 1}[step]):
            server.hear(frame(opcode, body, counter=numbers.take(opcode)))
            expected.append(body)
    flush()
    assert server.bodies == expected


@given(st.lists(st.sampled_from(["say", "login", "bare", "call"]), max_size=12), st.data())
def test_cuts_of_the_stream_change_nothing(kinds: list[str], data: st.DataObject) -> None:
    client = Client()
    make = {"say": lambda: client.say(SAY, b"x"), "login": lambda: client.say(LOGIN), "bare": lambda: KEEP_ALIVE}
    stream = b"".join(make.get(kind, client.call)() for kind in kinds)
    outs = []
    for pieces in ([stream], data.draw(cuts_of(stream))):
        numbers, scanner = numbering(), Scanner(LAYOUT)
        numbers.take()
        outs.append(b"".join(numbers.pass_on(scanner.feed(piece), scanner) for piece in pieces))
    assert outs[0] == outs[1]
    assert len(outs[0]) == len(stream)
