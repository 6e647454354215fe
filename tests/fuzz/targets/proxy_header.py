"""PROXY headers: any bytes are a header, the beginning of one, or a fault, and more bytes do not change which."""

from collections.abc import Iterable

from edge.proxy_header import MAX_V2_BYTES, ProxyFault, ProxyHeader, crc32c, read_proxy_header
from tests.fuzz.source import Source

MAX_BYTES = 600
MODULES = ("edge.proxy_header",)

_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_ADDRESSES = bytes([192, 0, 2, 7, 198, 51, 100, 1, 0xDB, 0xFC, 7, 0xB5])


def fuzz_one(data: bytes) -> None:
    """Read a header as it comes in, cut in two and whole."""
    source = Source(data)
    place = source.number()
    stream = source.rest()
    if place & 1:
        stream = _SIGNATURE + stream
    whole = _outcome(stream)
    first = _outcome(stream[: place % (len(stream) + 1)])
    assert first is None or first == whole
    if isinstance(whole, ProxyHeader):
        assert 8 <= whole.size_bytes <= min(len(stream), MAX_V2_BYTES)
        assert (whole.source is None) == (whole.destination is None)
        assert _outcome(stream[: whole.size_bytes]) == whole
        assert _outcome(stream[: whole.size_bytes - 1]) is None
        assert whole.source is None or 0 <= whole.source.port <= 65535
    elif whole is None:
        assert len(stream) < MAX_V2_BYTES


def _outcome(data: bytes) -> ProxyHeader | str | None:
    try:
        return read_proxy_header(data)
    except ProxyFault as fault:
        assert len(str(fault)) < 300
        return f"fault: {fault}"


def seeds() -> Iterable[bytes]:
    """Good headers of both versions."""
    yield b"\0PROXY TCP4 192.0.2.7 198.51.100.1 56324 1973\r\nrest"
    yield b"\0PROXY TCP6 2001:db8::7 2001:db8::1 56324 1973\r\n"
    yield b"\0PROXY UNKNOWN\r\n"
    yield b"\x01\x21\x11\x00\x0c" + _ADDRESSES + b"rest"
    yield b"\x01\x20\x00\x00\x00"
    yield b"\x01\x21\x21\x00\x24" + bytes(36)
    records = b"\x04\x00\x02ab"
    header = _SIGNATURE + b"\x21\x11\x00" + bytes([12 + 7 + len(records)]) + _ADDRESSES + records + b"\x03\x00\x04"
    yield b"\x01" + (header + crc32c(header + bytes(4)).to_bytes(4, "big"))[12:]
