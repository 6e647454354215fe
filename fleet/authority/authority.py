"""One authority in its folder: made once, then it issues, renews, takes back and lists.

==========================  =====================================================================================
``authority.key``           the authority's key, for its owner only: keep it off the relays
``authority.pem``           its certificate; another pair may stand beside it (`fleet.authority.signers`)
``revoked.pem``             the list of certificates taken back, one by each authority that is trusted
``ledger.jsonl``            what was issued
``edge-fra-1/``             what to copy to that machine: ``key.pem``, ``certificate.pem``, the certificates of all
                            authorities that are trusted (``authority.pem``) and their lists (``revoked.pem``)
==========================  =====================================================================================

Every change takes a lock on the folder, and writes the ledger before the certificate: what is out can be taken back.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509

from fleet.authority import signers
from fleet.authority.certificates import key_pem, make_authority, make_leaf, make_list, new_key, pem
from fleet.authority.files import PUBLIC, SECRET, AuthorityError, make_folder, read, write
from fleet.authority.ledger import Entry, read_ledger, write_ledger
from fleet.authority.signers import Signer, Signers, read_signers
from fleet.identity import Identity

DEFAULT_DAYS = 90
AUTHORITY_DAYS = 3650
MAX_DAYS = 825

AUTHORITY, REVOKED, LEDGER = "authority.pem", "revoked.pem", "ledger.jsonl"
KEY, CERTIFICATE = "key.pem", "certificate.pem"

MAX_CERTIFICATE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate that was just made, and the folder to copy to the machine it is for."""

    entry: Entry
    folder: Path


