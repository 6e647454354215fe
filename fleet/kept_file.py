"""A file in which a relay keeps something over a restart: read without trust, replaced as a whole.

Used by the caches of an edge (policy, bans) and by discovery. Several processes may share such a file: whoever reads
finds what one of them wrote or another, never half of one.
"""

import contextlib
import os
import stat
import tempfile
from pathlib import Path

from wire.errors import TidegateError


class KeptFileError(TidegateError):
    """The file is none of ours, or others may have written it; the text says why it is not used."""

    code = "kept_file"


def read_kept(path: Path, max_bytes: int) -> bytes:
    """Return the content, one byte more than ``max_bytes`` at most; blocks. Raises OSError and KeptFileError."""
    with open(path, "rb", opener=_open_at_once) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise KeptFileError("it is not a file")
        if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise KeptFileError("others than its owner may write it")
        return file.read(max_bytes + 1)


def replace_kept(path: Path, content: bytes) -> None:
    """Put a whole file where the old one was, readable by its owner only; blocks. Raises OSError."""
    descriptor, fresh = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(fresh, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(fresh)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # or the name may be gone after a power cut
    finally:
        os.close(folder)


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # a pipe would have us wait for somebody who writes
