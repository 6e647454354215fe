"""What a process proves itself by: its certificate files, read anew whenever they change, and what it knows of others.

Made by whoever builds an edge or a core (`tidegate.build`), shared by all gates and roads of the process. A set of
files that cannot be used changes nothing and is said once. Gates and roads cut off who was revoked when they are told.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from fleet.identity import Identity, Role
from fleet.tls.certificate_files import CertificateError, CertificateFiles, Loaded, load

_log = structlog.get_logger("fleet.tls")

POLL_SECONDS = 1.0
SOON = timedelta(days=7)
REMIND_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class Peer:
    """The other side of a connection, by its certificate. ``address`` is where it connected from."""

    identity: Identity
    serial: int
    address: str = ""


class Credentials:
    """The files' content of today. Raises CertificateError where they cannot be used when the process starts."""

    def __init__(self, files: CertificateFiles, role: Role, *, now: Callable[[], datetime] | None = None) -> None:
        self.on_change: list[Callable[[], None]] = []
        self._files = files
        self._role = role
        self._now = now or (lambda: datetime.now(UTC))
        self._told = self._seen = files.stamp()
        self._said = ""
        self._reminded_at_seconds = -REMIND_SECONDS
        self._has_said_end = False
        self.loaded: Loaded = load(files, role)
        self._warn_of_open_key()

    @property
    def identity(self) -> Identity:
        """Who this process is; the same for as long as it runs."""
        return self.loaded.identity

    @property
    def expires_at_seconds(self) -> float:
        """When the certificate in use ends, in seconds since 1970."""
        return self.loaded.expires_at.timestamp()

    @property
    def problem(self) -> str:
        """Why nobody new can be talked to; empty while the certificate holds."""
        if self.loaded.expires_at > self._now():
            return ""
        return f"the certificate of {self.identity} expired on {self.loaded.expires_at:%Y-%m-%d %H:%M} UTC"

    def is_revoked(self, peer: Peer) -> bool:
        """Whether the list in use has a peer's certificate."""
        return peer.serial in self.loaded.revoked

    async def run(self) -> None:
        """Watch files and calendar until cancelled."""
        while True:
            self.remind()
            await asyncio.sleep(POLL_SECONDS)
            self.poll()

    def poll(self) -> None:
        """Look at the files once; what has changed, and has been still since the last look, is read."""
        before, self._seen = self._seen, self._files.stamp()
        if self._seen == before != self._told:
            self._told = self._seen
            self.reload()

    def reload(self) -> None:
        """Read the files now; changes nothing where they cannot be used, and says so."""
        try:
            loaded = load(self._files, self._role)
            if loaded.identity != self.identity:
                raise CertificateError(
                    f"{self._files.certificate} is of {loaded.identity}, and this process is {self.identity}"
                )
        except CertificateError as error:
            if str(error) != self._said:
                _log.error("certificates_unusable", reason=str(error), action="those of before stay in use")
            self._said = str(error)
            return
        self._said = ""
        self.loaded = loaded
        self._reminded_at_seconds = -REMIND_SECONDS
        _log.info("certificates_loaded", expires=f"{loaded.expires_at:%Y-%m-%d %H:%M}", revoked=len(loaded.revoked))
        self._warn_of_open_key()
        for tell in self.on_change:
            tell()

    def remind(self) -> None:
        """Say once a day that the certificate ends soon, or has ended."""
        left = self.loaded.expires_at - self._now()
        is_over = left <= timedelta()
        due_seconds = self._reminded_at_seconds + REMIND_SECONDS
        if left > SOON or (is_over == self._has_said_end and time.monotonic() < due_seconds):
            return
        self._reminded_at_seconds = time.monotonic()
        self._has_said_end = is_over
        expires = f"{self.loaded.expires_at:%Y-%m-%d %H:%M}"
        if is_over:
            _log.error("certificate_expired", reason=self.problem, action="tidegate certs renew; nobody attaches anew")
        else:
            _log.warning("certificate_ends_soon", expires=expires, days=left.days, action="tidegate certs renew")

    def _warn_of_open_key(self) -> None:
        if self.loaded.key_is_open:
            _log.warning("key_is_open", file=str(self._files.key), why="everybody here can read it", action="chmod 600")
