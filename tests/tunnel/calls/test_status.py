"""Statuses and sentences, as they stand in headers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunnel.calls.status import MAX_DETAILS_BYTES, Status, decode_status, encode_details


@given(st.text(max_size=150), st.sampled_from(Status))
def test_what_is_said_is_what_is_heard(text: str, status: Status) -> None:
    text = text.encode(errors="replace").decode()
    assert decode_status(b"%d" % status, encode_details(text)) == (status, text)


@given(st.text())
def test_a_sentence_is_printable_and_bounded(text: str) -> None:
    said = encode_details(text)
    assert len(said) <= MAX_DETAILS_BYTES + 4
    assert said == said.strip()
    assert all(0x20 <= byte < 0x7F for byte in said)


@given(st.binary(max_size=50), st.binary(max_size=50))
def test_whatever_is_said_there_is_a_status(number: bytes, details: bytes) -> None:
    assert decode_status(number, details)[0] in Status


@pytest.mark.parametrize("number", [b"", b"17", b"-1", b"x", b"99999999999999999999"])
def test_a_status_that_is_none_is_unknown(number: bytes) -> None:
    status, said = decode_status(number, b"why")
    assert status is Status.UNKNOWN
    assert "why" in said
