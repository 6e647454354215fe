"""Probes by UDP and HTTP: any bytes are a probe, the beginning of one, or neither, and what is read writes the same."""

from collections.abc import Iterable

from fleet.probe import ProbeReply, ProbeRequest, ProbeState, decode_reply, decode_request, encode_reply, encode_request
from fleet.probe_http import (
    MAX_REPLY_BYTES,
    ProbeHttpError,
    read_http_reply,
    read_http_request,
    write_http_reply,
    write_http_request,
)

MAX_BYTES = 700
MODULES = ("fleet.probe", "fleet.probe_http")

_REPLY = ProbeReply(1, 2, 3, 4, ProbeState(True, False, 5), b"12345678")


def fuzz_one(data: bytes) -> None:
    """Read a datagram and a request, each as either end would."""
    request = decode_request(data)
    assert request is None or encode_request(request) == data
    reply = decode_reply(data)
    assert reply is None or encode_reply(reply) == data
    whole = _nonce(data)
    for place in (1, len(data) // 2, len(data) - 1):
        first = _nonce(data[:place])
        assert first != "fault" or whole == "fault"
        assert not isinstance(first, int) or whole == "fault", "a request was complete before its end"
    answer = read_http_reply(data)
    assert answer is None or len(data) <= MAX_REPLY_BYTES


def _nonce(data: bytes) -> int | str | None:
    try:
        return read_http_request(data)
    except ProbeHttpError:
        return "fault"


def seeds() -> Iterable[bytes]:
    """Good ones of each kind."""
    yield encode_request(ProbeRequest(1, 2))
    yield encode_reply(_REPLY)
    yield write_http_request(0x1F, "edge:1974")
    yield b"GET /probe?nonce=1 HTTP/1.1\r\nHost: x\r\n\r\n"
    yield write_http_reply(_REPLY)
