"""What a process proves itself by: its certificate files, read anew whenever they change, and what it knows of others.

Made by whoever builds an edge or a core (`tidegate.build`), shared by all gates and roads of the process. A set of
files that cannot be used changes nothing and is said once. Gates and roads look every second whom they may go on with.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from fleet.identity import Identity, Role
from fleet.tls.authorities import KEY_ID_CHARACTERS
from fleet.tls.certificate_files import CertificateFiles, Loaded, load
from fleet.tls.pem_files import CertificateError
from fleet.tls.refusals import HandshakeError, Refusal

_log = structlog.get_logger("fleet.tls")

POLL_SECONDS = 1.0
SOON = timedelta(days=7)
REMIND_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class Peer:
    """The other side of a connection, by its certificate.

    ``authority`` is the key id of who issued that; ``address`` is where the connection is from.
    """

    identity: Identity
    serial: int
    expires_at: datetime
    authority: str
    address: str = ""


class Credentials:
    """The files' content of today. Raises CertificateError where they cannot be used when the process starts.

    ``on_look`` holds what is called every second, and at once when the files have changed: gates and roads ask then
    for their `objection` to each connection that is open.
    """

    def __init__(self, files: CertificateFiles, role: Role, *, now: Callable[[], datetime] | None = None) -> None:
        self.on_look: list[Callable[[], None]] = []
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

    def objection(self, peer: Peer) -> HandshakeError | None:
        """Return why a peer may not be talked to, or no longer; None if it may."""
        if peer.serial in self.loaded.revoked:
            return HandshakeError(Refusal.REVOKED, f"the certificate of {peer.identity} was revoked")
        if peer.authority not in self.loaded.trusted:
            text = f"the certificate of {peer.identity} is of an authority that is not trusted any more"
            return HandshakeError(Refusal.UNKNOWN_AUTHORITY, text)
        if peer.expires_at <= self._now():
            when = f"{peer.expires_at:%Y-%m-%d %H:%M} UTC"
            return HandshakeError(Refusal.EXPIRED, f"the certificate of {peer.identity} expired on {when}")
        return None

    def is_outdated(self, shown: Loaded, within: timedelta) -> bool:
        """Whether a certificate of ours that was shown goes out of use within this time, and there is a newer one."""
        if shown.authority not in self.loaded.trusted:
            return True
        return shown.expires_at - self._now() <= within and self.loaded.expires_at > shown.expires_at

    def look(self) -> None:
        """Have gates and roads look whom they may go on with."""
        for look in self.on_look:
            look()

    async def run(self) -> None:
        """Watch files and calendar until cancelled."""
        while True:
            self.remind()
            await asyncio.sleep(POLL_SECONDS)
            self.poll()
            self.look()

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
        _log.info(
            "certificates_loaded",
            expires=f"{loaded.expires_at:%Y-%m-%d %H:%M}",
            authority=loaded.authority[:KEY_ID_CHARACTERS],
            authorities_trusted=len(loaded.trusted),
            revoked=len(loaded.revoked),
        )
        self._warn_of_open_key()
        self.look()

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
            _log.error("certificate_expired", reason=self.problem, action="tidegate certs renew; tunnels have ended")
        else:
            _log.warning("certificate_ends_soon", expires=expires, days=left.days, action="tidegate certs renew")

    def _warn_of_open_key(self) -> None:
        if self.loaded.key_is_open:
            _log.warning("key_is_open", file=str(self._files.key), why="everybody here can read it", action="chmod 600")
