"""A file in which a relay keeps something over a restart: read without trust, replaced as a whole.

======  =====  =========  ==============================================================
offset  bytes  what       meaning
======  =====  =========  ==============================================================
0       n      magic      what it is and, where there were several, in which form: text
n       32     checksum   SHA-256 of the body
n + 32  …      body       what is kept
======  =====  =========  ==============================================================

Used by the caches of an edge (policy, bans) and by discovery. Several processes may share such a file: whoever reads
finds what one of them wrote or another, never half of one.
"""

import contextlib
import os
import stat
import tempfile
import time
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from wire.errors import TidegateError

CHECKSUM_BYTES = 32

ABANDONED_SECONDS = 3600.0
"""A file that was begun so long ago and has not taken its place is nobody's: its writer was killed."""


class KeptFileError(TidegateError):
    """The file is none of ours, or others may have written it; the text says why it is not used."""

    code = "kept_file"


@dataclass(frozen=True, slots=True)
class Sealed:
    """What a file holds. `checked` compares it with its checksum, unless the reader of the body does that himself."""

    checksum: bytes
    body: bytes

    def checked(self) -> bytes:
        """Return the body; raises KeptFileError where it is not what was written."""
        if sha256(self.body).digest() != self.checksum:
            raise KeptFileError("it does not match its checksum")
        return self.body


def read_kept(path: Path, magic: bytes, what: str, max_bytes: int) -> Sealed:
    """Read a file that is to hold ``what``, of ``max_bytes`` at most; blocks. Raises OSError and KeptFileError."""
    content = _read_bounded(path, max_bytes)
    if not content.startswith(magic):
        raise KeptFileError(f"it does not hold {what}")
    if len(content) > max_bytes:
        raise KeptFileError(f"it is longer than {max_bytes} bytes")
    body_offset = len(magic) + CHECKSUM_BYTES
    return Sealed(content[len(magic) : body_offset], content[body_offset:])


def _read_bounded(path: Path, max_bytes: int) -> bytes:
    """Return the content, one byte more than ``max_bytes`` at most."""
    with open(path, "rb", opener=_open_at_once) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise KeptFileError("it is not a file")
        if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise KeptFileError("others than its owner may write it")
        if status.st_uid not in (0, os.geteuid()):
            raise KeptFileError("it belongs to another user")
        return file.read(max_bytes + 1)


def replace_kept(path: Path, magic: bytes, body: bytes) -> None:
    """Put a whole file where the old one was, readable by its owner only; blocks. Raises OSError."""
    _remove_abandoned(path)
    descriptor, fresh = tempfile.mkstemp(prefix=_fresh_prefix(path), dir=path.parent)
    try:
        with open(descriptor, "wb") as file:
            file.write(magic + sha256(body).digest())
            file.write(body)
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


def _fresh_prefix(path: Path) -> str:
    return f".{path.name}."


def _remove_abandoned(path: Path) -> None:
    """Remove what writers have left that were killed, or each such end would leave a file for good."""
    latest = time.time() - ABANDONED_SECONDS
    with contextlib.suppress(OSError), os.scandir(path.parent) as entries:
        for entry in entries:
            if entry.name.startswith(_fresh_prefix(path)):
                _remove_if_older(entry, latest)


def _remove_if_older(entry: "os.DirEntry[str]", latest: float) -> None:
    with contextlib.suppress(OSError):  # another process that shares the file was faster, or there is one more of them
        if entry.is_file(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_mtime < latest:
            os.unlink(entry)


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # a pipe would have us wait for somebody who writes
