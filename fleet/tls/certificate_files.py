"""The files that a relay proves itself by, read and checked as a set: certificate, key, authorities, revoked lists.

Called by `fleet.tls.credentials` and by ``check-config``. It loads `cryptography`, so it is imported only where there
is TLS. Nothing here is kept half: a set is right as a whole, or an error says which file is wrong and why.
"""

import os
import ssl
import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from fleet.identity import Identity, Role, parse_identity
from fleet.tls.authorities import Trusted, read_authorities, read_revoked
from fleet.tls.pem_files import CertificateError, read

Stamp = tuple[tuple[int, int, int] | None, ...]


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """Where the files are. ``revoked`` is None where nothing is ever revoked."""

    certificate: Path
    key: Path
    authority: Path
    revoked: Path | None = None

    def all(self) -> tuple[Path, ...]:
        """Return those that there are."""
        return tuple(each for each in (self.certificate, self.key, self.authority, self.revoked) if each is not None)

    def stamp(self) -> Stamp:
        """Return what changes whenever one of the files does."""
        return tuple(map(_stamp, self.all()))


@dataclass(frozen=True, slots=True)
class Loaded:
    """A set of files that is right.

    ``authority`` is the key id of who issued the certificate, ``trusted`` are those of all authorities, ``revoked`` are
    serials; ``server`` and ``client`` are ready for handshakes.
    """

    identity: Identity
    serial: int
    expires_at: datetime
    authority: str
    trusted: frozenset[str]
    revoked: frozenset[int]
    server: ssl.SSLContext
    client: ssl.SSLContext
    key_is_open: bool


def role_of(files: CertificateFiles) -> Role:
    """Return the role that a certificate is for; raises CertificateError."""
    return _identity_of(files.certificate, _read_certificate(files.certificate)).role


def load(files: CertificateFiles, role: Role) -> Loaded:
    """Read and check a set of files for a process of this role; raises CertificateError."""
    before = files.stamp()
    certificate = _read_certificate(files.certificate)
    authorities = read_authorities(files.authority)
    identity, issuer = _check_certificate(files, certificate, authorities, role)
    revoked = read_revoked(files.revoked, authorities, files.authority)
    if certificate.serial_number in revoked:
        raise CertificateError(f"{files.certificate}: this certificate of {identity} is revoked; it needs another one")
    server, client = _context(files, is_server=True), _context(files, is_server=False)
    if files.stamp() != before:
        raise CertificateError("the files change while they are read")
    return Loaded(
        identity,
        certificate.serial_number,
        certificate.not_valid_after_utc,
        issuer.key_id,
        frozenset(each.key_id for each in authorities if each.holds()),
        revoked,
        server,
        client,
        key_is_open=bool(os.stat(files.key).st_mode & (stat.S_IROTH | stat.S_IWOTH)),
    )


def _context(files: CertificateFiles, *, is_server: bool) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if is_server else ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False  # who the other side is stands in its URI: addresses change, names do not
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    if is_server:
        context.num_tickets = 0  # a resumed handshake would show no certificate, and it may have been revoked since
    try:
        context.load_verify_locations(cafile=str(files.authority))
        if files.revoked is not None:
            context.load_verify_locations(cafile=str(files.revoked))
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    except (ssl.SSLError, OSError) as error:
        raise CertificateError(f"{files.authority}: OpenSSL cannot read the authority or its list: {error}") from error
    try:
        context.load_cert_chain(str(files.certificate), str(files.key), password=_no_password)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise CertificateError(f"{files.key} is not the key of {files.certificate}; copy both") from error
        raise CertificateError(f"{files.key} is no private key without a password in PEM") from error
    except OSError as error:
        raise CertificateError(f"{files.key}: {error.strerror}") from error
    return context


def _no_password() -> str:
    """Have OpenSSL fail for a key with a password, where it would ask on the terminal."""
    return ""


def _read_certificate(path: Path) -> x509.Certificate:
    content = read(path)
    try:
        (certificate,) = x509.load_pem_x509_certificates(content)
    except ValueError as error:
        raise CertificateError(f"{path} does not hold one certificate in PEM") from error
    return certificate


def _check_certificate(
    files: CertificateFiles, certificate: x509.Certificate, authorities: tuple[Trusted, ...], role: Role
) -> tuple[Identity, Trusted]:
    path = files.certificate
    issuer = next((each for each in authorities if each.has_issued(certificate)), None)
    if issuer is None:
        raise CertificateError(f"{path} was not issued by the authority in {files.authority}; copy both")
    if not issuer.holds():
        raise CertificateError(f"{path}: its authority expired on {issuer.expires_at:%Y-%m-%d}")
    identity = _identity_of(path, certificate)
    try:
        uses = list(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except (x509.ExtensionNotFound, ValueError):
        uses = []
    wanted = ExtendedKeyUsageOID.SERVER_AUTH if role == "core" else ExtendedKeyUsageOID.CLIENT_AUTH
    if identity.role != role or wanted not in uses:
        raise CertificateError(f"{path} is the certificate of {identity}, and this is to be the {role}'s")
    now = datetime.now(UTC)
    if certificate.not_valid_after_utc <= now:
        until = certificate.not_valid_after_utc
        raise CertificateError(f"{path}: the certificate expired on {until:%Y-%m-%d %H:%M} UTC; renew it")
    if certificate.not_valid_before_utc > now:
        since = certificate.not_valid_before_utc
        raise CertificateError(f"{path}: the certificate holds from {since:%Y-%m-%d %H:%M} UTC; set the clock")
    return identity, issuer


def _identity_of(path: Path, certificate: x509.Certificate) -> Identity:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        (uri,) = names.get_values_for_type(x509.UniformResourceIdentifier)
        return parse_identity(uri)
    except (x509.ExtensionNotFound, ValueError) as error:
        raise CertificateError(f"{path} names no edge, core or admin; make one: tidegate certs issue") from error


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None  # whoever reads it says why
    return status.st_mtime_ns, status.st_size, status.st_ino
