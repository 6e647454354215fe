"""Writes lines to a file descriptor from a thread of its own, so that nobody who logs ever waits for a reader.

`tidegate.logs` makes one for standard error. A pipe that nobody reads is full after 64 KiB, a terminal can be
stopped by Ctrl-S: then lines pile up here to a bound, further ones are counted and left out, and the count is
written at their place once there is room again. It knows text only, nothing of events or levels.
"""

import os
import select
import threading
import time
from collections.abc import Callable, Iterator
from queue import SimpleQueue

MAX_WAITING_LINES = 2048
"""About 1 MiB of ordinary lines, and some seconds of the busiest log we have seen."""

FLUSH_SECONDS = 1.0
"""What all flushes of a process may take together: an end must not wait for a reader that is not there."""


class LogWriter:
    """A bounded queue and a daemon thread that empties it into ``descriptor``.

    ``describe_dropped`` turns a number of left out lines into the line that says so; the thread calls it.
    """

    def __init__(self, descriptor: int, describe_dropped: Callable[[int], str]) -> None:
        self._descriptor = descriptor
        self._describe_dropped = describe_dropped
        self._lines: list[str] = []
        self._dropped = 0
        self._flush_seconds_left = FLUSH_SECONDS
        # Reentrant, as is the queue: a collected object may log while its own thread is in `put`.
        self._lock = threading.RLock()
        self._wakes: SimpleQueue[threading.Event | None] = SimpleQueue()
        self._is_closing = False
        self._thread = threading.Thread(target=self._run, name="log writer", daemon=True)
        self._thread.start()

    def put(self, line: str) -> None:
        """Take one line without its end; never waits, from any thread."""
        with self._lock:
            if len(self._lines) >= MAX_WAITING_LINES:
                self._dropped += 1
                return
            self._lines.append(line)
            if len(self._lines) > 1:
                return  # the thread has been woken and not come yet
        self._wakes.put(None)

    def flush(self) -> None:
        """Wait until all that was put is written, but no longer than what is left of `FLUSH_SECONDS`."""
        written = threading.Event()
        began = time.monotonic()
        self._wakes.put(written)
        written.wait(self._flush_seconds_left)
        self._flush_seconds_left = max(0.0, self._flush_seconds_left - (time.monotonic() - began))

    def close(self) -> None:
        """Write what is left and end the thread; waits a bounded time for it. Nothing may be put afterwards."""
        self._is_closing = True
        self._wakes.put(None)
        self._thread.join(FLUSH_SECONDS)

    def _run(self) -> None:
        while not self._is_closing or not self._wakes.empty():
            wake = self._wakes.get()
            for piece in _pieces(self._take()):
                _write(self._descriptor, piece)
            if wake is not None:
                wake.set()

    def _take(self) -> list[str]:
        """Take all lines at once, and after them the count of those that found no place behind them."""
        with self._lock:
            lines, self._lines = self._lines, []
            dropped, self._dropped = self._dropped, 0
        if dropped:
            lines.append(self._describe_dropped(dropped))
        return lines


def _pieces(lines: list[str]) -> Iterator[bytes]:
    """Join lines to pieces that a pipe takes as one, so that lines of several workers do not mix."""
    piece = b""
    for line in lines:
        # Text on a terminal may hold any character; nothing may end the thread.
        encoded = line.encode(errors="backslashreplace") + b"\n"
        if piece and len(piece) + len(encoded) > select.PIPE_BUF:
            yield piece
            piece = b""
        piece += encoded
    if piece:
        yield piece


def _write(descriptor: int, piece: bytes) -> None:
    """Write it all; what cannot be written is lost, and the next piece is tried again."""
    left = memoryview(piece)
    while left:
        try:
            left = left[os.write(descriptor, left) :]
        except BlockingIOError:  # somebody who shares the pipe has made it so
            waiting = select.poll()
            waiting.register(descriptor, select.POLLOUT)
            waiting.poll()
        except OSError:  # a reader that went away, a full disk
            return
