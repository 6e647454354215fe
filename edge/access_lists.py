"""Who is kept out and who is always let in: the text of the list files, and what it says.

One entry a line; ``#`` at the beginning of a line or behind a space begins a comment::

    address 203.0.113.0/24      # or a single address, IPv4 or IPv6
    account badguy
    hardware 00-11-22-33-44-55
    character Sir Foo

Files are read as bytes, because names on the wire are in the game's own charset; write the file in that one. Capitals
do not matter in A to Z. `edge.list_files` reads the files; this is the pure part.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from edge.prefixes import Prefix, PrefixSet, parse_prefix
from wire.errors import MisuseError
from wire.steps import CAPTURES

MAX_LIST_BYTES = 4 << 20
"""About 150,000 prefixes, read and parsed in under a second beside the loop."""

MAX_VALUE_BYTES = 256

_COMMENT = re.compile(rb"(?:^|[ \t])#.*")
_KINDS = ("address", *CAPTURES)


class ListError(MisuseError):
    """A list file that cannot be used; the text names file, line and what would be right."""

    code = "list"


@dataclass(frozen=True, slots=True)
class ListEntries:
    """What one file says: prefixes, and names by kind (`wire.steps.CAPTURES`), small."""

    prefixes: tuple[Prefix, ...] = ()
    names: Mapping[str, frozenset[bytes]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.prefixes) + sum(len(found) for found in self.names.values())


@dataclass(frozen=True, slots=True)
class AccessLists:
    """The deny list and the allow list together. What both name is allowed, and so is what is banned (`edge.bans`)."""

    denied: PrefixSet = field(default_factory=PrefixSet)
    allowed: PrefixSet = field(default_factory=PrefixSet)
    denied_names: Mapping[str, frozenset[bytes]] = field(default_factory=dict)
    allowed_names: Mapping[str, frozenset[bytes]] = field(default_factory=dict)


def join_lists(deny: ListEntries, allow: ListEntries) -> AccessLists:
    """Make of two files what the guard and the sessions look things up in."""
    nobody: frozenset[bytes] = frozenset()
    names = {kind: deny.names.get(kind, nobody) - allow.names.get(kind, nobody) for kind in CAPTURES}
    return AccessLists(PrefixSet(deny.prefixes), PrefixSet(allow.prefixes), names, allow.names)


def parse_list(text: bytes, source: str) -> ListEntries:
    """Read a whole file; raises ListError with the first mistake and the number of the others."""
    if len(text) > MAX_LIST_BYTES:
        raise ListError(f"{source}: is longer than {MAX_LIST_BYTES} bytes")
    prefixes: list[Prefix] = []
    names: dict[str, set[bytes]] = {kind: set() for kind in CAPTURES}
    mistakes: list[str] = []
    for number, line in enumerate(text.removeprefix(b"\xef\xbb\xbf").splitlines(), start=1):
        entry = _COMMENT.sub(b"", line).strip()
        if not entry:
            continue
        try:
            kind, value = _split(entry)
            if kind == "address":
                prefixes.append(parse_prefix(value.decode("ascii", "backslashreplace")))
            else:
                names[kind].add(value.lower())
        except ValueError as error:
            mistakes.append(f"{source}:{number}: {error}")
    if mistakes:
        others = f" (and {len(mistakes) - 1} more mistakes)" if len(mistakes) > 1 else ""
        raise ListError(f"{mistakes[0]}{others}")
    return ListEntries(tuple(prefixes), {kind: frozenset(found) for kind, found in names.items()})


def _split(entry: bytes) -> tuple[str, bytes]:
    """Return kind and value of an entry; raises ValueError."""
    first, *rest = entry.split(None, 1)
    shown = first[:40].decode("ascii", "backslashreplace")
    kind = shown.lower()
    if kind not in _KINDS:
        raise ValueError(f"{shown!r} is not one of {', '.join(_KINDS)}, of which each entry begins with one")
    if not rest:
        raise ValueError(f"{kind} without a value")
    if len(rest[0]) > MAX_VALUE_BYTES:
        raise ValueError(f"{kind} of {len(rest[0])} bytes: at most {MAX_VALUE_BYTES} are possible")
    return kind, rest[0]
