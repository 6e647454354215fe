"""Which address may try a handshake now: those that keep failing may not, and strangers give way to those known.

Called by `fleet.tls.gate` for each connection before anything is made for it. It keeps no sockets and no clock: ``now``
is an argument, in seconds. Memory is bounded whatever comes.
"""

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass

FAILURES_PER_SECOND = 2.0
FAILURES_BURST = 5.0
"""What one address may get wrong; an edge with a stale certificate tries again every few seconds."""

STRANGERS_FAILURES_PER_SECOND = 50.0
STRANGERS_FAILURES_BURST = 100.0
"""What all strangers together may get wrong: at a millisecond or so a handshake, a twentieth of a processor core."""

MAX_ADDRESSES = 4096
"""Of each kind: those that have once got in, and those that have not."""

IPV6_BITS = 64
"""One household or machine has a /64 of addresses for itself."""


@dataclass(slots=True)
class Budget:
    """Failures that are left, and when that was so."""

    rate: float
    burst: float
    left: float
    at_seconds: float

    def refresh(self, now: float) -> float:
        """Return what is left now."""
        self.left = min(self.burst, self.left + max(0.0, now - self.at_seconds) * self.rate)
        self.at_seconds = now
        return self.left


class Attempts:
    """Failures of each address, and who is known."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, Budget] = OrderedDict()
        self._strangers: OrderedDict[str, Budget] = OrderedDict()
        self._all_strangers = Budget(
            STRANGERS_FAILURES_PER_SECOND, STRANGERS_FAILURES_BURST, STRANGERS_FAILURES_BURST, 0.0
        )

    def __len__(self) -> int:
        return len(self._known) + len(self._strangers)

    def is_known(self, host: str) -> bool:
        """Whether somebody has got in from an address before."""
        return source_of(host) in self._known

    def may_try(self, host: str, now: float) -> bool:
        """Whether an address may try a handshake."""
        source = source_of(host)
        known = self._known.get(source)
        if known is not None:
            return known.refresh(now) >= 1.0
        if self._all_strangers.refresh(now) < 1.0:
            return False
        budget = self._strangers.get(source)
        return budget is None or budget.refresh(now) >= 1.0

    def failed(self, host: str, now: float) -> None:
        """Take note of a handshake that went wrong."""
        source = source_of(host)
        table = self._known if source in self._known else self._strangers
        if table is self._strangers:
            self._all_strangers.refresh(now)
            self._all_strangers.left = max(0.0, self._all_strangers.left - 1.0)
        budget = self._budget(table, source, now)
        budget.left = max(0.0, budget.refresh(now) - 1.0)

    def succeeded(self, host: str, now: float) -> None:
        """Take note of somebody who got in; what failed from there before stays noted."""
        source = source_of(host)
        budget = self._strangers.pop(source, None)
        if budget is not None:
            self._known[source] = budget
        self._budget(self._known, source, now)

    def _budget(self, table: "OrderedDict[str, Budget]", source: str, now: float) -> Budget:
        budget = table.get(source)
        if budget is None:
            if len(table) >= MAX_ADDRESSES:
                table.popitem(last=False)
            budget = table[source] = Budget(FAILURES_PER_SECOND, FAILURES_BURST, FAILURES_BURST, now)
        table.move_to_end(source)
        return budget


def source_of(host: str) -> str:
    """Return what counts as one address: an IPv4 address, or an IPv6 network."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((address, IPV6_BITS), strict=False).network_address)
