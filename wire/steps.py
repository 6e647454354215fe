"""Layout programs as data: what the body of a packet must look like, one bounded step after another.

A pack's packet classes are compiled to steps (`games.program`), they travel inside the policy, and the guard runs
them (`wire.program`). There is no jump: a step may only govern the steps that follow it, so a program ends, and it
takes no longer than its frame is long.

=========  ==========================================================================================
operation  reads
=========  ==========================================================================================
INT        an integer of ``width`` bytes within ``low`` to ``high`` and in none of ``ranges``
TEXT       u16 length n, n-1 bytes of text (``low`` to ``high``, all in ``characters``, none of
           ``phrases`` inside), a NUL
SEQUENCE   u16 length, ``low`` to ``high`` bytes
RAW        exactly ``low`` bytes
REST       everything that is left, at most ``high`` bytes
REPEAT     an integer of ``width`` bytes within ``low`` to ``high`` (width 0: no count on the wire, ``low``
           times), then the next ``steps`` steps that many times
PACKED     u16 length in bytes, then ``low`` to ``high`` records of ``width`` bytes each, each of them the
           next ``steps`` steps
WHEN       nothing; the next ``steps`` steps are done only if the value in ``register`` is in one of
           ``ranges`` (or, ``inverted``, in none)
TAIL       nothing; the next ``steps`` steps are done only if anything is left
MEMORY     as many bytes as memory ``register`` holds, equal to what it holds
=========  ==========================================================================================

Lengths and counts are big-endian unless ``little_endian``. A program must end where its frame does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from wire.errors import LayoutError

MAX_STEPS = 256
"""Steps in one program; the longest packet of the first game needs about forty."""

MAX_DEPTH = 4
"""How deep blocks may stand in blocks."""

MAX_COUNT = 65535
"""Most items of a REPEAT or PACKED."""

MAX_RANGES = 64
MAX_PHRASES = 64
MAX_PHRASE_BYTES = 64
MAX_NAME_BYTES = 64

REGISTERS = 8
MEMORIES = 4
CAPTURES = ("account", "hardware", "character")
"""What a TEXT step may say about who is playing, for deny lists and for the log."""


class Operation(IntEnum):
    """What a step does; see the table of the module."""

    INT = 1
    TEXT = 2
    SEQUENCE = 3
    RAW = 4
    REST = 5
    REPEAT = 6
    PACKED = 7
    WHEN = 8
    TAIL = 9
    MEMORY = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a layout program; which parts mean anything depends on the operation.

    ``ranges`` are pairs, both ends included. ``characters`` has 256 bytes, 1 for each byte that may stand in the
    text, or none for any but NUL. ``phrases`` are refused wherever they stand, capitals or not (write them small).
    ``register`` -1 means none. ``name`` is what people read; the value of a ``secret`` field is never shown.
    ``capture`` is one of CAPTURES or empty. ``measured``: the records of this PACKED are points, two signed integers
    of four bytes each, and the way along them is charged to the session's distance.
    """

    operation: Operation
    name: str = ""
    width: int = 0
    signed: bool = False
    little_endian: bool = False
    low: int = 0
    high: int = 0
    ranges: tuple[tuple[int, int], ...] = ()
    characters: bytes = b""
    phrases: tuple[bytes, ...] = ()
    register: int = -1
    inverted: bool = False
    steps: int = 0
    secret: bool = False
    capture: str = ""
    measured: bool = False


def check_steps(steps: Sequence[Step]) -> tuple[int, int]:
    """Return how many bytes a body has at least and at most; raises LayoutError for an impossible layout."""
    if len(steps) > MAX_STEPS:
        raise LayoutError(f"{len(steps)} steps: at most {MAX_STEPS} are allowed")
    for step in steps:
        _check_step(step)
    return _check_block(steps, 0, len(steps), 1, set())


def _check_step(step: Step) -> None:
    kind = step.operation
    if len(step.name.encode()) > MAX_NAME_BYTES:
        raise LayoutError(f"field name of {len(step.name.encode())} bytes: at most {MAX_NAME_BYTES} are allowed")
    if len(step.ranges) > MAX_RANGES or any(low > high for low, high in step.ranges):
        raise LayoutError(f"{step.name}: at most {MAX_RANGES} ranges, each from low to high")
    if len(step.phrases) > MAX_PHRASES or not all(1 <= len(phrase) <= MAX_PHRASE_BYTES for phrase in step.phrases):
        raise LayoutError(f"{step.name}: at most {MAX_PHRASES} phrases of 1 to {MAX_PHRASE_BYTES} bytes")
    if any(phrase != phrase.lower() for phrase in step.phrases):
        raise LayoutError(f"{step.name}: phrases are written small")
    if len(step.characters) not in (0, 256) or step.characters.strip(b"\0\1"):
        raise LayoutError(f"{step.name}: a character class has 256 bytes, each 0 or 1")
    if step.capture not in ("", *CAPTURES) or (step.capture and kind is not Operation.TEXT):
        raise LayoutError(f"{step.name}: {step.capture!r} cannot be captured here")
    if step.measured and (kind is not Operation.PACKED or step.width != 8 or step.steps != 2):
        raise LayoutError(f"{step.name}: points are records of two signed integers of four bytes")
    if kind is Operation.INT:
        _check_int(step)
    elif step.low < 0 or step.high < step.low or step.high > 1 << 20:
        raise LayoutError(f"{step.name}: {step.low} to {step.high} cannot be a length or a count")
    if kind in (Operation.REPEAT, Operation.PACKED):
        _check_count(step)
    elif kind is Operation.RAW and step.low != step.high:
        raise LayoutError(f"{step.name}: raw bytes are exactly so many")
    elif kind is Operation.MEMORY and not 0 <= step.register < MEMORIES:
        raise LayoutError(f"{step.name}: memory {step.register}: 0 to {MEMORIES - 1} are possible")
    elif kind in (Operation.INT, Operation.WHEN) and not -1 <= step.register < REGISTERS:
        raise LayoutError(f"{step.name}: register {step.register}: 0 to {REGISTERS - 1} are possible")


