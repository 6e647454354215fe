"""A real Redis of one's own: on a socket in a folder, or on a free loopback port, with all that may befall it.

It says itself when it is ready, so nothing waits by the clock. Nothing it holds outlives it.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

PROGRAM = "redis-server"
LOOPBACK = "127.0.0.1"
READY = ("ready to accept connections", "sentinel id is")
MAX_LINES = 200
PORT_ATTEMPTS = 10


class RedisServer:
    """One server in ``folder``; ``port`` 0 is a socket in the folder, None takes a free port."""

    def __init__(self, folder: Path, *options: str, port: int | None = 0, sentinel_of: str = "") -> None:
        self._folder = folder
        self._options = options
        self._sentinel_of = sentinel_of
        self._takes_any_port = port is None
        self._process: subprocess.Popen[str] | None = None
        self.port = port or 0
        self.socket = folder / "redis.sock"

    @property
    def url(self) -> str:
        """Where it is, for a store."""
        return f"redis://{LOOPBACK}:{self.port}" if self.port else f"unix://{self.socket}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it, empty; returns when it is ready."""
        program = shutil.which(PROGRAM)
        assert program, "redis-server is missing: 'make programs' says how to install it"
        for _ in range(PORT_ATTEMPTS):
            if self._takes_any_port:
                self.port = _free_port()
            if self._start(program):
                self._takes_any_port = False  # the same again when it is started anew
                return
        raise AssertionError(f"{PROGRAM} does not start in {self._folder}")

    def stop(self) -> None:
        """Kill it; what it holds is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None

    def freeze(self) -> None:
        """Stop it so that it is connected and says nothing."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        os.kill(self.pid, signal.SIGCONT)

    def say(self, *words: str | bytes) -> bytes:
        """Send one command over a connection of its own and return the first answer as it comes, bounded."""
        parts = [word.encode() if isinstance(word, str) else word for word in words]
        request = b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
        family = socket.AF_INET if self.port else socket.AF_UNIX
        with socket.socket(family) as connection:
            connection.settimeout(5)
            connection.connect((LOOPBACK, self.port) if self.port else str(self.socket))
            connection.sendall(request)
            return connection.recv(65536)

    def _start(self, program: str) -> bool:
        configuration = self._folder / "redis.conf"
        lines = [f"bind {LOOPBACK}", f"port {self.port}", f"dir {self._folder}", 'save ""', "appendonly no"]
        lines += [self._sentinel_of] if self._sentinel_of else []
        lines += [] if self.port else [f"unixsocket {self.socket}"]
        configuration.write_text("\n".join((*lines, *self._options, "")))
        command = [program, str(configuration), *(["--sentinel"] if self._sentinel_of else [])]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert self._process.stdout is not None
        for _, line in zip(range(MAX_LINES), self._process.stdout, strict=False):
            if any(word in line.lower() for word in READY):
                return True
        self.stop()
        return False


@contextlib.contextmanager
def redis_server(*options: str, port: int | None = 0, sentinel_of: str = "") -> Iterator[RedisServer]:
    """A running server in a folder that goes with it; the folder's path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="tidegate-") as folder:
        server = RedisServer(Path(folder), *options, port=port, sentinel_of=sentinel_of)
        server.start()
        try:
            yield server
        finally:
            with contextlib.suppress(AssertionError):
                server.thaw()
            server.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port
