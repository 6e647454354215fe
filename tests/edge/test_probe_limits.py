"""How many probes are answered: for one prefix, for all, and that a flood of prefixes needs no memory."""

from ipaddress import ip_address

import pytest

from edge.probe_limits import PLACES, ProbeLimits, ProbeRates

LIMITS = ProbeLimits(prefix_per_second=10, prefix_burst=5, per_second=100, burst=50)
ONE, NEIGHBOUR, STRANGER = (ip_address(each).packed for each in ("192.0.2.1", "192.0.2.200", "198.51.100.1"))


def taken(rates: ProbeRates, address: bytes, times: int, now: float) -> int:
    return sum(rates.take(address, now) for _ in range(times))


def test_a_prefix_has_its_burst_and_then_its_rate() -> None:
    rates = ProbeRates(LIMITS)
    assert taken(rates, ONE, 20, 100.0) == 5
    assert taken(rates, NEIGHBOUR, 20, 100.0) == 0
    assert taken(rates, STRANGER, 20, 100.0) == 5
    assert taken(rates, NEIGHBOUR, 20, 100.2001) == 2
    assert taken(rates, ONE, 20, 200.0) == 5


@pytest.mark.parametrize(
    ("address", "neighbour"), [("2001:db8:1::1", "2001:db8:1:ffff::9"), ("203.0.113.9", "203.0.113.255")]
)
def test_what_counts_as_one_prefix(address: str, neighbour: str) -> None:
    rates = ProbeRates(LIMITS)
    assert taken(rates, ip_address(address).packed, 9, 1.0) == 5
    assert taken(rates, ip_address(neighbour).packed, 9, 1.0) == 0


def test_all_together_have_a_rate_too() -> None:
    rates = ProbeRates(LIMITS)
    addresses = [bytes((10, number // 256, number % 256, 1)) for number in range(500)]
    assert sum(rates.take(each, 1.0) for each in addresses) == 50
    assert sum(rates.take(each, 1.1001) for each in addresses[:20]) == 10


def test_a_flood_of_prefixes_keeps_few_others_out() -> None:
    rates = ProbeRates(ProbeLimits(prefix_per_second=1, prefix_burst=1, per_second=1e9, burst=10**9))
    for number in range(PLACES // 4):
        rates.take(number.to_bytes(4)[1:] + b"\1", 1.0)
    fresh = [b"\xff" + number.to_bytes(2) + b"\1" for number in range(1000)]
    assert sum(rates.take(each, 1.0) for each in fresh) > 700
