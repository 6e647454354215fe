"""How a gRPC call ended: a status and a sentence.

The numbers are gRPC's (https://github.com/grpc/grpc/blob/master/doc/statuscodes.md), and so is how the sentence is
written into a header.
"""

from enum import IntEnum
from urllib.parse import quote, unquote

from wire.errors import TidegateError

MAX_DETAILS_BYTES = 2048
"""Bound on the sentence, nearly, as it is written: it shares a header block of 8 KiB with what is around it."""

_PRINTABLE = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")


class Status(IntEnum):
    """gRPC's status codes."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


class CallError(TidegateError):
    """A call is over, or did not come about; ``str`` of it is the status's name and the sentence."""

    code = "call"

    def __init__(self, status: Status, details: str) -> None:
        super().__init__(f"{status.name}: {details}")
        self.status = status
        self.details = details


def encode_details(details: str) -> bytes:
    """Return a sentence as gRPC writes it into ``grpc-message``, cut to what fits."""
    said = quote(details, safe=_PRINTABLE, errors="replace").encode()[:MAX_DETAILS_BYTES]
    if said.endswith(b" "):  # a header may not begin or end with one (RFC 9113, section 8.2.1)
        said = said[:-1] + b"%20"
    return b"%20" + said[1:] if said.startswith(b" ") else said


def decode_status(number: bytes, details: bytes) -> tuple[Status, str]:
    """Return what the headers ``grpc-status`` and ``grpc-message`` say; whatever they hold, there is an answer."""
    text = unquote(details[: 2 * MAX_DETAILS_BYTES].decode("ascii", "replace"), errors="replace")
    try:
        return Status(int(number)), text
    except ValueError:
        return Status.UNKNOWN, f"a status that is none: {number[:16]!r} {text}".strip()
