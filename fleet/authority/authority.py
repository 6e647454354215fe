"""One authority in its folder: made once, then it issues, renews, takes back and lists.

==========================  =====================================================================================
``authority.key``           the authority's key, for its owner only: keep it off the relays
``authority.pem``           its certificate
``revoked.pem``             the list of certificates taken back
``ledger.jsonl``            what was issued
``edge-fra-1/``             what to copy to that machine: ``key.pem``, ``certificate.pem`` and copies of the two above
==========================  =====================================================================================

Every change takes a lock on the folder, and writes the ledger before the certificate: what is out can be taken back.
"""

import contextlib
import fcntl
import os
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from fleet.authority.certificates import Key, key_pem, make_authority, make_leaf, make_list, new_key, pem
from fleet.authority.files import PUBLIC, SECRET, AuthorityError, make_folder, read, write
from fleet.authority.ledger import Entry, read_ledger, write_ledger
from fleet.identity import Identity

DEFAULT_DAYS = 90
AUTHORITY_DAYS = 3650
MAX_DAYS = 825

AUTHORITY_KEY, AUTHORITY, REVOKED, LEDGER = "authority.key", "authority.pem", "revoked.pem", "ledger.jsonl"
KEY, CERTIFICATE = "key.pem", "certificate.pem"

MAX_FILE_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate that was just made, and the folder to copy to the machine it is for."""

    entry: Entry
    folder: Path


class Authority:
    """The authority in a folder; open it by `open_authority` or make it by `create_authority`."""

    def __init__(self, folder: Path, certificate: x509.Certificate, key: Key) -> None:
        self.folder = folder
        self.certificate = certificate
        self._key = key

    def entries(self) -> list[Entry]:
        """All that was issued, the oldest first; raises AuthorityError."""
        return read_ledger(self.folder / LEDGER)

    def newest(self) -> list[Entry]:
        """Of each name the certificate that was issued last, the oldest first."""
        return list({(entry.role, entry.name): entry for entry in self.entries()}.values())

    def issue(self, identity: Identity, days: int = DEFAULT_DAYS) -> Issued:
        """Make a key and a certificate for somebody who has none; raises AuthorityError."""
        with self._locked():
            last = self._last_of(identity.role, identity.name)
            if last is not None and last.state(_now()) == "valid":
                raise AuthorityError(
                    f"{last.identity} has a certificate until {last.expires[:10]}; renew it, or revoke it first"
                )
            return self._issue(identity, days)

    def renew(self, role: str, name: str, days: int = DEFAULT_DAYS) -> Issued:
        """Make a new key and a certificate of the same name, role and region; raises AuthorityError."""
        with self._locked():
            last = self._last_of(role, name)
            if last is None:
                raise AuthorityError(f"there is no {role} {name}: `tidegate certs list` shows who has a certificate")
            if last.revoked:
                raise AuthorityError(f"the certificate of {last.identity} is revoked; issue another one if you mean it")
            return self._issue(last.identity, days)

    def renew_soon(self, within_days: int, days: int = DEFAULT_DAYS) -> list[Issued]:
        """Renew what ends within so many days, or has ended and was not taken back; raises AuthorityError."""
        latest = _now() + timedelta(days=within_days)
        due = [entry for entry in self.newest() if not entry.revoked and entry.expires_at <= latest]
        return [self.renew(entry.role, entry.name, days) for entry in due]

    def revoke(self, which: str) -> list[Entry]:
        """Take back a certificate by its serial, or all of a name (``NAME`` or ``ROLE/NAME``) that hold still.

        Raises AuthorityError where there is none.
        """
        with self._locked():
            entries = self.entries()
            now = _now()
            found = _find(entries, which)
            taken = [replace(entry, revoked=_text(now)) for entry in found if entry.state(now) == "valid"]
            if not taken:
                raise AuthorityError(f"{which}: revoked or expired already, so there is nothing to take back")
            by_serial = {entry.serial: entry for entry in taken}
            write_ledger(self.folder / LEDGER, [by_serial.get(entry.serial, entry) for entry in entries])
            self._write_list()
            return taken

    def find(self, which: str) -> list[Entry]:
        """Return what `revoke` would mean, the oldest first; raises AuthorityError where there is none."""
        return _find(self.entries(), which)

    def refresh(self) -> None:
        """Write the list of what was taken back anew, for all; raises AuthorityError."""
        with self._locked():
            self._write_list()

    def folder_of(self, role: str, name: str) -> Path:
        """Return where the files of a name are."""
        return self.folder / f"{role}-{name}"

    def _issue(self, identity: Identity, days: int) -> Issued:
        if not 1 <= days <= MAX_DAYS:
            raise AuthorityError(f"{days} days: a certificate is for 1 to {MAX_DAYS} days")
        now = _now()
        key = new_key()
        certificate = make_leaf(
            identity, key.public_key(), self.certificate, self._key, now, now + timedelta(days=days)
        )
        expires = certificate.not_valid_after_utc
        serial = f"{certificate.serial_number:x}"
        entry = Entry(serial, identity.role, identity.name, identity.region, _text(now), _text(expires))
        write_ledger(self.folder / LEDGER, [*self.entries(), entry])
        folder = self.folder_of(identity.role, identity.name)
        make_folder(folder)
        write(folder / KEY, key_pem(key), SECRET)
        write(folder / CERTIFICATE, pem(certificate), PUBLIC)
        write(folder / AUTHORITY, pem(self.certificate), PUBLIC)
        self._write_list()
        return Issued(entry, folder)

    def _write_list(self) -> None:
        """Write the list beside the ledger and into every folder that is there."""
        entries = self.entries()
        revoked = [(int(each.serial, 16), datetime.fromisoformat(each.revoked)) for each in entries if each.revoked]
        content = pem(make_list(self.certificate, self._key, revoked, time.time_ns() // 1_000_000, _now()))
        write(self.folder / REVOKED, content, PUBLIC)
        for folder in {self.folder_of(entry.role, entry.name) for entry in entries}:
            if folder.is_dir():
                write(folder / REVOKED, content, PUBLIC)

    def _last_of(self, role: str, name: str) -> Entry | None:
        return next((entry for entry in self.newest() if (entry.role, entry.name) == (role, name)), None)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other commands from the folder, and see that the authority itself still holds."""
        if self.certificate.not_valid_after_utc <= _now():
            raise AuthorityError(
                f"the authority in {self.folder} expired on {self.certificate.not_valid_after_utc:%Y-%m-%d}; "
                "begin another one in a new folder"
            )
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def create_authority(folder: Path, days: int = AUTHORITY_DAYS) -> Authority:
    """Make a new authority in a folder that has none; raises AuthorityError."""
    if (folder / AUTHORITY_KEY).exists() or (folder / LEDGER).exists():
        raise AuthorityError(f"{folder} has an authority already; name another folder, or use this one")
    make_folder(folder)
    key = new_key()
    certificate = make_authority(key, _now(), timedelta(days=days))
    write(folder / LEDGER, b"", PUBLIC)
    write(folder / AUTHORITY, pem(certificate), PUBLIC)
    write(folder / AUTHORITY_KEY, key_pem(key), SECRET)
    authority = Authority(folder, certificate, key)
    authority.refresh()
    return authority


