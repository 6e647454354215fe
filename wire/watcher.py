"""The watcher: finds the clientbound packets that change what a session may do.

The core runs it over each span from the game server and sends what it finds down the tunnel, in front of the
frames themselves: an edge so knows before the player does. Kernel code: it looks at every frame's opcode.
"""

from wire.events import pack_event
from wire.rules import RuleSet, Trigger
from wire.scanner import Scanner


class Watcher:
    """Finds a rule set's triggers; one for all sessions of a core."""

    __slots__ = ("_body", "_little", "_offset", "_opaque", "_triggers", "_watched", "_width", "rules")

    def __init__(self, rules: RuleSet) -> None:
        self.rules = rules
        header = rules.clientbound
        self._offset = header.opcode_offset_bytes
        self._width = header.opcode_width_bytes
        self._body = header.body_offset_bytes
        self._little = header.little_endian
        self._opaque = rules.opaque_state
        self._triggers: dict[int, list[Trigger]] = {}
        for trigger in rules.triggers:
            self._triggers.setdefault(trigger.opcode, []).append(trigger)
        # One byte an opcode, as far as a table goes; behind its end whoever looks must ask.
        watched = bytearray(1 << 8 * min(self._width, 2))
        for opcode in self._triggers:
            if opcode < len(watched):
                watched[opcode] = 1
        self._watched = bytes(watched)

    def find(self, span: bytes, scanner: Scanner) -> list[bytes]:
        """Return the events of a span of whole frames, in order.

        An event into the opaque state is the last one: nothing behind it can be read, and the session is not
        to be watched any more (`is_opaque` says so of an event).
        """
        events: list[bytes] = []
        triggers = self._triggers
        watched = self._watched
        position = 0
        size = len(span)
        while position < size:
            length = scanner.length_at(span, position)
            end = position + length
            if length >= self._body:
                opcode = read_number(span, position + self._offset, self._width, self._little)
                if opcode >= len(watched) or watched[opcode]:
                    for trigger in triggers.get(opcode, ()):
                        if self._holds(trigger, span, position + self._body, end):
                            events.append(self._event(trigger, span, position + self._body))
                            if trigger.next_state == self._opaque and self._opaque >= 0:
                                return events
            position = end
        return events

    def is_opaque(self, event: bytes) -> bool:
        """Whether an event of `find` says that what follows is encrypted."""
        return self._opaque >= 0 and event[0] == self._opaque + 1

    def _holds(self, trigger: Trigger, span: bytes, start: int, end: int) -> bool:
        if trigger.memory_bytes > end - start:
            return False
        width = trigger.value_width_bytes
        if width == 0:
            return True
        offset = trigger.value_offset_bytes
        position = start + offset if offset >= 0 else end + offset
        if position < start or position + width > end:
            return False
        return trigger.value_low <= read_number(span, position, width, self._little) <= trigger.value_high

    def _event(self, trigger: Trigger, span: bytes, start: int) -> bytes:
        return pack_event(trigger, span[start : start + trigger.memory_bytes] if trigger.memory >= 0 else b"")


def read_number(data: bytes, position: int, width: int, little: bool) -> int:  # noqa: FBT001 - called per frame
    """Return the unsigned integer of up to four bytes at ``position``; it must be in ``data``."""
    value = 0
    if little:
        for index in range(position + width - 1, position - 1, -1):
            value = value << 8 | data[index]
    else:
        for index in range(position, position + width):
            value = value << 8 | data[index]
    return value
