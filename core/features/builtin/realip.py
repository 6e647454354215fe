"""Realip: gives the game server the player's address, because it sees the relay's only.

``proxy_v1`` and ``proxy_v2`` write a PROXY header before the first byte of the connection; its layouts stand in the
specification by its authors (haproxy.org, ``doc/proxy-protocol.txt``). The other two change the login (431), as
relays of this game do: an address behind the hardware address, or a number before the login's magic word.
"""

from __future__ import annotations

import hashlib
import struct
from ipaddress import IPv4Address, IPv6Address
from typing import Literal

from pydantic import Field

from core.features import Direction, Feature, RawPacket, Session, Settings, Verdict, handles_opcode
from games.packet import Packet
from games.pko.connection import Login, LoginHashed, LoginWithAddress
from wire.errors import PacketFault

Address = IPv4Address | IPv6Address

LONGEST_ADDRESS_BYTES = 39
"""An IPv6 address in full."""

HASH_DIGITS = 23
"""As long as a hardware address is: no server that takes those has less room."""

PSEUDO_NETWORK = int(IPv4Address("240.0.0.0"))
PSEUDO_ADDRESSES = (1 << 28) - 1
"""240.0.0.0/4 is reserved: nobody has such an address. The last one, for broadcasts, is left out."""

_V2_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_V2_PROXY = 0x21
_V2_TCP4, _V2_TCP6 = 0x11, 0x21
_V2_FIXED = struct.Struct(">12sBBH")

_FIELDS_BEFORE_MAC: dict[type[Packet], int] = {Login: 3, LoginWithAddress: 3, LoginHashed: 2}
"""Strings and sequences, each with its length before it."""


class RealipSettings(Settings):
    """See docs/features/realip.md."""

    mode: Literal["proxy_v1", "proxy_v2", "hardware_suffix", "login_u32"] = Field(
        description="how the game server is told"
    )
    separator: str = Field(
        default=";",
        pattern=r"^[!-&(-\[\]-~]{1,2}$",
        description="hardware_suffix: what stands between both; one or two signs, not ' or \\",
    )
    limit_bytes: int = Field(
        default=64, ge=48, le=255, description="hardware_suffix: longest text the game server has room for"
    )
    too_long: Literal["hash", "keep"] = Field(
        default="hash", description="hardware_suffix: what becomes of a hardware address that leaves no room"
    )
    ipv6: Literal["pseudo", "zero"] = Field(default="pseudo", description="login_u32: what an IPv6 player gets")
    reversed_bytes: bool = Field(default=False, description="login_u32: write the address with its last byte first")


class Realip(Feature):
    """See the module."""

    settings: RealipSettings

    _has_warned = False

    def preface(self, session: Session) -> bytes:
        """Return the PROXY header."""
        peer = session.peer
        ends = (plain(peer.address), peer.port, plain(peer.listen_address), peer.listen_port)
        if self.settings.mode == "proxy_v1":
            return proxy_v1(*ends)
        return proxy_v2(*ends) if self.settings.mode == "proxy_v2" else b""

    @handles_opcode(431, Direction.SERVERBOUND, game="pko")
    def logs_in(self, session: Session, packet: RawPacket) -> Verdict:
        """Put the address into the login."""
        mode = self.settings.mode
        if mode not in ("hardware_suffix", "login_u32"):
            return None
        login = _decode(packet.body)
        if login is None:  # of a fork whose login nobody has described
            self._warn("this login is not known, so the address cannot be put into it", mode)
            return None
        address = plain(session.address)
        if mode == "hardware_suffix":
            return RawPacket(packet.opcode, self._with_suffix(login, packet.body, address), packet.direction)
        if isinstance(login, LoginHashed):
            self._warn("the login of this dialect has no place for a number; use hardware_suffix", mode)
            return None
        return LoginWithAddress(
            passport=login.passport,
            account=login.account,
            password=login.password,
            mac=login.mac,
            address=self._number_of(address),
            magic=login.magic,
            version=login.version,
        )

    def _with_suffix(self, login: Login | LoginWithAddress | LoginHashed, body: bytes, address: Address) -> bytes:
        """Return the login's body with the address behind the hardware address.

        The bytes are put together here, because no client may send the separator that servers know, and so the packet
        classes refuse it.
        """
        suffix = f"{self.settings.separator}{address}".encode("ascii")
        mac = login.mac
        if len(mac) + len(suffix) > self.settings.limit_bytes:
            if self.settings.too_long == "keep":
                return body
            mac = self._hashed(mac)
        start = 0
        for _ in range(_FIELDS_BEFORE_MAC[type(login)]):
            start += 2 + int.from_bytes(body[start : start + 2], "big")
        end = start + 2 + int.from_bytes(body[start : start + 2], "big")
        text = mac + suffix + b"\0"
        return body[:start] + len(text).to_bytes(2, "big") + text + body[end:]

    def _hashed(self, mac: bytes) -> bytes:
        """Return the same digits for the same hardware, whatever address it comes from."""
        room = self.settings.limit_bytes - len(self.settings.separator) - LONGEST_ADDRESS_BYTES
        return hashlib.sha256(mac).hexdigest()[: min(room, HASH_DIGITS)].encode("ascii")

    def _number_of(self, address: Address) -> int:
        if isinstance(address, IPv6Address):
            number = pseudo_ipv4(address) if self.settings.ipv6 == "pseudo" else 0
        else:
            number = int(address)
        return int.from_bytes(number.to_bytes(4, "little")) if self.settings.reversed_bytes else number

    def _warn(self, why: str, mode: str) -> None:
        if not self._has_warned:
            self._has_warned = True
            self.log.warning("realip_unused", why=why, mode=mode)


def plain(address: Address) -> Address:
    """Return an IPv4 address that is written as an IPv6 one as what it is, and one without its zone."""
    if isinstance(address, IPv6Address):
        return address.ipv4_mapped or IPv6Address(address.packed)
    return address


def proxy_v1(source: Address, source_port: int, destination: Address, destination_port: int) -> bytes:
    """Return the line."""
    source, destination = _alike(source, destination)
    family = f"TCP{source.version}"
    return f"PROXY {family} {source} {destination} {source_port} {destination_port}\r\n".encode("ascii")


def proxy_v2(source: Address, source_port: int, destination: Address, destination_port: int) -> bytes:
    """Return the binary header, without records."""
    source, destination = _alike(source, destination)
    family = _V2_TCP4 if source.version == 4 else _V2_TCP6
    ends = source.packed + destination.packed + struct.pack(">HH", source_port, destination_port)
    return _V2_FIXED.pack(_V2_SIGNATURE, _V2_PROXY, family, len(ends)) + ends


def pseudo_ipv4(address: IPv6Address) -> int:
    """Return a number of 240.0.0.0/4 that all addresses of a /64 share, because they are one household's."""
    digest = hashlib.sha256(address.packed[:8]).digest()
    return PSEUDO_NETWORK + int.from_bytes(digest[:8]) % PSEUDO_ADDRESSES


def _alike(source: Address, destination: Address) -> tuple[Address, Address]:
    """Return both in one family, as the header wants them: where one is IPv6, the other is written as such."""
    if source.version == destination.version:
        return source, destination
    return _as_ipv6(source), _as_ipv6(destination)


def _as_ipv6(address: Address) -> IPv6Address:
    return address if isinstance(address, IPv6Address) else IPv6Address(f"::ffff:{address}")


def _decode(body: bytes) -> Login | LoginWithAddress | LoginHashed | None:
    for cls in (Login, LoginWithAddress, LoginHashed):
        try:
            return cls.decode(body)
        except PacketFault:
            continue
    return None
