"""An operator's authority for tests, and certificates that nobody should accept."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from fleet.authority.authority import Authority, create_authority, open_authority
from fleet.authority.certificates import key_pem, make_leaf, new_key, pem
from fleet.identity import Identity
from fleet.tls.certificate_files import CertificateFiles
from fleet.tls.credentials import Credentials

DAY = timedelta(days=1)


def files_in(folder: Path, *, with_list: bool = True) -> CertificateFiles:
    return CertificateFiles(
        folder / "certificate.pem",
        folder / "key.pem",
        folder / "authority.pem",
        folder / "revoked.pem" if with_list else None,
    )


@dataclass
class Office:
    """An authority, and who has a certificate of it."""

    authority: Authority

    def issue(self, identity: Identity) -> CertificateFiles:
        return files_in(self.authority.issue(identity).folder)

    def edge(self, name: str = "edge-1", region: str = "test") -> Credentials:
        return Credentials(self.issue(Identity("edge", name, region)), "edge")

    def core(self, name: str = "core-1", region: str = "test") -> Credentials:
        return Credentials(self.issue(Identity("core", name, region)), "core")

    def admin(self, name: str = "anna") -> Credentials:
        return Credentials(self.issue(Identity("admin", name)), "admin")

    def odd(self, identity: Identity, *, begin: datetime, end: datetime) -> CertificateFiles:
        """A certificate for a time that is not now."""
        files = files_in(self.authority.folder / f"{identity.role}-{identity.name}")
        made = self.issue(identity)
        assert made == files
        key = new_key()
        signer = self.authority.signers.current
        certificate = make_leaf(identity, key.public_key(), signer.certificate, signer.key, begin, end)
        files.key.write_bytes(key_pem(key))
        files.certificate.write_bytes(pem(certificate))
        return files

    def expired(self, identity: Identity) -> CertificateFiles:
        return self.odd(identity, begin=datetime.now(UTC) - 3 * DAY, end=datetime.now(UTC) - DAY)

    def ending(self, identity: Identity, seconds: float) -> CertificateFiles:
        """A certificate that ends in so many seconds, or up to one earlier: they are whole in it."""
        now = datetime.now(UTC)
        return self.odd(identity, begin=now, end=now + timedelta(seconds=seconds))

    def early(self, identity: Identity) -> CertificateFiles:
        return self.odd(identity, begin=datetime.now(UTC) + DAY, end=datetime.now(UTC) + 3 * DAY)


def trust(files: CertificateFiles, *offices: Office) -> None:
    """Have who has these files trust other authorities than before."""
    assert files.revoked is not None
    folders = [each.authority.folder for each in offices]
    files.authority.write_bytes(b"".join((folder / "authority.pem").read_bytes() for folder in folders))
    files.revoked.write_bytes(b"".join((folder / "revoked.pem").read_bytes() for folder in folders))


def office(folder: Path) -> Office:
    return Office(create_authority(folder))


def reopen(folder: Path) -> Office:
    return Office(open_authority(folder))
