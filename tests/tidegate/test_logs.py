"""Logs: one bounded line per event, in both forms, whatever is logged."""

import io
import json
import logging
import os
import sys
from collections.abc import Iterator

import pytest
import structlog

from tidegate import log_writer
from tidegate.log_libraries import LibraryHandler
from tidegate.logs import MAX_VALUE_CHARACTERS, announce, configure_logs, flush_logs, get_logger
from wire.errors import TunnelFault


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Broken(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError(32, "Broken pipe")


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers[:] = []  # basicConfig closes what it replaces, and these are pytest's
    yield
    configure_logs("info", "json", io.StringIO())  # lets go of standard error
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def lines() -> io.StringIO:
    stream = io.StringIO()
    configure_logs("info", "json", stream)
    return stream


def only(stream: io.StringIO) -> dict[str, object]:
    (line,) = stream.getvalue().splitlines()
    fields: dict[str, object] = json.loads(line)
    return fields


def test_a_json_line_holds_time_level_logger_event_and_fields(lines: io.StringIO) -> None:
    get_logger("edge.tunnel").info("core_attached", core="127.0.0.1:7400", sessions=3)

    fields = only(lines)
    assert list(fields) == ["timestamp", "level", "logger", "event", "core", "sessions"]
    assert str(fields.pop("timestamp")).endswith("Z")
    assert fields == {
        "level": "info",
        "logger": "edge.tunnel",
        "event": "core_attached",
        "core": "127.0.0.1:7400",
        "sessions": 3,
    }


def test_a_logger_made_before_obeys(lines: io.StringIO) -> None:
    logger = structlog.get_logger("core")
    configure_logs("error", "json", lines)

    logger.warning("not_shown")
    logger.bind(session="5").error("shown")

    assert only(lines)["session"] == "5"


def test_less_than_the_level_is_left_out(lines: io.StringIO) -> None:
    get_logger("x").debug("not_shown")

    assert lines.getvalue() == ""


def test_auto_is_text_on_a_terminal_and_json_elsewhere() -> None:
    for stream, start in ((Terminal(), "2"), (io.StringIO(), "{")):
        configure_logs("info", "auto", stream)
        get_logger("x").info("event")
        assert stream.getvalue().startswith(start)


def test_text_is_one_line_and_quotes_what_needs_it() -> None:
    stream = io.StringIO()
    configure_logs("info", "text", stream)

    get_logger("core").info("origin_lost", reason='it "broke"\n2026 error fake', empty="", session=7)

    (line,) = stream.getvalue().splitlines()
    expected = r'info    origin_lost  logger=core  reason="it \"broke\"\n2026 error fake"  empty=""  session=7'
    assert line.partition(" ")[2] == expected


def test_values_are_bounded(lines: io.StringIO) -> None:
    get_logger("x").info("y" * 2000, text="x" * 600, list=["a"] * 5000, number=1 << 5000)

    fields = only(lines)
    assert fields["text"] == "x" * MAX_VALUE_CHARACTERS + "… (88 more characters)"
    assert len(lines.getvalue()) < 5 * MAX_VALUE_CHARACTERS


@pytest.mark.parametrize("value", [b"secret", bytearray(b"secret"), memoryview(b"secret")])
def test_bytes_are_counted_and_not_shown(lines: io.StringIO, value: object) -> None:
    get_logger("x").info("event", payload=value)

    assert only(lines)["payload"] == "(6 bytes)"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800", "\x00\x1b[0m", None, True])
@pytest.mark.parametrize("form", ["json", "text"])
def test_odd_values_stay_on_a_line_that_any_stream_takes(value: object, form: str) -> None:
    raw = io.BytesIO()
    configure_logs("info", "json" if form == "json" else "text", io.TextIOWrapper(raw, "ascii"))

    get_logger("x").info("event", value=value)

    assert raw.getvalue().count(b"\n") == 1
    assert b"\x1b" not in raw.getvalue()


@pytest.mark.parametrize("error", [TunnelFault("too long"), OSError(98, "in use"), TimeoutError("late")])
def test_an_expected_error_is_its_text(lines: io.StringIO, error: Exception) -> None:
    try:
        raise error
    except Exception:
        get_logger("x").exception("failed")

    fields = only(lines)
    assert fields["error"] == f"{type(error).__name__}: {error}"
    assert "traceback" not in fields


@pytest.mark.parametrize("form", ["json", "text"])
def test_a_bug_has_a_traceback(form: str) -> None:
    stream = io.StringIO()
    configure_logs("info", "json" if form == "json" else "text", stream)

    get_logger("x").error("failed", exc_info=ZeroDivisionError("division by zero"))

    assert "ZeroDivisionError: division by zero" in stream.getvalue()
    assert ("traceback" in only(stream)) if form == "json" else ("\nZeroDivisionError" in stream.getvalue())


def test_exc_info_without_an_error_is_nothing(lines: io.StringIO) -> None:
    get_logger("x").error("failed", exc_info=True)

    assert "error" not in only(lines)


def test_what_libraries_say_becomes_lines(lines: io.StringIO) -> None:
    logging.getLogger("asyncio").info("not shown")
    logging.getLogger("asyncio").error("task %s failed", 5, exc_info=OSError("gone"))

    fields = only(lines)
    assert (fields["logger"], fields["event"], fields["error"]) == ("asyncio", "task 5 failed", "OSError: gone")


def test_a_librarys_broken_message_is_shown_as_it_is(lines: io.StringIO) -> None:
    (ours,) = [each for each in logging.getLogger().handlers if isinstance(each, LibraryHandler)]

    ours.handle(logging.LogRecord("grpc", logging.WARNING, "", 0, "%d of %d", ("x",), None))

    assert only(lines)["event"] == "%d of %d"


def test_a_librarys_flood_becomes_a_line(lines: io.StringIO) -> None:
    for number in range(5000):
        logging.getLogger("asyncio").error(f"accept failed\nsocket: {number}")

    assert only(lines)["event"] == "accept failed\nsocket: 0"


def test_a_stream_that_breaks_stops_nothing() -> None:
    configure_logs("info", "json", Broken())
    get_logger("x").info("event")

    closed = io.StringIO()
    closed.close()
    configure_logs("info", "json", closed)
    get_logger("x").info("event")


def test_the_ready_line_is_plain_and_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    announce("tidegate edge: ready")

    assert capsys.readouterr() == ("", "tidegate edge: ready\n")


def test_the_default_stream_is_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("info", "json")
    get_logger("x").info("event")

    assert '"event": "event"' in capsys.readouterr().err
    assert sys.stderr is not None


def test_the_ready_line_stands_in_order_with_the_log(capfd: pytest.CaptureFixture[str]) -> None:
    configure_logs("info", "text")
    get_logger("x").info("before")
    announce("tidegate edge: ready")
    get_logger("x").info("after")
    flush_logs()

    first, second, third = capfd.readouterr().err.splitlines()
    assert "before" in first
    assert second == "tidegate edge: ready"
    assert "after" in third


def test_without_a_standard_error_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    configure_logs("info", "auto")

    get_logger("x").info("event")
    announce("tidegate edge: ready")
    flush_logs()


@pytest.mark.parametrize("form", ["json", "text"])
def test_left_out_lines_are_counted_in_the_same_form(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_writer, "MAX_WAITING_LINES", 0)
    receiver, sender = os.pipe()
    with os.fdopen(receiver) as reader, os.fdopen(sender, "w") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        configure_logs("info", "json" if form == "json" else "text")
        for _ in range(7):
            get_logger("x").info("event")
        flush_logs()
        line = reader.readline()

    if form == "json":
        fields = json.loads(line)
        assert str(fields.pop("timestamp")).endswith("Z")
        assert fields == {"level": "warning", "logger": "logs", "event": "log_lines_dropped", "count": 7}
    else:
        assert line.partition("Z ")[2] == "warning log_lines_dropped  logger=logs  count=7\n"
