"""Layout programs: they end, read nothing outside of their frame, and agree with the slow reader of explanations."""

from collections.abc import Iterable, Sequence

from tests.fuzz.source import Source
from tests.fuzz.steps import KNOWN, take_steps
from wire.errors import LayoutError
from wire.program import Program
from wire.step_reader import read_steps
from wire.steps import Step, check_steps

MAX_BYTES = 400
MODULES = ("wire.program", "wire.steps", "wire.step_reader")

MEMORIES = [b"stamp", b"", b"\0\0", b"abcabcabc"]
_BY_PLACE = dict(enumerate(MEMORIES))
_PROGRAMS = tuple(Program(steps) for steps in KNOWN)


def fuzz_one(data: bytes) -> None:
    """Run a layout over a body, between other bytes and alone."""
    source = Source(data)
    choice = source.below(2 * len(KNOWN))
    steps: Sequence[Step]
    if choice < len(KNOWN):
        steps, program = KNOWN[choice], _PROGRAMS[choice]
    else:
        steps = take_steps(Source(source.take(source.below(60))))
        try:
            program = Program(steps)
        except LayoutError:
            return
    before = source.below(9)
    body = source.rest()
    end = before + len(body)
    stop = program.run(bytes(before) + body + b"\xff" * 9, before, end, MEMORIES)
    captured, distance = list(program.captured), program.distance
    assert stop == -1 or before <= stop <= end
    alone = program.run(body, 0, len(body), MEMORIES)
    assert alone == (stop if stop == -1 else stop - before), "what stands around a frame matters"
    assert (program.captured, program.distance) == (captured, distance)
    reading = read_steps(steps, body, 0, len(body), _BY_PLACE)
    if reading.is_whole:
        assert alone == (-1 if reading.fault is None else reading.fault.offset_bytes), reading
    if stop == -1:
        fewest, most = check_steps(steps)
        assert fewest <= len(body) <= most
        assert all(name in body for _, name in captured)
    assert 0 <= distance < (len(body) + 1) << 32


def seeds() -> Iterable[bytes]:
    """Bodies that fit the known layouts, and random layouts."""
    names = {steps[0].name: place for place, steps in enumerate(KNOWN)}
    yield bytes([names["channel"], 3]) + b"\x01\x00\x03hi\0"
    yield bytes([names["account"], 0]) + b"\x00\x08player1\0\x00\x18" + bytes(24) + b"\x00\x88"
    yield bytes([names["skill"], 1]) + b"\x00\x64\x01abcd"
    yield bytes([names["stamp"], 2]) + b"stamp" + bytes(20)
    for place in range(len(KNOWN)):
        yield bytes([place, 1]) + b"\x01\x00\x10" + bytes(8) + b"\x01" * 16
        yield bytes([place, 1]) + b"\x02\x02" + b"\x00\x01\x01" * 2 + b"abcd"
    for number in range(24):
        layout = bytes((number * 37 + place * 11) % 256 for place in range(40))
        yield bytes([len(KNOWN), 40]) + layout + bytes([number % 9]) + bytes(range(number, number + 60))
