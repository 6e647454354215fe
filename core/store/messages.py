"""What cores tell each other through Redis's pub/sub, in bytes.

========  =====  =====================================================================================
offset    bytes  what
========  =====  =====================================================================================
0         1      kind (`MessageKind`)
1         2 + n  owner: who says it; of a lost claim, whose it was
…         2 + n  place: the table, the topic, or the name that is claimed
…         2 + n  name: the field or the holder; empty for a topic's message
…         8      serial of a table's change, by which its author knows it again
…         …      the value or the message
========  =====  =====================================================================================

Numbers are unsigned and big-endian. The script that takes a claim away writes its message itself (`scripts`).
"""

import struct
from dataclasses import dataclass
from enum import IntEnum

from core.store.protocol import MAX_NAME_BYTES, MAX_VALUE_BYTES, StoreDataError

MAX_MESSAGE_BYTES = 1 + 3 * (2 + MAX_NAME_BYTES) + 8 + MAX_VALUE_BYTES


class MessageKind(IntEnum):
    """What is told."""

    FIELD_PUT = 1
    FIELD_DELETED = 2
    TOPIC = 3
    CLAIM_LOST = 4


@dataclass(frozen=True, slots=True)
class Message:
    """One message; see the module for what the fields hold."""

    kind: MessageKind
    owner: str
    place: str
    name: str = ""
    serial: int = 0
    body: bytes = b""

    def encode(self) -> bytes:
        """Return the bytes."""
        parts = [bytes((self.kind,))]
        for text in (self.owner, self.place, self.name):
            parts.append(struct.pack(">H", len(text)))
            parts.append(text.encode("ascii"))
        return b"".join((*parts, struct.pack(">Q", self.serial), self.body))


def decode_message(raw: bytes) -> Message:
    """Read a message; raises StoreDataError for what none of our processes says."""
    if len(raw) > MAX_MESSAGE_BYTES:
        raise StoreDataError(f"a message of {len(raw)} bytes: at most {MAX_MESSAGE_BYTES} are possible")
    try:
        kind = MessageKind(raw[0])
        texts, offset = [], 1
        for _ in range(3):
            text, offset = _read_text(raw, offset)
            texts.append(text)
        (serial,) = struct.unpack_from(">Q", raw, offset)
    except (IndexError, ValueError, struct.error) as error:
        raise StoreDataError(f"a message of {len(raw)} bytes that none of our processes says: {error}") from error
    owner, place, name = texts
    if len(raw) - offset - 8 > MAX_VALUE_BYTES:
        raise StoreDataError(f"a message with a value of more than {MAX_VALUE_BYTES} bytes")
    if not place or not owner or (not name and kind is not MessageKind.TOPIC):
        raise StoreDataError("a message without a name")
    return Message(kind, owner, place, name, serial, raw[offset + 8 :])


def _read_text(raw: bytes, offset: int) -> tuple[str, int]:
    (length,) = struct.unpack_from(">H", raw, offset)
    end = offset + 2 + length
    if length > MAX_NAME_BYTES or end > len(raw):
        raise ValueError(f"a name of {length} bytes at offset {offset}")
    text = raw[offset + 2 : end].decode("ascii")  # a UnicodeDecodeError is a ValueError
    if not text.isprintable():
        raise ValueError(f"a name with control characters at offset {offset}")
    return text, end
