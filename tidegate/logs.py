"""Logs: one line per event on standard error, as JSON or as text, and the one plain line that says "ready".

``configure_logs`` is called once by each command before it serves. Loggers come from ``get_logger`` (or
``structlog.get_logger``) with the dotted name of the part that speaks; they may be made before.

A line is bounded: a value longer than 512 characters is cut, bytes are counted and not shown. Errors that
are expected are their text; only a bug has a traceback. A log that cannot be written, or that nobody reads,
never stops the relay: lines go through `tidegate.log_writer`, and ``flush_logs`` waits a bounded time for it.
"""

import atexit
import contextlib
import json
import logging
import sys
import traceback
from collections.abc import Callable, Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any, Literal, TextIO, cast

import structlog
from structlog.typing import FilteringBoundLogger

from tidegate.log_libraries import LibraryHandler
from tidegate.log_writer import LogWriter
from wire.errors import TidegateError

MAX_VALUE_CHARACTERS = 512
MAX_TRACEBACK_CHARACTERS = 16_384
"""Tracebacks are for bugs only and useless when cut short, so they may be longer; their end is kept."""

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["auto", "json", "text"]

EXPECTED_ERRORS = (TidegateError, OSError)
"""What the network and peers do to us: reported by its text, without a traceback."""

_LEVELS: Mapping[str, int] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
_FIRST = ("timestamp", "level", "logger", "event")

_Event = MutableMapping[str, Any]
_Render = Callable[[object, str, _Event], str]


class _LineLogger:
    """Passes whole lines on; what structlog calls at the end of its chain."""

    def __init__(self, put: Callable[[str], None], name: str) -> None:
        self.msg = self.debug = self.info = self.warning = self.error = self.critical = put
        self.name = name


class _Output:
    """Where the lines of this process go: the writer for standard error, while there is one."""

    writer: LogWriter | None = None


def configure_logs(level: Level, format: Format, stream: TextIO | None = None, *, is_final: bool = False) -> None:  # noqa: A002 - its name
    """Set up all loggers of the process, on standard error unless ``stream`` says otherwise.

    May be called again unless it ``is_final``: then a logger is put together once and not for each line, which is what
    a line costs that is not written.

    Lines to a given stream, or to a standard error that is no file, are written at once; without a standard
    error (closed by who started us) they are nowhere.
    """
    out = sys.stderr if stream is None else stream
    text = format == "text" or (format == "auto" and out is not None and out.isatty())
    render = _render_text if text else _render_json
    put = _put_of(out, render, wants_thread=stream is None)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            _add_name,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _explain_errors,
            _bound_values,
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=cast("Callable[..., Any]", lambda *names: _LineLogger(put, str(names[0]) if names else "")),
        cache_logger_on_first_use=is_final,
    )
    # Libraries are quieter than we are: their debug lines are about every packet.
    logging.basicConfig(handlers=[LibraryHandler()], level=max(_LEVELS[level], logging.WARNING), force=True)


def get_logger(name: str) -> FilteringBoundLogger:
    """Return the logger of one part, such as ``edge.tunnel``."""
    return cast("FilteringBoundLogger", structlog.get_logger(name))


def announce(text: str) -> None:
    """Print the one line that says a process is ready to serve, in order with the log; programs wait for it."""
    if _Output.writer is not None:
        _Output.writer.put(text)
    else:
        _write_at_once(sys.stderr, text)


def flush_logs() -> None:
    """Wait until the lines so far are written, for a second at most in a process's whole life."""
    if _Output.writer is not None:
        _Output.writer.flush()


atexit.register(flush_logs)


def _put_of(out: TextIO | None, render: _Render, *, wants_thread: bool) -> Callable[[str], None]:
    """Return what takes the lines."""
    if _Output.writer is not None:
        _Output.writer.close()
        _Output.writer = None
    if out is not None and wants_thread:
        with contextlib.suppress(OSError, ValueError):  # it is no file: somebody gathers what we say
            _Output.writer = LogWriter(out.fileno(), lambda dropped: _describe_dropped(dropped, render))
            return _Output.writer.put
    return lambda line: _write_at_once(out, line)


def _write_at_once(out: TextIO | None, line: str) -> None:
    if out is not None:
        with contextlib.suppress(OSError, ValueError):  # a reader that went away, a closed stream
            out.write(f"{line}\n")
            out.flush()


def _describe_dropped(dropped: int, render: _Render) -> str:
    timestamp = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    event = {"event": "log_lines_dropped", "level": "warning", "logger": "logs", "timestamp": timestamp}
    return render(None, "", {**event, "count": dropped})


def _add_name(logger: Any, _method: str, event: _Event) -> _Event:
    if logger.name:
        event.setdefault("logger", logger.name)
    return event


def _explain_errors(_logger: object, _method: str, event: _Event) -> _Event:
    """Turn ``exc_info`` into the error's text, with a traceback only where the error is a bug."""
    given = event.pop("exc_info", None)
    error = _error_of(given)
    if error is None:
        return event
    event.setdefault("error", f"{type(error).__name__}: {error}")
    if not isinstance(error, EXPECTED_ERRORS):
        text = "".join(traceback.format_exception(error)).rstrip()
        event["traceback"] = text[-MAX_TRACEBACK_CHARACTERS:]
    return event


def _error_of(given: object) -> BaseException | None:
    if isinstance(given, BaseException):
        return given
    if isinstance(given, tuple):
        return cast("BaseException | None", given[1])
    return sys.exception() if given else None


def _bound_values(_logger: object, _method: str, event: _Event) -> _Event:
    """Make every value a short scalar."""
    for key, value in event.items():
        if key != "traceback":
            event[key] = _bound(value)
    return event


def _bound(value: object) -> object:
    if value is None or isinstance(value, bool | int):
        return value if not isinstance(value, int) or value.bit_length() <= 64 else _cut(hex(value))
    if isinstance(value, float):
        return value if abs(value) < float("inf") else str(value)  # JSON knows neither infinity nor NaN
    if isinstance(value, bytes | bytearray | memoryview):
        return f"({len(value)} bytes)"  # a payload may hold a password
    return _cut(str(value))


def _cut(text: str) -> str:
    left_out = len(text) - MAX_VALUE_CHARACTERS
    return text if left_out <= 0 else f"{text[:MAX_VALUE_CHARACTERS]}… ({left_out} more characters)"


def _in_order(event: _Event) -> dict[str, object]:
    head = {key: event[key] for key in _FIRST if key in event}
    return {**head, **event}


def _render_json(_logger: object, _method: str, event: _Event) -> str:
    return json.dumps(_in_order(event))  # ASCII, so that no stream's encoding can refuse it


def _render_text(_logger: object, _method: str, event: _Event) -> str:
    fields = _in_order(event)
    head = f"{fields.pop('timestamp')} {fields.pop('level'):<7} {_quote(fields.pop('event'))}"
    trace = fields.pop("traceback", None)
    line = "  ".join((head, *(f"{key}={_quote(value)}" for key, value in fields.items())))
    return line if trace is None else f"{line}\n{trace}"


def _quote(value: object) -> str:
    """Show a value on one line: what holds spaces or control characters is quoted and escaped."""
    text = str(value)
    return text if text.isprintable() and text and " " not in text and '"' not in text else json.dumps(text)
