"""Body styles: which of two layouts of one opcode a dialect uses.

Packet classes name them, dialects choose one. A class without a style holds in both. What differs is in
section 3.5 and table 4.1 of the protocol notes.
"""

CLASSIC = frozenset({"classic"})
"""The 1.3x line and its forks: passport and password blob, characters chosen by name."""

TG = frozenset({"tg"})
"""The line with a key exchange before the login: password hash, characters chosen by index."""
