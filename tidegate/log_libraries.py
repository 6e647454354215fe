"""Brings what libraries say through `logging` (asyncio, grpc) into our lines, and keeps them from flooding.

`tidegate.logs` installs the handler. A library says the same thing as often as it happens: asyncio reports a
failing accept thousands of times a second. One line a second of each kind is enough, with the number left out.
"""

import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog

REPEAT_SECONDS = 1.0
MAX_KINDS = 256
MAX_KIND_CHARACTERS = 200

PEERS_DOING = {"grpc._cython.cygrpc": frozenset({"ExecuteBatchError"})}
"""Errors that a logger reports as bugs and that any peer can cause: a message over the limit, an early cancel."""

_CHANGING = re.compile(r"0x[0-9a-fA-F]+|\d+")

Kind = tuple[str, str]


@dataclass(slots=True)
class _Seen:
    shown_at_seconds: float
    suppressed: int = 0


class RepeatLimit:
    """Decides which of many lines of one kind is shown."""

    def __init__(self) -> None:
        self._seen: dict[Kind, _Seen] = {}

    def take(self, kind: Kind, now_seconds: float) -> int | None:
        """Return how many were suppressed before this one, or None when this one is to be, too."""
        seen = self._seen.get(kind)
        if seen is not None and now_seconds - seen.shown_at_seconds < REPEAT_SECONDS:
            seen.suppressed += 1
            return None
        self._seen.pop(kind, None)  # so that the order is that of showing
        if len(self._seen) >= MAX_KINDS:
            self._seen.pop(next(iter(self._seen)))
        self._seen[kind] = _Seen(now_seconds)
        return seen.suppressed if seen is not None else 0


class LibraryHandler(logging.Handler):
    """Logs a library's records through structlog; ``now`` is a monotonic clock."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._now = now
        self._limit = RepeatLimit()

    def emit(self, record: logging.LogRecord) -> None:
        """Log one record of the standard library, or count it."""
        suppressed = self._limit.take(_kind_of(record), self._now())
        if suppressed is None:
            return
        logger = structlog.get_logger(record.name)
        fields: dict[str, Any] = {"suppressed": suppressed} if suppressed else {}
        error = record.exc_info[1] if record.exc_info else None
        if error is not None and type(error).__name__ in PEERS_DOING.get(record.name, ()):
            logger.debug(_message_of(record), error=f"{type(error).__name__}: {error}", **fields)
            return
        if record.exc_info:
            fields["exc_info"] = record.exc_info
        logger.log(max(record.levelno, logging.DEBUG), _message_of(record), **fields)


def _kind_of(record: logging.LogRecord) -> Kind:
    """Name what is being said: the template's first line without numbers, for asyncio puts the objects into it."""
    first_line = str(record.msg)[: 4 * MAX_KIND_CHARACTERS].partition("\n")[0]
    return record.name, _CHANGING.sub("#", first_line)[:MAX_KIND_CHARACTERS]


def _message_of(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError):  # a library's format and arguments do not fit together
        return str(record.msg)
