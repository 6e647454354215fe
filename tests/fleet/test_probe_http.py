"""The probe over HTTP: one request, one reply that is never larger, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.probe import ProbeReply, ProbeState
from fleet.probe_http import (
    MAX_REPLY_BYTES,
    MAX_REQUEST_BYTES,
    ProbeHttpError,
    read_http_reply,
    read_http_request,
    write_http_reply,
    write_http_request,
)

NUMBERS = st.integers(0, 2**64 - 1)
STATES = st.sampled_from([ProbeState(True, False, 0), ProbeState(False, True, 255), ProbeState(False, False, 7)])
REQUEST = write_http_request(0xABC, "edge:1974")
BROWSER = b"GET /probe?nonce=1f HTTP/1.1\r\nHost: edge\r\nUser-Agent: x\r\n\r\n"


@given(NUMBERS, st.text(max_size=300))
def test_our_request_is_read_whole_or_cut_and_is_long_enough(nonce: int, host: str) -> None:
    request = write_http_request(nonce, "".join(each for each in host if each.isprintable()))
    assert len(request) >= MAX_REPLY_BYTES
    assert read_http_request(request) == nonce
    for place in (0, 1, 20, 40, len(request) - 1):
        assert read_http_request(request[:place]) is None


@given(NUMBERS, NUMBERS, NUMBERS, STATES, st.binary(min_size=8, max_size=8))
def test_a_reply_comes_back_as_it_was(nonce: int, received: int, sent: int, state: ProbeState, edge: bytes) -> None:
    reply = ProbeReply(nonce, 0, received, sent, state, edge)
    raw = write_http_reply(reply)
    assert read_http_reply(raw) == reply
    assert len(raw) <= MAX_REPLY_BYTES <= len(write_http_request(nonce, ""))


def test_a_browsers_request_is_one() -> None:
    assert read_http_request(BROWSER) == 0x1F


@pytest.mark.parametrize(
    "data",
    [
        b"POST /probe?nonce=1f HTTP/1.1\r\n",
        b"GET /probe HTTP/1.1\r\n",
        b"GET /probe?nonce= HTTP/1.1\r\n",
        b"GET /probe?nonce=1F HTTP/1.1\r\n",
        b"GET /probe?nonce=11112222333344445 HTTP/1.1\r\n",
        b"GET /probe?nonce=1f HTTP/2.0\r\n",
        b"GET /probe?nonce=1f HTTP/1.1\n",
        b"\r\n\r\n",
        b"\x16\x03\x01" + bytes(100),
        b"G" * 65,
        BROWSER + b"x",
        BROWSER + BROWSER,
        BROWSER[:-2] + b"x" * MAX_REQUEST_BYTES,
    ],
)
def test_what_will_be_no_request(data: bytes) -> None:
    with pytest.raises(ProbeHttpError):
        read_http_request(data)


GOOD = write_http_reply(ProbeReply(1, 0, 2, 3, ProbeState(True, False, 4), bytes(8)))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        GOOD[:-1],
        GOOD.replace(b"200 OK", b"500 No"),
        GOOD.replace(b"serving", b"asleep!"),
        GOOD.replace(b'"load":4', b'"load":-4'),
        GOOD.replace(b'"load":4', b'"load":true'),
        GOOD.replace(b'"load":4', b'"load":"4"'),
        GOOD.replace(b'"edge":"00', b'"edge":"'),
        GOOD.replace(b'"nonce":"', b'"nonce":"x'),
        GOOD.replace(b'{"nonce"', b'[{"nonce"'),
        b"HTTP/1.1 200 OK\r\n\r\n" + b"[" * 490,
        GOOD + bytes(MAX_REPLY_BYTES),
    ],
)
def test_what_is_no_reply(data: bytes) -> None:
    assert read_http_reply(data) is None


@given(st.binary(max_size=600) | st.binary(max_size=400).map(lambda rest: REQUEST[:60] + rest))
def test_any_bytes_are_a_request_the_beginning_of_one_or_neither(data: bytes) -> None:
    try:
        found = read_http_request(data)
    except ProbeHttpError:
        with pytest.raises(ProbeHttpError):  # and more bytes do not mend it
            read_http_request(data + b"\r\n\r\n")
        return
    assert found is None or 0 <= found < 2**64
    read_http_reply(data)
