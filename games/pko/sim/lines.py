"""Numbered chat lines: what scripted players say, so that each line can be accounted for.

A line begins with its number, a colon and a blank: ``17: ahoy…``. Not with "#17": a gate drops every text
with "#21" in it (protocol file, table 4.2), and the twenty-first line of everybody would be lost.
"""

_FILLER = b"ahoy there, sailor! "


def numbered_line(number: int, size_bytes: int) -> bytes:
    """Return line ``number``, filled up to ``size_bytes`` (longer only if the number alone is)."""
    head = b"%d: " % number
    missing = max(0, size_bytes - len(head))
    return head + (_FILLER * (missing // len(_FILLER) + 1))[:missing]


def line_number(text: bytes) -> int | None:
    """Return the number of a line, or None for a text that has none (a person's)."""
    digits, colon, _ = text.partition(b": ")
    # Ten digits hold what a u32 holds; more would be somebody's joke.
    return int(digits) if colon and digits.isdigit() and len(digits) <= 10 else None
