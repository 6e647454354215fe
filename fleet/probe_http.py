"""The probe over HTTP, for launchers that cannot send UDP: ``GET /probe?nonce=0123456789abcdef``.

Pure functions over bytes, used by the edge (`edge.probe_http`) and by ``tidegate probe``. A connection carries one
request. The reply is never larger than the request: who asks in fewer bytes gets none. A browser's own headers are
long enough; a launcher that writes its request by hand adds a header ``X-Padding``.

The body is one JSON object: ``nonce`` (as asked), ``received_ns`` and ``sent_ns`` (the edge's clock), ``state``
(``serving``, ``draining`` or ``critical``), ``load`` (0 to 255), ``edge`` (16 hexadecimal digits, as in the datagram).
"""

import json
import re

from fleet.probe import ProbeReply, ProbeState

MAX_REQUEST_BYTES = 4096
"""Browsers send about a thousand."""

MAX_LINE_BYTES = 64
"""The longest first line there can be, and some."""

MAX_REPLY_BYTES = 512

_LINE = re.compile(rb"GET /probe\?nonce=([0-9a-f]{1,16}) HTTP/1\.[01]\r\n")
_END = b"\r\n\r\n"
_HEAD = (
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n"
    "Access-Control-Allow-Origin: *\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"
)
_STATES = ("serving", "draining", "critical")


class ProbeHttpError(ValueError):
    """What came is no probe and will not become one."""


def read_http_request(data: bytes) -> int | None:
    """Return the nonce that a request asks with; None while it is not complete. Raises ProbeHttpError.

    Nothing may stand behind the request.
    """
    if len(data) > MAX_REQUEST_BYTES:
        raise ProbeHttpError("too long")
    line, newline, _ = data.partition(b"\n")
    if not newline:
        if len(line) > MAX_LINE_BYTES:
            raise ProbeHttpError("another request")
        return None
    found = _LINE.fullmatch(line + newline)
    if found is None:
        raise ProbeHttpError("another request")
    end = data.find(_END)
    if end == -1:
        return None
    if end + len(_END) != len(data):
        raise ProbeHttpError("more than one request")
    return int(found[1], 16)


def write_http_request(nonce: int, host: str) -> bytes:
    """Return a request that is long enough to be answered; ``host`` is HOST:PORT."""
    head = f"GET /probe?nonce={nonce:016x} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nX-Padding: "
    return (head + "x" * max(0, MAX_REPLY_BYTES - len(head) - len(_END))).encode("ascii", "replace") + _END


def write_http_reply(reply: ProbeReply) -> bytes:
    """Return the reply, of at most MAX_REPLY_BYTES."""
    body = json.dumps(
        {
            "nonce": f"{reply.nonce:016x}",
            "received_ns": reply.received_ns,
            "sent_ns": reply.sent_ns,
            "state": reply.state.word,
            "load": reply.state.load,
            "edge": reply.edge.hex(),
        },
        separators=(",", ":"),
    )
    return (_HEAD.format(length=len(body)) + body).encode()


def read_http_reply(data: bytes) -> ProbeReply | None:
    """Return what a whole reply says; None for what is none of ours."""
    head, end, body = data.partition(_END)
    if len(data) > MAX_REPLY_BYTES or not end or not re.match(rb"HTTP/1\.[01] 200 ", head):
        return None
    try:
        said = json.loads(body)
        state, load, nonce = said["state"], said["load"], int(said["nonce"], 16)
        received_ns, sent_ns, edge = said["received_ns"], said["sent_ns"], bytes.fromhex(said["edge"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    numbers = (load, received_ns, sent_ns)
    if state not in _STATES or len(edge) != 8 or not all(type(each) is int and each >= 0 for each in numbers):
        return None
    return ProbeReply(nonce, 0, received_ns, sent_ns, ProbeState(state == "serving", state == "draining", load), edge)
