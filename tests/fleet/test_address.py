"""Addresses: what is one, what is not, and what is said about it."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.address import Address, parse_address

RIGHT = [
    ("127.0.0.1:1973", Address("127.0.0.1", 1973)),
    ("0.0.0.0:0", Address("0.0.0.0", 0)),
    ("game.example.com:65535", Address("game.example.com", 65535)),
    ("game.example.com.:1", Address("game.example.com.", 1)),
    ("core_1:7400", Address("core_1", 7400)),
    ("[::1]:1973", Address("::1", 1973)),
    ("[2001:DB8:0::1]:80", Address("2001:db8::1", 80)),
    ("[fe80::1%eth0]:80", Address("fe80::1%eth0", 80)),
]

WRONG = [
    ("", "has no port"),
    ("1973", "has no port"),
    (":1973", "has no host"),
    ("localhost", "has no port"),
    ("localhost:", "the port '' is not a whole number from 0 to 65535"),
    ("localhost:65536", "the port '65536' is not"),
    ("localhost:-1", "the port '-1' is not"),
    ("localhost:+1", "the port '+1' is not"),
    ("localhost:\u0661", "is not a whole number"),
    ("localhost:" + "9" * 100_000, "is not a whole number"),
    ("::1:1973", "needs brackets"),
    ("[::1]", "no port after the bracket"),
    ("[::1:1973", "no port after the bracket"),
    ("[::1]1973", "no port after the bracket"),
    ("[127.0.0.1]:1973", "not IPv6"),
    ("[::g]:1973", "'::g' is not an IP address"),
    ("127.0.0.256:1", "'127.0.0.256' is not an IP address"),
    ("127.1:1", "'127.1' is not an IP address"),
    ("a b:1", "'a b' is not a host name"),
    ("-a:1", "is not a host name"),
    ("a..b:1", "is not a host name"),
    ("a/b:1", "is not a host name"),
    ("x" * 64 + ":1", "is not a host name"),
    (".".join(["x" * 60] * 5) + ":1", "is not a host name"),
    ("host\n:1", "is not a host name"),
]


@pytest.mark.parametrize(("text", "address"), RIGHT)
def test_reads_and_writes(text: str, address: Address) -> None:
    assert parse_address(text) == address
    assert parse_address(str(address)) == address


@pytest.mark.parametrize(("text", "reason"), WRONG)
def test_says_what_is_wrong(text: str, reason: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the text is looked at below
        parse_address(text)

    said = str(caught.value)
    assert reason in said
    assert "1973" in said, "it says what would be right"
    assert "\n" not in said
    assert len(said) < 400


@pytest.mark.parametrize(("text", "port"), [("1973", 1973), (":1973", 1973), (":0", 0)])
def test_a_default_host_stands_in(text: str, port: int) -> None:
    assert parse_address(text, default_host="::1") == Address("::1", port)


def test_a_default_host_does_not_replace_one() -> None:
    assert parse_address("here:1", default_host="there") == Address("here", 1)


HOSTS = st.one_of(
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(str),
    st.from_regex(r"[a-z]([a-z0-9-]{0,20}[a-z0-9])?(\.[a-z]{1,8}){0,3}", fullmatch=True),
)


@given(HOSTS, st.integers(0, 65535))
def test_every_address_reads_back(host: str, port: int) -> None:
    assert parse_address(str(Address(host, port))) == Address(host, port)


@given(st.text())
def test_any_text_is_an_address_or_a_value_error(text: str) -> None:
    try:
        address = parse_address(text)
    except ValueError:
        return
    assert parse_address(str(address)) == address
    if ":" in address.host:
        ipaddress.IPv6Address(address.host)


@pytest.mark.parametrize(
    ("text", "is_loopback"),
    [
        ("127.0.0.1:1", True),
        ("127.9.9.9:1", True),
        ("[::1]:1", True),
        ("[::ffff:127.0.0.1]:1", True),
        ("localhost:1", True),
        ("LOCALHOST:1", True),
        ("0.0.0.0:1", False),
        ("[::]:1", False),
        ("10.0.0.1:1", False),
        ("localhost.example:1", False),
        ("core:1", False),
    ],
)
def test_what_is_on_this_machine_alone(text: str, is_loopback: bool) -> None:
    assert parse_address(text).is_loopback is is_loopback


@pytest.mark.parametrize(
    ("text", "is_unspecified"),
    [
        ("0.0.0.0:1", True),
        ("[::]:1", True),
        ("[0:0:0:0:0:0:0:0]:1", True),
        ("0.0.0.1:1", False),
        ("[::1]:1", False),
        ("224.0.0.1:1", False),
        ("core:1", False),
    ],
)
def test_what_is_no_address_for_others(text: str, is_unspecified: bool) -> None:
    assert parse_address(text).is_unspecified is is_unspecified


def test_a_name_is_no_ip_address() -> None:
    assert parse_address("core:1").ip is None
    assert parse_address("[::1]:1").ip == ipaddress.IPv6Address("::1")
