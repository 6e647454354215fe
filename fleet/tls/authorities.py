"""The authorities that a relay trusts, and what each has taken back.

Called by `fleet.tls.certificate_files`, which knows where the files are, and by `fleet.tls.secure_end` with what a peer
has shown. It is one authority, and two while a fleet moves from one to the next. An authority is known by its key
(`key_id`): a new certificate for the same key is the same authority.

OpenSSL reads the same files, and takes every certificate in them for one to trust. So nothing may stand in them that is
not accounted for here.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from fleet.tls.pem_files import CertificateError, read

MAX_AUTHORITIES = 4
"""Two are needed to change, and a third where one was left from the time before."""

KEY_ID_CHARACTERS = 12
"""As many as stand in the name that `fleet.authority` gives an authority."""

_BEGIN = b"-----BEGIN"
_LIST = re.compile(rb"-----BEGIN X509 CRL-----.*?-----END X509 CRL-----", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Trusted:
    """One authority. ``key_id`` is hexadecimal; ``name`` is what people read, the beginning of it."""

    key_id: str
    certificate: x509.Certificate

    @property
    def name(self) -> str:
        """Return the short name for logs."""
        return self.key_id[:KEY_ID_CHARACTERS]

    @property
    def expires_at(self) -> datetime:
        """When it ends, and with it all that it has issued."""
        return self.certificate.not_valid_after_utc

    def holds(self) -> bool:
        """Whether it has not ended."""
        return self.expires_at > datetime.now(UTC)

    def has_issued(self, certificate: x509.Certificate) -> bool:
        """Whether it has signed a certificate."""
        try:
            certificate.verify_directly_issued_by(self.certificate)
        except (InvalidSignature, ValueError, TypeError):
            return False
        return True


def read_authorities(path: Path) -> tuple[Trusted, ...]:
    """Read the authorities, of which at least one holds today; raises CertificateError."""
    content = read(path)
    try:
        found = x509.load_pem_x509_certificates(content)
        if content.count(_BEGIN) != len(found):
            raise ValueError("something else beside certificates")
    except ValueError as error:
        raise CertificateError(f"{path} does not hold certificates in PEM, and nothing else") from error
    if len(found) > MAX_AUTHORITIES:
        raise CertificateError(f"{path} holds {len(found)} certificates; more than {MAX_AUTHORITIES} are none of ours")
    authorities = {each.key_id: each for each in (_trusted(path, certificate) for certificate in found)}
    if not any(each.holds() for each in authorities.values()):
        last = max(each.expires_at for each in authorities.values())
        raise CertificateError(f"{path}: the authority expired on {last:%Y-%m-%d}")
    return tuple(authorities.values())


def read_revoked(path: Path | None, authorities: Iterable[Trusted], authorities_path: Path) -> frozenset[int]:
    """Read the list of each authority that holds; return the serials on them. Raises CertificateError.

    A serial that one authority has taken back is refused of all: they are drawn from 2**159, so no two are the same,
    and who moves to another authority may write one list for both.
    """
    if path is None:
        return frozenset()
    content = read(path)
    missing = {each.key_id: each for each in authorities}
    serials: set[int] = set()
    for revoked in _lists(path, content):
        owner = next((each for each in missing.values() if _is_list_of(revoked, each)), None)
        if owner is None:
            raise CertificateError(f"{path} is not the list of the authority in {authorities_path}; copy both")
        del missing[owner.key_id]
        if owner.holds():
            _check_list(path, revoked)
        serials.update(each.serial_number for each in revoked)
    names = " and ".join(each.name for each in missing.values() if each.holds())
    if names:
        raise CertificateError(f"{path} has no list of the authority {names} in {authorities_path}; copy both")
    return frozenset(serials)


def issuer_of(raw: bytes) -> str:
    """Return the key id of the authority of a certificate that OpenSSL has found right, given in DER.

    OpenSSL has compared it with the authority's own (`ssl.VERIFY_X509_STRICT`). Empty where none stands in it.
    """
    try:
        certificate = x509.load_der_x509_certificate(raw)
        found = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return ""
    return (found or b"").hex()


def _trusted(path: Path, certificate: x509.Certificate) -> Trusted:
    try:
        is_authority = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        key_id = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest.hex()
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        is_authority, key_id = False, ""
    if not is_authority:
        raise CertificateError(f"{path} is no authority's certificate; the file is called authority.pem")
    return Trusted(key_id, certificate)


def _lists(path: Path, content: bytes) -> list[x509.CertificateRevocationList]:
    found = _LIST.findall(content)
    try:
        if content.count(_BEGIN) != len(found) or not 1 <= len(found) <= MAX_AUTHORITIES:
            raise ValueError("something else beside lists")
        return [x509.load_pem_x509_crl(each) for each in found]
    except ValueError as error:
        raise CertificateError(f"{path} does not hold one list of revoked certificates of each authority") from error


def _is_list_of(revoked: x509.CertificateRevocationList, authority: Trusted) -> bool:
    certificate = authority.certificate
    try:
        is_ours = revoked.is_signature_valid(certificate.public_key())  # type: ignore[arg-type] # raises for others
    except (ValueError, TypeError):
        return False
    return is_ours and revoked.issuer == certificate.subject


def _check_list(path: Path, revoked: x509.CertificateRevocationList) -> None:
    now = datetime.now(UTC)
    if revoked.next_update_utc is None or revoked.next_update_utc <= now or revoked.last_update_utc > now:
        raise CertificateError(f"{path} does not hold now; `tidegate certs list` writes it anew")
