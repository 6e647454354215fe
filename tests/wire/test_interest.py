"""The interest set: finds what was asked for, in order, and nothing else; held against a loop over single frames."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire.small_game import KEEP_ALIVE, LAYOUT, frame
from wire.interest import Interest, Selector
from wire.layout import FrameLayout
from wire.scanner import Scanner, split_frames

BY_KIND = Selector(offset_bytes=1, width_bytes=1, values=frozenset({7, 9}))


def interest_in(wanted: dict[int, Selector | None], *, body_offset_bytes: int = 8) -> Interest:
    return Interest(
        wanted,
        opcode_offset_bytes=6,
        opcode_width_bytes=2,
        body_offset_bytes=body_offset_bytes,
        little_endian=False,
    )


def found(
    interest: Interest, span: bytes, layout: FrameLayout = LAYOUT, *, own: tuple[int, int] = (0, 0)
) -> list[bytes]:
    """All frames that `find` stops at."""
    scanner = Scanner(layout)
    frames = []
    position = interest.find(span, scanner, 0, *own)
    while position >= 0:
        end = position + scanner.length_at(span, position)
        frames.append(span[position:end])
        position = interest.find(span, scanner, end, *own)
    return frames


ROWS = [
    ("nothing at all", {1: None}, b"", []),
    ("nothing wanted", {}, frame(1), []),
    ("the only one", {1: None}, frame(1), [frame(1)]),
    ("another opcode", {1: None}, frame(2), []),
    ("opcode 0", {0: None}, frame(0), [frame(0)]),
    ("the last opcode", {65535: None}, frame(65535), [frame(65535)]),
    ("bytes of the body that look like an opcode", {1: None}, frame(2, b"\x00\x01" * 8), []),
    ("behind a keep-alive, which has no opcode", {2: None}, KEEP_ALIVE + frame(2) + KEEP_ALIVE, [frame(2)]),
    ("a call", {32: None}, frame(32, word=5), [frame(32, word=5)]),
    ("selected", {6: BY_KIND}, frame(6, b"\x00\x07"), [frame(6, b"\x00\x07")]),
    ("selected by another value", {6: BY_KIND}, frame(6, b"\x00\x09x"), [frame(6, b"\x00\x09x")]),
    ("not selected", {6: BY_KIND}, frame(6, b"\x07\x08"), []),
    ("too short to be selected: malformed, so it is shown", {6: BY_KIND}, frame(6, b"\x00"), [frame(6, b"\x00")]),
    ("the selector must not look into the next frame", {6: BY_KIND}, frame(6) + frame(7, b"\x07\x07"), [frame(6)]),
]


@pytest.mark.parametrize(("wanted", "span", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_rows(wanted: dict[int, Selector | None], span: bytes, expected: list[bytes]) -> None:
    interest = interest_in(wanted)
    assert found(interest, span) == expected
    assert bool(interest) == bool(wanted)


def test_a_search_begins_where_it_is_told_to() -> None:
    span = frame(1, b"a") + frame(1, b"b")
    first = len(frame(1, b"a"))
    assert interest_in({1: None}).find(span, Scanner(LAYOUT), first) == first
    assert interest_in({1: None}).find(span, Scanner(LAYOUT), len(span)) == -1


@pytest.mark.parametrize("width", [1, 2, 3, 4])
@pytest.mark.parametrize("little", [False, True])
def test_opcodes_of_every_width(width: int, little: bool) -> None:
    """Few opcodes stand in a table, many in a set; what is found is the same."""
    layout = FrameLayout(min_frame_bytes=3, max_frame_bytes=60, little_endian=little)
    order = "little" if little else "big"
    largest = (1 << 8 * width) - 1

    def counted(opcode: int, body: bytes) -> bytes:
        size = 2 + width + len(body)
        return size.to_bytes(2, order) + opcode.to_bytes(width, order) + body  # type: ignore[arg-type]

    frames = [counted(opcode, b"\x05") for opcode in (0, 1, largest - 1, largest)]
    interest = Interest(
        {largest: Selector(0, 1, frozenset({5})), 1: Selector(0, 1, frozenset({6}))},
        opcode_offset_bytes=2,
        opcode_width_bytes=width,
        body_offset_bytes=2 + width,
        little_endian=little,
    )
    assert found(interest, b"".join(frames), layout) == [frames[3]]


def test_what_is_about_the_player_is_told_by_both_of_his_numbers() -> None:
    interest = interest_in({6: Selector(offset_bytes=0, width_bytes=4, values=None)})
    about = {number: frame(6, number.to_bytes(4, "big") + b"!") for number in (7, 8, 9, 0xFFFFFFFF)}
    span = b"".join(about.values()) + frame(6, b"\0\0\7")
    short = frame(6, b"\0\0\7")
    assert found(interest, span, own=(7, 9)) == [about[7], about[9], short]
    assert found(interest, span, own=(0xFFFFFFFF, 0)) == [about[0xFFFFFFFF], short]


OPCODES = st.sampled_from([0, 1, 2, 3, 255, 256, 65535])
SELECTORS = st.one_of(
    st.none(),
    st.builds(
        Selector,
        st.integers(0, 4),
        st.integers(1, 4),
        st.none() | st.frozensets(st.sampled_from([0, 1, 0x0101]), max_size=3),
    ),
)
FRAMES = st.lists(
    st.one_of(
        st.just(KEEP_ALIVE),
        st.builds(
            lambda opcode, body, word: frame(opcode, body, word=word),
            OPCODES,
            st.lists(st.sampled_from([0, 1]), max_size=9).map(bytes),
            st.sampled_from([0x80000000, 1]),
        ),
    ),
    max_size=12,
)


OWN = st.tuples(st.sampled_from([0, 1]), st.sampled_from([0, 0x0100]))


@given(st.dictionaries(OPCODES, SELECTORS, max_size=4), FRAMES, st.sampled_from([8, 12]), OWN)
def test_a_span_is_searched_as_its_frames_one_by_one(
    wanted: dict[int, Selector | None], frames: list[bytes], body_offset_bytes: int, own: tuple[int, int]
) -> None:
    def is_wanted(one: bytes) -> bool:
        opcode = int.from_bytes(one[6:8], "big")
        if len(one) < 8 or opcode not in wanted:
            return False
        selector = wanted[opcode]
        if selector is None:
            return True
        start = body_offset_bytes + selector.offset_bytes
        field = one[start : start + selector.width_bytes]
        values = own if selector.values is None else selector.values
        return len(field) < selector.width_bytes or int.from_bytes(field, "big") in values

    span = b"".join(frames)
    assert split_frames(LAYOUT, span) == frames
    interest = interest_in(wanted, body_offset_bytes=body_offset_bytes)
    assert found(interest, span, own=own) == [*filter(is_wanted, frames)]
