"""The PROXY protocol's header, versions 1 and 2: how a load balancer says whom it brings.

A pure function over the bytes so far, called by `edge.player_link`. What stands here is from the protocol's
specification by its authors (haproxy.org, ``doc/proxy-protocol.txt``).

Version 1 is a line of at most 107 bytes, CRLF included::

    PROXY TCP4 192.0.2.7 198.51.100.1 56324 1973\\r\\n
    PROXY TCP6 2001:db8::7 2001:db8::1 56324 1973\\r\\n
    PROXY UNKNOWN …\\r\\n

Version 2:

======  ====  =========================================================================================
offset  size  what
======  ====  =========================================================================================
0       12    ``0D 0A 0D 0A 00 0D 0A 51 55 49 54 0A``
12      1     version 2 (high half); command (low half): 0 LOCAL, 1 PROXY
13      1     family (high half): 0 none, 1 IPv4, 2 IPv6, 3 UNIX; transport (low half): 0 none, 1 stream, 2 datagram
14      2     bytes behind this, big-endian
16      …     source address, destination address, source port, destination port
…       …     records of type (1), length (2, big-endian) and value, of which only the checksum (type 3) is read
======  ====  =========================================================================================

A header that names no TCP addresses (LOCAL, UNKNOWN, no family, UNIX, datagram) is a good one: the connection counts
as the balancer's own, as the specification asks. What does not match exactly is refused.
"""

import re
import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from edge.edge_tunnel import SocketAddress
from wire.errors import PeerFault

MAX_V1_BYTES = 107
MAX_V2_BYTES = 4096
"""Addresses take 52 bytes; the rest is room for the records of balancers, which take some hundred at most."""

_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_V1_START = b"PROXY "
_V1_LINE = re.compile(rb"PROXY TCP([46]) ([0-9a-fA-F:.]{2,39}) ([0-9a-fA-F:.]{2,39}) ([0-9]{1,5}) ([0-9]{1,5})")
_V2_FIXED = struct.Struct(">12sBBH")
_V2_VERSION = 2
_LOCAL, _PROXY = 0, 1
_FAMILIES = {1: struct.Struct(">4s4sHH"), 2: struct.Struct(">16s16sHH")}
_LAST_FAMILY, _LAST_TRANSPORT, _STREAM = 3, 2, 1
_CHECKSUM_RECORD = 3


class ProxyFault(PeerFault):
    """What a listed sender sent is no PROXY header."""

    code = "proxy_header"


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """A whole header. Without addresses the connection is the sender's own."""

    size_bytes: int
    source: SocketAddress | None = None
    destination: SocketAddress | None = None


def read_proxy_header(data: bytes) -> ProxyHeader | None:
    """Read the header that ``data`` begins with; None while more is needed. Raises ProxyFault.

    More data changes neither a header nor a fault that was found.
    """
    if data.startswith(_SIGNATURE[: len(data)]):
        return _read_v2(data)
    if data.startswith(_V1_START[: len(data)]):
        return _read_v1(data)
    raise ProxyFault("it does not begin as a PROXY header does")


def _read_v1(data: bytes) -> ProxyHeader | None:
    end = data.find(b"\r\n", 0, MAX_V1_BYTES)
    if end == -1:
        if len(data) >= MAX_V1_BYTES:
            raise ProxyFault(f"version 1: no end of the line within {MAX_V1_BYTES} bytes")
        return None
    size, line = end + 2, data[:end]
    if line == b"PROXY UNKNOWN" or line.startswith(b"PROXY UNKNOWN "):
        return ProxyHeader(size)
    found = _V1_LINE.fullmatch(line)
    if found is None:
        raise ProxyFault("version 1: the line is not PROXY, TCP4 or TCP6, two addresses and two ports")
    family, *rest = (part.decode("ascii") for part in found.groups())
    source, destination, source_port, destination_port = rest
    return ProxyHeader(size, _read_end(family, source, source_port), _read_end(family, destination, destination_port))


def _read_end(family: str, host: str, port: str) -> SocketAddress:
    """Read address and port of one end, as strictly as the specification writes them."""
    try:
        address = IPv4Address(host) if family == "4" else IPv6Address(host)
    except ValueError as error:
        raise ProxyFault(f"version 1: {host} is no IPv{family} address") from error
    if int(port) > 65535 or (port.startswith("0") and port != "0"):
        raise ProxyFault(f"version 1: {port} is no port")
    return SocketAddress(str(address), int(port))


def _read_v2(data: bytes) -> ProxyHeader | None:
    if len(data) < _V2_FIXED.size:
        return None
    _, version_command, family_transport, length = _V2_FIXED.unpack_from(data)
    version, command = divmod(version_command, 16)
    family, transport = divmod(family_transport, 16)
    size = _V2_FIXED.size + length
    if version != _V2_VERSION or command not in (_LOCAL, _PROXY):
        raise ProxyFault(f"version 2: version and command 0x{version_command:02x} are unknown")
    if command == _PROXY and (family > _LAST_FAMILY or transport > _LAST_TRANSPORT):
        raise ProxyFault(f"version 2: family and transport 0x{family_transport:02x} are unknown")
    if size > MAX_V2_BYTES:
        raise ProxyFault(f"version 2: {size} bytes, at most {MAX_V2_BYTES} are allowed")
    if len(data) < size:
        return None
    ends = _FAMILIES.get(family) if command == _PROXY and transport == _STREAM else None
    if ends is None:
        return ProxyHeader(size)
    records = _V2_FIXED.size + ends.size
    if size < records:
        raise ProxyFault(f"version 2: {length} bytes are too few for the addresses")
    _check_records(data[:size], records)
    source, destination, source_port, destination_port = ends.unpack_from(data, _V2_FIXED.size)
    return ProxyHeader(size, _make_end(source, source_port), _make_end(destination, destination_port))


def _make_end(packed: bytes, port: int) -> SocketAddress:
    return SocketAddress(str(IPv4Address(packed) if len(packed) == 4 else IPv6Address(packed)), port)


def _check_records(header: bytes, at: int) -> None:
    """Step over the records; raises ProxyFault when they do not end with the header or the checksum is wrong."""
    is_checked = False
    while at < len(header):
        if at + 3 > len(header):
            raise ProxyFault("version 2: a record is cut off")
        kind, length = header[at], int.from_bytes(header[at + 1 : at + 3])
        start, at = at + 3, at + 3 + length
        if at > len(header):
            raise ProxyFault("version 2: a record is longer than the header")
        if kind == _CHECKSUM_RECORD:
            if is_checked:  # each costs a pass over the header
                raise ProxyFault("version 2: more than one checksum")
            is_checked = True
            zeroed = header[:start] + bytes(length) + header[at:]
            if length != 4 or int.from_bytes(header[start:at]) != crc32c(zeroed):
                raise ProxyFault("version 2: the checksum is wrong")


def _crc32c_table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return tuple(table)


_CRC32C = _crc32c_table()


def crc32c(data: bytes) -> int:
    """Return the CRC-32C (Castagnoli) of RFC 4960, Appendix B: the one of ``b"123456789"`` is 0xE3069283."""
    value = 0xFFFFFFFF
    for byte in data:
        value = _CRC32C[(value ^ byte) & 0xFF] ^ (value >> 8)
    return value ^ 0xFFFFFFFF
