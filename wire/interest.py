"""The interest set: finds in a span the frames that somebody asked for, and skips the others.

The core runs it over each span in both directions when features are loaded. Most frames are nobody's: they cost one
look at the opcode, and stay where they are. Kernel code.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from wire.scanner import Scanner
from wire.watcher import read_number


@dataclass(frozen=True, slots=True)
class Selector:
    """Tells frames of one opcode apart: an unsigned big-endian field of the body, and the values that are wanted.

    Without ``values`` those frames are wanted that are about the player: the field is a number of the player's own.
    """

    offset_bytes: int
    width_bytes: int
    values: frozenset[int] | None


class Interest:
    """The opcodes that are wanted in one direction; with a selector only some of their frames."""

    __slots__ = ("_body", "_flags", "_little", "_offset", "_selectors", "_wanted", "_width")

    def __init__(
        self,
        wanted: Mapping[int, Selector | None],
        *,
        opcode_offset_bytes: int,
        opcode_width_bytes: int,
        body_offset_bytes: int,
        little_endian: bool,
    ) -> None:
        self._offset = opcode_offset_bytes
        self._width = opcode_width_bytes
        self._body = body_offset_bytes
        self._little = little_endian
        self._wanted = frozenset(wanted)
        self._selectors = {opcode: selector for opcode, selector in wanted.items() if selector is not None}
        # One byte an opcode, where the opcodes are few enough for a table.
        self._flags = bytes(opcode in wanted for opcode in range(1 << 8 * self._width)) if self._width <= 2 else b""

    def __bool__(self) -> bool:
        return bool(self._wanted)

    def find(self, span: bytes, scanner: Scanner, position: int, own: int = 0, also_own: int = 0) -> int:
        """Return where the first wanted frame begins in a span of whole frames, from ``position`` on; -1 for none.

        ``own`` and ``also_own`` are the player's numbers.
        """
        size = len(span)
        header = self._offset + self._width
        flags = self._flags
        while position < size:
            length = scanner.length_at(span, position)
            if length >= header:
                opcode = read_number(span, position + self._offset, self._width, self._little)
                is_wanted = flags[opcode] != 0 if flags else opcode in self._wanted
                if is_wanted and self._selected(opcode, span, position + self._body, position + length, own, also_own):
                    return position
            position += length
        return -1

    def _selected(self, opcode: int, span: bytes, start: int, end: int, own: int, also_own: int) -> bool:
        selector = self._selectors.get(opcode)
        if selector is None:
            return True
        position = start + selector.offset_bytes
        if position + selector.width_bytes > end:
            return True  # too short for what it says it is: whoever decodes it says so
        value = read_number(span, position, selector.width_bytes, False)  # noqa: FBT003
        return value in (own, also_own) if selector.values is None else value in selector.values
