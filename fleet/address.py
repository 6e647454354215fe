"""Network addresses as people write them: ``HOST:PORT`` and ``[IPv6]:PORT``.

Used by the settings, the command line and whoever listens or connects. It resolves no names and opens
nothing: it only says whether a text is an address and which.
"""

import ipaddress
import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

MAX_HOST_CHARACTERS = 253
"""Longest host name, RFC 1035 section 2.3.4 (255 bytes on the wire, 253 written)."""

MAX_PORT = 65535

_EXAMPLE = "write HOST:PORT, such as 127.0.0.1:1973 or [::1]:1973"

# One label of a host name, RFC 1123 section 2.1; the underscore is for container networks, which use it.
_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")


@dataclass(frozen=True, slots=True)
class Address:
    """A host (name, IPv4 or IPv6 without brackets) and a port; 0 means any free port, for listening."""

    host: str
    port: int

    @property
    def ip(self) -> IPv4Address | IPv6Address | None:
        """The host as an IP address; None where it is a name."""
        try:
            return ipaddress.ip_address(self.host)
        except ValueError:
            return None

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine is meant; of names, ``localhost`` alone is."""
        ip = self.ip
        if ip is None:
            return self.host.lower() == "localhost"
        mapped = getattr(ip, "ipv4_mapped", None)
        return bool((mapped or ip).is_loopback)

    @property
    def is_unspecified(self) -> bool:
        """Whether all addresses of a machine are meant: a relay may listen there, and it is no address for others."""
        ip = self.ip
        return ip is not None and ip.is_unspecified

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str, *, default_host: str | None = None) -> Address:
    """Read ``HOST:PORT`` or ``[IPv6]:PORT``; with ``default_host`` also ``PORT`` and ``:PORT``.

    Raises ValueError with a sentence that says what is wrong and what would be right.
    """
    host, port_text = _split(text, default_host)
    return Address(_check_host(host, text), _check_port(port_text, text))


def _split(text: str, default_host: str | None) -> tuple[str, str]:
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or not rest.startswith(":"):
            raise ValueError(f"{_quote(text)} has no port after the bracket; {_EXAMPLE}")
        if ":" not in host:
            raise ValueError(f"{_quote(text)} has brackets around something that is not IPv6; {_EXAMPLE}")
        return host, rest[1:]
    host, colon, port_text = text.rpartition(":")
    if ":" in host:
        raise ValueError(f"{_quote(text)} has several colons: an IPv6 address needs brackets, such as [::1]:1973")
    if not host and default_host is not None:
        return default_host, port_text
    if not colon:
        raise ValueError(f"{_quote(text)} has no port; {_EXAMPLE}")
    if not host:
        raise ValueError(f"{_quote(text)} has no host; {_EXAMPLE} (0.0.0.0 listens on all IPv4 addresses)")
    return host, port_text


def _check_host(host: str, text: str) -> str:
    if ":" in host or re.fullmatch(r"[0-9.]+", host):
        try:
            return str(ipaddress.ip_address(host))
        except ValueError as error:
            raise ValueError(f"{_quote(text)}: {_quote(host)} is not an IP address; {_EXAMPLE}") from error
    labels = host.removesuffix(".").split(".")
    if len(host) > MAX_HOST_CHARACTERS or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError(f"{_quote(text)}: {_quote(host)} is not a host name; {_EXAMPLE}")
    return host


def _check_port(port_text: str, text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", port_text) or int(port_text) > MAX_PORT:
        raise ValueError(
            f"{_quote(text)}: the port {_quote(port_text)} is not a whole number from 0 to {MAX_PORT}; {_EXAMPLE}",
        )
    return int(port_text)


def _quote(text: str) -> str:
    """Show what was written, bounded and on one line."""
    return repr(text if len(text) <= 80 else f"{text[:80]}…")
