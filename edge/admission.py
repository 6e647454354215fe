"""The guard at the door: decides about each connection before anything is done for it.

Called by `edge.door` with an address and the time; knows no sockets. The limits hold for all workers of an edge
together (`edge.shared_counts`). Order of the checks: allowed addresses pass, denied and banned ones do not, then how
many connections the address and its prefix have, then how fast they come. A refused connection costs nobody's
allowance. It also knows which names do not play, for the guards of the sessions (`edge.denied_names`).

Rates are kept by the generic cell rate algorithm: one number per prefix, the time until which its accepts are paid
for. An accept moves it on by 1/rate; one that would move it further than a burst ahead of now is refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from edge.access_lists import AccessLists
from edge.bans import BanBook, BanBooks
from edge.prefixes import PrefixSet
from edge.shared_counts import SharedCounts
from wire.reasons import Reason

Permit = tuple[bytes, ...]
"""What an admitted connection was counted under; given back by `Admission.release`."""

REASONS = {
    "account": Reason.CLIENT_ACCOUNT_DENIED,
    "hardware": Reason.CLIENT_HARDWARE_DENIED,
    "character": Reason.CLIENT_CHARACTER_DENIED,
}
"""Why a name of a kind (`wire.steps.CAPTURES`) does not play."""

_NOBODY: frozenset[bytes] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much one address, one prefix and everybody may have; 0 is no limit.

    An address is an IPv4 address or an IPv6 /64, inside which a single machine may choose freely. A prefix is an
    IPv4 /24 or an IPv6 prefix of ``ipv6_prefix_bits``.
    """

    per_address: int = 16
    per_prefix: int = 256
    ipv6_prefix_bits: int = 48
    prefix_accepts_per_second: float = 20.0
    prefix_accepts_burst: int = 40
    accepts_per_second: float = 500.0
    accepts_burst: int = 1000


class Admission:
    """One process's view of who may come in.

    ``exempt`` addresses are not limited; ``lists`` may be replaced, and ``bans`` change as the core says.
    """

    def __init__(
        self,
        limits: Limits,
        exempt: PrefixSet,
        lists: AccessLists,
        counts: SharedCounts,
        bans: BanBook | BanBooks | None = None,
    ) -> None:
        self.lists = lists
        self.bans: BanBook | BanBooks = BanBook() if bans is None else bans
        self._limits = limits
        self._exempt = exempt
        self._counts = counts

    def admit(self, address: bytes, now_seconds: float) -> Permit | Reason:
        """Let a packed address in and count it, or say why not.

        ``now_seconds`` is of a clock that all workers share.
        """
        if self.is_denied(address):
            return Reason.CLIENT_ADDRESS_DENIED
        if self._exempt.covers(address) or self.lists.allowed.covers(address):
            return ()
        counts = self._counts
        permit = counts.key_of(b"a", self._address_part(address)), counts.key_of(b"p", self._prefix_part(address))
        with counts.locked():
            reason = self._refusal(permit, now_seconds)
            if reason is not None:
                return reason
            if not counts.add(permit[0]):
                return Reason.SESSION_LIMIT
            if not counts.add(permit[1]):
                counts.remove(permit[0])
                return Reason.SESSION_LIMIT
            self._pay(permit[1], now_seconds)
        return permit

    def admit_again(self, address: bytes) -> Permit:
        """Count somebody who is in already, whatever the limits say; another process had counted him."""
        if self._exempt.covers(address) or self.lists.allowed.covers(address):
            return ()
        counts = self._counts
        permit = counts.key_of(b"a", self._address_part(address)), counts.key_of(b"p", self._prefix_part(address))
        with counts.locked():
            return tuple(key for key in permit if counts.add(key))

    def is_denied(self, address: bytes) -> bool:
        """Whether the lists or the bans keep a packed address out; the allow list wins."""
        if not self.lists.denied.covers(address):
            return self.ban_of_address(address) is not None
        return not self.lists.allowed.covers(address)

    def is_name_denied(self, kind: str, name: bytes) -> bool:
        """The same for a name in small letters, of a kind (`wire.steps.CAPTURES`)."""
        return name in self.lists.denied_names.get(kind, _NOBODY) or self.ban_of_name(kind, name) is not None

    def ban_of_address(self, address: bytes) -> bytes | None:
        """Return the frames that tell a packed address of its ban, maybe none; None when it is not banned."""
        notice = self.bans.address_notice(address)
        return None if notice is None or self.lists.allowed.covers(address) else notice

    def ban_of_name(self, kind: str, name: bytes) -> bytes | None:
        """The same for a name in small letters."""
        notice = self.bans.name_notice(kind, name)
        return None if notice is None or name in self.lists.allowed_names.get(kind, _NOBODY) else notice

    def find_against(self, address: bytes, identity: Mapping[str, bytes]) -> Reason | None:
        """Say why a player who is in may not stay: his address by lists and bans, what he plays as by bans.

        ``identity`` is that, by kind. Names on the lists count at the next login only.
        """
        if self.is_denied(address):
            return Reason.CLIENT_ADDRESS_DENIED
        for kind, name in identity.items():
            if self.ban_of_name(kind, name.lower()) is not None:
                return REASONS[kind]
        return None

    def release(self, permit: Permit) -> None:
        """Give back what `admit` counted."""
        for key in permit:
            self._counts.remove(key)

    def _refusal(self, permit: Permit, now_seconds: float) -> Reason | None:
        limits, counts = self._limits, self._counts
        address, prefix = permit
        if limits.per_address and counts.held(address) >= limits.per_address:
            return Reason.CLIENT_ADDRESS_LIMIT
        if limits.per_prefix and counts.held(prefix) >= limits.per_prefix:
            return Reason.CLIENT_PREFIX_LIMIT
        rate, burst = limits.prefix_accepts_per_second, limits.prefix_accepts_burst
        if rate and _paid_next(counts.paid_until(prefix), rate, now_seconds) > now_seconds + burst / rate:
            return Reason.CLIENT_ACCEPT_RATE
        rate, burst = limits.accepts_per_second, limits.accepts_burst
        if rate and _paid_next(counts.all_paid_until, rate, now_seconds) > now_seconds + burst / rate:
            return Reason.EDGE_ACCEPT_RATE
        return None

    def _pay(self, prefix: bytes, now_seconds: float) -> None:
        limits, counts = self._limits, self._counts
        if limits.prefix_accepts_per_second:
            paid = _paid_next(counts.paid_until(prefix), limits.prefix_accepts_per_second, now_seconds)
            counts.pay_until(prefix, paid)
        if limits.accepts_per_second:
            counts.all_paid_until = _paid_next(counts.all_paid_until, limits.accepts_per_second, now_seconds)

    def _address_part(self, address: bytes) -> bytes:
        return address[:8] if len(address) == 16 else address

    def _prefix_part(self, address: bytes) -> bytes:
        if len(address) == 4:
            return address[:3]
        return (int.from_bytes(address) >> (128 - self._limits.ipv6_prefix_bits)).to_bytes(8)


_ROUNDING_SECONDS = 1e-9


def _paid_next(paid_until: float, per_second: float, now_seconds: float) -> float:
    """Return until when accepts are paid for after one more; the rounding of the sum is in the accept's favour."""
    return max(paid_until, now_seconds) + 1 / per_second - _ROUNDING_SECONDS
