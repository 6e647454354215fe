"""Who signs in a folder: the authority's key and certificate, and a second pair while a fleet moves to another one.

============================  =====================================================================================
``authority.key``, ``.pem``   the pair that issues certificates
``next.key``, ``.pem``        the pair that relays are to trust before it issues any (`begin`)
``old.key``, ``.pem``         the pair that has issued, and still signs its list of those taken back (`switch`)
============================  =====================================================================================

Called by `fleet.authority.authority`, with the folder locked for all but `read_signers`. Every step can be cut short at
any moment: a pair is there when its key is, and where ``next`` and ``old`` are both there the switch has been decided.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from fleet.authority.certificates import Key, key_pem, pem
from fleet.authority.files import PUBLIC, SECRET, AuthorityError, read, remove, write

CURRENT, NEXT, OLD = "authority", "next", "old"

NAME_CHARACTERS = 12
"""Of the key's SHA-1: what an authority is called by people, in logs and in the name of its certificate."""

MAX_FILE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Signer:
    """One authority's certificate and key."""

    certificate: x509.Certificate
    key: Key

    @property
    def name(self) -> str:
        """Return what it is called."""
        return x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()).digest.hex()[:NAME_CHARACTERS]

    @property
    def expires_at(self) -> datetime:
        """When it ends, and with it all that it has issued."""
        return self.certificate.not_valid_after_utc


@dataclass(frozen=True, slots=True)
class Signers:
    """Who there is: ``current`` issues; of ``upcoming`` and ``old`` one may be there."""

    current: Signer
    upcoming: Signer | None = None
    old: Signer | None = None

    @property
    def trusted(self) -> tuple[Signer, ...]:
        """All whose certificates relays are to accept, the one that issues first."""
        return tuple(each for each in (self.current, self.upcoming, self.old) if each is not None)


def has_signer(folder: Path) -> bool:
    """Whether there is an authority in a folder."""
    return (folder / f"{CURRENT}.key").exists()


def read_signers(folder: Path) -> Signers:
    """Read who signs; raises AuthorityError."""
    upcoming = _read_pair(folder, NEXT) if (folder / f"{NEXT}.key").exists() else None
    old = _read_pair(folder, OLD) if (folder / f"{OLD}.key").exists() else None
    if upcoming is not None and old is not None:  # a switch that was cut short
        return Signers(upcoming, old=old)
    return Signers(_read_pair(folder, CURRENT), upcoming, old)


def put(folder: Path, signer: Signer) -> None:
    """Write the first pair; raises AuthorityError."""
    _write_pair(folder, CURRENT, signer)


def begin(folder: Path, upcoming: Signer) -> None:
    """Write the pair that is to follow; raises AuthorityError."""
    _write_pair(folder, NEXT, upcoming)


def switch(folder: Path) -> None:
    """Have the next pair issue from now on, and keep the one of before as the old; raises AuthorityError."""
    _write_pair(folder, OLD, _read_pair(folder, CURRENT))
    settle(folder)


def settle(folder: Path) -> None:
    """Finish a switch that was cut short, if there is one; raises AuthorityError."""
    if (folder / f"{NEXT}.key").exists() and (folder / f"{OLD}.key").exists():
        put(folder, _read_pair(folder, NEXT))
        _remove_pair(folder, NEXT)


def retire(folder: Path) -> None:
    """Remove the old pair, its key first; raises AuthorityError."""
    _remove_pair(folder, OLD)


def _read_pair(folder: Path, name: str) -> Signer:
    try:
        key = serialization.load_pem_private_key(read(folder / f"{name}.key", MAX_FILE_BYTES), None)
        certificate = x509.load_pem_x509_certificate(read(folder / f"{name}.pem", MAX_FILE_BYTES))
    except (ValueError, TypeError) as error:
        raise AuthorityError(f"{folder}: the authority's key or certificate cannot be read; put back a copy") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise AuthorityError(f"{folder}: {name}.key is not the key of {name}.pem; put back a copy of the folder")
    return Signer(certificate, key)


def _write_pair(folder: Path, name: str, signer: Signer) -> None:
    write(folder / f"{name}.pem", pem(signer.certificate), PUBLIC)
    write(folder / f"{name}.key", key_pem(signer.key), SECRET)


def _remove_pair(folder: Path, name: str) -> None:
    remove(folder / f"{name}.key")
    remove(folder / f"{name}.pem")
