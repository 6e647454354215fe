"""Addresses and prefixes as bytes: how the edge compares where players come from.

Used by the guard, the lists and the settings. An IPv4 address has 4 bytes and an IPv6 address 16; an IPv4 address
in IPv6 clothes (``::ffff:203.0.113.5``) is an IPv4 address, so that nobody counts twice by how he dials.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_network
from socket import AF_INET, AF_INET6, inet_pton

_MAPPED = bytes(10) + b"\xff\xff"
_MAPPED_BITS = 96


@dataclass(frozen=True, slots=True)
class Prefix:
    """All addresses that begin with the same ``bits`` as ``network``, which has 4 or 16 bytes."""

    network: bytes
    bits: int


@lru_cache(maxsize=64)  # asked twice about each player, and of where he came in each time the same
def pack_address(host: str) -> bytes:
    """Return an address as 4 or 16 bytes; a scope (``%eth0``) does not count. Raises ValueError."""
    host = host.partition("%")[0]
    try:
        if ":" not in host:
            return inet_pton(AF_INET, host)
        packed = inet_pton(AF_INET6, host)
    except (OSError, ValueError) as error:  # ValueError: a NUL inside
        raise ValueError(f"{host!r} is not an IP address") from error
    return packed[len(_MAPPED) :] if packed.startswith(_MAPPED) else packed


def parse_prefix(text: str) -> Prefix:
    """Read ``203.0.113.0/24``, ``2001:db8::/32`` or a single address; raises ValueError with what would be right."""
    try:
        network = ip_network(text)
    except ValueError as error:
        raise ValueError(_what_is_wrong(text)) from error
    packed, bits = network.network_address.packed, network.prefixlen
    if packed.startswith(_MAPPED) and bits >= _MAPPED_BITS:
        return Prefix(packed[len(_MAPPED) :], bits - _MAPPED_BITS)
    return Prefix(packed, bits)


def _what_is_wrong(text: str) -> str:
    try:
        meant = ip_network(text, strict=False)
    except ValueError:
        return f"{text!r} is neither an address nor a prefix such as 203.0.113.0/24 or 2001:db8::/32"
    return f"{text!r} is an address inside a prefix: write {meant} for all of it, or the address alone"


class PrefixSet:
    """Prefixes to look an address up in; takes one look per different length of prefix."""

    def __init__(self, prefixes: Iterable[Prefix] = ()) -> None:
        by_shift: dict[tuple[int, int], set[int]] = {}
        for prefix in prefixes:
            shift = 8 * len(prefix.network) - prefix.bits
            by_shift.setdefault((len(prefix.network), shift), set()).add(int.from_bytes(prefix.network) >> shift)
        self._by_size = {
            size: tuple((shift, frozenset(found)) for (wide, shift), found in by_shift.items() if wide == size)
            for size in (4, 16)
        }
        self._count = sum(len(found) for found in by_shift.values())

    def __len__(self) -> int:
        return self._count

    def covers(self, address: bytes) -> bool:
        """Whether a packed address is in one of the prefixes."""
        number = int.from_bytes(address)
        return any(number >> shift in networks for shift, networks in self._by_size[len(address)])
