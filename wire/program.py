"""Runs layout programs: does the body of this packet look as its opcode promises?

The guard runs one for each frame whose rule has a layout, so this is kernel code: it makes no objects except for
what is captured. What a program may be stands in `wire.steps`; a program that exists was checked there, so it
neither reads outside of its frame nor runs longer than the frame is long.
"""

from collections.abc import Sequence

from wire import packing
from wire.steps import REGISTERS, Operation, Step, check_steps, fewest_bytes

# As plain numbers: an enumeration costs a look-up each time.
INT = int(Operation.INT)
TEXT = int(Operation.TEXT)
SEQUENCE = int(Operation.SEQUENCE)
RAW = int(Operation.RAW)
REST = int(Operation.REST)
REPEAT = int(Operation.REPEAT)
PACKED = int(Operation.PACKED)
WHEN = int(Operation.WHEN)
TAIL = int(Operation.TAIL)


# What a character table says of a byte.
FORBIDDEN = 0
ALLOWED = 1
BEGINS_PHRASE = 2


class Instruction:
    """A step with its numbers where the machine finds them fast."""

    __slots__ = (
        "capture",
        "characters",
        "high",
        "inverted",
        "item_bytes",
        "little",
        "low",
        "measured",
        "operation",
        "phrases",
        "ranges",
        "register",
        "signed",
        "steps",
        "width",
    )

    def __init__(self, step: Step, item_bytes: int) -> None:
        self.operation = int(step.operation)
        self.width = step.width
        self.signed = step.signed
        self.little = step.little_endian
        self.low = step.low
        self.high = step.high
        self.ranges = step.ranges
        self.characters = _character_table(step)
        self.phrases = step.phrases
        self.register = step.register
        self.inverted = step.inverted
        self.steps = step.steps
        self.item_bytes = item_bytes  # fewest bytes of one item of a block
        self.capture = step.capture
        self.measured = step.measured


