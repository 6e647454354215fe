"""gRPC's messages cut out of a stream."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunnel.calls.message_cutter import MessageCutter, wrap_message
from tunnel.calls.status import CallError, Status

MAX_BYTES = 1000


@given(st.lists(st.binary(max_size=MAX_BYTES), max_size=8), st.lists(st.integers(1, 300), min_size=1))
def test_any_cutting_gives_the_same(messages: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(map(wrap_message, messages))
    cutter, found, position, number = MessageCutter(MAX_BYTES), [], 0, 0
    while position < len(stream):
        size = cuts[number % len(cuts)]
        found += cutter.feed(stream[position : position + size])
        position += size
        number += 1
    assert found == messages
    assert cutter.is_between_messages


def test_a_message_too_long_is_refused_before_it_comes() -> None:
    cutter = MessageCutter(MAX_BYTES)
    assert cutter.feed(wrap_message(bytes(MAX_BYTES))) == [bytes(MAX_BYTES)]
    with pytest.raises(CallError, match="1001 bytes, where at most 1000") as raised:
        cutter.feed(wrap_message(bytes(MAX_BYTES + 1))[:5])
    assert raised.value.status is Status.RESOURCE_EXHAUSTED


def test_a_compressed_message_is_refused() -> None:
    with pytest.raises(CallError, match="compress") as raised:
        MessageCutter(MAX_BYTES).feed(b"\x01\x00\x00\x00\x00")
    assert raised.value.status is Status.UNIMPLEMENTED


def test_it_knows_whether_the_last_message_is_whole() -> None:
    cutter = MessageCutter(MAX_BYTES)
    assert cutter.is_between_messages
    assert cutter.feed(b"\x00") == []
    assert not cutter.is_between_messages
    assert cutter.feed(b"\x00\x00\x00\x01x") == [b"x"]
    assert cutter.is_between_messages


def test_messages_before_one_that_is_none_are_told_and_then_the_fault() -> None:
    cutter = MessageCutter(MAX_BYTES)
    assert cutter.feed(wrap_message(b"a") + wrap_message(b"b") + b"\x01\x00\x00\x00\x00") == [b"a", b"b"]
    for call in (cutter.check, lambda: cutter.feed(b"")):
        with pytest.raises(CallError, match="compress"):
            call()
