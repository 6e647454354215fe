"""Files of certificates, read within bounds. Called by `fleet.tls.authorities` and `fleet.tls.certificate_files`."""

from pathlib import Path

from fleet.bounded_file import read_bounded
from wire.errors import TidegateError

MAX_FILE_BYTES = 4 << 20
"""Some hundred thousand revoked certificates."""


class CertificateError(TidegateError):
    """Files that cannot be used; the text names the file, what is wrong and what would be right."""

    code = "certificate"


def read(path: Path) -> bytes:
    """Read a file whole; raises CertificateError."""
    return read_bounded(path, MAX_FILE_BYTES, CertificateError)
