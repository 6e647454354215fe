"""Small parts of a rule set on the wire: named numbers, places that may be none, ranges of words.

Called by the other parts of `tunnel.rules_codec`. Names of numbers are the same on both sides, with the kind before
them on the wire (``CHECK_LAYOUT``), so that neither side's order means anything.
"""

from google.protobuf.message import Message

from protos.tidegate.policy.v1 import rules_pb2
from wire.errors import TunnelFault
from wire.rules import Action, Check, Mode

NONE = -1
"""What rules say for no place; on the wire the field is absent then."""


def write_check(check: Check) -> str:
    """Return a check's name on the wire."""
    return f"CHECK_{check.name}"


def read_check(number: rules_pb2.Check) -> Check:
    """Return the check of a number; raises TunnelFault where there is none."""
    try:
        return Check[rules_pb2.Check.Name(number).removeprefix("CHECK_")]
    except (ValueError, KeyError) as error:
        raise TunnelFault(f"unknown check {number}") from error


def write_mode(mode: Mode) -> str:
    """Return a mode's name on the wire."""
    return f"MODE_{mode.name}"


def read_mode(number: rules_pb2.Mode) -> Mode:
    """Return the mode of a number; raises TunnelFault where there is none."""
    try:
        return Mode[rules_pb2.Mode.Name(number).removeprefix("MODE_")]
    except (ValueError, KeyError) as error:
        raise TunnelFault(f"unknown mode {number}") from error


def write_action(action: Action | None) -> str | None:
    """Return an action's name on the wire; nothing where it is left to the check."""
    return None if action is None else f"ACTION_{action.name}"


def read_action(number: rules_pb2.Action) -> Action:
    """Return the action of a number; raises TunnelFault where there is none."""
    try:
        return Action[rules_pb2.Action.Name(number).removeprefix("ACTION_")]
    except (ValueError, KeyError) as error:
        raise TunnelFault(f"unknown action {number}") from error


def write_place(place: int) -> int | None:
    """Return a place as its optional field wants it."""
    return None if place == NONE else place


def read_place(message: Message, field: str) -> int:
    """Return the place in an optional field."""
    return int(getattr(message, field)) if message.HasField(field) else NONE


def write_range(words: tuple[int, int] | None) -> rules_pb2.WordRange | None:
    """Return a range of words as its message; nothing for none."""
    return None if words is None else rules_pb2.WordRange(first=words[0], last=words[1])


def read_range(message: Message, field: str) -> tuple[int, int] | None:
    """Return the range of words in a field, None where it is absent."""
    if not message.HasField(field):
        return None
    words: rules_pb2.WordRange = getattr(message, field)
    return words.first, words.last
