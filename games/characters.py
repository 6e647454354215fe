r"""Character classes: which bytes may stand in a text, as tables of 256.

The wire does not say a text's charset. Whatever it is (ASCII, Windows-1251, GBK), bytes from 0x80 on are letters, so
every class that people write in has them. In GBK a letter's second byte may lie between 0x40 and 0x7E, where ASCII has
capitals, small letters and ``@ [ \ ] ^ _ ` { | } ~``; a table cannot tell the one from the other. Classes for names
therefore allow all of those but the backslash, with which some databases escape a quote: the hundred or so rare GBK
letters that are written with it cannot stand in a name. The letters of GB2312, which are those in daily use, have no
such byte.
"""

from dataclasses import dataclass

DIGITS = b"0123456789"
SMALL = b"abcdefghijklmnopqrstuvwxyz"
CAPITALS = SMALL.upper()
HIGH = bytes(range(0x80, 0x100))
PRINTABLE = bytes(range(0x20, 0x7F))
TRAIL = b"@[]^_`{|}~"
QUOTES = b"';\\"
"""What ends a literal or a statement, or escapes that, in one database or another. Values of text stand between single
quotes, so other quotes do no harm."""


@dataclass(frozen=True, slots=True)
class CharacterClass:
    """Bytes that may stand in a text. ``allowed`` is sorted, without NUL."""

    name: str
    allowed: bytes

    def __post_init__(self) -> None:
        if not self.allowed or self.allowed[0] == 0 or list(self.allowed) != sorted(set(self.allowed)):
            raise ValueError(f"{self.name}: bytes of a class are sorted, each once, and NUL is none of them")

    @property
    def table(self) -> bytes:
        """256 bytes: 1 for each byte that may stand in the text."""
        return bytes(byte in self.allowed for byte in range(256))

    def first_other(self, text: bytes) -> int:
        """Return the place of the first byte that may not stand in ``text``, or -1."""
        others = text.translate(None, self.allowed)
        return text.index(others[:1]) if others else -1


def _made_of(name: str, *parts: bytes, without: bytes = b"") -> CharacterClass:
    return CharacterClass(name, bytes(sorted(set(b"".join(parts)) - set(without))))


ANY = _made_of("any byte but NUL", bytes(range(1, 0x100)))
HEXADECIMAL = _made_of("hexadecimal digits", DIGITS, SMALL[:6], CAPITALS[:6])
ALPHANUMERIC = _made_of("letters and digits", DIGITS, SMALL, CAPITALS)
ACCOUNT = _made_of("letters, digits and _", DIGITS, SMALL, CAPITALS, b"_")
"""One fork allows letters and digits only (PX); others the underline too."""
BASE64 = _made_of("base64", DIGITS, SMALL, CAPITALS, b"+/=")
HARDWARE = _made_of("letters, digits and - : . _ { }", DIGITS, SMALL, CAPITALS, b"-:._{} ")
"""A hardware address in its usual forms, or a number of a disk or a machine. A ";" and an address behind it are
added by relays, never by clients."""
MAIL = _made_of("letters, digits and those of mail addresses", DIGITS, SMALL, CAPITALS, b".@_+-%")
NAME = _made_of("letters, digits and signs of names", DIGITS, SMALL, CAPITALS, TRAIL, HIGH)
"""What a new name may be made of; operators' names such as "[GM]Ann" among them."""
PLACE = _made_of("letters, digits, blanks and signs of names", DIGITS, SMALL, CAPITALS, TRAIL, HIGH, b" -.")
"""A map or a birthplace, such as "Argent City"."""
SAFE_TEXT = _made_of("text without ' ; and \\", PRINTABLE, HIGH, without=QUOTES)
"""Text that servers write into a database statement."""
TEXT = _made_of("text", PRINTABLE, HIGH)
"""One line, without control characters."""
LETTER = _made_of("text of several lines", PRINTABLE, HIGH, b"\t\n\r")
