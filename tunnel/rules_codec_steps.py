"""Layout programs on the wire: steps to `protos/tidegate/policy/v1/steps.proto` and back.

Called by `tunnel.rules_codec`. Many steps of a game have the same class of characters, 256 bytes each: classes stand
once in the rule set, as bitmaps, and steps name them by their place.
"""

from collections.abc import Iterable, Sequence

from protos.tidegate.policy.v1 import steps_pb2
from wire.errors import TunnelFault
from wire.steps import MAX_COUNT, MAX_PHRASES, MAX_RANGES, MAX_STEPS, REGISTERS, Operation, Step

MAX_CHARACTER_CLASSES = 256
CLASS_BYTES = 32
"""A class on the wire: a bit for each byte, the lowest bit of the first byte for byte 0."""


class ClassTable:
    """The character classes met while a rule set is encoded, each once."""

    def __init__(self) -> None:
        self._places: dict[bytes, int] = {}

    @property
    def bitmaps(self) -> list[bytes]:
        """The classes in the order of their places."""
        return [_pack(characters) for characters in self._places]

    def place_of(self, characters: bytes) -> int | None:
        """Return the place of a class of 256 bytes, or None for no class."""
        return self._places.setdefault(characters, len(self._places)) if characters else None


def read_classes(bitmaps: Sequence[bytes]) -> tuple[bytes, ...]:
    """Return the classes as steps have them, 256 bytes of 0 and 1; raises TunnelFault."""
    if len(bitmaps) > MAX_CHARACTER_CLASSES:
        raise TunnelFault(f"{len(bitmaps)} character classes: at most {MAX_CHARACTER_CLASSES} are allowed")
    for bitmap in bitmaps:
        if len(bitmap) != CLASS_BYTES:
            raise TunnelFault(f"character class of {len(bitmap)} bytes where {CLASS_BYTES} belong")
    return tuple(bytes(bitmap[each >> 3] >> (each & 7) & 1 for each in range(256)) for bitmap in bitmaps)


def encode_layout(steps: Iterable[Step], classes: ClassTable) -> steps_pb2.Layout:
    """Return a program as its message; raises ValueError for numbers that do not fit it."""
    return steps_pb2.Layout(steps=[_encode_step(step, classes) for step in steps])


def decode_layout(message: steps_pb2.Layout, classes: Sequence[bytes]) -> tuple[Step, ...]:
    """Return the steps of a program; raises TunnelFault. Whether they are possible is checked by their rule."""
    if len(message.steps) > MAX_STEPS:
        raise TunnelFault(f"{len(message.steps)} steps: at most {MAX_STEPS} are allowed")
    return tuple(_decode_step(step, classes) for step in message.steps)


def _encode_step(step: Step, classes: ClassTable) -> steps_pb2.Step:
    return steps_pb2.Step(
        operation=f"OPERATION_{step.operation.name}",
        name=step.name,
        width_bytes=step.width,
        signed=step.signed,
        little_endian=step.little_endian,
        low=step.low,
        high=step.high,
        ranges=[steps_pb2.IntegerRange(low=low, high=high) for low, high in step.ranges],
        character_class=classes.place_of(step.characters),
        phrases=step.phrases,
        register=None if step.register == -1 else step.register,
        inverted=step.inverted,
        governed_steps=step.steps,
        secret=step.secret,
        capture=step.capture,
        measured=step.measured,
    )


def _decode_step(message: steps_pb2.Step, classes: Sequence[bytes]) -> Step:
    if len(message.ranges) > MAX_RANGES or len(message.phrases) > MAX_PHRASES:
        raise TunnelFault(f"step with {len(message.ranges)} ranges and {len(message.phrases)} phrases")
    # Also where the operation has no use for them: the machine that runs steps has narrow integers.
    if message.width_bytes > MAX_COUNT or message.register >= REGISTERS or message.governed_steps > MAX_STEPS:
        raise TunnelFault(
            f"step of width {message.width_bytes} with register {message.register} over {message.governed_steps} steps"
        )
    if message.HasField("character_class") and message.character_class >= len(classes):
        raise TunnelFault(f"character class {message.character_class}: there are {len(classes)}")
    try:
        operation = Operation[steps_pb2.Operation.Name(message.operation).removeprefix("OPERATION_")]
    except (ValueError, KeyError) as error:
        raise TunnelFault(f"step of unknown operation {message.operation}") from error
    return Step(
        operation=operation,
        name=message.name,
        width=message.width_bytes,
        signed=message.signed,
        little_endian=message.little_endian,
        low=message.low,
        high=message.high,
        ranges=tuple((each.low, each.high) for each in message.ranges),
        characters=classes[message.character_class] if message.HasField("character_class") else b"",
        phrases=tuple(message.phrases),
        register=message.register if message.HasField("register") else -1,
        inverted=message.inverted,
        steps=message.governed_steps,
        secret=message.secret,
        capture=message.capture,
        measured=message.measured,
    )


def _pack(characters: bytes) -> bytes:
    return sum(1 << place for place, allowed in enumerate(characters) if allowed).to_bytes(CLASS_BYTES, "little")
