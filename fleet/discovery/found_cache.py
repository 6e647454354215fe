"""Keeps the relays that were found last in a file, so that an edge that starts while Consul is away has cores.

======  =====  =========  ======================================================================
offset  bytes  what       meaning
======  =====  =========  ======================================================================
0       16     magic      ``tidegate-fleet1`` and a line feed
16      32     checksum   SHA-256 of what follows
48      …      JSON       ``service``, ``heard_seconds`` and ``relays``: ``at`` and metadata each
======  =====  =========  ======================================================================

The file is believed no more than Consul is: each relay is read by the same rules, and a file that is not whole, is none
of ours or is about another service is left alone with a warning. It holds no secret.
"""

import json
import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import structlog

from fleet.address import parse_address
from fleet.discovery.entries import MAX_ENTRIES
from fleet.discovery.metadata import RecordError, Wanted, read_record
from fleet.kept_file import CHECKSUM_BYTES, KeptFileError, read_kept, replace_kept
from fleet.records import Ignored, Record, as_metadata

_log = structlog.get_logger("discovery")

MAGIC = b"tidegate-fleet1\n"
HEADER_BYTES = len(MAGIC) + CHECKSUM_BYTES
"""Where the JSON begins."""

MAX_FILE_BYTES = 1 << 20
REWRITE_SECONDS = 60.0
"""How old the time in the file may be while nothing else changes."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What a file held: relays, what of it is not used, and when it was heard, in seconds of ``time.time``."""

    records: tuple[Record, ...]
    ignored: tuple[Ignored, ...]
    heard_seconds: float


class FoundCache:
    """The file at ``path`` for the relays of one service; with an empty path there is none, and nothing is kept.

    Files are written by a thread, one after the other. `close` waits for the last one.
    """

    def __init__(self, path: str, service: str) -> None:
        self._path = Path(path) if path else None
        self._service = service
        self._kept: tuple[object, ...] = ()
        self._written_seconds = -math.inf
        self._is_complaining = False
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="fleet-cache")

    def load(self, wanted: Wanted) -> Kept | None:
        """Return what the file holds; None where it holds nothing that can be used, which is said. Blocks."""
        if self._path is None:
            return None
        try:
            content = read_kept(self._path, MAGIC, "a fleet", MAX_FILE_BYTES).checked()
            return _unpack(content, self._service, wanted)
        except FileNotFoundError:
            return None
        except OSError as error:
            reason = f"it cannot be read: {error.strerror or error}"
        except KeptFileError as error:
            reason = str(error)
        _log.warning("fleet_cache_refused", file=str(self._path), reason=reason, action="waiting for Consul")
        return None

    def store(self, records: Sequence[Record], heard_seconds: float) -> None:
        """Keep relays that were heard of now, unless the file says so already; returns at once, and never fails."""
        if self._path is None or not records:
            return
        kept = tuple((each.name, each.address, each.region, each.game, each.protocol_version) for each in records)
        if kept == self._kept and heard_seconds - self._written_seconds < REWRITE_SECONDS:
            return
        self._kept, self._written_seconds = kept, heard_seconds
        self._writer.submit(self._write, self._path, _pack(records, self._service, heard_seconds))

    def close(self) -> None:
        """Wait until what was stored is on the disk."""
        self._writer.shutdown()

    def _write(self, path: Path, content: bytes) -> None:
        try:
            replace_kept(path, MAGIC, content)
        except OSError as error:
            if not self._is_complaining:
                reason = error.strerror or str(error)
                _log.warning("fleet_cache_unwritable", file=str(path), reason=reason, action="going on without it")
            self._is_complaining = True
            self._kept = ()  # so that the next answer tries again
        else:
            self._is_complaining = False


def _pack(records: Sequence[Record], service: str, heard_seconds: float) -> bytes:
    relays = [{"at": str(record.address), **as_metadata(record)} for record in records]
    return json.dumps({"service": service, "heard_seconds": heard_seconds, "relays": relays}).encode()


def _unpack(content: bytes, service: str, wanted: Wanted) -> Kept:
    """Return what the bytes hold; raises KeptFileError."""
    try:
        tree = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise KeptFileError("it does not hold JSON") from error
    relays = tree.get("relays") if isinstance(tree, Mapping) else None
    heard = tree.get("heard_seconds") if isinstance(tree, Mapping) else None
    if not isinstance(relays, list) or not isinstance(heard, int | float) or not 0 <= heard < 1e11:
        raise KeptFileError("it does not hold relays and a time")
    if tree.get("service") != service:
        raise KeptFileError(f"it is about another service than {service}")
    records, ignored = [], []
    for relay in relays[:MAX_ENTRIES]:
        try:
            records.append(_read_relay(relay, wanted))
        except RecordError as error:
            ignored.append(Ignored("the file of relays", str(error)))
    if not records:
        raise KeptFileError(f"it holds no {wanted.role} that can be used")
    return Kept(tuple(records), tuple(ignored), float(heard))


def _read_relay(relay: object, wanted: Wanted) -> Record:
    at = relay.get("at") if isinstance(relay, Mapping) else None
    if not isinstance(relay, Mapping) or not isinstance(at, str):
        raise RecordError("it has no address")
    try:
        address = parse_address(at)
    except ValueError as error:
        raise RecordError(str(error)) from error
    return read_record(relay, address, wanted)
