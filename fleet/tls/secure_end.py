"""The TLS end of a connection, and the plain end beside it: bytes come in encrypted here and go out in the clear there.

Used by `fleet.tls.gate` (as a server) and `fleet.tls.road` (as a client). Both ends are protocols on sockets of their
own; when they are joined each writes to the other, and stops the other's reading while its own socket takes nothing.

TLS is done on memory (`ssl.SSLObject`) and not by the loop: a loop that refuses a handshake closes the socket without
the alert that says why, and tells nobody the reason.

After the handshake the server says one line: ``OK`` or why it does not let the client in. In TLS 1.3 a client knows
nothing of the server's opinion of its certificate before something comes back.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast

from fleet.identity import parse_identity
from fleet.tls.authorities import issuer_of
from fleet.tls.credentials import Peer
from fleet.tls.plain_end import HIGH_WATER_BYTES, LINGER_SECONDS, PlainEnd
from fleet.tls.refusals import HandshakeError, Refusal, explain

MAX_HANDSHAKE_BYTES = 32 * 1024
"""What a stranger may send before we know who it is. A handshake with our certificates takes two to three KiB."""

MAX_VERDICT_BYTES = 512
READ_BYTES = 16 * 1024
"""A TLS record is no longer than that (RFC 8446 section 5.1), and a read gives one at most."""

ACCEPTED = b"OK"
TLS_HANDSHAKE = 0x16
"""The first byte of every TLS connection (RFC 8446 section 5.1)."""


class SecureEnd(asyncio.Protocol):
    """One TLS connection. `ready`, then `refuse` or `join`; `closed` is set when both ends are gone."""

    def __init__(self, context: ssl.SSLContext, *, is_server: bool) -> None:
        self.closed = asyncio.Event()
        self.on_closed: Callable[[], object] | None = None
        self.problem = ""  # why it ended, if not in order
        self.has_begun = False  # whether it has a connection, or had one
        self._is_server = is_server
        self._context = context
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls: ssl.SSLObject | None = None
        self._transport: asyncio.Transport | None = None
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._has_shaken = False
        self._received_bytes = 0
        self._verdict = b""
        self._early: list[bytes] = []
        self._plain: PlainEnd | None = None
        self._is_ending = False
        self._linger: asyncio.TimerHandle | None = None

    @property
    def has_heard(self) -> bool:
        """Whether the other side has sent anything."""
        return self._received_bytes > 0

    async def ready(self) -> None:
        """Wait until the handshake is done and, as a client, until the server has let us in; raises HandshakeError."""
        await self._ready

    def peer(self, address: str = "") -> Peer:
        """Return who the other side is; raises HandshakeError for a certificate that does not say so."""
        names: dict[str, Any] = dict(self._tls.getpeercert() or {}) if self._tls is not None else {}
        uris = [value for kind, value in names.get("subjectAltName", ()) if kind == "URI"]
        if len(uris) != 1:
            raise HandshakeError(Refusal.BAD_CERTIFICATE, "has a certificate that names no edge, core or admin")
        try:
            end = datetime.fromtimestamp(ssl.cert_time_to_seconds(names["notAfter"]), UTC)
            return Peer(parse_identity(uris[0]), int(names["serialNumber"], 16), end, self._issuer(), address)
        except ValueError as error:
            raise HandshakeError(Refusal.BAD_CERTIFICATE, f"has a certificate that cannot be: {error}") from error

    def refuse(self, reason: str) -> None:
        """As a server: tell the client why it is not let in, and end."""
        self.send(f"{' '.join(reason.split())[: MAX_VERDICT_BYTES - 8]}\n".encode(errors="replace"))
        self.finish()

    def join(self, plain: PlainEnd) -> None:
        """Carry bytes between both ends from now on; as a server, tell the client that it is let in."""
        self._plain = plain
        if self._is_server:
            self.send(ACCEPTED + b"\n")
        plain.join(self)
        for early in self._early:
            plain.write(early)
        self._early.clear()
        if self._transport is None or plain.is_lost:
            self._leave_plain()
            self.finish()
            return
        self._transport.resume_reading()
        self._decrypt()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection; a client begins the handshake."""
        self.has_begun = True
        self._transport = cast(asyncio.Transport, transport)
        set_up(self._transport)
        if not self._is_server:
            self._begin()
            self._shake()

    def data_received(self, data: bytes) -> None:
        """Take what came: the handshake first, then what is for the plain end."""
        if not self._has_shaken:
            self._received_bytes += len(data)
            if self._received_bytes > MAX_HANDSHAKE_BYTES:
                self._fail(HandshakeError(Refusal.TOO_LARGE, f"sent {self._received_bytes} bytes without a handshake"))
                return
            if self._tls is None:
                if data[0] != TLS_HANDSHAKE:
                    self._fail(HandshakeError(Refusal.NOT_TLS, "does not speak TLS"))
                    return
                self._begin()
        self._incoming.write(data)
        if self._has_shaken:
            self._decrypt()
        else:
            self._shake()

    def eof_received(self) -> bool:
        """The other side's system has ended the connection."""
        # A TCP end without TLS's own (which `_decrypt` sees) may be somebody else's doing: what came so far is all.
        self._lost("the connection broke")
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is over."""
        self._transport = None
        if self._linger is not None:
            self._linger.cancel()
        self._lost(str(getattr(exc, "strerror", None) or exc or "the connection was closed"))
        self.closed.set()
        if self.on_closed is not None:
            self.on_closed()

    def pause_writing(self) -> None:
        """Much waits for this socket: the plain end is read no further."""
        if self._plain is not None:
            self._plain.pause_reading()

    def resume_writing(self) -> None:
        """The socket takes bytes again."""
        if self._plain is not None:
            self._plain.resume_reading()

    def pause_reading(self) -> None:
        """Read no further: the plain end takes nothing."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def send(self, data: bytes) -> None:
        """Encrypt and send; nothing happens when the end is near."""
        tls = self._tls
        if tls is None or self._transport is None or self._is_ending:
            return
        try:
            sent = tls.write(data)
            while sent < len(data):
                sent += tls.write(memoryview(data)[sent:])
        except ssl.SSLError as error:
            self.abort(f"TLS broke: {error.reason}")
            return
        self._transport.write(self._outgoing.read())

    def finish(self) -> None:
        """End in order: what was sent goes out first, as far as the other side takes it in time."""
        transport = self._transport
        if self._is_ending or transport is None:
            return
        self._is_ending = True
        if self._tls is not None and self._has_shaken:
            with contextlib.suppress(ssl.SSLError):  # it would like to hear the other side's end, too
                self._tls.unwrap()
        self._flush()
        transport.close()
        self._linger = asyncio.get_running_loop().call_later(LINGER_SECONDS, transport.abort)

    def abort(self, why: str) -> None:
        """End at once: nothing more goes out."""
        self.problem = self.problem or why
        self._is_ending = True
        if self._transport is not None:
            self._transport.abort()
        self._leave_plain()

    def _issuer(self) -> str:
        return issuer_of(cast(ssl.SSLObject, self._tls).getpeercert(binary_form=True) or b"")

    def _begin(self) -> None:
        self._tls = self._context.wrap_bio(self._incoming, self._outgoing, server_side=self._is_server)

    def _shake(self) -> None:
        tls = cast(ssl.SSLObject, self._tls)
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            return
        except ssl.SSLError as error:
            self._flush()  # the alert, which tells the other side why
            self._fail(explain(error))
            return
        self._flush()
        self._has_shaken = True
        if self._is_server:
            self._settle()
        else:
            self._decrypt()

    def _decrypt(self) -> None:
        """Read what has come; before the ends are joined, only as far as the server's line."""
        tls = cast(ssl.SSLObject, self._tls)
        try:
            while self._plain is not None or not self._ready.done():
                data = tls.read(READ_BYTES)
                if not data:
                    self._ended()
                    return
                if self._plain is not None:
                    self._plain.write(data)
                else:
                    self._hear(data)
                if not self._incoming.pending and not tls.pending():
                    break  # to be told so by an exception costs more than all the rest
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self._ended()
            return
        except ssl.SSLError as error:
            failure = explain(error)
            if not self._ready.done():
                self._fail(failure)
            else:
                self.abort(str(failure))
            return
        if self._outgoing.pending:  # an answer of TLS itself, to a change of keys
            self._flush()

    def _hear(self, data: bytes) -> None:
        """As a client: take the server's line, and keep what follows for the plain end."""
        self._verdict += data
        line, found, rest = self._verdict.partition(b"\n")
        if not found and len(line) <= MAX_VERDICT_BYTES:
            return
        if line != ACCEPTED:
            said = line[:MAX_VERDICT_BYTES].decode(errors="replace")
            said = said if said.isprintable() else repr(said)
            self._fail(HandshakeError(Refusal.REFUSED_US, f"refused us: {said}"))
            return
        if rest:
            self._early.append(rest)
        self._settle()

    def _settle(self) -> None:
        """The handshake is over; nothing more is read until somebody has decided what to do."""
        self.pause_reading()
        if not self._ready.done():
            self._ready.set_result(None)

    def _fail(self, failure: HandshakeError) -> None:
        if not self._ready.done():
            self._ready.set_exception(failure)
            self._ready.exception()  # whoever waited may have given up
        self.problem = self.problem or str(failure)
        if self._transport is not None and not self._is_ending:
            self._is_ending = True
            self._transport.close()
            self._linger = asyncio.get_running_loop().call_later(LINGER_SECONDS, self._transport.abort)

    def _ended(self) -> None:
        """The other side has ended in order."""
        if not self._ready.done():
            self._fail(HandshakeError(Refusal.LOST, "closed the connection during the handshake"))
        self._leave_plain()
        self.finish()

    def _lost(self, why: str) -> None:
        if not self._ready.done():
            self._fail(HandshakeError(Refusal.LOST, f"closed the connection during the handshake ({why})"))
        if not self._is_ending:
            self.problem = self.problem or why
        self._leave_plain()

    def _leave_plain(self) -> None:
        if self._plain is not None:
            self._plain.finish()

    def _flush(self) -> None:
        data = self._outgoing.read()
        if data and self._transport is not None:
            self._transport.write(data)


def set_up(transport: asyncio.Transport) -> None:
    """Have a connection send at once, and bound what waits for it."""
    transport.set_write_buffer_limits(HIGH_WATER_BYTES)
    connection = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
