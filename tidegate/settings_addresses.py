"""Settings that say where something is: addresses to listen at and to connect to, lists of them, and prefixes.

Types for the fields of the sections (`tidegate.settings_edge` and its neighbours), each with its reader, which raises
ValueError with a sentence that says what would be right.
"""

import json
from typing import Annotated

from pydantic import BeforeValidator

from edge.core_choice import MAX_CORES
from edge.prefixes import parse_prefix
from fleet.address import Address, parse_address
from fleet.admin_place import parse_place


def _read_address(value: object) -> Address:
    if isinstance(value, Address):
        return value
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not an address: write HOST:PORT, such as 127.0.0.1:1973")
    return parse_address(value)


def _read_target(value: object) -> Address:
    address = _read_address(value)
    if address.port == 0:
        raise ValueError(f"{str(address)!r}: port 0 means any free port, which is for listening only; write 1 to 65535")
    return address


class Targets(tuple[Address, ...]):
    """Addresses to connect to, the preferred one first."""

    __slots__ = ()

    def __str__(self) -> str:
        return ", ".join(map(str, self))


def _read_targets(value: object) -> Targets:
    each = list(value) if isinstance(value, list | tuple) else str(value).split(",")
    if not 1 <= len(each) <= MAX_CORES:
        raise ValueError(f"{len(each)} addresses: write 1 to {MAX_CORES} of them")
    targets = Targets(_read_target(one.strip() if isinstance(one, str) else one) for one in each)
    if len(set(targets)) < len(targets):
        raise ValueError(f"{str(targets)!r} names one address twice")
    return targets


class PrefixTexts(tuple[str, ...]):
    """Addresses and prefixes as they were written; shown as TOML writes them."""

    __slots__ = ()

    def __str__(self) -> str:
        return json.dumps(self) if self else ""


def _read_prefixes(value: object) -> PrefixTexts:
    if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
        raise ValueError(f'{str(value)[:60]!r} is not a list of texts: write one such as ["10.0.0.0/8", "192.0.2.1"]')
    for each in value:
        parse_prefix(each)
    return PrefixTexts(value)


def _read_advertised(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no address: write HOST or HOST:PORT, such as 203.0.113.7")
    if not value:
        return ""
    try:
        address = advertised_address(value, 1)
    except ValueError as error:
        raise ValueError(f"{value[:60]!r} is no address for others: write HOST or HOST:PORT") from error
    if address.port == 0 or address.is_unspecified:
        raise ValueError(f"{value!r} is no address for others, who cannot connect there; write HOST or HOST:PORT")
    return value


def advertised_address(text: str, port: int) -> Address:
    """Read HOST or HOST:PORT, IPv6 in brackets; ``port`` is that of a HOST alone. Raises ValueError."""
    has_port = ":" in text.rpartition("]")[2]
    return parse_address(text if has_port else f"{text}:{port}")


def _read_optional_listen(value: object) -> str:
    return "" if value == "" else str(_read_address(value))


def _read_optional_target(value: object) -> str:
    return "" if value == "" else str(_read_target(value))


def _read_admin(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("where the admin service is, is a text: write unix:PATH, 127.0.0.1:7402 or off")
    parse_place(value)
    return value


ListenAddress = Annotated[Address, BeforeValidator(_read_address)]
TargetAddress = Annotated[Address, BeforeValidator(_read_target)]
TargetAddresses = Annotated[Targets, BeforeValidator(_read_targets)]
OptionalListen = Annotated[str, BeforeValidator(_read_optional_listen)]
OptionalTarget = Annotated[str, BeforeValidator(_read_optional_target)]
Advertised = Annotated[str, BeforeValidator(_read_advertised)]
AdminText = Annotated[str, BeforeValidator(_read_admin)]
Prefixes = Annotated[PrefixTexts, BeforeValidator(_read_prefixes)]
