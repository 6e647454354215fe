"""What libraries log: one line a second of each kind, and no alarm for what a peer can cause."""

import importlib
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from tidegate.log_libraries import MAX_KINDS, LibraryHandler, RepeatLimit

cygrpc = importlib.import_module("grpc._cython.cygrpc")  # no public name; a gRPC that renames it is noticed here
ExecuteBatchError: type[Exception] = cygrpc.ExecuteBatchError
GRPC = cygrpc._LOGGER.name


@pytest.fixture
def output() -> Iterator[list[dict[str, Any]]]:
    with structlog.testing.capture_logs() as lines:
        yield lines  # type: ignore[misc]


def record(name: str, message: str, *arguments: object, error: Exception | None = None) -> logging.LogRecord:
    exc_info = (type(error), error, None) if error else None
    return logging.LogRecord(name, logging.ERROR, "", 0, message, arguments, exc_info)


def test_a_kind_is_shown_once_a_second_with_the_number_left_out() -> None:
    limit = RepeatLimit()
    kind = ("asyncio", "accept")
    shown = [limit.take(kind, 10.0 + step / 10) for step in range(25)]
    assert [number for number in shown if number is not None] == [0, 9, 9]
    assert limit.take(("asyncio", "other"), 12.0) == 0
    assert limit.take(("grpc", "accept"), 12.0) == 0


def test_the_kinds_are_bounded_and_the_oldest_is_forgotten() -> None:
    limit = RepeatLimit()
    for number in range(MAX_KINDS + 1):
        assert limit.take(("x", str(number)), 1.0) == 0
    assert limit.take(("x", str(MAX_KINDS)), 1.0) is None
    assert limit.take(("x", "0"), 1.0) == 0


def test_a_flood_is_a_line_whatever_objects_are_in_it(output: list[dict[str, Any]]) -> None:
    now = [5.0]
    handler = LibraryHandler(lambda: now[0])
    for number in range(100):
        handler.handle(record("asyncio", f"accept failed on 0x7f{number:x}\nsocket: {number}"))
    now[0] = 6.0
    handler.handle(record("asyncio", "accept failed on 0x1"))
    handler.handle(record("asyncio", "task %d failed", 1))
    handler.handle(record("asyncio", "task %d failed", 2))

    assert [line.get("suppressed") for line in output] == [None, 99, None]
    assert output[2]["event"] == "task 1 failed"


def test_a_batch_that_a_peer_broke_is_a_debug_line_without_a_traceback(output: list[dict[str, Any]]) -> None:
    error = ExecuteBatchError("Failed grpc_call_start_batch")
    LibraryHandler().handle(record(GRPC, "ExecuteBatchError raised in core", error=error))

    (line,) = output
    assert line["log_level"] == "debug"
    assert line["error"] == "ExecuteBatchError: Failed grpc_call_start_batch"
    assert "exc_info" not in line


def test_a_bug_that_grpc_found_is_still_an_error(output: list[dict[str, Any]]) -> None:
    error = ZeroDivisionError("division by zero")
    LibraryHandler().handle(record(GRPC, "Unexpected [%s] raised", "x", error=error))
    LibraryHandler().handle(record("elsewhere", "failed", error=ExecuteBatchError("not gRPC's")))

    assert [line["log_level"] for line in output] == ["error", "error"]
    assert all("exc_info" in line for line in output)


def test_a_debug_line_is_not_shown_at_info() -> None:
    stream = io.StringIO()
    structlog.configure(
        processors=[lambda _logger, _method, event: json.dumps(event, default=str)],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=lambda *_: structlog.PrintLogger(stream),
    )
    try:
        LibraryHandler().handle(record(GRPC, "batch", error=ExecuteBatchError("x")))
        LibraryHandler().handle(record(GRPC, "bug", error=ValueError("x")))
    finally:
        structlog.reset_defaults()
    assert stream.getvalue().count("\n") == 1
