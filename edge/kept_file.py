"""A file that an edge keeps for its next start: replaced as a whole, and read as if anybody had written it.

Used by the caches of the policy and of the bans. Workers of one edge may share it: whoever reads finds one content or
another, never half of one.
"""

import contextlib
import os
import stat
import tempfile
from pathlib import Path

from wire.errors import TunnelFault


def read_kept(path: Path, max_bytes: int) -> bytes:
    """Return the file's content, at most a byte more than the bound; blocks.

    Raises OSError, and TunnelFault for a file that cannot be ours.
    """
    with open(path, "rb", opener=_open_at_once) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise TunnelFault("it is not a file")
        if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise TunnelFault("others than its owner may write it")
        return file.read(max_bytes + 1)


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # a pipe would have us wait for somebody who writes


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
