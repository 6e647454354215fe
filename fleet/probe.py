"""The probe: what a launcher asks an edge to learn how far away it is, and what the edge answers.

Pure functions over bytes, used by the edge (`edge.probe_port`) and by ``tidegate probe``. Each is one UDP datagram of
64 bytes, so that nobody can have an edge send more to a third party than he sends himself. Numbers are big-endian.

Request:

======  ====  =========================================================================================
offset  size  what
======  ====  =========================================================================================
0       4     ``TGPQ``
4       1     version, 1
5       3     zero
8       8     nonce: any number; the answer repeats it
16      8     the asker's clock, in nanoseconds from any beginning; the answer repeats it
24      40    zero
======  ====  =========================================================================================

Reply:

======  ====  =========================================================================================
offset  size  what
======  ====  =========================================================================================
0       4     ``TGPR``
4       1     version, 1
5       1     flags: 1 the edge is serving, 2 it is draining
6       1     load: 0 nobody, 255 full
7       1     zero
8       8     the nonce
16      8     the asker's clock
24      8     the edge's clock when the request was read, in nanoseconds from any beginning
32      8     the edge's clock when this was written
40      8     the first bytes of the SHA-256 of the edge's name: which edge this is
48      16    zero
======  ====  =========================================================================================

What does not match exactly is no probe, and gets no answer.
"""

import hashlib
import struct
from dataclasses import dataclass

from fleet.health import Health

PROBE_BYTES = 64
VERSION = 1
FULL = 255

_REQUEST = struct.Struct(">4sB3xQQ40x")
_REPLY = struct.Struct(">4sBBBxQQQQ8s16x")
_REQUEST_MAGIC, _REPLY_MAGIC = b"TGPQ", b"TGPR"
_SERVING, _DRAINING = 1, 2
_MAX_U64 = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class ProbeRequest:
    """A question. ``clock_ns`` means something to the asker only."""

    nonce: int
    clock_ns: int


@dataclass(frozen=True, slots=True)
class ProbeState:
    """How an edge is, as a probe tells it: ``load`` from 0 (nobody) to 255 (full)."""

    is_serving: bool
    is_draining: bool
    load: int

    @property
    def word(self) -> str:
        """Return ``serving``, ``draining`` or ``critical``."""
        if self.is_draining:
            return "draining"
        return "serving" if self.is_serving else "critical"


@dataclass(frozen=True, slots=True)
class ProbeReply:
    """An answer; ``received_ns`` and ``sent_ns`` are of the edge's own clock, ``edge`` is `name_hash` of its name."""

    nonce: int
    clock_ns: int
    received_ns: int
    sent_ns: int
    state: ProbeState
    edge: bytes = bytes(8)


def state_of(health: Health, sessions: int, max_sessions: int) -> ProbeState:
    """Return what a probe tells of an edge; no more than this is told to strangers."""
    load = min(FULL, FULL * sessions // max_sessions) if max_sessions > 0 else 0
    return ProbeState(health.is_serving, health.is_draining, load)


def name_hash(name: str) -> bytes:
    """Return 8 bytes that tell one edge's name from another's."""
    return hashlib.sha256(name.encode()).digest()[:8]


def encode_request(request: ProbeRequest) -> bytes:
    """Return the datagram."""
    return _REQUEST.pack(_REQUEST_MAGIC, VERSION, request.nonce & _MAX_U64, request.clock_ns & _MAX_U64)


def decode_request(data: bytes) -> ProbeRequest | None:
    """Return what a datagram asks; None for what is no probe."""
    if len(data) != PROBE_BYTES:
        return None
    magic, version, nonce, clock_ns = _REQUEST.unpack(data)
    if magic != _REQUEST_MAGIC or version != VERSION or any(data[5:8]) or any(data[24:]):
        return None
    return ProbeRequest(nonce, clock_ns)


def encode_reply(reply: ProbeReply) -> bytes:
    """Return the datagram."""
    state = reply.state
    flags = _SERVING * state.is_serving | _DRAINING * state.is_draining
    times = (reply.received_ns & _MAX_U64, reply.sent_ns & _MAX_U64)
    return _REPLY.pack(_REPLY_MAGIC, VERSION, flags, state.load, reply.nonce, reply.clock_ns, *times, reply.edge)


def decode_reply(data: bytes) -> ProbeReply | None:
    """Return what a datagram answers; None for what is no reply."""
    if len(data) != PROBE_BYTES:
        return None
    magic, version, flags, load, nonce, clock_ns, received_ns, sent_ns, edge = _REPLY.unpack(data)
    is_ours = magic == _REPLY_MAGIC and version == VERSION and flags <= _SERVING | _DRAINING
    if not is_ours or data[7] or any(data[48:]):
        return None
    state = ProbeState(bool(flags & _SERVING), bool(flags & _DRAINING), load)
    return ProbeReply(nonce, clock_ns, received_ns, sent_ns, state, edge)
