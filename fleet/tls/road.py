"""The road to a core with certificates at both ends: TLS to the core's gate, a Unix socket to our own gRPC client.

Used by edges and by the admin commands (`fleet.road.Road`). The handshake is over before gRPC hears of the connection,
so a refusal is an error with the core's or OpenSSL's own reason, and not one of gRPC's.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import NamedTuple

from fleet.address import parse_address
from fleet.road import Passage, RoadError
from fleet.tls.certificate_files import Loaded
from fleet.tls.credentials import Credentials, Peer
from fleet.tls.plain_end import PlainEnd
from fleet.tls.private_folder import PrivateFolder
from fleet.tls.refusals import HandshakeError
from fleet.tls.secure_end import SecureEnd

HANDSHAKE_SECONDS = 5.0
PARTING_SECONDS = 2.0
"""How long gRPC may take to let go of its end, which it does when nobody refers to the channel any more: its last words
are to go out."""

CLOSE_SECONDS = 0.5

CHANGE_BEFORE = timedelta(minutes=1)
"""How long before the end of the certificate shown a renewed one is shown instead: more than clocks differ."""


class _Open(NamedTuple):
    """Who is at the other end, and what we have shown him."""

    peer: Peer
    shown: Loaded


class SecureRoad:
    """Roads to cores. `close` when the process has no use for them any more. Raises OSError."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._folder = PrivateFolder()
        self._open: dict[SecureEnd, _Open] = {}
        self._parting: dict[SecureEnd, asyncio.TimerHandle] = {}
        credentials.on_look.append(self.cut)

    def cut(self) -> None:
        """End the roads that may not go on; called every second (`Credentials`).

        The core cuts us when the certificate that we have shown ends, or its authority is not trusted any more. Where
        there is a newer one, we do it ourselves a little earlier: the next connection shows that one, and nobody is
        counted as refused.
        """
        for end, (peer, shown) in list(self._open.items()):
            objection = self._credentials.objection(peer)
            if objection is not None:
                end.abort(str(objection))
            elif self._credentials.is_outdated(shown, CHANGE_BEFORE):
                end.abort("our certificate was renewed, and the old one ends: once more, with the new one")

    async def close(self) -> None:
        """End what gRPC has not let go of yet, and remove the folder of the sockets."""
        with contextlib.suppress(ValueError):
            self._credentials.on_look.remove(self.cut)
        await self._wait_for_all()
        for end in list(self._open):
            end.finish()
        await self._wait_for_all()
        for end in list(self._open):
            end.abort("the process ends")
        for timer in self._parting.values():
            timer.cancel()
        self._folder.close()

    async def _wait_for_all(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await asyncio.gather(*(end.closed.wait() for end in self._open))

    @asynccontextmanager
    async def open(self, address: str) -> AsyncIterator[Passage]:
        """Connect, check the core and be checked by it, and wait for gRPC; raises RoadError."""
        end = await self._connect(address)
        path = self._folder.fresh()
        plain: asyncio.Future[PlainEnd] = asyncio.get_running_loop().create_future()
        try:
            server = await asyncio.get_running_loop().create_unix_server(partial(_take, plain, end), path)
        except OSError as error:
            end.abort("no socket for gRPC")
            raise RoadError(f"no socket for gRPC: {error.strerror}") from error
        try:
            yield Passage(f"unix:{path}", lambda: f"{address}: {end.problem}" if end.problem else "")
        finally:
            server.close()
            if plain.done() and not end.closed.is_set():
                self._parting[end] = asyncio.get_running_loop().call_later(PARTING_SECONDS, end.finish)
            else:
                end.finish()

    async def _connect(self, address: str) -> SecureEnd:
        """Return a TLS connection to a core that has let us in; raises RoadError."""
        place = parse_address(address)
        loop = asyncio.get_running_loop()
        shown = self._credentials.loaded
        end = SecureEnd(shown.client, is_server=False)
        try:
            async with asyncio.timeout(HANDSHAKE_SECONDS):
                await loop.create_connection(lambda: end, place.host, place.port)
                await end.ready()
            peer = end.peer(address)
            if peer.identity.role != "core":
                raise RoadError(f"what answers at {address} is {peer.identity}, and no core")
            if end.closed.is_set():
                raise RoadError(f"{address}: {end.problem}")
            objection = self._credentials.objection(peer)
            if objection is not None:
                raise RoadError(str(objection))
        except HandshakeError as error:
            end.abort(str(error))
            raise RoadError(f"what answers at {address} {error}") from error
        except TimeoutError as error:
            end.abort("too slow")
            raise RoadError(f"no TLS handshake with {address} within {HANDSHAKE_SECONDS:g} s") from error
        except OSError as error:
            end.abort(str(error))
            why = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
            raise RoadError(f"{address}: {why}") from error
        except BaseException:
            end.abort("not wanted any more")
            raise
        end.on_closed = partial(self._ended, end)
        self._open[end] = _Open(peer, shown)
        return end

    def _ended(self, end: SecureEnd) -> None:
        self._open.pop(end, None)
        timer = self._parting.pop(end, None)
        if timer is not None:
            timer.cancel()


def _take(plain: "asyncio.Future[PlainEnd]", end: SecureEnd) -> asyncio.Protocol:
    """Return what serves gRPC's connection; it makes one, and a second one is closed at once."""
    return _GrpcEnd(plain, end)


class _GrpcEnd(PlainEnd):
    """The plain end whose connection gRPC makes, and not we."""

    def __init__(self, plain: "asyncio.Future[PlainEnd]", end: SecureEnd) -> None:
        super().__init__()
        self._plain = plain
        self._end = end

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take gRPC's connection, the first one only: its bytes begin where HTTP/2 does."""
        super().connection_made(transport)
        if self._plain.done() or self._end.closed.is_set():
            self.finish()
            return
        self._plain.set_result(self)
        self._end.join(self)
