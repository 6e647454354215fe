"""One ban as it is kept: whom it meets, how it stands in the store's table, and what a banned player reads.

Pure. `core.bans` keeps the book. A field of the table is one ban::

    name    account:b%f6sewicht        kind, and the name in small letters as on the wire, quoted as in an URL
            address:203.0.113.0/24     or the network, written in the one way that is canonical
    value   {"reason": "…", "by": "root", "since": 1790000000.0, "until": 0.0}

Other programs may write the table too, so everything is checked when it is read (`decode_ban`).
"""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from math import isfinite
from typing import Annotated
from urllib.parse import quote_from_bytes, unquote_to_bytes

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.features.ports import BanEntry, BanKind
from tunnel.bans import MAX_BAN_SECONDS, Banned, banned_network
from wire.errors import MisuseError
from wire.steps import MAX_NAME_BYTES

MAX_REASON_CHARACTERS = 200
MAX_BY_CHARACTERS = 64
MAX_KEPT_BYTES = 4096
"""Of one value in the table: reason and name take 1584 bytes where each character is escaped."""

MIN_PREFIX_BITS = {4: 8, 16: 16}
"""By the size of an address: a wider prefix is a slip of the finger, or locks a continent out."""

_KINDS = {kind.value: kind for kind in BanKind}
_PLAIN = ".-_~ "
_CONTROL = frozenset(range(32)) | {127}

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Kept(BaseModel):
    """The value of a field; what a later version writes beside these is not looked at."""

    model_config = ConfigDict(strict=True)

    reason: str = Field("", max_length=MAX_REASON_CHARACTERS)
    by: str = Field("", max_length=MAX_BY_CHARACTERS)
    since: Seconds = 0.0
    until: Seconds = 0.0


def whom_of(kind: BanKind, value: str, charset: str) -> Banned:
    """Return whom a ban of ``value`` meets; raises MisuseError with what would be right."""
    if kind is BanKind.ADDRESS:
        return _checked(banned_network(_network(value)))
    try:
        raw = value.encode(charset, "surrogateescape")
    except UnicodeEncodeError as error:
        raise MisuseError(f"{kind} {value[:64]!r}: the game's charset {charset} does not have all of that") from error
    return _checked(Banned(kind, raw)) if raw else _refuse(f"{kind} without a name: write whom to ban")


def value_of(whom: Banned, charset: str) -> str:
    """Return a ban's value for people: the address alone, the prefix, or the name."""
    if whom.kind != BanKind.ADDRESS:
        return whom.value.decode(charset, "surrogateescape")
    address = str(ip_address(whom.value))
    return address if whom.bits == 8 * len(whom.value) else f"{address}/{whom.bits}"


def field_of(whom: Banned) -> str:
    """Return the name of a ban's field in the table."""
    if whom.kind == BanKind.ADDRESS:
        return f"{whom.kind}:{ip_address(whom.value)}/{whom.bits}"
    return f"{whom.kind}:{quote_from_bytes(whom.value, _PLAIN).lower()}"


def make_entry(whom: Banned, charset: str, *, reason: str, by: str, since: float, seconds: float) -> BanEntry:
    """Return a ban that begins at ``since`` for so many seconds, 0 for ever; raises MisuseError."""
    if not (isfinite(seconds) and 0 <= seconds <= MAX_BAN_SECONDS):
        raise MisuseError(f"a ban of {seconds} s: at most a hundred years are possible, and 0 for ever")
    reason = readable(reason)
    if len(reason) > MAX_REASON_CHARACTERS:
        raise MisuseError(f"a reason of {len(reason)} characters: at most {MAX_REASON_CHARACTERS} are possible")
    until = since + seconds if seconds else 0.0
    by = readable(by)[:MAX_BY_CHARACTERS]
    return BanEntry(BanKind(whom.kind), value_of(whom, charset), reason, by, since, until)


def encode_entry(entry: BanEntry) -> bytes:
    """Return the value of a ban's field."""
    kept = _Kept(reason=entry.reason, by=entry.by, since=entry.since, until=entry.until)
    return kept.model_dump_json().encode()


