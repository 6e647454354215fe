"""The probe's two datagrams: what is one, and that nothing else gets through."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.health import Health
from fleet.probe import (
    PROBE_BYTES,
    ProbeReply,
    ProbeRequest,
    ProbeState,
    decode_reply,
    decode_request,
    encode_reply,
    encode_request,
    name_hash,
    state_of,
)

NUMBERS = st.integers(0, 2**64 - 1)
STATES = st.builds(ProbeState, st.booleans(), st.booleans(), st.integers(0, 255))
REQUEST = encode_request(ProbeRequest(7, 8))
REPLY = encode_reply(ProbeReply(7, 8, 9, 10, ProbeState(True, False, 3), name_hash("fra-1")))


def test_the_bytes_are_those_of_the_page() -> None:
    assert b"TGPQ\x01\0\0\0" + struct.pack(">QQ", 7, 8) + bytes(40) == REQUEST
    start = b"TGPR\x01\x01\x03\0" + struct.pack(">QQQQ", 7, 8, 9, 10)
    assert start + name_hash("fra-1") + bytes(16) == REPLY


@given(NUMBERS, NUMBERS)
def test_a_request_comes_back_as_it_was(nonce: int, clock_ns: int) -> None:
    request = ProbeRequest(nonce, clock_ns)
    assert decode_request(encode_request(request)) == request


@given(NUMBERS, NUMBERS, NUMBERS, NUMBERS, STATES, st.binary(min_size=8, max_size=8))
def test_a_reply_comes_back_as_it_was(nonce: int, a: int, b: int, c: int, state: ProbeState, edge: bytes) -> None:
    reply = ProbeReply(nonce, a, b, c, state, edge)
    assert decode_reply(encode_reply(reply)) == reply
    assert len(encode_reply(reply)) == PROBE_BYTES


MALFORMED = [
    b"",
    REQUEST[:-1],
    REQUEST + b"\0",
    b"TGPX" + REQUEST[4:],
    REQUEST[:4] + b"\x02" + REQUEST[5:],
    *(REQUEST[:place] + b"\x01" + REQUEST[place + 1 :] for place in (5, 6, 7, 24, 40, 63)),
    REPLY,
    bytes(64),
    b"\xff" * 64,
    b"\xff" * 1400,
]


@pytest.mark.parametrize("data", MALFORMED)
def test_what_is_no_request(data: bytes) -> None:
    assert decode_request(data) is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        REQUEST,
        REPLY[:-1],
        REPLY + b"\0",
        *(REPLY[:place] + b"\x04" + REPLY[place + 1 :] for place in (0, 4, 5, 7, 48, 63)),
    ],
)
def test_what_is_no_reply(data: bytes) -> None:
    assert decode_reply(data) is None


@given(st.binary(max_size=80) | st.binary(min_size=60, max_size=60).map(lambda rest: b"TGPQ" + rest))
def test_any_bytes_are_a_probe_or_none(data: bytes) -> None:
    request = decode_request(data)
    assert request is None or encode_request(request) == data
    reply = decode_reply(data)
    assert reply is None or encode_reply(reply) == data


@pytest.mark.parametrize(
    ("health", "sessions", "limit", "expected"),
    [
        (Health(), 0, 100, ProbeState(True, False, 0)),
        (Health(), 50, 100, ProbeState(True, False, 127)),
        (Health(), 300, 100, ProbeState(True, False, 255)),
        (Health(("broken",)), 1, 0, ProbeState(False, False, 0)),
        (Health((), is_draining=True), 100, 100, ProbeState(False, True, 255)),
    ],
)
def test_what_an_edge_tells(health: Health, sessions: int, limit: int, expected: ProbeState) -> None:
    state = state_of(health, sessions, limit)
    assert state == expected
    assert state.word == health.word