class Program:
    """One layout.

    After a run that fitted, ``captured`` holds what it found out about who is playing, and ``distance`` how long the
    way along measured points is: the longer of the two axes and half of the other, which is at most an eighth too much.
    """

    __slots__ = ("_data", "_end", "_instructions", "_memories", "_position", "_registers", "captured", "distance")

    def __init__(self, steps: Sequence[Step]) -> None:
        """Raises LayoutError for an impossible layout."""
        check_steps(steps)
        self._instructions = tuple(
            Instruction(step, fewest_bytes(steps[index + 1 : index + 1 + step.steps]))
            for index, step in enumerate(steps)
        )
        self._data = b""
        self._position = 0
        self._end = 0
        self._memories: list[bytes] = []
        self._registers = [0] * REGISTERS
        self.captured: list[tuple[str, bytes]] = []
        self.distance = 0

    def run(self, data: bytes, start: int, end: int, memories: list[bytes]) -> int:
        """Return -1 if the bytes from ``start`` to before ``end`` fit, otherwise the offset where they stop to.

        ``memories`` holds what is remembered of the session, by place; empty bytes where nothing is.
        """
        self._data = data
        self._position = start
        self._end = end
        self._memories = memories
        self.distance = 0
        if self.captured:
            self.captured = []
        fits = self._block(0, len(self._instructions)) and self._position == end
        self._data = b""
        return -1 if fits else self._position

    def _block(self, first: int, last: int) -> bool:
        """Run the steps from ``first`` to before ``last``; where one does not fit, the position is its beginning."""
        index = first
        while index < last:
            step = self._instructions[index]
            index += 1
            operation = step.operation
            if operation == INT:
                fits = self._integer(step)
            elif operation == TEXT:
                fits = self._text(step)
            elif operation == SEQUENCE:
                fits = self._sequence(step)
            elif operation in (RAW, REST):
                fits = self._raw(step)
            elif operation == REPEAT:
                fits = self._repeat(step, index)
                index += step.steps
            elif operation == PACKED:
                fits = self._packed(step, index)
                index += step.steps
            elif operation == WHEN:
                fits = True
                if _within(self._registers[step.register], step.ranges) == step.inverted:
                    index += step.steps
            elif operation == TAIL:
                fits = True
                if self._position == self._end:
                    index += step.steps
            else:
                fits = self._memory(step)
            if not fits:
                return False
        return True

    def _integer(self, step: Instruction) -> bool:
        if step.width > self._end - self._position:
            return False
        value = self._number(step.width, step.signed, step.little)
        if value < step.low or value > step.high:
            return False
        if step.ranges and _within(value, step.ranges):
            return False
        if step.register >= 0:
            self._registers[step.register] = value
        self._position += step.width
        return True

    def _text(self, step: Instruction) -> bool:
        data = self._data
        position = self._position
        if self._end - position < 2:
            return False
        size = self._size(step)
        if size <= step.low or size > step.high + 1 or size > self._end - position - 2:
            return False
        start = position + 2
        last = start + size - 1
        if data[last]:
            return False
        characters = step.characters
        index = packing.find_unlike(data, start, last, characters, ALLOWED)
        while index < last:
            if characters[data[index]] == FORBIDDEN or self._begins_phrase(step, index, last):
                return False
            index = packing.find_unlike(data, index + 1, last, characters, ALLOWED)
        if step.capture:
            self.captured.append((step.capture, data[start:last]))
        self._position = last + 1
        return True

    def _begins_phrase(self, step: Instruction, start: int, last: int) -> bool:
        """Whether a forbidden phrase stands at ``start``, in small letters or capitals."""
        data = self._data
        for phrase in step.phrases:
            size = len(phrase)
            if size <= last - start and data[start : start + size].lower() == phrase:
                return True
        return False

    def _sequence(self, step: Instruction) -> bool:
        position = self._position
        if self._end - position < 2:
            return False
        size = self._size(step)
        if size < step.low or size > step.high or size > self._end - position - 2:
            return False
        self._position = position + 2 + size
        return True

    def _raw(self, step: Instruction) -> bool:
        size = self._end - self._position if step.operation == REST else step.low
        if size > step.high or size > self._end - self._position:
            return False
        self._position += size
        return True

    def _repeat(self, step: Instruction, first: int) -> bool:
        count = step.low
        if step.width:
            if step.width > self._end - self._position:
                return False
            count = self._number(step.width, step.signed, step.little)
            if count < step.low or count > step.high:
                return False
            if count * step.item_bytes > self._end - self._position - step.width:
                return False
            self._position += step.width
        last = first + step.steps
        while count > 0:
            if not self._block(first, last):
                return False
            count -= 1
        return True

    def _packed(self, step: Instruction, first: int) -> bool:
        position = self._position
        if self._end - position < 2:
            return False
        size = self._size(step)
        count = size // step.width
        if size % step.width or count < step.low or count > step.high or size > self._end - position - 2:
            return False
        self._position = position + 2
        last = first + step.steps
        while count > 0:
            if not self._block(first, last):
                return False
            count -= 1
        if step.measured:
            point = self._instructions[first]
            self._measure(position + 2, self._position, point.little)
        return True

    def _measure(self, start: int, end: int, little: bool) -> None:  # noqa: FBT001 - called per path
        """Add the way along the points that stand from ``start`` to before ``end``."""
        behind = self._position
        position = start
        while position + 16 <= end:
            self._position = position
            x = self._number(4, True, little)  # noqa: FBT003
            self._position = position + 4
            y = self._number(4, True, little)  # noqa: FBT003
            self._position = position + 8
            x = abs(self._number(4, True, little) - x)  # noqa: FBT003
            self._position = position + 12
            y = abs(self._number(4, True, little) - y)  # noqa: FBT003
            self.distance += x + y // 2 if x > y else y + x // 2
            position += 8
        self._position = behind

    def _memory(self, step: Instruction) -> bool:
        memory = self._memories[step.register] if step.register < len(self._memories) else b""
        size = len(memory)
        if size == 0 or size > self._end - self._position:
            return False
        if self._data[self._position : self._position + size] != memory:
            return False
        self._position += size
        return True

    def _size(self, step: Instruction) -> int:
        """Read a two-byte length at the position, which has two bytes behind it."""
        high = self._data[self._position]
        low = self._data[self._position + 1]
        return low << 8 | high if step.little else high << 8 | low

    def _number(self, width: int, signed: bool, little: bool) -> int:  # noqa: FBT001 - called per field
        """Read an integer at the position, which has that many bytes behind it."""
        data = self._data
        position = self._position
        if width == 8:  # too wide for the arithmetic below; nothing on the road of every packet has it
            raw = data[position : position + 8]
            value = int.from_bytes(raw, "little" if little else "big", signed=True)
            return value if signed or value >= 0 else -1  # without a sign what is over 2⁶³ is no legal value either way
        value = 0
        if little:
            for index in range(position + width - 1, position - 1, -1):
                value = value << 8 | data[index]
        else:
            for index in range(position, position + width):
                value = value << 8 | data[index]
        if signed:
            half = 1
            half = half << (8 * width - 1)
            if value >= half:
                value -= half + half
        return value


def _character_table(step: Step) -> bytes:
    """Return for each byte whether it may stand in the text of a TEXT step, and whether a phrase may begin with it."""
    table = bytearray(step.characters or b"\0" + bytes([ALLOWED]) * 255)
    for phrase in step.phrases:
        for first in (phrase[:1].lower(), phrase[:1].upper()):
            if table[first[0]] == ALLOWED:
                table[first[0]] = BEGINS_PHRASE
    return bytes(table)


def _within(value: int, ranges: tuple[tuple[int, int], ...]) -> bool:
    for low, high in ranges:  # noqa: SIM110 - compiled, a loop makes no generator
        if low <= value <= high:
            return True
    return False