def open_authority(folder: Path) -> Authority:
    """Open the authority of a folder; raises AuthorityError."""
    if not (folder / AUTHORITY_KEY).exists():
        raise AuthorityError(f"{folder} has no authority; make one: tidegate certs init --folder {folder}")
    try:
        key = serialization.load_pem_private_key(read(folder / AUTHORITY_KEY, MAX_FILE_BYTES), None)
        certificate = x509.load_pem_x509_certificate(read(folder / AUTHORITY, MAX_FILE_BYTES))
    except (ValueError, TypeError, ssl.SSLError) as error:
        raise AuthorityError(f"{folder}: the authority's key or certificate cannot be read; put back a copy") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise AuthorityError(f"{folder}: {AUTHORITY_KEY} is not the key of {AUTHORITY}; put back a copy of the folder")
    return Authority(folder, certificate, key)


def _find(entries: list[Entry], which: str) -> list[Entry]:
    found = [entry for entry in entries if which.lower() == entry.serial] or _of_name(entries, which)
    if not found:
        raise AuthorityError(f"nothing was issued for {which[:80]!r}: `tidegate certs list` shows names and serials")
    return found


def _of_name(entries: list[Entry], which: str) -> list[Entry]:
    role, slash, name = which.rpartition("/")
    found = [entry for entry in entries if entry.name == name and (not slash or entry.role == role)]
    roles = sorted({entry.role for entry in found})
    if len(roles) > 1:
        raise AuthorityError(
            f"{name} is {' and '.join(roles)}: write {' or '.join(f'{role}/{name}' for role in roles)}"
        )
    return found


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)  # a certificate's times are whole seconds


def _text(when: datetime) -> str:
    return when.isoformat()
