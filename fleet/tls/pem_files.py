"""Files of certificates, read within bounds. Called by `fleet.tls.authorities` and `fleet.tls.certificate_files`."""

from pathlib import Path

from wire.errors import TidegateError

MAX_FILE_BYTES = 4 << 20
"""Some hundred thousand revoked certificates."""


class CertificateError(TidegateError):
    """Files that cannot be used; the text names the file, what is wrong and what would be right."""

    code = "certificate"


def read(path: Path) -> bytes:
    """Read a file whole; raises CertificateError."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise CertificateError(f"{path}: {error.strerror}") from error
    if len(content) > MAX_FILE_BYTES:
        raise CertificateError(f"{path} is longer than {MAX_FILE_BYTES} bytes, so it is something else")
    return content
