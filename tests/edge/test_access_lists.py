"""The text of a list file: what it says, and where it is wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.access_lists import MAX_LIST_BYTES, ListError, join_lists, parse_list
from edge.prefixes import pack_address, parse_prefix

EXAMPLE = b"""\
# kept out since May

address 203.0.113.0/24   # a botnet
ADDRESS 2001:db8::1\r
account BadGuy\t# sold items
hardware 00-11-22-AA-BB-CC
character Sir Foo
character a#1 killer
character \xc4\xe3\xba\xc3
"""


def test_an_example_says_what_it_says() -> None:
    entries = parse_list(EXAMPLE, "deny.txt")
    assert entries.prefixes == (parse_prefix("203.0.113.0/24"), parse_prefix("2001:db8::1"))
    assert entries.names == {
        "account": {b"badguy"},
        "hardware": {b"00-11-22-aa-bb-cc"},
        "character": {b"sir foo", b"a#1 killer", b"\xc4\xe3\xba\xc3"},
    }
    assert len(entries) == 7


@pytest.mark.parametrize("text", [b"", b"\n\n", b"\xef\xbb\xbf# only a comment", b"  # indented"])
def test_a_file_may_say_nothing(text: bytes) -> None:
    assert len(parse_list(text, "x")) == 0


def test_a_mark_of_unicode_at_the_beginning_does_no_harm() -> None:
    assert parse_list(b"\xef\xbb\xbfaccount x", "x").names["account"] == {b"x"}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"\naddress 1.2.3", "deny.txt:2: '1.2.3' is neither an address"),
        (b"address 203.0.113.5/24", "deny.txt:1: '203.0.113.5/24' is an address inside a prefix: write 203.0.113.0/24"),
        (b"203.0.113.5", "deny.txt:1: '203.0.113.5' is not one of address, account, hardware, character"),
        (b"account", "deny.txt:1: account without a value"),
        (b"account # nobody", "deny.txt:1: account without a value"),
        (b"account " + b"x" * 257, "deny.txt:1: account of 257 bytes: at most 256"),
        (b"acount x\nfoo\nbar", r"deny.txt:1: 'acount' is not one of .* \(and 2 more mistakes\)"),
        (b"\xff\xfea\0c\0", "deny.txt:1: "),
        (b"#" * (MAX_LIST_BYTES + 1), "deny.txt: is longer than"),
    ],
)
def test_mistakes_name_file_and_line(text: bytes, why: str) -> None:
    with pytest.raises(ListError, match=why) as caught:
        parse_list(text, "deny.txt")
    assert str(caught.value).isprintable()


def outcome(text: bytes) -> str:
    try:
        return repr(len(parse_list(text, "x")))
    except ListError as error:
        return str(error)


@given(st.binary(max_size=300))
def test_any_bytes_give_entries_or_a_mistake_that_can_be_shown(text: bytes) -> None:
    assert all(outcome(beginning + text).isprintable() for beginning in (b"", b"address ", b"account "))


def test_what_both_lists_name_is_allowed() -> None:
    deny = parse_list(b"address 192.0.2.0/24\naccount a\naccount B\ncharacter c", "deny")
    allow = parse_list(b"address 192.0.2.7\naccount b\ncharacter d", "allow")
    lists = join_lists(deny, allow)
    assert lists.denied_names == {"account": {b"a"}, "hardware": frozenset(), "character": {b"c"}}
    assert lists.denied.covers(pack_address("192.0.2.7"))
    assert lists.allowed.covers(pack_address("192.0.2.7"))
