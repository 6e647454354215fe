"""The watcher: what in a game server's stream changes what a session may do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire.small_game import (
    ACCEPTED,
    ECHO,
    ENCRYPTED,
    KEEP_ALIVE,
    LAYOUT,
    OPENED,
    REFUSED,
    frame,
    rule_set,
    wide_frame,
    wide_rules,
)
from wire.events import unpack_event
from wire.rules import Trigger
from wire.scanner import Scanner
from wire.watcher import Watcher

RULES = rule_set()
Seen = tuple[int, int, int, int, bytes]


def find(*frames: bytes) -> list[Seen]:
    """The events of some frames, unpacked."""
    events = Watcher(RULES).find(b"".join(frames), Scanner(LAYOUT))
    return [unpack_event(event, RULES) for event in events]


@pytest.mark.parametrize(
    ("said", "events"),
    [
        (frame(ACCEPTED, b"\0\0rest"), [(2, 0, 0, -1, b"")]),
        (frame(ACCEPTED, b"\0\1"), []),
        (frame(ACCEPTED, b"\0"), []),
        (frame(REFUSED, b"\0\1"), [(0, 0, 0, -1, b"")]),
        (frame(REFUSED, b"\0\0"), []),
        (frame(ENCRYPTED, b"list\0\0\0\1"), [(3, 0, 0, -1, b"")]),
        (frame(ENCRYPTED, b"list\0\0\0\0"), []),
        (frame(ENCRYPTED, b"\0\1"), []),
        (frame(ECHO, b"12345678rest"), [(-1, 0, 0, 0, b"12345678")]),
        (frame(ECHO, b"1234567"), []),
        (frame(OPENED), [(-1, 1, 0, -1, b"")]),
        (KEEP_ALIVE, []),
        (frame(999, b"\0\0"), []),
    ],
)
def test_triggers(said: bytes, events: list[Seen]) -> None:
    assert find(said) == events
    assert find(KEEP_ALIVE, said, KEEP_ALIVE) == events


def test_events_keep_their_order_and_nothing_is_read_behind_an_encrypted_one() -> None:
    found = find(frame(OPENED), frame(ACCEPTED, b"\0\0"), frame(ENCRYPTED, b"\0\0\0\1"), frame(OPENED))
    assert [event[:2] for event in found] == [(-1, 1), (2, 0), (3, 0)]
    watcher = Watcher(RULES)
    opened, encrypted = watcher.find(frame(OPENED) + frame(ENCRYPTED, b"\0\0\0\1"), Scanner(LAYOUT))
    assert not watcher.is_opaque(opened)
    assert watcher.is_opaque(encrypted)


@given(
    st.lists(st.tuples(st.sampled_from([ACCEPTED, ECHO, ENCRYPTED, OPENED, 7]), st.binary(max_size=20)), max_size=10)
)
def test_any_frames_make_events_that_an_edge_takes(said: list[tuple[int, bytes]]) -> None:
    assert len(find(*(frame(opcode, body) for opcode, body in said))) <= len(said)


@pytest.mark.parametrize("opcode", [0, 541, 0xFFFF, 0x10000, 0xFFFFFFFF])
def test_an_opcode_of_four_bytes_is_found_by_all_of_it(opcode: int) -> None:
    watcher = Watcher(wide_rules(triggers=(Trigger(name="OPENED", opcode=opcode, sets=1),)))

    assert len(watcher.find(wide_frame(opcode), Scanner(LAYOUT))) == 1
    for other in (opcode ^ 1, opcode ^ 0x10000, opcode ^ 0x80000000):
        assert watcher.find(wide_frame(other), Scanner(LAYOUT)) == []