def _check_int(step: Step) -> None:
    if step.width not in (1, 2, 4, 8):
        raise LayoutError(f"{step.name}: integer of {step.width} bytes: 1, 2, 4 or 8 are possible")
    bits = 8 * step.width - step.signed
    lowest = -(1 << bits) if step.signed else 0
    highest = min((1 << bits) - 1, (1 << 63) - 1)
    if not lowest <= step.low <= step.high <= highest:
        raise LayoutError(f"{step.name}: {step.low} to {step.high} is no range of this integer")


def _check_count(step: Step) -> None:
    if step.high > MAX_COUNT:
        raise LayoutError(f"{step.name}: {step.high} items: at most {MAX_COUNT} are allowed")
    if step.operation is Operation.REPEAT and step.width not in (0, 1, 2, 4):
        raise LayoutError(f"{step.name}: count of {step.width} bytes: 0, 1, 2 or 4 are possible")
    if step.operation is Operation.REPEAT and step.width == 0 and step.low != step.high:
        raise LayoutError(f"{step.name}: without a count on the wire there are exactly so many items")
    if step.operation is Operation.PACKED and not 1 <= step.width <= MAX_COUNT:
        raise LayoutError(f"{step.name}: records of {step.width} bytes: 1 to {MAX_COUNT} are possible")


def _check_block(steps: Sequence[Step], first: int, last: int, depth: int, known: set[int]) -> tuple[int, int]:
    """Check the steps from ``first`` to before ``last``; return their fewest and most bytes together."""
    if depth > MAX_DEPTH:
        raise LayoutError(f"blocks in blocks: at most {MAX_DEPTH} deep")
    fewest = most = 0
    position = first
    while position < last:
        step = steps[position]
        position += 1
        inner = (0, 0)
        if step.operation in (Operation.REPEAT, Operation.PACKED, Operation.WHEN, Operation.TAIL):
            if not 1 <= step.steps <= last - position:
                raise LayoutError(f"{step.name}: a block of {step.steps} steps where {last - position} are left")
            if step.operation is Operation.WHEN and step.register not in known:
                raise LayoutError(f"{step.name}: register {step.register} has no value here")
            # What a block sets may not have been set behind it: it may be skipped.
            inner = _check_block(steps, position, position + step.steps, depth + 1, set(known))
            position += step.steps
        elif step.steps:
            raise LayoutError(f"{step.name}: only blocks govern other steps")
        if step.operation is Operation.INT and step.register >= 0:
            known.add(step.register)
        low, high = _step_bytes(step, inner, steps[position - step.steps : position])
        fewest += low
        most += high
    return fewest, most


def _is_coordinate(step: Step) -> bool:
    return step.operation is Operation.INT and step.width == 4 and step.signed


def _step_bytes(step: Step, inner: tuple[int, int], governed: Sequence[Step]) -> tuple[int, int]:
    match step.operation:
        case Operation.INT:
            return step.width, step.width
        case Operation.TEXT:
            return 3 + step.low, 3 + step.high
        case Operation.SEQUENCE:
            return 2 + step.low, 2 + step.high
        case Operation.RAW:
            return step.low, step.low
        case Operation.REST:
            return 0, step.high
        case Operation.REPEAT:
            if inner[0] == 0:
                raise LayoutError(f"{step.name}: items without a byte would be a loop without an end")
            return step.width + step.low * inner[0], step.width + step.high * inner[1]
        case Operation.PACKED:
            if step.measured and not all(_is_coordinate(each) for each in governed):
                raise LayoutError(f"{step.name}: points are records of two signed integers of four bytes")
            if inner != (step.width, step.width):
                raise LayoutError(f"{step.name}: records of {step.width} bytes whose fields have {inner[0]}")
            return 2 + step.low * step.width, 2 + step.high * step.width
        case Operation.WHEN | Operation.TAIL:
            return 0, inner[1]
        case Operation.MEMORY:
            return 0, 64


def fewest_bytes(steps: Sequence[Step]) -> int:
    """Return how few bytes a checked block can have; registers from outside of it do not matter for that."""
    fewest = 0
    index = 0
    while index < len(steps):
        step = steps[index]
        inner = steps[index + 1 : index + 1 + step.steps]
        index += 1 + step.steps
        match step.operation:
            case Operation.INT:
                fewest += step.width
            case Operation.TEXT:
                fewest += 3 + step.low
            case Operation.SEQUENCE:
                fewest += 2 + step.low
            case Operation.RAW:
                fewest += step.low
            case Operation.REPEAT:
                fewest += step.width + step.low * fewest_bytes(inner)
            case Operation.PACKED:
                fewest += 2 + step.low * step.width
            case _:
                pass
    return fewest
