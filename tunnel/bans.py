"""Bans as values: whom they keep out, for how long, and what the player is shown.

Made by the core, which knows why somebody is banned, and obeyed by every edge (`edge.bans`), which only knows that.
Their form on the wire is in `tunnel.bans_codec`.
"""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address
from math import isfinite

from wire.errors import FrameFault, MisuseError
from wire.layout import FrameLayout
from wire.scanner import split_frames
from wire.steps import CAPTURES

ADDRESS = "address"
KINDS = (ADDRESS, *CAPTURES)

MAX_BANS = 100_000
"""Held by an edge worker at most, and by a core. Where many share a notice they take 19 MiB (measured), where
each has the longest name and notice about 150 MiB."""

MAX_NOTICE_BYTES = 1024
MAX_NAME_BYTES = 256
MAX_BAN_SECONDS = 100 * 366 * 86_400.0

_MAPPED = bytes(10) + b"\xff\xff"
_MAPPED_BITS = 96


@dataclass(frozen=True, slots=True)
class Banned:
    """Whom a ban keeps out: everybody in a network, or who plays under a name of a kind (`wire.steps.CAPTURES`).

    ``value`` is a name as it is on the wire, kept in small letters (A to Z only), or the 4 or 16 bytes of a
    network's address, of which ``bits`` count. Raises MisuseError for anything else.
    """

    kind: str
    value: bytes
    bits: int = 0

    def __post_init__(self) -> None:
        if self.kind == ADDRESS:
            _check_network(self.value, self.bits)
        elif self.kind not in CAPTURES:
            raise MisuseError(f"a ban by {self.kind!r}: {', '.join(KINDS)} are possible")
        elif self.bits:
            raise MisuseError(f"{self.kind} with {self.bits} bits, which only networks have")
        elif not 1 <= len(self.value) <= MAX_NAME_BYTES:
            raise MisuseError(f"{self.kind} of {len(self.value)} bytes: 1 to {MAX_NAME_BYTES} are possible")
        else:
            object.__setattr__(self, "value", self.value.lower())

    def __hash__(self) -> int:
        return hash(self.value)  # a third of the time of what a dataclass does, and there may be 100,000


@dataclass(frozen=True, slots=True)
class Ban:
    """Keeps somebody out for ``seconds_left``, 0 for ever.

    ``notice`` is whole clientbound frames that show the player why; empty for what the policy says to denied players.
    """

    whom: Banned
    seconds_left: float = 0.0
    notice: bytes = b""

    def __post_init__(self) -> None:
        if not (isfinite(self.seconds_left) and 0 <= self.seconds_left <= MAX_BAN_SECONDS):
            raise MisuseError(f"a ban of {self.seconds_left} s: at most a hundred years are possible, and 0 for ever")
        if len(self.notice) > MAX_NOTICE_BYTES:
            raise MisuseError(f"a ban's notice of {len(self.notice)} bytes: at most {MAX_NOTICE_BYTES} are possible")


@dataclass(frozen=True, slots=True)
class BanChanges:
    """What one message says: ``removed`` go first, then ``added`` come.

    ``resets`` begins a set of all bans, which takes the place of the old one once ``is_complete``.
    """

    added: tuple[Ban, ...] = ()
    removed: tuple[Banned, ...] = ()
    resets: bool = False
    is_complete: bool = False


def banned_network(network: IPv4Network | IPv6Network) -> Banned:
    """Return whom a ban of a network meets; an IPv4 network in IPv6 clothes (``::ffff:…``) is an IPv4 network."""
    packed, bits = network.network_address.packed, network.prefixlen
    if packed.startswith(_MAPPED) and bits >= _MAPPED_BITS:
        return Banned(ADDRESS, packed[len(_MAPPED) :], bits - _MAPPED_BITS)
    return Banned(ADDRESS, packed, bits)


def describe_banned(whom: Banned) -> str:
    """Name somebody who is banned, for people."""
    if whom.kind == ADDRESS:
        return f"{ADDRESS} {ip_address(whom.value)}/{whom.bits}"
    return f"{whom.kind} {whom.value.decode('ascii', 'backslashreplace')}"


def check_notice(notice: bytes, layout: FrameLayout) -> None:
    """Raise FrameFault unless a notice is whole frames that the game's client may get."""
    try:
        split_frames(layout, notice)
    except FrameFault as fault:
        raise FrameFault(
            f"in a ban's notice: {fault.rule}",
            length_bytes=fault.length_bytes,
            stream_offset_bytes=fault.stream_offset_bytes,
        ) from fault


def _check_network(value: bytes, bits: int) -> None:
    wide = 8 * len(value)
    if wide not in (32, 128):
        raise MisuseError(f"a network's address of {len(value)} bytes where 4 or 16 belong")
    if not 0 <= bits <= wide:
        raise MisuseError(f"a network of {bits} bits: 0 to {wide} are possible")
    if bits < wide and int.from_bytes(value) & ((1 << wide - bits) - 1):
        raise MisuseError(f"{ip_address(value)}/{bits} is an address inside a network, not the network's own")