def decode_ban(field: str, value: bytes, charset: str) -> tuple[Banned, BanEntry]:
    """Read a field of the table, which anybody may have written; raises MisuseError."""
    kind, _, name = field.partition(":")
    if kind not in _KINDS or len(value) > MAX_KEPT_BYTES:
        raise MisuseError(f"{kind[:20]!r} is no kind of ban, or the {len(value)} bytes of its value are too many")
    whom = _checked(banned_network(_network(name)) if kind == BanKind.ADDRESS else Banned(kind, unquote_to_bytes(name)))
    if field_of(whom) != field:
        raise MisuseError(f"it should be called {field_of(whom)}")
    try:
        kept = _Kept.model_validate_json(value)
    except ValidationError as error:
        raise MisuseError(f"its value cannot be read: {error.errors(include_url=False)[0]['msg']}") from error
    reason, by = readable(kept.reason), readable(kept.by)
    return whom, BanEntry(_KINDS[kind], value_of(whom, charset), reason, by, kept.since, kept.until)


def ban_text(entry: BanEntry) -> str:
    """Return what a banned player reads: until when, and why."""
    until = f" until {moment_text(entry.until)}" if entry.until else ""
    return f"You are banned{until}: {entry.reason}" if entry.reason else f"You are banned{until}."


def moment_text(seconds: float) -> str:
    """Return a time in whole minutes of UTC, rounded up: who comes at the time he reads is let in."""
    return f"{datetime.fromtimestamp(min(seconds + 59, _LAST_SECOND), UTC):%Y-%m-%d %H:%M} UTC"


_LAST_SECOND = datetime(9999, 12, 31, tzinfo=UTC).timestamp()


def readable(text: str) -> str:
    """Return a text in one line that can be shown and kept: without control characters and halves of characters."""
    shown = text if text.isprintable() else "".join(each if each.isprintable() or each == " " else " " for each in text)
    return " ".join(shown.split())


def packed_address(address: IPv4Address | IPv6Address) -> bytes:
    """Return an address as 4 or 16 bytes; an IPv4 address in IPv6 clothes has 4."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return address.packed if mapped is None else mapped.packed


def covers(whom: Banned, address: IPv4Address | IPv6Address) -> bool:
    """Whether the ban of a network meets an address."""
    packed = packed_address(address)
    shift = 8 * len(packed) - whom.bits
    return len(packed) == len(whom.value) and int.from_bytes(packed) >> shift == int.from_bytes(whom.value) >> shift


def _network(text: str) -> IPv4Network | IPv6Network:
    """Read an address or a prefix; raises MisuseError."""
    text = text.strip().partition("%")[0]  # a scope (%eth0) says nothing about a player
    try:
        return ip_network(text)
    except ValueError:
        pass
    try:
        meant = ip_network(text, strict=False)
    except ValueError:
        raise MisuseError(
            f"{text[:64]!r} is neither an address nor a prefix such as 203.0.113.0/24 or 2001:db8::/32"
        ) from None
    raise MisuseError(f"{text[:64]!r} is an address inside a prefix: write {meant} for all of it, or the address alone")


def _checked(whom: Banned) -> Banned:
    """Return whom somebody may ban; raises MisuseError."""
    if whom.kind == BanKind.ADDRESS:
        least = MIN_PREFIX_BITS[len(whom.value)]
        if whom.bits < least:
            return _refuse(
                f"{ip_address(whom.value)}/{whom.bits}: at least /{least}; for more than that use the edges' deny file"
            )
    elif len(whom.value) > MAX_NAME_BYTES:
        return _refuse(f"{whom.kind} of {len(whom.value)} bytes: at most {MAX_NAME_BYTES} are possible")
    elif not _CONTROL.isdisjoint(whom.value):
        return _refuse(f"{whom.kind} {whom.value!r}: a name has no control characters")
    return whom


def _refuse(text: str) -> Banned:
    raise MisuseError(text)
