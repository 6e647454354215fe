"""A folder that only this user can enter, for the Unix sockets between us and gRPC. Called by gate and road."""

import os
import shutil
import tempfile
from itertools import count
from pathlib import Path

MAX_PATH_BYTES = 100
"""A Unix socket's address has room for 107 bytes (Linux, unix(7))."""


class PrivateFolder:
    """A fresh folder; `close` removes it with all that is in it. Raises OSError when it cannot be made."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="tidegate-"))  # mode 0700 from the start
        self._numbers = count(1)
        longest = self.place("e-4294967296")
        if len(os.fsencode(longest)) > MAX_PATH_BYTES:
            self.close()
            raise OSError(f"{self.path} is too long for a Unix socket's address; set TMPDIR to a shorter one")

    def place(self, name: str) -> str:
        """Return the path of a socket."""
        return str(self.path / name)

    def fresh(self) -> str:
        """Return a path that nobody had before."""
        return self.place(f"e-{next(self._numbers)}")

    def close(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.path, ignore_errors=True)
