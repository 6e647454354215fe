"""Addresses and prefixes: what is the same, what is inside, and what is refused."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.prefixes import Prefix, PrefixSet, pack_address, parse_prefix

ADDRESSES = [
    ("203.0.113.5", bytes((203, 0, 113, 5))),
    ("::ffff:203.0.113.5", bytes((203, 0, 113, 5))),
    ("2001:db8::1", bytes.fromhex("20010db8000000000000000000000001")),
    ("fe80::1%eth0", bytes.fromhex("fe800000000000000000000000000001")),
]
PREFIXES = [
    ("203.0.113.0/24", Prefix(bytes((203, 0, 113, 0)), 24)),
    ("203.0.113.5", Prefix(bytes((203, 0, 113, 5)), 32)),
    ("::ffff:203.0.113.0/120", Prefix(bytes((203, 0, 113, 0)), 24)),
    ("0.0.0.0/0", Prefix(bytes(4), 0)),
    ("2001:db8::/32", Prefix(bytes.fromhex("20010db8") + bytes(12), 32)),
]


@pytest.mark.parametrize(("text", "packed"), ADDRESSES)
def test_addresses_are_packed(text: str, packed: bytes) -> None:
    assert pack_address(text) == packed


@pytest.mark.parametrize("text", ["", "1.2.3", "256.1.1.1", "::g", "localhost", "1.2.3.4\0"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not an IP address"):
        pack_address(text)


@pytest.mark.parametrize(("text", "prefix"), PREFIXES)
def test_prefixes_are_read(text: str, prefix: Prefix) -> None:
    assert parse_prefix(text) == prefix


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("203.0.113.5/24", r"write 203\.0\.113\.0/24 for all of it"),
        ("203.0.113.0/33", "is neither an address nor a prefix"),
        ("nonsense", "is neither an address nor a prefix"),
        ("", "is neither an address nor a prefix"),
    ],
)
def test_what_is_no_prefix_is_refused_with_what_would_be_right(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_prefix(text)


IPV4 = st.tuples(st.integers(0, (1 << 32) - 1), st.integers(0, 32)).map(lambda pair: ip_network(pair, strict=False))
IPV6 = st.tuples(st.integers(1 << 120, (1 << 128) - 1), st.integers(8, 128)).map(
    lambda pair: ip_network(pair, strict=False)
)


@given(st.lists(IPV4 | IPV6, max_size=8), st.ip_addresses())
def test_a_set_covers_what_its_prefixes_contain(networks: list[object], address: object) -> None:
    known = [ip_network(str(network)) for network in networks]
    asked = ip_address(str(address))
    prefixes = PrefixSet(parse_prefix(str(network)) for network in known)
    if getattr(asked, "ipv4_mapped", None) is None:
        assert prefixes.covers(asked.packed) == any(asked in network for network in known)
    assert len(prefixes) == len(set(known))


def test_an_empty_set_covers_nothing() -> None:
    assert not PrefixSet().covers(bytes(4))
    assert not PrefixSet().covers(bytes(16))
