"""A file read whole within bounds, for the certificates of a relay (`fleet.tls`) and of the authority's folder."""

from pathlib import Path

from wire.errors import TidegateError


def read_bounded(path: Path, limit_bytes: int, error: type[TidegateError]) -> bytes:
    """Read a file of at most ``limit_bytes``; raises ``error``, whose text names the file and what is wrong."""
    try:
        with path.open("rb") as file:
            content = file.read(limit_bytes + 1)
    except OSError as failure:
        raise error(f"{path}: {failure.strerror}") from failure
    if len(content) > limit_bytes:
        raise error(f"{path} is longer than {limit_bytes} bytes, so it is something else")
    return content
