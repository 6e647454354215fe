"""The pattern of words that may not be said."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.features.builtin._words import make_pattern, mask

LETTERS = st.text("abcde", min_size=1, max_size=5).map(str.encode)
WORDS = st.lists(LETTERS, min_size=1, max_size=8)
TEXTS = st.text("abcdeABCDE .*_1\xe9", max_size=60).map(lambda text: text.encode("latin-1"))


@pytest.mark.parametrize(
    ("words", "whole", "text", "masked"),
    [
        ("bad", True, b"a bad word, BaD.", b"a *** word, ***."),
        ("bad", True, b"badly unbad bad1 bad_ _bad \xe9bad bad\xe9", None),
        ("bad", False, b"badly unBAD bad1 \xe9bad", b"***ly un*** ***1 \xe9***"),
        ("bad", True, b"bad", b"***"),
        ("bad", True, b"", None),
        ("BAD", True, b"bad", b"***"),
        ("ass asshole", True, b"ass asshole assh", b"*** ******* assh"),
        ("ass asshole", False, b"assholes assh", b"*******s ***h"),
        ("ab bc", False, b"abc", b"**c"),
        ("a", False, b"aaaa", b"****"),
        ("a.c (x) \\ [", False, b"abc a.c (x) x \\ [", b"abc *** *** x * *"),
        ("$$$", True, b"$$$ a$$$ $$$$", b"*** a$$$ ***$"),
        ("\xe4\xe9", True, b"\xe4\xe9 \xc4\xe9", b"** \xc4\xe9"),  # capitals beyond ASCII are other bytes
    ],
)
def test_rows(words: str, *, whole: bool, text: bytes, masked: bytes | None) -> None:
    pattern = make_pattern(words.encode("latin-1").split(b" "), whole=whole)
    assert mask(pattern, text) == (text if masked is None else masked)


def test_a_phrase_with_a_blank() -> None:
    pattern = make_pattern([b"gold for sale"], whole=True)
    assert mask(pattern, b"Gold for sale! gold  for sale") == b"*************! gold  for sale"


@given(words=WORDS, text=st.binary(max_size=256), whole=st.booleans())
def test_any_bytes_keep_their_length_and_what_is_not_masked(words: list[bytes], text: bytes, *, whole: bool) -> None:
    masked = mask(make_pattern(words, whole=whole), text)
    assert len(masked) == len(text)
    assert all(new in (old, ord("*")) for old, new in zip(text, masked, strict=True))


@given(words=WORDS, text=TEXTS)
def test_anywhere_is_what_a_search_for_each_word_says(words: list[bytes], text: bytes) -> None:
    pattern = make_pattern(words, whole=False)
    is_found = any(word in text.lower() for word in words)
    assert (mask(pattern, text) != text) == is_found
    assert not any(word in mask(pattern, text).lower() for word in words)


@given(words=WORDS, text=TEXTS)
def test_whole_words_are_what_a_look_at_each_word_says(words: list[bytes], text: bytes) -> None:
    def hide(found: re.Match[bytes]) -> bytes:
        return b"*" * len(found[0]) if found[0].lower() in words else found[0]

    expected = re.sub(rb"[0-9A-Za-z_\x80-\xff]+", hide, text)
    assert mask(make_pattern(words, whole=True), text) == expected


def test_many_words_that_begin_alike_cost_no_more_than_their_length() -> None:
    """Each byte of the text may be looked at once for each byte of a word, but not once for each word."""
    words = [b"a" * length + bytes((last,)) for length in range(31) for last in range(ord("b"), ord("z"))]
    pattern = make_pattern(words, whole=False)
    text = b"a" * 256
    assert mask(pattern, text) == text
    assert len(pattern.pattern) < 10 * len(words)