class Authority:
    """The authority in a folder; open it by `open_authority` or make it by `create_authority`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.signers: Signers = read_signers(folder)

    @property
    def certificate(self) -> x509.Certificate:
        """The certificate of who issues."""
        return self.signers.current.certificate

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
            self._write_trusted()
            return taken

    def find(self, which: str) -> list[Entry]:
        """Return what `revoke` would mean, the oldest first; raises AuthorityError where there is none."""
        return _find(self.entries(), which)

    def refresh(self) -> None:
        """Write the list of what was taken back anew, for all; raises AuthorityError."""
        with self._locked():
            self._write_trusted()

    def begin_change(self, days: int = AUTHORITY_DAYS) -> Signer:
        """Make a second authority that relays are to trust, and that issues nothing yet; raises AuthorityError."""
        with self._locked():
            found = self.signers
            if found.upcoming is not None:
                raise AuthorityError(f"there is a second authority already, {found.upcoming.name}; switch to it")
            if found.old is not None:
                raise AuthorityError(f"the authority {found.old.name} of before is still trusted; retire it first")
            key = new_key()
            upcoming = Signer(make_authority(key, _now(), timedelta(days=days)), key)
            signers.begin(self.folder, upcoming)
            self._write_trusted()
            return upcoming

    def switch(self, days: int = DEFAULT_DAYS) -> list[Issued]:
        """Have the second authority issue from now on, and renew all that holds by it; raises AuthorityError.

        What was cut short is finished by doing it again: who has a certificate of it keeps that.
        """
        _check_days(days)
        with self._locked():
            if self.signers.upcoming is not None:
                signers.switch(self.folder)
            elif self.signers.old is None:
                raise AuthorityError(
                    "there is no second authority to switch to; make one: tidegate certs authority new"
                )
            self._write_trusted()
            return [self._issue(entry.identity, days) for entry in self._of_another()]

    def retire(self) -> Signer:
        """Have the authority of before trusted no more, and remove its key; return it. Raises AuthorityError."""
        with self._locked():
            old = self.signers.old
            if old is None:
                raise AuthorityError("there is no authority of before; `tidegate certs authority show` says which are")
            behind = self._of_another()
            if behind:
                names = ", ".join(f"{each.role}/{each.name}" for each in behind)
                raise AuthorityError(f"{names}: still of the authority {old.name}; tidegate certs authority switch")
            signers.retire(self.folder)
            self._write_trusted()
            return old

    def folder_of(self, role: str, name: str) -> Path:
        """Return where the files of a name are."""
        return self.folder / f"{role}-{name}"

    def _issue(self, identity: Identity, days: int) -> Issued:
        _check_days(days)
        now = _now()
        key = new_key()
        signer = self.signers.current
        end = now + timedelta(days=days)
        certificate = make_leaf(identity, key.public_key(), signer.certificate, signer.key, now, end)
        expires = certificate.not_valid_after_utc
        serial = f"{certificate.serial_number:x}"
        named = (identity.role, identity.name, identity.region)
        entry = Entry(serial, *named, _text(now), _text(expires), authority=signer.name)
        write_ledger(self.folder / LEDGER, [*self.entries(), entry])
        folder = self.folder_of(identity.role, identity.name)
        make_folder(folder)
        write(folder / KEY, key_pem(key), SECRET)
        write(folder / CERTIFICATE, pem(certificate), PUBLIC)
        self._write_trusted()
        return Issued(entry, folder)

    def _write_trusted(self) -> None:
        """Write the lists beside the ledger, and authorities and lists into every folder that is there."""
        self.signers = read_signers(self.folder)  # the step that calls this may have changed it
        entries = self.entries()
        revoked = [(int(each.serial, 16), datetime.fromisoformat(each.revoked)) for each in entries if each.revoked]
        number, now = time.time_ns() // 1_000_000, _now()
        trusted = [each for each in self.signers.trusted if each.expires_at > now]
        lists = b"".join(pem(make_list(each.certificate, each.key, revoked, number, now)) for each in trusted)
        write(self.folder / REVOKED, lists, PUBLIC)
        for folder in {self.folder_of(entry.role, entry.name) for entry in entries}:
            if folder.is_dir():
                write(folder / AUTHORITY, b"".join(pem(each.certificate) for each in trusted), PUBLIC)
                write(folder / REVOKED, lists, PUBLIC)

    def _of_another(self) -> list[Entry]:
        """Return of each name what holds, and was not issued by the authority of now, or is not in its folder yet."""
        now, name = _now(), self.signers.current.name
        valid = [each for each in self.newest() if each.state(now) == "valid"]
        return [each for each in valid if each.authority != name or not self._is_out(each)]

    def _is_out(self, entry: Entry) -> bool:
        """Whether a certificate is in its folder, which it is not where issuing it was cut short after the ledger."""
        folder = self.folder_of(entry.role, entry.name)
        if not folder.is_dir():
            return True  # somebody keeps them elsewhere
        try:
            found = x509.load_pem_x509_certificate(read(folder / CERTIFICATE, MAX_CERTIFICATE_BYTES))
        except (ValueError, AuthorityError):
            return False
        return f"{found.serial_number:x}" == entry.serial

    def _last_of(self, role: str, name: str) -> Entry | None:
        return next((entry for entry in self.newest() if (entry.role, entry.name) == (role, name)), None)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other commands from the folder, and see that the authority itself still holds."""
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            signers.settle(self.folder)
            self.signers = read_signers(self.folder)  # another command may have changed it before we had the lock
            if self.certificate.not_valid_after_utc <= _now():
                raise AuthorityError(
                    f"the authority in {self.folder} expired on {self.certificate.not_valid_after_utc:%Y-%m-%d}; "
                    "begin another one in a new folder"
                )
            yield
        finally:
            os.close(descriptor)


def create_authority(folder: Path, days: int = AUTHORITY_DAYS) -> Authority:
    """Make a new authority in a folder that has none; raises AuthorityError."""
    if signers.has_signer(folder) or (folder / LEDGER).exists():
        raise AuthorityError(f"{folder} has an authority already; name another folder, or use this one")
    make_folder(folder)
    key = new_key()
    write(folder / LEDGER, b"", PUBLIC)
    signers.put(folder, Signer(make_authority(key, _now(), timedelta(days=days)), key))
    authority = Authority(folder)
    authority.refresh()
    return authority


def open_authority(folder: Path) -> Authority:
    """Open the authority of a folder; raises AuthorityError."""
    if not signers.has_signer(folder):
        raise AuthorityError(f"{folder} has no authority; make one: tidegate certs init --folder {folder}")
    return Authority(folder)


def _check_days(days: int) -> None:
    if not 1 <= days <= MAX_DAYS:
        raise AuthorityError(f"{days} days: a certificate is for 1 to {MAX_DAYS} days")


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
