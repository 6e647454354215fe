"""The log's writer: nobody waits for a reader, nothing is lost without a word."""

import os
import threading
import time
from collections.abc import Iterator

import pytest

from tidegate.log_writer import MAX_WAITING_LINES, LogWriter

MANY_BYTES = 200


@pytest.fixture
def pipe() -> Iterator[tuple[int, LogWriter]]:
    """The end that is read, and a writer at the other."""
    receiver, sender = os.pipe()
    writer = make_writer(sender)
    yield receiver, writer
    os.close(receiver)
    writer.close()
    os.close(sender)


def make_writer(descriptor: int) -> LogWriter:
    return LogWriter(descriptor, lambda count: f"dropped {count}")


def read_until(receiver: int, last: str) -> list[str]:
    text = b""
    while not text.endswith(f"{last}\n".encode()):
        text += os.read(receiver, 65536)
    return text.decode().splitlines()


def test_lines_come_in_order(pipe: tuple[int, LogWriter]) -> None:
    receiver, writer = pipe
    for number in range(500):
        writer.put(f"line {number}")
    writer.flush()
    assert read_until(receiver, "line 499") == [f"line {number}" for number in range(500)]


def test_lines_of_several_threads_stay_whole(pipe: tuple[int, LogWriter]) -> None:
    receiver, writer = pipe

    def speak() -> None:
        for _ in range(100):
            writer.put("x" * 50)

    threads = [threading.Thread(target=speak) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.put("end")
    assert read_until(receiver, "end") == ["x" * 50] * 400 + ["end"]


def test_nobody_waits_for_a_reader_and_what_was_left_out_is_counted_at_its_place(pipe: tuple[int, LogWriter]) -> None:
    receiver, writer = pipe
    count = 3 * MAX_WAITING_LINES  # more than the pipe and the queue hold
    for number in range(count):
        writer.put(f"{number:>{MANY_BYTES}}")

    with os.fdopen(os.dup(receiver)) as reader:
        expected = dropped = 0
        while expected < count:
            line = reader.readline()
            if line.startswith("dropped"):
                dropped += int(line.split()[1])
                expected += int(line.split()[1])
            else:
                assert int(line) == expected
                expected += 1
    assert 0 < dropped <= 2 * MAX_WAITING_LINES
    writer.put("again")
    assert read_until(receiver, "again") == ["again"]


def test_a_flush_has_a_limit_for_the_whole_process(
    pipe: tuple[int, LogWriter], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, writer = pipe
    monkeypatch.setattr(writer, "_flush_seconds_left", 0.2)
    for _ in range(MAX_WAITING_LINES):
        writer.put("x" * MANY_BYTES)
    began = time.monotonic()
    for _ in range(10):
        writer.flush()
    assert 0.15 < time.monotonic() - began < 1.5


def test_a_pipe_that_somebody_made_nonblocking_loses_nothing() -> None:
    receiver, sender = os.pipe()
    os.set_blocking(sender, False)
    writer = make_writer(sender)
    for number in range(1000):
        writer.put(f"{number:>{MANY_BYTES}}")
    assert [int(line) for line in read_until(receiver, "999")] == list(range(1000))
    writer.close()
    os.close(sender)
    os.close(receiver)


def test_a_reader_that_went_away_stops_nothing() -> None:
    receiver, sender = os.pipe()
    os.close(receiver)
    writer = make_writer(sender)
    writer.put("nobody hears it")
    writer.flush()
    writer.put("nor this")
    writer.close()
    os.close(sender)


def test_any_text_can_be_written(pipe: tuple[int, LogWriter]) -> None:
    receiver, writer = pipe
    writer.put("lone \ud800 half")
    writer.put("é")
    assert read_until(receiver, "é") == ["lone \\ud800 half", "é"]
