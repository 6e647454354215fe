"""Reads what a relay says of itself (`fleet.records.as_metadata`) back into a record. Pure, and believes nothing.

Used for what Consul answers and for what is kept on disk. Both may have been written by anybody.

==============  =====================================================================
role            ``core`` or ``edge``
name            1 to 64 letters, digits, dots, dashes or underscores
region, game    the same, or empty; a core has a game
version         up to 32 letters, digits and ``.+-_``, or empty
protocol        the tunnel's protocol version, a number
capacity        players it takes at most, 0 where that is not known; empty is 0
sessions        players it has now; empty is 0
probes_at       HOST:PORT where an edge answers probes, or empty
==============  =====================================================================

Other names are left alone: a later version may say more.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from fleet.address import Address, parse_address
from fleet.records import Record, Role
from wire.errors import TidegateError

MAX_SHOWN_CHARACTERS = 60

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_VERSION = re.compile(r"[A-Za-z0-9.+_-]{0,32}")
_NUMBER = re.compile(r"[0-9]{1,9}")


class RecordError(TidegateError):
    """This is no relay that can be used; the text says why, as a sentence about "it"."""

    code = "record"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for. An empty ``game`` is any, ``protocol_version`` 0 is any; both are asked of cores only."""

    role: Role
    game: str = ""
    protocol_version: int = 0


def read_record(metadata: Mapping[str, object], address: Address, wanted: Wanted) -> Record:
    """Return the record of a relay at ``address``; raises RecordError for what is wrong or not wanted."""
    role = _text(metadata, "role")
    if role != wanted.role:
        raise RecordError(f"its role is {shown(role)}, not {wanted.role}" if role else "its metadata is not Tidegate's")
    name = _text(metadata, "name")
    if not _NAME.fullmatch(name):
        raise RecordError(f"its name {shown(name)} is not 1 to 64 letters, digits, dots, dashes or underscores")
    _check_address(address)
    record = Record(
        role=wanted.role,
        name=name,
        address=address,
        region=_matching(metadata, "region", _NAME),
        software_version=_matching(metadata, "version", _VERSION),
        protocol_version=_number(metadata, "protocol"),
        game=_matching(metadata, "game", _NAME),
        capacity=_number(metadata, "capacity"),
        sessions=_number(metadata, "sessions"),
        probes_at=_place(metadata, "probes_at"),
    )
    if wanted.role == "core":
        _check_core(record, wanted)
    return record


def shown(text: str) -> str:
    """Return a foreign text for a sentence: bounded, on one line, in quotes."""
    return repr(text if len(text) <= MAX_SHOWN_CHARACTERS else f"{text[:MAX_SHOWN_CHARACTERS]}…")


def _check_core(record: Record, wanted: Wanted) -> None:
    if wanted.protocol_version and record.protocol_version != wanted.protocol_version:
        raise RecordError(
            f"it speaks protocol version {record.protocol_version}, this relay {wanted.protocol_version}"
            if record.protocol_version
            else "its metadata has no protocol version"
        )
    if not record.game:
        raise RecordError("its metadata has no game")
    if wanted.game and record.game != wanted.game:
        raise RecordError(f"its game is {record.game}, not {wanted.game}")


def _check_address(address: Address) -> None:
    """Refuse what nobody can connect to."""
    if address.port == 0:
        raise RecordError("its port is 0, where nobody can connect")
    is_multicast = address.ip is not None and address.ip.is_multicast
    if address.is_unspecified or is_multicast:
        raise RecordError(f"its address is {address.ip}, where nobody can connect")


def _text(metadata: Mapping[str, object], key: str) -> str:
    value = metadata.get(key, "")
    if not isinstance(value, str):
        raise RecordError(f"its {key} is no text")
    return value


def _matching(metadata: Mapping[str, object], key: str, rule: re.Pattern[str]) -> str:
    text = _text(metadata, key)
    if text and not rule.fullmatch(text):
        raise RecordError(f"its {key} {shown(text)} has characters or a length that do not belong there")
    return text


def _number(metadata: Mapping[str, object], key: str) -> int:
    text = _text(metadata, key)
    if text and not _NUMBER.fullmatch(text):
        raise RecordError(f"its {key} {shown(text)} is not a whole number of up to 9 digits")
    return int(text or "0")


def _place(metadata: Mapping[str, object], key: str) -> str:
    text = _text(metadata, key)
    try:
        return str(parse_address(text)) if text else ""
    except ValueError as error:
        raise RecordError(f"its {key}: {error}") from error
