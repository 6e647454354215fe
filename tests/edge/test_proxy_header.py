"""The PROXY header: rows from the specification, every cut, and any bytes."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.edge_tunnel import SocketAddress
from edge.proxy_header import MAX_V1_BYTES, MAX_V2_BYTES, ProxyFault, ProxyHeader, crc32c, read_proxy_header

SIGNATURE = bytes.fromhex("0D0A0D0A000D0A515549540A")
IPV4_ENDS = bytes((192, 0, 2, 7, 198, 51, 100, 1)) + struct.pack(">HH", 56324, 1973)
IPV6_ENDS = bytes.fromhex("20010db8" + "0" * 23 + "7" + "20010db8" + "0" * 23 + "1") + struct.pack(">HH", 5, 6)
SOURCE, DESTINATION = SocketAddress("192.0.2.7", 56324), SocketAddress("198.51.100.1", 1973)
LAST_PORT = SocketAddress("1.1.1.1", 65535)
SOURCE_6, DESTINATION_6 = SocketAddress("2001:db8::7", 5), SocketAddress("2001:db8::1", 6)


def v2(body: bytes, *, version_command: int = 0x21, family: int = 0x11) -> bytes:
    return SIGNATURE + bytes((version_command, family)) + struct.pack(">H", len(body)) + body


def record(kind: int, value: bytes) -> bytes:
    return struct.pack(">BH", kind, len(value)) + value


def with_checksum(*, wrong: bool = False) -> bytes:
    header = v2(IPV4_ENDS + record(4, b"pad") + record(3, bytes(4)) + record(0xEA, b"\x01vpce-1"))
    at = header.index(record(3, bytes(4))) + 3
    return header[:at] + struct.pack(">I", crc32c(header) ^ wrong) + header[at + 4 :]


LONGEST_UNKNOWN = b"PROXY UNKNOWN " + b"f" * (MAX_V1_BYTES - 16) + b"\r\n"
GOOD = [
    ("v1 tcp4", b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 1973\r\n", SOURCE, DESTINATION),
    ("v1 tcp6", b"PROXY TCP6 2001:DB8::7 2001:db8:0:0:0:0:0:1 5 6\r\n", SOURCE_6, DESTINATION_6),
    (
        "v1 port 0",
        b"PROXY TCP4 0.0.0.0 1.1.1.1 0 65535\r\n",
        SocketAddress("0.0.0.0", 0),
        SocketAddress("1.1.1.1", 65535),
    ),
    ("v1 unknown", b"PROXY UNKNOWN\r\n", None, None),
    ("v1 unknown, longest", LONGEST_UNKNOWN, None, None),
    ("v2 tcp4", v2(IPV4_ENDS), SOURCE, DESTINATION),
    ("v2 tcp6", v2(IPV6_ENDS, family=0x21), SOURCE_6, DESTINATION_6),
    ("v2 local", v2(b"", version_command=0x20, family=0), None, None),
    ("v2 local, family and bytes ignored", v2(b"\xff" * 9, version_command=0x20, family=0xFF), None, None),
    ("v2 no family", v2(b"anything", family=0), None, None),
    ("v2 ipv4 without transport", v2(IPV4_ENDS, family=0x10), None, None),
    ("v2 udp counts as none", v2(IPV4_ENDS, family=0x12), None, None),
    ("v2 unix counts as none", v2(bytes(216), family=0x31), None, None),
    ("v2 records", v2(IPV4_ENDS + record(1, b"h2") + record(4, b"") + record(0x20, bytes(80))), SOURCE, DESTINATION),
    ("v2 checksum", with_checksum(), SOURCE, DESTINATION),
    ("v2 longest", v2(IPV4_ENDS + record(4, bytes(MAX_V2_BYTES - 31))), SOURCE, DESTINATION),
]
BAD = [
    ("http", b"GET / HTTP/1.1\r\n\r\n", "does not begin"),
    ("tls", bytes.fromhex("16030100c8010000c4"), "does not begin"),
    ("a frame of the game", b"\x00\x02", "does not begin"),
    ("small letters", b"proxy TCP4", "does not begin"),
    ("v1 another protocol", b"PROXY UDP4 1.1.1.1 1.1.1.1 1 1\r\n", "the line is not"),
    ("v1 two spaces", b"PROXY TCP4  1.1.1.1 1.1.1.1 1 1\r\n", "the line is not"),
    ("v1 more behind", b"PROXY TCP4 1.1.1.1 1.1.1.1 1 1 \r\n", "the line is not"),
    ("v1 without ports", b"PROXY TCP4 1.1.1.1 1.1.1.1\r\n", "the line is not"),
    ("v1 a bare line feed", b"PROXY TCP4 1.1.1.1 1.1.1.1 1 1\n\r\n", "the line is not"),
    ("v1 unknown as a beginning", b"PROXY UNKNOWNS\r\n", "the line is not"),
    ("v1 heading zero", b"PROXY TCP4 01.1.1.1 1.1.1.1 1 1\r\n", "is no IPv4 address"),
    ("v1 the other family", b"PROXY TCP4 ::1 ::1 1 1\r\n", "is no IPv4 address"),
    ("v1 the other family", b"PROXY TCP6 1.1.1.1 1.1.1.1 1 1\r\n", "is no IPv6 address"),
    ("v1 port", b"PROXY TCP4 1.1.1.1 1.1.1.1 65536 1\r\n", "65536 is no port"),
    ("v1 heading zero of a port", b"PROXY TCP4 1.1.1.1 1.1.1.1 1 01\r\n", "01 is no port"),
    ("v1 too long", LONGEST_UNKNOWN[:-2] + b"f\r\n", "no end of the line within 107"),
    ("v2 version", v2(IPV4_ENDS, version_command=0x11), "0x11 are unknown"),
    ("v2 command", v2(IPV4_ENDS, version_command=0x22), "0x22 are unknown"),
    ("v2 family", v2(IPV4_ENDS, family=0x41), "0x41 are unknown"),
    ("v2 transport", v2(IPV4_ENDS, family=0x13), "0x13 are unknown"),
    ("v2 too few bytes", v2(IPV4_ENDS, family=0x21), "too few for the addresses"),
    ("v2 too long", v2(IPV4_ENDS + record(4, bytes(MAX_V2_BYTES - 30))), "at most 4096"),
    ("v2 cut record", v2(IPV4_ENDS + b"\x04\x00"), "a record is cut off"),
    ("v2 long record", v2(IPV4_ENDS + b"\x04\x00\x05abcd"), "longer than the header"),
    ("v2 wrong checksum", with_checksum(wrong=True), "the checksum is wrong"),
    ("v2 short checksum", v2(IPV4_ENDS + record(3, b"\0")), "the checksum is wrong"),
]


def feed(data: bytes, cuts: list[int]) -> tuple[str, int]:
    """Offer the data as it comes in; return what came out and after how many bytes."""
    for seen in sorted({*(cut for cut in cuts if 0 <= cut <= len(data)), len(data)}):
        try:
            found = read_proxy_header(data[:seen])
        except ProxyFault as fault:
            return f"fault {fault}", seen
        if found is not None:
            return repr(found), seen
    return "more", len(data)


@pytest.mark.parametrize(("header", "source", "destination"), [row[1:] for row in GOOD], ids=[row[0] for row in GOOD])
def test_good_headers(header: bytes, source: SocketAddress | None, destination: SocketAddress | None) -> None:
    expected = ProxyHeader(len(header), source, destination)
    assert read_proxy_header(header) == expected
    assert read_proxy_header(header + b"\x00\x02the player's own\r\n") == expected
    assert feed(header, list(range(len(header)))) == (repr(expected), len(header))


@pytest.mark.parametrize(("data", "why"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_bad_headers(data: bytes, why: str) -> None:
    with pytest.raises(ProxyFault, match=why) as caught:
        read_proxy_header(data)
    assert feed(data, list(range(len(data))))[0] == f"fault {caught.value}"
    with pytest.raises(ProxyFault, match=why):
        read_proxy_header(data + b"\r\nmore")


def test_a_second_checksum_is_refused() -> None:
    with pytest.raises(ProxyFault, match="checksum"):
        read_proxy_header(v2(IPV4_ENDS + record(3, bytes(4)) * 2))


def test_the_checksum_is_the_one_of_rfc_4960() -> None:
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA


BEGINNINGS = st.sampled_from(
    [b"", b"PROXY ", b"PROXY TCP4 ", SIGNATURE, SIGNATURE + b"\x21\x11\x00\x10", with_checksum()]
)
DATA = st.builds(lambda start, rest: start + rest, BEGINNINGS, st.binary(max_size=120)) | st.builds(
    lambda header, at, byte: header[:at] + bytes([byte]) + header[at + 1 :],
    st.sampled_from([row[1] for row in GOOD]),
    st.integers(0, 60),
    st.integers(0, 255),
)


@given(DATA, st.lists(st.integers(0, 200), max_size=6))
def test_any_bytes_in_any_cut_give_the_same(data: bytes, cuts: list[int]) -> None:
    whole, _ = feed(data, [])
    assert feed(data, cuts)[0] == whole
    if whole == "more":
        assert len(data) < MAX_V2_BYTES
