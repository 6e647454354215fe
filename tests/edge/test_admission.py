"""The guard: limits by address and prefix, rates, lists, and what a /64 counts for."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.access_lists import AccessLists
from edge.admission import Admission, Limits, Permit
from edge.prefixes import PrefixSet, pack_address, parse_prefix
from edge.shared_counts import private_counts
from wire.reasons import Reason

ENDLESS = Limits(per_address=0, per_prefix=0, prefix_accepts_per_second=0, accepts_per_second=0)


def prefixes(*texts: str) -> PrefixSet:
    return PrefixSet(map(parse_prefix, texts))


def admission(limits: Limits, *, exempt: PrefixSet | None = None, lists: AccessLists | None = None) -> Admission:
    return Admission(limits, exempt or PrefixSet(), lists or AccessLists(), private_counts(2000))


def outcomes(guard: Admission, *addresses: str, now: float = 1000.0) -> list[str]:
    """``in``, or the reason why not, for one address after the other."""
    results = [guard.admit(pack_address(address), now) for address in addresses]
    return [result.value if isinstance(result, Reason) else "in" for result in results]


IN, BY_ADDRESS, BY_PREFIX = "in", Reason.CLIENT_ADDRESS_LIMIT.value, Reason.CLIENT_PREFIX_LIMIT.value
ROWS = [
    ("one address", ["192.0.2.1"] * 3, [IN, IN, BY_ADDRESS]),
    ("another address of the /24", ["192.0.2.1", "192.0.2.1", "192.0.2.2"], [IN, IN, IN]),
    ("a full /24", [f"192.0.2.{last}" for last in range(4)], [IN, IN, IN, BY_PREFIX]),
    ("the next /24", ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.3.1"], [IN, IN, IN, IN]),
    ("in IPv6 clothes", ["192.0.2.1", "::ffff:192.0.2.1", "::ffff:c000:201"], [IN, IN, BY_ADDRESS]),
    ("rotating inside a /64", [f"2001:db8:0:1::{last:x}" for last in range(3)], [IN, IN, BY_ADDRESS]),
    ("another /64", ["2001:db8:0:1::1"] * 2 + ["2001:db8:0:2::1"], [IN, IN, IN]),
    ("/64s of a /48", [f"2001:db8:0:{net:x}::1" for net in range(4)], [IN, IN, IN, BY_PREFIX]),
    ("the next /48", [*(f"2001:db8:0:{net:x}::1" for net in range(3)), "2001:db8:1::1"], [IN, IN, IN, IN]),
    ("no IPv6 prefix is an IPv4 one", ["c000:200::1", "192.0.2.1", "192.0.2.2", "192.0.2.3"], [IN, IN, IN, IN]),
]


@pytest.mark.parametrize(("addresses", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_connections_are_limited_by_address_and_prefix(addresses: list[str], expected: list[str]) -> None:
    guard = admission(Limits(per_address=2, per_prefix=3, prefix_accepts_per_second=0, accepts_per_second=0))
    assert outcomes(guard, *addresses) == expected


def test_what_is_released_may_come_again() -> None:
    guard = admission(Limits(per_address=1, prefix_accepts_per_second=0))
    permit = guard.admit(pack_address("192.0.2.1"), 0.0)
    assert not isinstance(permit, Reason)
    assert outcomes(guard, "192.0.2.1") == [BY_ADDRESS]
    guard.release(permit)
    assert outcomes(guard, "192.0.2.1", "192.0.2.1") == [IN, BY_ADDRESS]


def test_zero_is_no_limit() -> None:
    assert set(outcomes(admission(ENDLESS), *["192.0.2.1"] * 1500)) == {IN}


def test_a_prefix_has_a_rate_of_its_own() -> None:
    guard = admission(Limits(per_address=0, per_prefix=0, prefix_accepts_per_second=20, prefix_accepts_burst=40))
    flood = outcomes(guard, *[f"192.0.2.{number % 256}" for number in range(100)])
    assert flood == [IN] * 40 + [Reason.CLIENT_ACCEPT_RATE.value] * 60
    assert outcomes(guard, "192.0.3.1") == [IN]
    assert outcomes(guard, *["192.0.2.1"] * 2, now=1000.051) == [IN, Reason.CLIENT_ACCEPT_RATE.value]
    assert outcomes(guard, *["192.0.2.1"] * 50, now=1100.0).count(IN) == 40


def test_everybody_together_has_a_rate() -> None:
    guard = admission(Limits(accepts_per_second=10, accepts_burst=5))
    crowd = outcomes(guard, *[f"192.0.{number}.1" for number in range(8)])
    assert crowd == [IN] * 5 + [Reason.EDGE_ACCEPT_RATE.value] * 3


def test_who_is_over_his_own_rate_does_not_use_up_everybodys() -> None:
    guard = admission(
        Limits(prefix_accepts_per_second=1, prefix_accepts_burst=1, accepts_per_second=1, accepts_burst=3)
    )
    outcomes(guard, *["192.0.2.1"] * 50)
    assert outcomes(guard, "192.0.3.1", "192.0.4.1") == [IN, IN]


@given(st.lists(st.floats(0, 0.2), min_size=50, max_size=300), st.sampled_from([1.0, 7.5, 20.0]), st.integers(1, 40))
def test_a_rate_is_held_exactly_over_any_time(pauses: list[float], rate: float, burst: int) -> None:
    guard = admission(replace(ENDLESS, prefix_accepts_per_second=rate, prefix_accepts_burst=burst))
    now, admitted = 500.0, 0
    for pause in pauses:
        now += pause
        admitted += not isinstance(guard.admit(bytes(4), now), Reason)
    assert admitted <= burst + rate * (now - 500.0) + 1e-3
    assert admitted >= min(len(pauses), burst)


LISTED = AccessLists(denied=prefixes("192.0.2.0/24", "2001:db8::/32"), allowed=prefixes("192.0.2.7"))


def test_the_lists_come_first() -> None:
    guard = admission(Limits(per_address=1), lists=LISTED)
    assert outcomes(guard, "192.0.2.1", "::ffff:192.0.2.1", "2001:db8:5::1") == [Reason.CLIENT_ADDRESS_DENIED.value] * 3
    assert outcomes(guard, *["192.0.2.7"] * 5) == [IN] * 5
    assert outcomes(guard, *["192.0.3.1"] * 2) == [IN, BY_ADDRESS]
    guard.lists = AccessLists()
    assert outcomes(guard, "192.0.2.1") == [IN]


def test_exempt_addresses_are_not_limited_and_can_be_denied() -> None:
    guard = admission(Limits(per_address=1), exempt=prefixes("192.0.0.0/16"), lists=LISTED)
    assert outcomes(guard, *["192.0.3.1"] * 5) == [IN] * 5
    assert outcomes(guard, "192.0.2.1") == [Reason.CLIENT_ADDRESS_DENIED.value]


def test_where_the_memory_has_no_room_the_connection_is_refused_and_nothing_is_kept() -> None:
    guard = Admission(ENDLESS, PrefixSet(), AccessLists(), private_counts(1))
    permits: list[Permit] = []
    while not isinstance(result := guard.admit(len(permits).to_bytes(4), 0.0), Reason):
        permits.append(result)
        assert len(permits) < 100
    assert result is Reason.SESSION_LIMIT
    guard.release(permits[0])
    assert not isinstance(guard.admit(bytes(4), 0.0), Reason)
