"""Why a TLS handshake failed: a stable reason for counters, a sentence for people, and a bound on log lines.

Called by `fleet.tls.secure_end` and `fleet.tls.gate`. The tables translate what OpenSSL says.
"""

import asyncio
import ssl
from collections import Counter
from enum import StrEnum

import structlog

from wire.errors import TidegateError

_log = structlog.get_logger("fleet.tls")

LOG_SECONDS = 1.0
"""A flood of refused handshakes costs one line in this time."""

MAX_DETAIL_CHARACTERS = 200


class Refusal(StrEnum):
    """Why a connection was refused; the values are labels of metrics and do not change."""

    NO_CERTIFICATE = "no_certificate"
    UNKNOWN_AUTHORITY = "unknown_authority"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    REVOKED = "revoked"
    WRONG_ROLE = "wrong_role"
    WRONG_NAME = "wrong_name"
    BAD_CERTIFICATE = "bad_certificate"
    NOT_TLS = "not_tls"
    OLD_TLS = "old_tls"
    BROKEN = "broken"
    TOO_LARGE = "too_large"
    TOO_SLOW = "too_slow"
    TOO_MANY = "too_many"
    LOST = "lost"
    REFUSED_US = "refused_us"
    INTERNAL = "internal"


class HandshakeError(TidegateError):
    """A handshake that failed; ``reason`` says why, and the text is a sentence without subject."""

    code = "handshake"

    def __init__(self, reason: Refusal, text: str) -> None:
        super().__init__(text)
        self.reason = reason


# OpenSSL's X509_V_ERR_… (x509_vfy.h of OpenSSL 3).
_BY_VERIFY_CODE = {
    **dict.fromkeys((2, 7, 18, 19, 20, 21, 24, 27, 29, 30), Refusal.UNKNOWN_AUTHORITY),
    9: Refusal.NOT_YET_VALID,
    10: Refusal.EXPIRED,
    23: Refusal.REVOKED,
    26: Refusal.WRONG_ROLE,
}

_TEXTS = {
    Refusal.NO_CERTIFICATE: "sent no certificate",
    Refusal.UNKNOWN_AUTHORITY: "has a certificate of another authority",
    Refusal.EXPIRED: "has a certificate that has expired",
    Refusal.NOT_YET_VALID: "has a certificate that does not hold yet; compare the clocks",
    Refusal.REVOKED: "has a certificate that was revoked",
    Refusal.WRONG_ROLE: "has a certificate of another role",
}

_BY_REASON = {
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": (Refusal.NO_CERTIFICATE, "sent no certificate"),
    "UNSUPPORTED_PROTOCOL": (Refusal.OLD_TLS, "speaks an older TLS than 1.3"),
    "VERSION_TOO_LOW": (Refusal.OLD_TLS, "speaks an older TLS than 1.3"),
    "WRONG_VERSION_NUMBER": (Refusal.NOT_TLS, "does not speak TLS"),
    "HTTP_REQUEST": (Refusal.NOT_TLS, "does not speak TLS"),
    "WRONG_SSL_VERSION": (Refusal.NOT_TLS, "does not speak TLS"),
    "PACKET_LENGTH_TOO_LONG": (Refusal.NOT_TLS, "does not speak TLS"),
}

# What the other side says of our own certificate (RFC 8446 section 6.2).
_BY_ALERT = {
    "CERTIFICATE_REQUIRED": "we sent no certificate",
    "HANDSHAKE_FAILURE": "no common ground for a handshake",
    "CERTIFICATE_EXPIRED": "our certificate has expired",
    "CERTIFICATE_REVOKED": "our certificate was revoked",
    "UNKNOWN_CA": "our certificate is of another authority than its own",
    "UNSUPPORTED_CERTIFICATE": "our certificate is of another role than it lets in",
    "BAD_CERTIFICATE": "our certificate does not hold (not yet, or not as it is made)",
    "CERTIFICATE_UNKNOWN": "our certificate cannot be checked",
    "DECRYPT_ERROR": "our certificate does not fit our key, or is of another authority than its own",
    "PROTOCOL_VERSION": "no common version of TLS; both must speak 1.3",
}


def explain(error: ssl.SSLError) -> HandshakeError:
    """Translate what OpenSSL says of a handshake."""
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = _BY_VERIFY_CODE.get(error.verify_code, Refusal.BAD_CERTIFICATE)
        said = str(error.verify_message)[:MAX_DETAIL_CHARACTERS]
        return HandshakeError(reason, _TEXTS.get(reason, f"has a certificate that does not hold: {said}"))
    name = error.reason or ""
    _, is_alert, alert = name.partition("_ALERT_")
    if is_alert:
        return HandshakeError(
            Refusal.REFUSED_US, f"refused us: {_BY_ALERT.get(alert, alert.lower().replace('_', ' '))}"
        )
    reason, text = _BY_REASON.get(name, (Refusal.BROKEN, f"broke the handshake: {name.lower().replace('_', ' ')}"))
    return HandshakeError(reason, text)


class RefusalCounts:
    """Counts refusals by reason, and logs a line a second at most, with how many were refused since the last one."""

    def __init__(self, gate: str) -> None:
        self.counts: Counter[str] = Counter()
        self._gate = gate
        self._unsaid: Counter[str] = Counter()
        self._last = ("", "")
        self._timer: asyncio.TimerHandle | None = None

    def note(self, reason: Refusal, peer: str, detail: str, *, is_quiet: bool = False) -> None:
        """Count one, from an address; ``detail`` may come from a stranger. What ``is_quiet`` is not logged."""
        self.counts[reason.value] += 1
        if is_quiet:
            return
        self._unsaid[reason.value] += 1
        self._last = (peer, detail[:MAX_DETAIL_CHARACTERS])
        if self._timer is None:
            self._say()

    def close(self) -> None:
        """Say what was not said yet; nothing is logged by itself from then on."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._write()

    def _say(self) -> None:
        self._timer = None
        if self._write():
            self._timer = asyncio.get_running_loop().call_later(LOG_SECONDS, self._say)

    def _write(self) -> bool:
        if not self._unsaid:
            return False
        peer, detail = self._last
        reasons = dict(self._unsaid)
        _log.warning(
            "connections_refused",
            gate=self._gate,
            count=sum(reasons.values()),
            **reasons,
            last_peer=peer,
            last_why=detail,
        )
        self._unsaid.clear()
        return True
