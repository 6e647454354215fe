"""Text fields: what may stand in them, both ways."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from games.characters import ACCOUNT, TEXT
from games.fields import Reader
from games.texts import String
from tests.games.rows import string
from wire.errors import EncodeError, PacketFault

PLAIN = String(8)
NAMES = String(8, low_bytes=1, characters=ACCOUNT)
CHAT = String(32, characters=TEXT, phrases=(b"/bye", b"#21"))
SECRET = String(8, characters=ACCOUNT, secret=True)

REFUSED: list[tuple[String, bytes, str]] = [
    (PLAIN, b"a\0b", "byte 0x00 that may not stand here: only any byte but NUL"),
    (NAMES, b"a'b", "byte 0x27 that may not stand here: only letters, digits and _"),
    (NAMES, b"a b", "byte 0x20"),
    (CHAT, b"a\x07", "byte 0x07"),
    (CHAT, b"go /BYE now", "the text '/bye' may not stand here"),
    (CHAT, b"#21", "the text '#21'"),
    (SECRET, b"p w", "a byte that may not stand here"),
]


@pytest.mark.parametrize(("field", "text", "reason"), REFUSED, ids=repr)
def test_a_text_that_is_refused_both_ways(field: String, text: bytes, reason: str) -> None:
    with pytest.raises(EncodeError) as written:
        field.write(bytearray(), text, {})
    with pytest.raises(PacketFault) as read:
        field.read(Reader(string(text)), {})
    assert str(written.value).startswith(reason)
    assert reason in str(read.value)


@pytest.mark.parametrize(("field", "text"), [(PLAIN, bytes(range(1, 9))), (NAMES, b"a_1"), (CHAT, b"# 21 /by")])
def test_a_text_that_may_stand(field: String, text: bytes) -> None:
    out = bytearray()
    field.write(out, text, {})
    assert bytes(out) == string(text)
    assert field.read(Reader(bytes(out)), {}) == text


@given(st.binary(max_size=12))
def test_reading_and_writing_agree_on_every_text(text: bytes) -> None:
    for field in (PLAIN, NAMES, CHAT, SECRET):
        try:
            field.write(bytearray(), text, {})
        except EncodeError:
            with pytest.raises(PacketFault):
                field.read(Reader(string(text)), {})
        else:
            assert field.read(Reader(string(text)), {}) == text
