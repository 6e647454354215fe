"""The gate before a gRPC server: a port that lets in who has a certificate of a role, and nobody else.

A core has one for edges, and its admin service may have another. gRPC itself listens on a Unix socket in a folder that
only this user can enter, and sees plain bytes of those who were let in. Each gets a connection of its own to gRPC,
bound to a path that nobody else had, so that ``context.peer()`` says who is calling (`Gate.peer`).

::

    gate = Gate("core", credentials, roles=("edge",))
    server.add_insecure_port(gate.target)
    await server.start()
    gate.open(bind_socket(host, port, shared=False))
    ...
    peer = gate.peer(context.peer())  # in a handler; None for whoever did not come by the gate
    ...
    await gate.close()

Strangers cost little: their addresses are judged before anything is made for them (`fleet.tls.attempts`), few
handshakes run at a time, each for a few seconds, and a stranger's gives way to that of an address known.
"""

import asyncio
import contextlib
import os
import socket
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from fleet.identity import Role
from fleet.port import Port
from fleet.tls.attempts import Attempts
from fleet.tls.credentials import Credentials, Peer
from fleet.tls.plain_end import PlainEnd
from fleet.tls.private_folder import PrivateFolder
from fleet.tls.refusals import HandshakeError, Refusal, RefusalCounts
from fleet.tls.secure_end import SecureEnd

HANDSHAKE_SECONDS = 5.0
MAX_HANDSHAKES = 32
PATIENCE_SECONDS = 1.0
"""How long a stranger's handshake is left alone when all places are taken."""

MAX_CONNECTIONS = 4096
MAX_CONNECTIONS_EACH = 256
"""Of one certificate's name: an edge of 64 workers while it is upgraded, twice."""

CLOSE_SECONDS = 1.0
"""How long the last bytes of all may take when the gate closes."""

_RESET_AT_CLOSE = b"\1\0\0\0\0\0\0\0"


@dataclass(slots=True)
class _Handshake:
    """One that is under way."""

    host: str
    began_seconds: float
    is_known: bool
    task: "asyncio.Task[None] | None" = None
    is_put_out: bool = False


@dataclass(slots=True)
class _Open:
    """One who was let in."""

    peer: Peer
    end: SecureEnd
    is_cut: bool = False


