"""The text field: how a string stands on the wire, and what may stand in it.

Limits on content are here, and not in a feature, because servers put such texts into database statements, scripts and
buffers of fixed size: a text that breaks one is an attack, whatever it says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from games.characters import ANY, CharacterClass
from games.fields import Reader
from wire.errors import EncodeError


@dataclass(frozen=True, slots=True)
class String:
    """A two-byte length that counts a closing NUL, the bytes, the NUL.

    The value is bytes: the wire does not say the charset. ``limit_bytes`` bounds the text without its NUL.
    A length of 0, a missing NUL or one inside, which the game's own reader quietly mends, is refused; so is what is
    not in ``characters``, and every text with one of ``phrases`` in it, capitals or not (they are written small).
    The value of a ``secret`` text is never shown. ``capture`` says whom the text names (`wire.steps.CAPTURES`).
    """

    limit_bytes: int
    low_bytes: int = 0
    characters: CharacterClass = ANY
    phrases: tuple[bytes, ...] = ()
    secret: bool = False
    capture: str = ""

    @property
    def min_bytes(self) -> int:
        """Length field, shortest text, NUL."""
        return 3 + self.low_bytes

    @property
    def max_bytes(self) -> int:
        """Length field, longest text, NUL."""
        return 3 + self.limit_bytes

    def read(self, reader: Reader, earlier: Mapping[str, Any]) -> bytes:  # noqa: ARG002
        """Read the text, without its NUL."""
        size = int.from_bytes(reader.take(2), "big")
        if not self.low_bytes < size <= self.limit_bytes + 1:
            raise reader.fault(
                f"string of {size} bytes with its NUL: {self.low_bytes + 1} to {self.limit_bytes + 1} are allowed",
            )
        raw = reader.take(size)
        if raw[-1]:
            raise reader.fault("the string does not end with NUL")
        problem = self.problem_of(raw[:-1])
        if problem:
            raise reader.fault(problem)
        return raw[:-1]

    def write(self, out: bytearray, value: bytes, earlier: Mapping[str, Any]) -> None:  # noqa: ARG002
        """Append length, text and NUL."""
        if not self.low_bytes <= len(value) <= self.limit_bytes:
            raise EncodeError(
                f"string of {len(value)} bytes: {self.low_bytes} to {self.limit_bytes} are allowed",
            )
        problem = self.problem_of(value)
        if problem:
            raise EncodeError(problem)
        out += (len(value) + 1).to_bytes(2, "big")
        out += value
        out.append(0)

    def problem_of(self, text: bytes) -> str:
        """Say what may not stand in a text of legal length, or nothing; a secret text is not quoted."""
        place = self.characters.first_other(text)
        if place >= 0:
            which = "a byte" if self.secret else f"byte 0x{text[place]:02x}"
            return f"{which} that may not stand here: only {self.characters.name}"
        if self.phrases:
            small = text.lower()
            for phrase in self.phrases:
                if phrase in small:
                    return f"the text {phrase.decode('ascii', 'backslashreplace')!r} may not stand here"
        return ""
