"""Messages between cores: rows of bytes, and that foreign bytes are refused whole."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.store.messages import MAX_MESSAGE_BYTES, Message, MessageKind, decode_message
from core.store.protocol import StoreDataError

NAMES = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=256)
ROWS = [
    (
        Message(MessageKind.FIELD_PUT, "0a", "bans", "name", 258, b"\x00v"),
        b"\x01\x00\x020a\x00\x04bans\x00\x04name\x00\x00\x00\x00\x00\x00\x01\x02\x00v",
    ),
    (Message(MessageKind.TOPIC, "0a", "t"), b"\x03\x00\x020a\x00\x01t\x00\x00" + bytes(8)),
    (Message(MessageKind.CLAIM_LOST, "0a", "n", "h"), b"\x04\x00\x020a\x00\x01n\x00\x01h" + bytes(8)),
]


@pytest.mark.parametrize(("message", "raw"), ROWS)
def test_rows(message: Message, raw: bytes) -> None:
    assert message.encode() == raw
    assert decode_message(raw) == message


@pytest.mark.parametrize(("message", "raw"), ROWS)
def test_cut_short_is_refused(message: Message, raw: bytes) -> None:
    for length in range(len(raw) - len(message.body)):
        with pytest.raises(StoreDataError):
            decode_message(raw[:length])


@pytest.mark.parametrize(
    "raw",
    [
        b"\x05" + ROWS[0][1][1:],
        b"\x01\xff\xff" + bytes(70_000),
        ROWS[0][1].replace(b"bans", b"b\x00ns"),
        ROWS[0][1].replace(b"bans", b"b\xffns"),
        b"\x01\x00\x020a\x00\x01t\x00\x00" + bytes(8),
        b"\x03\x00\x020a\x00\x00\x00\x00" + bytes(8),
        bytes(MAX_MESSAGE_BYTES + 1),
        ROWS[1][1] + bytes(65_537),
    ],
)
def test_foreign_bytes_are_refused(raw: bytes) -> None:
    with pytest.raises(StoreDataError):
        decode_message(raw)


@given(st.sampled_from(MessageKind), NAMES, NAMES, NAMES, st.integers(0, 2**64 - 1), st.binary(max_size=100))
def test_what_is_encoded_decodes(
    kind: MessageKind, owner: str, place: str, name: str, serial: int, body: bytes
) -> None:
    message = Message(kind, owner, place, name, serial, body)
    assert decode_message(message.encode()) == message


@given(st.binary(max_size=200))
def test_any_bytes_give_a_message_or_an_error(raw: bytes) -> None:
    with contextlib.suppress(StoreDataError):
        decode_message(raw)
