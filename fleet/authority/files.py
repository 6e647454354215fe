"""Files that must never be half there, and keys that nobody else may read. Called by `fleet.authority` only."""

import contextlib
import os
import tempfile
from pathlib import Path

from fleet.bounded_file import read_bounded
from wire.errors import TidegateError

SECRET = 0o600
PUBLIC = 0o644
FOLDER = 0o700


class AuthorityError(TidegateError):
    """What was asked cannot be done; the text says why and what can be."""

    code = "authority"


def make_folder(path: Path) -> None:
    """Make a folder that only its owner can enter, with those above it; raises AuthorityError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=FOLDER, exist_ok=True)
        path.chmod(FOLDER)
    except OSError as error:
        raise AuthorityError(f"{path}: {error.strerror}") from error


def write(path: Path, content: bytes, mode: int) -> None:
    """Put a whole file in place of what was there, or change nothing; raises AuthorityError."""
    temporary = ""
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)  # 0600 from the start
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, mode)
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise AuthorityError(f"{path}: {error.strerror}") from error


def remove(path: Path) -> None:
    """Remove a file, if it is there; raises AuthorityError."""
    try:
        path.unlink(missing_ok=True)
        _sync_folder(path.parent)
    except OSError as error:
        raise AuthorityError(f"{path}: {error.strerror}") from error


def read(path: Path, limit_bytes: int) -> bytes:
    """Read a file of bounded size; raises AuthorityError."""
    return read_bounded(path, limit_bytes, AuthorityError)


def _sync_folder(path: Path) -> None:
    """Have the new name survive a power cut, too."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
