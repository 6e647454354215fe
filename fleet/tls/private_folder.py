"""A folder that only this user can enter, for the Unix sockets between us and gRPC. Called by gate and road.

It is locked for as long as it is used: then systemd's tidying of /tmp leaves it alone (tmpfiles.d(5)), and whoever
makes the next one can tell which are left over from processes that were killed, and removes them.
"""

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
import time
from itertools import count
from pathlib import Path

PREFIX = "tidegate-tls-"
MAX_PATH_BYTES = 100
"""A Unix socket's address has room for 107 bytes (Linux, unix(7))."""

FRESH_SECONDS = 60.0
"""A folder younger than this may be one that is about to be locked."""


class PrivateFolder:
    """A fresh folder; `close` removes it with all that is in it. Raises OSError when it cannot be made."""

    def __init__(self) -> None:
        _remove_left_over(Path(tempfile.gettempdir()))
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX))  # mode 0700 from the start
        self._lock = os.open(self.path, os.O_RDONLY)
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._numbers = count(1)
        if len(os.fsencode(self.place("e-4294967296"))) > MAX_PATH_BYTES:
            self.close()
            raise OSError(f"{self.path} is too long for a Unix socket's address; set TMPDIR to a shorter one")

    def place(self, name: str) -> str:
        """Return the path of a socket."""
        return str(self.path / name)

    def fresh(self) -> str:
        """Return a path that nobody had before."""
        return self.place(f"e-{next(self._numbers)}")

    def close(self) -> None:
        """Remove the folder; harmless when done twice."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def _remove_left_over(place: Path) -> None:
    """Remove our user's folders that nobody holds a lock on."""
    for path in place.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            status = os.lstat(path)
            is_ours = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()
            if is_ours and time.time() - status.st_mtime > FRESH_SECONDS and _holds_sockets_only(path):
                _remove_if_unlocked(path)


def _holds_sockets_only(path: Path) -> bool:
    """Whether it can be such a folder at all: somebody else's may have a name that begins so, too."""
    return all(stat.S_ISSOCK(os.lstat(each).st_mode) for each in path.iterdir())


def _remove_if_unlocked(path: Path) -> None:
    lock = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(path, ignore_errors=True)
    finally:
        os.close(lock)
