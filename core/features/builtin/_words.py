"""Words that may not be said, as one pattern; made when settings are read, used on each line.

Texts are bytes of a charset that is not known: ASCII letters are the same in capitals, and every byte from 0x80 on is
a letter.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

_LETTER = rb"[0-9A-Za-z_\x80-\xff]"
_END = -1  # the key that says that a word ends here


def make_pattern(words: Iterable[bytes], *, whole: bool) -> re.Pattern[bytes]:
    """Return one pattern of all words, written small, of which the longest that fits is taken.

    It is a tree in which no two branches begin alike, so that a byte of a text is looked at no more often than a word
    is long, however many words there are. ``whole``: only where no letter or digit stands before or behind.
    """
    tree: dict[int, Any] = {}
    for word in words:
        node = tree
        for byte in word.lower():
            node = node.setdefault(byte, {})
        node[_END] = {}
    pattern = _spell(tree)
    return re.compile(rb"(?<!%b)%b(?!%b)" % (_LETTER, pattern, _LETTER) if whole else pattern)


def mask(pattern: re.Pattern[bytes], text: bytes) -> bytes:
    """Return a text with ``*`` over what the pattern finds; its length stays."""
    out = None
    for found in pattern.finditer(text.lower()):
        out = bytearray(text) if out is None else out
        out[found.start() : found.end()] = b"*" * (found.end() - found.start())
    return text if out is None else bytes(out)


def _spell(node: Mapping[int, Any]) -> bytes:
    branches = [re.escape(bytes((byte,))) + _spell(below) for byte, below in node.items() if byte != _END]
    if not branches:
        return b""
    spelt = branches[0] if len(branches) == 1 and _END not in node else b"(?:" + b"|".join(branches) + b")"
    return spelt + b"?" if _END in node else spelt
