"""Character classes: what each lets through."""

import pytest

from games import characters
from games.characters import CharacterClass

CLASSES = [value for value in vars(characters).values() if isinstance(value, CharacterClass)]


@pytest.mark.parametrize("each", CLASSES, ids=lambda each: each.name)
def test_tables_and_bytes_say_the_same(each: CharacterClass) -> None:
    assert len(each.table) == 256
    assert bytes(byte for byte in range(256) if each.table[byte]) == each.allowed
    for byte in range(256):
        assert each.first_other(each.allowed[:1] + bytes([byte])) == (-1 if each.table[byte] else 1)


@pytest.mark.parametrize("each", CLASSES, ids=lambda each: each.name)
def test_nul_stands_nowhere(each: CharacterClass) -> None:
    assert each.first_other(b"\0") == 0


# class, a text that may stand, one that may not
ROWS: list[tuple[CharacterClass, bytes, bytes]] = [
    (characters.HEXADECIMAL, b"E10ADC39e10adc39", b"G"),
    (characters.ALPHANUMERIC, b"aZ09", b"a b"),
    (characters.ACCOUNT, b"bot_00001", b"admin'--"),
    (characters.BASE64, b"YQ==", b"Y-"),
    (characters.HARDWARE, b"00-25-22-DF-AC-79-00-00", b"00-25;127.0.0.1"),
    (characters.HARDWARE, b"{1B4E28BA-2FA1}", b"'"),
    (characters.MAIL, b"a.b+c@d-e.example", b"a'b@c"),
    (characters.NAME, b"[GM]Ann_2", b"A nn"),
    (characters.NAME, "привет".encode("cp1251"), b"a'"),
    (characters.NAME, "你好".encode("gbk"), b"a;"),
    (characters.PLACE, b"Argent City", b"Argent\tCity"),
    (characters.SAFE_TEXT, b'say "hi", 50% off!', b"don't"),
    (characters.SAFE_TEXT, "né".encode(), b"a\\b"),
    (characters.TEXT, b"don't; \\o/", b"two\nlines"),
    (characters.LETTER, b"two\r\nlines\t!", b"\x1b[2J"),
]


@pytest.mark.parametrize(("each", "good", "bad"), ROWS, ids=lambda value: getattr(value, "name", None))
def test_row(each: CharacterClass, good: bytes, bad: bytes) -> None:
    assert each.first_other(good) == -1
    assert each.first_other(bad) >= 0


def test_gbk_letters_that_end_in_a_backslash_are_the_ones_names_cannot_have() -> None:
    letters = [bytes([lead, trail]) for lead in range(0x81, 0xFF) for trail in range(0x40, 0xFF) if trail != 0x7F]
    refused = {letter[1:] for letter in letters if characters.NAME.first_other(letter) >= 0}
    assert refused == {b"\\"}


@pytest.mark.parametrize("allowed", [b"", b"\0a", b"ba", b"aa"])
def test_a_class_is_sorted_and_without_nul(allowed: bytes) -> None:
    with pytest.raises(ValueError, match="sorted"):
        CharacterClass("wrong", allowed)
