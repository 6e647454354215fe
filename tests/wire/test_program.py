"""Layout programs at work: each operation as rows, run in the middle of other bytes and cut short."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.program import Program
from wire.steps import Operation, Step

DIGITS = bytes(chr(byte).isdigit() and byte < 128 for byte in range(256))

U8 = Step(operation=Operation.INT, name="u8", width=1, high=255)
KIND = Step(operation=Operation.INT, name="kind", width=1, high=255, register=0)
NUMBER = Step(operation=Operation.INT, width=2, signed=True, low=-2, high=999, ranges=((0, 0), (5, 7)))
LITTLE = Step(operation=Operation.INT, width=4, signed=True, little_endian=True, low=0, high=409_600)
BIG = Step(operation=Operation.INT, width=8, signed=True, low=-5, high=5)
BIG_UNSIGNED = Step(operation=Operation.INT, width=8, high=(1 << 63) - 1)
TEXT = Step(operation=Operation.TEXT, low=1, high=5, phrases=(b"bad",))
PIN = Step(operation=Operation.TEXT, high=4, characters=DIGITS)
BLOB = Step(operation=Operation.SEQUENCE, low=2, high=3)
RAW = Step(operation=Operation.RAW, low=2, high=2)
REST = Step(operation=Operation.REST, high=3)
ITEMS = (Step(operation=Operation.REPEAT, width=1, low=1, high=3, steps=1), NUMBER)
PAIR = (Step(operation=Operation.REPEAT, low=2, high=2, steps=1), U8)
PATH = (Step(operation=Operation.PACKED, width=4, low=1, high=2, steps=1), LITTLE)
WHEN = (KIND, Step(operation=Operation.WHEN, register=0, ranges=((2, 3),), steps=1), RAW)
UNLESS = (KIND, Step(operation=Operation.WHEN, register=0, ranges=((2, 3),), inverted=True, steps=1), RAW)
TAIL = (U8, Step(operation=Operation.TAIL, steps=1), RAW)
MEMORY = (Step(operation=Operation.MEMORY, register=1),)

FITS: list[tuple[tuple[Step, ...], str]] = [
    ((), ""),
    ((NUMBER,), "0001"),
    ((NUMBER,), "fffe"),
    ((LITTLE,), "00400600"),
    ((BIG,), "fffffffffffffffb"),
    ((BIG_UNSIGNED,), "7fffffffffffffff"),
    ((TEXT,), "0003616200"),
    ((TEXT,), "000662610000"[:4] + "616263646500"),
    ((PIN,), "00053132333400"),
    ((PIN,), "000100"),
    ((BLOB,), "0003000000"),
    ((RAW,), "ffff"),
    ((REST,), ""),
    ((REST,), "010203"),
    (ITEMS, "0200010002"),
    (PAIR, "0102"),
    (PATH, "0004" + "00400600"),
    (PATH, "0008" + "0040060000000000"),
    (WHEN, "02ffff"),
    (WHEN, "04"),
    (UNLESS, "04ffff"),
    (UNLESS, "03"),
    (TAIL, "01"),
    (TAIL, "01ffff"),
    (MEMORY, "abcdef"),
    ((replace(TEXT, little_endian=True),), "03006162" + "00"),
    ((replace(BLOB, little_endian=True),), "03000000" + "00"),
    ((replace(PATH[0], little_endian=True), LITTLE), "0400" + "00400600"),
]

FAILS: list[tuple[tuple[Step, ...], str, int]] = [
    ((), "00", 0),
    ((NUMBER,), "0000", 0),
    ((NUMBER,), "0006", 0),
    ((NUMBER,), "fffd", 0),
    ((NUMBER,), "03e8", 0),
    ((LITTLE,), "01400600", 0),
    ((LITTLE,), "ffffffff", 0),
    ((BIG,), "fffffffffffffffa", 0),
    ((BIG_UNSIGNED,), "8000000000000000", 0),
    ((TEXT,), "000100", 0),
    ((TEXT,), "0000", 0),
    ((TEXT,), "000761626364656600", 0),
    ((TEXT,), "0003616262", 0),
    ((TEXT,), "0004610062" + "00", 0),
    ((TEXT,), "000642414400" + "00", 0),
    ((TEXT,), "0005" + "42414463" + "00", 0),
    ((TEXT,), "ffff6100", 0),
    ((PIN,), "0003316100", 0),
    ((BLOB,), "000100", 0),
    ((BLOB,), "000400000000", 0),
    ((REST,), "01020304", 0),
    (ITEMS, "00", 0),
    (ITEMS, "040001000100010001", 0),
    (ITEMS, "0200010000", 3),
    (ITEMS, "03" + "00010001", 0),
    (PATH, "0000", 0),
    (PATH, "000300400600", 0),
    (PATH, "000c" + "00400600" * 3, 0),
    (PATH, "0008" + "0040060001400600", 6),
    (WHEN, "02ff", 1),
    (WHEN, "04ffff", 1),
    (UNLESS, "03ffff", 1),
    (TAIL, "01ff", 1),
    (TAIL, "01ffffff", 3),
    (MEMORY, "abcdee", 0),
]

BEFORE, BEHIND = b"\x00\x11", b"\x22\xff\x00"
MEMORIES = [b"", bytes.fromhex("abcdef"), b"", b""]


def run(steps: tuple[Step, ...], body: bytes, memories: list[bytes] = MEMORIES) -> int:
    """Where the body stops to fit, run between other bytes that must not matter; -1 if it fits."""
    data = BEFORE + body + BEHIND
    stop = Program(steps).run(data, len(BEFORE), len(BEFORE) + len(body), memories)
    return stop if stop == -1 else stop - len(BEFORE)


@pytest.mark.parametrize(("steps", "body"), FITS)
def test_what_fits(steps: tuple[Step, ...], body: str) -> None:
    assert run(steps, bytes.fromhex(body)) == -1


@pytest.mark.parametrize(("steps", "body", "offset"), FAILS)
def test_what_does_not_fit_is_found_at_its_place(steps: tuple[Step, ...], body: str, offset: int) -> None:
    assert run(steps, bytes.fromhex(body)) == offset


@pytest.mark.parametrize(("steps", "body"), [row for row in FITS if row[1]])
def test_cut_short_or_with_junk_behind_it_is_another_body(steps: tuple[Step, ...], body: str) -> None:
    whole = bytes.fromhex(body)
    shorter = {bytes.fromhex(each) for other, each in FITS if other == steps}
    for size in range(len(whole)):
        assert (run(steps, whole[:size]) == -1) == (whole[:size] in shorter or (steps == (REST,)))
    if steps != (REST,):
        junk = whole + b"\x5a" * 9
        assert run(steps, junk) != -1


def test_what_is_remembered_must_have_been_said() -> None:
    assert run(MEMORY, b"\xab\xcd\xef", [b""] * 4) == 0
    assert run(MEMORY, b"", [b""] * 4) == 0


def test_captures_are_those_of_the_last_run_that_fitted() -> None:
    name = Step(operation=Operation.TEXT, high=9, capture="account")
    program = Program((name, U8))
    assert program.run(b"\0\3me\0\1", 0, 6, []) == -1
    assert program.captured == [("account", b"me")]
    assert program.run(b"\0\4you\0\1", 0, 7, []) == -1
    assert program.captured == [("account", b"you")]


@given(st.sampled_from([steps for steps, _ in FITS]), st.binary(max_size=40))
def test_any_body_gets_an_answer_within_itself(steps: tuple[Step, ...], body: bytes) -> None:
    assert -1 <= run(steps, body) <= len(body)


def test_a_count_that_cannot_be_is_refused_before_the_first_item() -> None:
    items = (Step(operation=Operation.REPEAT, width=2, high=65535, steps=1), U8)
    assert run(items, b"\xff\xff" + bytes(65534)) == 0
    assert run(items, b"\xff\xff" + bytes(65535)) == -1
