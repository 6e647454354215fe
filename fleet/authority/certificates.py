"""The certificates themselves: what stands in a CA's, in a relay's and in the list of those taken back.

Called by `fleet.authority.authority`. ECDSA on P-256 throughout. An edge and an admin may only be TLS clients and a
core only a server, so that a stolen certificate of an edge is refused as a core's by OpenSSL itself.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from fleet.identity import Identity

Key = ec.EllipticCurvePrivateKey

CLOCK_SKEW = timedelta(hours=1)
"""Certificates hold from an hour before they were issued: machines whose clocks are a little late accept them."""

ORGANISATION = "Tidegate"


def new_key() -> Key:
    """Return a fresh private key."""
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: Key) -> bytes:
    """Return a private key as the file has it."""
    encoding, no_password = serialization.Encoding.PEM, serialization.NoEncryption()
    return key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, no_password)


def pem(signed: x509.Certificate | x509.CertificateRevocationList) -> bytes:
    """Return a certificate or a list as the file has it."""
    return signed.public_bytes(serialization.Encoding.PEM)


def make_authority(key: Key, now: datetime, lifetime: timedelta) -> x509.Certificate:
    """Return a CA's certificate for itself; its name is unlike any other authority's."""
    digest = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    name = _name("authority", f"Tidegate authority {digest.digest.hex()[:12]}")
    builder = (
        _begin(name, name, key.public_key(), now, now + lifetime)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(is_authority=True), critical=True)
        .add_extension(digest, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
    )
    return builder.sign(key, hashes.SHA256())


def make_leaf(
    identity: Identity,
    public: ec.EllipticCurvePublicKey,
    authority: x509.Certificate,
    key: Key,
    now: datetime,
    end: datetime,
) -> x509.Certificate:
    """Return a relay's or an admin's certificate, which ends when the authority ends if that is sooner."""
    purpose = ExtendedKeyUsageOID.SERVER_AUTH if identity.role == "core" else ExtendedKeyUsageOID.CLIENT_AUTH
    end = min(end, authority.not_valid_after_utc)
    builder = (
        _begin(_name(identity.role, identity.name), authority.subject, public, now, end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(is_authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(identity.uri)]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
    )
    return builder.sign(key, hashes.SHA256())


def make_list(
    authority: x509.Certificate, key: Key, revoked: Iterable[tuple[int, datetime]], number: int, now: datetime
) -> x509.CertificateRevocationList:
    """Return the list of certificates taken back, as serials with times.

    It holds as long as the authority: a list that lapses would shut out the whole fleet at once, and would protect
    nobody, as who could keep a machine from getting a newer list could keep its clock back, too.
    """
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.subject)
        .last_update(max(now - CLOCK_SKEW, authority.not_valid_before_utc))
        .next_update(authority.not_valid_after_utc)
        .add_extension(x509.CRLNumber(number), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
    )
    for serial, when in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(when).build()
        builder = builder.add_revoked_certificate(entry)
    return builder.sign(key, hashes.SHA256())


def _name(unit: str, name: str) -> x509.Name:
    parts = (
        (NameOID.ORGANIZATION_NAME, ORGANISATION),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, unit),
        (NameOID.COMMON_NAME, name),
    )
    return x509.Name([x509.NameAttribute(kind, text) for kind, text in parts])


def _begin(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, now: datetime, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(end)
    )


def _usage(*, is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        encipher_only=False,
        decipher_only=False,
    )