class Gate:
    """One port. ``roles`` may come in. Raises OSError when its folder cannot be made."""

    def __init__(self, name: str, credentials: Credentials, *, roles: Sequence[Role]) -> None:
        self.name = name
        self.accepted = 0
        self._credentials = credentials
        self._roles = tuple(roles)
        self._refusals = RefusalCounts(name)
        self._attempts = Attempts()
        self._folder = PrivateFolder()
        self._socket_path = self._folder.place("grpc")
        self._port: Port | None = None
        self._loop = asyncio.get_running_loop()
        self._handshakes: dict[int, _Handshake] = {}
        self._next = 0
        self._open: dict[str, _Open] = {}
        credentials.on_look.append(self.cut)

    @property
    def target(self) -> str:
        """Where the gRPC server is to listen, as gRPC writes it."""
        return f"unix:{self._socket_path}"

    @property
    def refused(self) -> "Counter[str]":
        """How many were refused since the start, by `Refusal`."""
        return self._refusals.counts

    @property
    def connections(self) -> int:
        """Who is in now."""
        return len(self._open)

    @property
    def handshakes(self) -> int:
        """Handshakes under way now."""
        return len(self._handshakes)

    def open(self, bound: socket.socket) -> int:
        """Listen on a bound socket, which the gate owns from now on; return its port. Raises OSError."""
        self._port = Port(bound, self._judge)
        self._port.open()
        return self._port.number

    def peer(self, grpc_peer: str) -> Peer | None:
        """Return who calls, by what gRPC's ``context.peer()`` says; None for one who did not come by this gate."""
        found = self._open.get(grpc_peer.removeprefix("unix:"))
        return None if found is None else found.peer

    def cut(self) -> None:
        """End the connections of those whose certificates hold no longer; called every second (`Credentials`)."""
        for each in list(self._open.values()):
            objection = self._credentials.objection(each.peer)
            if objection is not None and not each.is_cut:
                each.is_cut = True
                self._refusals.note(objection.reason, each.peer.address, f"{objection}: cut off")
                each.end.abort(str(objection))

    def stop_accepting(self) -> None:
        """Give up the port; who is in stays."""
        if self._port is not None:
            self._port.close()

    async def close(self) -> None:
        """End everything and remove the folder; the gRPC server is to be stopped before. Harmless when done twice."""
        self.stop_accepting()
        with contextlib.suppress(ValueError):
            self._credentials.on_look.remove(self.cut)
        tasks = [each.task for each in self._handshakes.values() if each.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        ends = [each.end for each in self._open.values()]
        for end in ends:
            end.finish()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await asyncio.gather(*(end.closed.wait() for end in ends))
        for end in ends:
            end.abort("the gate closed")
        self._refusals.close()
        self._folder.close()

    def _judge(self, connection: socket.socket, host: str, port: int) -> None:
        """Begin a handshake, or close at once, before anything is made for it."""
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        now = self._loop.time()
        if not self._attempts.may_try(host, now):
            self._turn_away(connection, address, "too many handshakes from there have failed")
            return
        is_known = self._attempts.is_known(host)
        if len(self._open) >= MAX_CONNECTIONS:
            self._turn_away(connection, address, f"{MAX_CONNECTIONS} connections are open")
            return
        if len(self._handshakes) >= MAX_HANDSHAKES and not self._make_room(now, is_known=is_known):
            self._turn_away(connection, address, f"{MAX_HANDSHAKES} handshakes are under way")
            return
        connection.settimeout(0.0)
        self._next += 1
        number, handshake = self._next, _Handshake(host, now, is_known)
        self._handshakes[number] = handshake
        handshake.task = asyncio.create_task(self._serve(connection, address, handshake), name="tls-handshake")
        handshake.task.add_done_callback(lambda _: self._handshakes.pop(number, None))

    def _turn_away(self, connection: socket.socket, address: str, why: str) -> None:
        self._refusals.note(Refusal.TOO_MANY, address, why)
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
        connection.close()

    def _make_room(self, now: float, *, is_known: bool) -> bool:
        """Put out a stranger's handshake for another one; whether there was any."""
        patience = 0.0 if is_known else PATIENCE_SECONDS
        strangers = (each for each in self._handshakes.items() if not each[1].is_known and not each[1].is_put_out)
        number, oldest = min(strangers, key=lambda each: each[1].began_seconds, default=(0, None))
        if oldest is None or oldest.task is None or now - oldest.began_seconds < patience:
            return False
        oldest.is_put_out = True
        oldest.task.cancel()
        del self._handshakes[number]
        return True

    async def _serve(self, connection: socket.socket, address: str, handshake: _Handshake) -> None:
        """See one connection through to gRPC, or refuse it."""
        end = SecureEnd(self._credentials.loaded.server, is_server=True)
        try:
            async with asyncio.timeout(HANDSHAKE_SECONDS):
                await self._loop.connect_accepted_socket(lambda: end, connection)
                await end.ready()
                peer = end.peer(address)
                self._check(peer)
                await self._let_in(end, peer)
        except HandshakeError as error:
            if error.reason in _SAID:
                end.refuse(str(error))
            # Who says nothing and leaves is a health check of somebody's, every few seconds.
            self._failed(error.reason, address, str(error), handshake, is_quiet=not end.has_heard)
        except TimeoutError:
            end.abort("too slow")
            self._failed(Refusal.TOO_SLOW, address, f"no handshake within {HANDSHAKE_SECONDS:g} s", handshake)
        except asyncio.CancelledError:
            end.abort("cancelled")
            if handshake.is_put_out:
                self._failed(Refusal.TOO_MANY, address, "made room for another one", handshake)
            raise
        except OSError as error:
            end.abort(str(error))
            self._refusals.note(Refusal.INTERNAL, address, str(error))
        else:
            self.accepted += 1
            self._attempts.succeeded(handshake.host, self._loop.time())
        finally:
            if not end.has_begun:
                connection.close()

    def _failed(
        self, reason: Refusal, address: str, text: str, handshake: _Handshake, *, is_quiet: bool = False
    ) -> None:
        # An edge gives up on a core that hangs and tries anew: a core that goes on finds those attempts at its port.
        if not (reason is Refusal.LOST and handshake.is_known):
            self._attempts.failed(handshake.host, self._loop.time())
        self._refusals.note(reason, address, text, is_quiet=is_quiet)

    def _check(self, peer: Peer) -> None:
        """See that one whom OpenSSL has found right may come in here; raises HandshakeError."""
        if peer.identity.role not in self._roles:
            wanted = " or ".join(self._roles)
            raise HandshakeError(Refusal.WRONG_ROLE, f"the certificate is of {peer.identity}, and no {wanted}'s")
        objection = self._credentials.objection(peer)  # since the handshake began
        if objection is not None:
            raise objection
        if sum(each.peer.identity == peer.identity for each in self._open.values()) >= MAX_CONNECTIONS_EACH:
            text = f"{peer.identity} has {MAX_CONNECTIONS_EACH} connections already"
            raise HandshakeError(Refusal.TOO_MANY, text)

    async def _let_in(self, end: SecureEnd, peer: Peer) -> None:
        """Connect to gRPC by a path of its own, by which the caller is known from then on; raises OSError."""
        path = self._folder.fresh()
        own = socket.socket(socket.AF_UNIX)
        try:
            own.bind(path)
            own.settimeout(0.0)
            own.connect(self._socket_path)
            os.unlink(path)  # the name stays with the connection
            if end.closed.is_set():
                raise HandshakeError(Refusal.LOST, "closed the connection right after the handshake")
            end.on_closed = lambda: self._open.pop(path, None)
            self._open[path] = _Open(peer, end)
            plain = PlainEnd()
            await self._loop.create_unix_connection(lambda: plain, sock=own)
        except BaseException:
            self._open.pop(path, None)
            own.close()
            raise
        end.join(plain)


_SAID = (
    Refusal.WRONG_ROLE,
    Refusal.TOO_MANY,
    Refusal.REVOKED,
    Refusal.EXPIRED,
    Refusal.UNKNOWN_AUTHORITY,
    Refusal.BAD_CERTIFICATE,
)
"""Reasons that OpenSSL has no alert for, so we say them ourselves."""
