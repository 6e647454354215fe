"""Bans as they stand in the table: what can be banned, what anybody may have written there, what players read."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.ban_entries import (
    MAX_KEPT_BYTES,
    ban_text,
    covers,
    decode_ban,
    encode_entry,
    field_of,
    make_entry,
    readable,
    value_of,
    whom_of,
)
from core.features.ports import BanEntry, BanKind
from core.store.protocol import check_name
from tunnel.bans import Banned
from wire.errors import MisuseError

ADDRESS, ACCOUNT, HARDWARE, CHARACTER = BanKind.ADDRESS, BanKind.ACCOUNT, BanKind.HARDWARE, BanKind.CHARACTER
GOOD = b'{"reason":"spam","by":"root","since":5.0,"until":9.0}'


@pytest.mark.parametrize(
    ("kind", "given", "field", "shown"),
    [
        (ACCOUNT, "Anna", "account:anna", "anna"),
        (CHARACTER, "Sir Foo", "character:sir foo", "sir foo"),
        (CHARACTER, "M\xfc\u0022%:", "character:m%fc%22%25%3a", "m\xfc\u0022%:"),
        (CHARACTER, "\xc4", "character:%c4", "\xc4"),  # only A to Z are made small
        (HARDWARE, "00-AA-bb", "hardware:00-aa-bb", "00-aa-bb"),
        (ADDRESS, "203.0.113.7", "address:203.0.113.7/32", "203.0.113.7"),
        (ADDRESS, " 203.0.113.0/24 ", "address:203.0.113.0/24", "203.0.113.0/24"),
        (ADDRESS, "::ffff:203.0.113.7", "address:203.0.113.7/32", "203.0.113.7"),
        (ADDRESS, "::FFFF:203.0.113.0/120", "address:203.0.113.0/24", "203.0.113.0/24"),
        (ADDRESS, "2001:DB8:0::/48", "address:2001:db8::/48", "2001:db8::/48"),
        (ADDRESS, "fe80::1%eth0", "address:fe80::1/128", "fe80::1"),
    ],
)
def test_who_is_banned_and_where_it_is_kept(kind: BanKind, given: str, field: str, shown: str) -> None:
    whom = whom_of(kind, given, "latin-1")
    assert (field_of(whom), value_of(whom, "latin-1")) == (field, shown)
    assert whom_of(kind, shown, "latin-1") == whom
    check_name(field)


@pytest.mark.parametrize(
    ("kind", "given", "text"),
    [
        (ACCOUNT, "", "write whom"),
        (ACCOUNT, "x" * 65, "65 bytes: at most 64"),
        (ACCOUNT, "a\nb", "control characters"),
        (ACCOUNT, "\u4e2d", "charset latin-1 does not have"),
        (ADDRESS, "", "neither an address nor a prefix such as"),
        (ADDRESS, "anna", "neither an address nor a prefix such as"),
        (ADDRESS, "203.0.113.7/24", "write 203.0.113.0/24 for all of it, or the address alone"),
        (ADDRESS, "203.0.113.0/33", "neither an address"),
        (ADDRESS, "0.0.0.0/0", "at least /8"),
        (ADDRESS, "2000::/3", "at least /16"),
        (ADDRESS, "::ffff:0:0/96", "at least /8"),
    ],
)
def test_what_cannot_be_banned(kind: BanKind, given: str, text: str) -> None:
    with pytest.raises(MisuseError, match=text):
        whom_of(kind, given, "latin-1")


def test_the_longest_name_fits_into_the_table() -> None:
    whom = whom_of(CHARACTER, "\xff" * 64, "latin-1")
    check_name(field_of(whom))
    entry = make_entry(whom, "latin-1", reason="\U0001f600" * 200, by="\x80" * 99, since=1.0, seconds=60)
    raw = encode_entry(entry)
    assert len(raw) <= MAX_KEPT_BYTES
    assert decode_ban(field_of(whom), raw, "latin-1") == (whom, entry)


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf"), 4e9])
def test_impossible_times_are_refused(seconds: float) -> None:
    with pytest.raises(MisuseError, match="hundred years"):
        make_entry(Banned(ACCOUNT, b"a"), "latin-1", reason="", by="", since=1.0, seconds=seconds)


def test_a_long_reason_is_refused() -> None:
    with pytest.raises(MisuseError, match="201 characters: at most 200"):
        make_entry(Banned(ACCOUNT, b"a"), "latin-1", reason="x" * 201, by="", since=1.0, seconds=0)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("account", GOOD),
        ("account:", GOOD),
        ("guild:x", GOOD),
        ("Account:x", GOOD),
        ("account:Anna", GOOD),  # nobody would find it under that name
        ("account:%41nna", GOOD),
        ("account:a%zz", GOOD),
        ("account:a%0a", GOOD),
        ("account:" + "a" * 65, GOOD),
        ("address:203.0.113.7", GOOD),
        ("address:203.0.113.7/24", GOOD),
        ("address:0.0.0.0/0", GOOD),
        ("address:::ffff:203.0.113.7/128", GOOD),
        ("account:a", b""),
        ("account:a", b"[]"),
        ("account:a", b"\xff"),
        ("account:a", b'{"until":NaN}'),
        ("account:a", b'{"until":1e999}'),
        ("account:a", b'{"until":-1}'),
        ("account:a", b'{"until":"9"}'),
        ("account:a", b'{"until":true}'),
        ("account:a", b'{"reason":7}'),
        ("account:a", b'{"reason":"%s"}' % (b"x" * 201)),
        ("account:a", b'{"reason":"%s"}' % (b"x" * 5000)),
        ("account:a", b'{"reason":"\\ud800"}'),
        ("account:a", b"[" * 4000),
    ],
)
def test_foreign_fields_are_refused(field: str, value: bytes) -> None:
    with pytest.raises(MisuseError):
        decode_ban(field, value, "latin-1")


def test_what_a_later_version_adds_is_not_looked_at() -> None:
    _, entry = decode_ban("account:a", b'{"until":9,"more":[1]}', "latin-1")
    assert entry == BanEntry(ACCOUNT, "a", until=9.0)


@given(st.text(max_size=40), st.binary(max_size=60))
def test_any_field_is_a_ban_or_refused(field: str, value: bytes) -> None:
    for name in (field, f"account:{field}", f"address:{field}"):
        try:
            whom, entry = decode_ban(name, value, "latin-1")
        except MisuseError:
            continue
        assert field_of(whom) == name
        assert decode_ban(name, encode_entry(entry), "latin-1") == (whom, entry)


@given(st.binary(min_size=1, max_size=64), st.sampled_from([ACCOUNT, HARDWARE, CHARACTER]))
def test_any_name_on_the_wire_can_be_banned_and_read_again(raw: bytes, kind: BanKind) -> None:
    if any(byte < 32 or byte == 127 for byte in raw):
        return
    whom = whom_of(kind, raw.decode("ascii", "surrogateescape"), "ascii")
    assert whom == Banned(kind, raw)
    assert decode_ban(field_of(whom), GOOD, "ascii")[0] == whom


@pytest.mark.parametrize(
    ("prefix", "address", "is_covered"),
    [
        ("203.0.113.0/24", "203.0.113.9", True),
        ("203.0.113.0/24", "::ffff:203.0.113.9", True),
        ("203.0.113.0/24", "203.0.114.9", False),
        ("203.0.113.0/24", "cb00:7100::", False),
        ("2001:db8::/32", "2001:db8:5::1", True),
        ("2001:db8::/32", "2001:db9::", False),
    ],
)
def test_which_addresses_a_network_covers(prefix: str, address: str, is_covered: bool) -> None:
    assert covers(whom_of(ADDRESS, prefix, "latin-1"), ip_address(address)) is is_covered


@pytest.mark.parametrize(
    ("until", "reason", "text"),
    [
        (0.0, "", "You are banned."),
        (0.0, "bots", "You are banned: bots"),
        (1_790_000_040.0, "", "You are banned until 2026-09-21 14:14 UTC."),
        (1_790_000_041.0, "bots", "You are banned until 2026-09-21 14:15 UTC: bots"),
        (1e300, "", "You are banned until 9999-12-31 00:00 UTC."),
    ],
)
def test_what_players_read(until: float, reason: str, text: str) -> None:
    assert ban_text(BanEntry(ACCOUNT, "a", reason, until=until)) == text


def test_texts_are_one_line() -> None:
    assert readable(" a\r\n\x00b\udcff\u2028 c ") == "a b c"
