"""Reads the body of a packet step by step, the slow way, and says in words where and why it stops.

`wire.explain` uses it for refused frames only; the fuzzers hold `wire.program`, which does the same fast and
without words, against it. Interpreted on purpose. Any bytes are fine: reading never raises, shows nothing that a
terminal would obey, keeps a bounded number of fields and does a bounded number of steps.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from wire.errors import PacketFault
from wire.steps import REGISTERS, Operation, Step, fewest_bytes
from wire.wording import count_of, describe_limits, describe_sizes, show_bytes, show_name

MAX_FIELDS = 32
MAX_RAW_BYTES = 16
MAX_STEPS_DONE = 1024
"""About two milliseconds, in which nobody else is served; an honest packet of the first game needs some dozens."""

MASK = "***"


class _NotKeptError(Exception):
    """The frame is longer than what was kept of it, or than anybody wants to read."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read: names and shown values in order, at most MAX_FIELDS, and what did not fit.

    ``fault`` is None if all of it fits; its offset counts from the beginning of the data. ``is_whole`` is False
    where reading ended early, without a fault, because the data were cut or there was too much of it.
    """

    fields: tuple[tuple[str, str], ...]
    fault: PacketFault | None = None
    is_whole: bool = True


def read_steps(
    steps: Sequence[Step],
    data: bytes,
    start: int,
    end: int,
    memories: Mapping[int, bytes | int],
    *,
    hides: bool = False,
) -> Reading:
    """Read the body from ``start`` to before ``end``; ``data`` may end before it does.

    ``memories`` has by place what the session must repeat, or only its length in bytes where it is not known.
    With ``hides`` no content of any text or bytes is shown, whether the field is secret or not.
    """
    reader = _Reader(steps, data, start, end, memories, hides=hides)
    try:
        reader.block(0, len(steps), "")
        left = end - reader.position
        if left:
            raise reader.fault("", f"{count_of(left, 'byte')} too many behind {reader.last_name or 'the header'}")
    except PacketFault as fault:
        return Reading(tuple(reader.fields), fault)
    except _NotKeptError:
        return Reading(tuple(reader.fields), is_whole=False)
    return Reading(tuple(reader.fields))


class _Reader:
    """Reads one body; a step that does not fit raises PacketFault with the step's beginning as its offset."""

    def __init__(
        self,
        steps: Sequence[Step],
        data: bytes,
        start: int,
        end: int,
        memories: Mapping[int, bytes | int],
        *,
        hides: bool,
    ) -> None:
        self.position = start
        self.fields: list[tuple[str, str]] = []
        self.last_name = ""
        self._steps = steps
        self._data = data
        self._end = end
        self._memories = memories
        self._hides = hides
        self._registers = [0] * REGISTERS
        self._done = 0

    def block(self, first: int, last: int, place: str) -> None:
        """Read the steps from ``first`` to before ``last``; ``place`` such as ``[2]`` tells repeated fields apart."""
        index = first
        while index < last:
            step = self._steps[index]
            index += 1
            self._done += 1
            if self._done > MAX_STEPS_DONE:
                raise _NotKeptError
            name = (show_name(step.name) or step.operation.name.lower()) + place
            match step.operation:
                case Operation.INT:
                    self._integer(step, name)
                case Operation.TEXT:
                    self._text(step, name)
                case Operation.SEQUENCE:
                    self._sequence(step, name)
                case Operation.RAW | Operation.REST:
                    self._raw(step, name)
                case Operation.REPEAT:
                    self._repeat(step, name, index, place)
                case Operation.PACKED:
                    self._packed(step, name, index, place)
                case Operation.WHEN:
                    if _within(self._registers[step.register], step.ranges) != step.inverted:
                        self.block(index, index + step.steps, place)
                case Operation.TAIL:
                    if self.position != self._end:
                        self.block(index, index + step.steps, place)
                case Operation.MEMORY:
                    self._memory(step, name)
            index += step.steps

    def fault(self, name: str, rule: str) -> PacketFault:
        """Return what says that the step at this position does not fit."""
        return PacketFault(rule, field=name, offset_bytes=self.position)

    def _integer(self, step: Step, name: str) -> None:
        value = self._number(step, name)
        shown = MASK if step.secret else str(value)
        if not step.low <= value <= step.high:
            raise self.fault(name, f"is {shown} where {describe_limits(step.low, step.high)} allowed")
        if _within(value, step.ranges):
            raise self.fault(name, f"is {shown}, which is not allowed")
        if step.register >= 0:
            self._registers[step.register] = value
        self._note(name, shown)
        self.position += step.width

    def _text(self, step: Step, name: str) -> None:
        size = self._length(step, name)
        if size == 0:
            raise self.fault(name, "has no NUL at its end")
        self._check_size(step, name, size - 1)
        self._have(name, 2 + size)
        text = self._data[self.position + 2 : self.position + 1 + size]
        if self._data[self.position + 1 + size]:
            raise self.fault(name, "has no NUL at its end")
        for place, byte in enumerate(text):
            if not (step.characters[byte] if step.characters else byte):
                shown = "" if self._is_hidden(step) else f" 0x{byte:02x} at {place}"
                raise self.fault(name, f"has a character{shown} that is not allowed")
        for phrase in step.phrases:
            if phrase in text.lower():
                raise self.fault(name, f'has "{show_bytes(phrase)}" in it, which is not allowed')
        self._note(name, MASK if self._is_hidden(step) else f'"{show_bytes(text)}"')
        self.position += 2 + size

    def _sequence(self, step: Step, name: str) -> None:
        size = self._length(step, name)
        self._check_size(step, name, size)
        self._have(name, 2 + size)
        self._note_bytes(step, name, self.position + 2, size)
        self.position += 2 + size

    def _raw(self, step: Step, name: str) -> None:
        size = self._end - self.position if step.operation is Operation.REST else step.low
        if size > step.high:
            raise self.fault(name, f"is {count_of(size, 'byte')} where {describe_sizes(0, step.high)} allowed")
        self._have(name, size)
        self._note_bytes(step, name, self.position, size)
        self.position += size

    def _repeat(self, step: Step, name: str, first: int, place: str) -> None:
        count = step.low
        if step.width:
            count = self._number(step, name)
            shown = MASK if step.secret else str(count)
            if not step.low <= count <= step.high:
                raise self.fault(name, f"is {shown} where {describe_limits(step.low, step.high)} allowed")
            needed = count * fewest_bytes(self._steps[first : first + step.steps])
            left = self._end - self.position - step.width
            if needed > left:
                raise self.fault(name, f"is {shown}, for which {count_of(left, 'byte')} cannot be enough")
            self._note(name, shown)
            self.position += step.width
        for item in range(count):
            self.block(first, first + step.steps, f"{place}[{item}]")

    def _packed(self, step: Step, name: str, first: int, place: str) -> None:
        size = self._length(step, name)
        count, odd = divmod(size, step.width)
        if odd:
            raise self.fault(name, f"is {count_of(size, 'byte')}, which is no whole number of {step.width} bytes each")
        if not step.low <= count <= step.high:
            raise self.fault(
                name, f"is {count_of(count, 'record')} where {describe_sizes(step.low, step.high)} allowed"
            )
        if 2 + size > self._end - self.position:
            raise self._short(name, 2 + size)
        self._note(name, str(count))
        self.position += 2
        for item in range(count):
            self.block(first, first + step.steps, f"{place}[{item}]")

    def _memory(self, step: Step, name: str) -> None:
        memory = self._memories.get(step.register, b"")
        size = memory if isinstance(memory, int) else len(memory)
        if size == 0:
            raise self.fault(name, "must repeat what the game server has not said yet")
        self._have(name, size)
        if not isinstance(memory, int) and self._data[self.position : self.position + size] != memory:
            raise self.fault(name, "is not what the game server has said")
        self._note_bytes(step, name, self.position, size)
        self.position += size

    # Bytes.

    def _have(self, name: str, size: int) -> None:
        """Make sure that ``size`` bytes from the position on are part of the body, and were kept."""
        if size > self._end - self.position:
            raise self._short(name, size)
        if size > len(self._data) - self.position:
            raise _NotKeptError

    def _short(self, name: str, size: int) -> PacketFault:
        left = self._end - self.position
        return self.fault(name, f"needs {count_of(size, 'byte')} where {left} {'is' if left == 1 else 'are'} left")

    def _number(self, step: Step, name: str) -> int:
        self._have(name, step.width)
        raw = self._data[self.position : self.position + step.width]
        return int.from_bytes(raw, "little" if step.little_endian else "big", signed=step.signed)

    def _length(self, step: Step, name: str) -> int:
        self._have(name, 2)
        raw = self._data[self.position : self.position + 2]
        return int.from_bytes(raw, "little" if step.little_endian else "big")

    def _check_size(self, step: Step, name: str, size: int) -> None:
        if not step.low <= size <= step.high:
            shown = MASK if step.secret else size
            unit = "byte" if shown == 1 else "bytes"
            raise self.fault(name, f"is {shown} {unit} where {describe_sizes(step.low, step.high)} allowed")

    # What is shown.

    def _is_hidden(self, step: Step) -> bool:
        return step.secret or self._hides

    def _note(self, name: str, value: str) -> None:
        self.last_name = name
        if len(self.fields) < MAX_FIELDS:
            self.fields.append((name, value))

    def _note_bytes(self, step: Step, name: str, start: int, size: int) -> None:
        if self._is_hidden(step):
            self._note(name, MASK)
        else:
            more = "..." if size > MAX_RAW_BYTES else ""
            shown = self._data[start : start + min(size, MAX_RAW_BYTES)].hex()
            self._note(name, f"{count_of(size, 'byte')} {shown}{more}".rstrip())


def _within(value: int, ranges: tuple[tuple[int, int], ...]) -> bool:
    return any(low <= value <= high for low, high in ranges)
