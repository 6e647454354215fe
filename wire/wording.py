"""Puts figures, and bytes and names that come from others, into words for a log or a terminal.

Used by `wire.explain` and `wire.step_reader`. What comes out is ASCII without control characters.
"""

MAX_TEXT_BYTES = 64
"""Of a text, what is shown."""


def show_bytes(text: bytes) -> str:
    """Return text as ASCII that fits between double quotes and that no terminal obeys, cut to MAX_TEXT_BYTES."""
    shown = "".join(
        chr(byte) if 0x20 <= byte < 0x7F and byte not in b'"\\' else f"\\x{byte:02x}" for byte in text[:MAX_TEXT_BYTES]
    )
    return shown if len(text) <= MAX_TEXT_BYTES else f"{shown}..."


def show_name(name: str) -> str:
    """Return a name out of a policy so that no terminal obeys it, at most MAX_TEXT_BYTES long."""
    return show_bytes(name.encode(errors="replace"))[:MAX_TEXT_BYTES]


def describe_limits(low: int, high: int) -> str:
    """Say how large a value may be, to go before "allowed"."""
    if low == high:
        return f"only {low} is"
    return f"{low} to {high} are"


def describe_sizes(low: int, high: int) -> str:
    """Say how many there may be of something, to go before "allowed"."""
    if low == high:
        return f"exactly {low} {'is' if low == 1 else 'are'}"
    return f"{low} to {high} are" if low else f"at most {high} {'is' if high == 1 else 'are'}"


def count_of(number: int, unit: str) -> str:
    """Say how many of something there are."""
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"
