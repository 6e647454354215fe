"""The HTTP server in the relay's own event loop: uvicorn, tamed. Opened by `tidegate.serve`, if at all.

It installs no signal handlers, logs nothing of its own, and ends when it is told to. Whoever reaches the port cannot
harm those who play: heads are bounded, so are connections and the time each may take, and a newcomer takes the place
of the connection that has been idle for longest.
"""

import asyncio
import contextlib
import errno
import socket
from collections.abc import Iterator
from typing import Any, cast

import structlog
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from fleet.address import Address
from tidegate.ops.metrics import Metrics
from tidegate.ops.observed import Observed
from tidegate.ops.pages import Pages

MAX_CONNECTIONS = 64
MAX_HEAD_BYTES = 8192
REQUEST_SECONDS = 5.0
"""How long a connection may be there without a request under way."""

KEEP_ALIVE_SECONDS = 5
"""How long it may stay after an answer without another request."""

LIFE_SECONDS = 60.0
"""How long it may be there at all: a reader who is slow to take an answer, or one who never leaves."""

BACKLOG = 64
RETRY_SECONDS = 0.2

_log = structlog.get_logger("http")


class HttpServer:
    """One port. `run` it beside the traffic, `close` it when another process needs the port."""

    def __init__(self, place: Address, observed: Observed) -> None:
        self._place = place
        self.metrics = Metrics(observed)
        self._app = Pages(observed, self.metrics).app()
        self._bound: socket.socket | None = None
        self._server: _Server | None = None
        self._is_closed = False
        self.address: Address | None = None  # once it is bound

    def bind(self) -> None:
        """Bind the port; raises OSError."""
        place = self._place
        family, kind, protocol, _, name = socket.getaddrinfo(
            place.host, place.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.setblocking(False)  # noqa: FBT003 - the socket's own signature
            bound.bind(name)
            bound.listen(BACKLOG)
        except OSError:
            bound.close()
            raise
        self._bound = bound
        self.address = Address(place.host, bound.getsockname()[1])

    async def run(self) -> None:
        """Answer until cancelled or closed. A port that another process still has is waited for, and said once."""
        try:
            if self._bound is None:
                await self._bind_in_time()
            if self._bound is None or self._is_closed:
                return
            _log.info("http_listening", address=str(self.address))
            self._server = _Server(_config(self._app, self.metrics))
            await self._server.serve(sockets=[self._bound])
        except Exception as error:  # a mistake here must not end the relay
            _log.error("http_failed", address=str(self.address), error=repr(error), action="going on without it")
        finally:
            self.close()

    def close(self) -> None:
        """Answer no more and let go of the port; harmless when done twice."""
        self._is_closed = True
        if self._server is not None:
            self._server.stop_at_once()
        if self._bound is not None:
            self._bound.close()

    async def _bind_in_time(self) -> None:
        is_said = False
        while not self._is_closed:
            try:
                self.bind()
                return
            except OSError as error:
                if not is_said:
                    is_said = True
                    level = _log.info if error.errno == errno.EADDRINUSE else _log.warning
                    level("http_waits", address=str(self._place), reason=error.strerror or str(error))
            await asyncio.sleep(RETRY_SECONDS)


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the relay."""
        yield

    def stop_at_once(self) -> None:
        """Close the port and every connection."""
        self.should_exit = True
        for server in getattr(self, "servers", ()):
            server.close()
        for connection in list(self.server_state.connections):
            if connection.transport is not None:
                connection.transport.abort()


def _config(app: Any, metrics: Metrics) -> uvicorn.Config:
    class Connection(_Connection):
        dropped = metrics.dropped

    return uvicorn.Config(
        app,
        loop="none",  # the one that runs
        http=Connection,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        h11_max_incomplete_event_size=MAX_HEAD_BYTES,
        timeout_graceful_shutdown=1,
    )


class _Connection(H11Protocol):
    """One connection, with bounds that uvicorn does not have."""

    dropped: Any  # a Counter by reason

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Make room for it."""
        super().connection_made(transport)
        self._opened_at = self.loop.time()
        self._watch = self.loop.call_later(REQUEST_SECONDS, self._look)
        if len(self.connections) > MAX_CONNECTIONS:
            ours = cast("set[_Connection]", self.connections)
            oldest = min(ours, key=lambda each: (each.is_answering, each.opened_at))
            oldest.drop("crowded")

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._watch.cancel()
        super().connection_lost(exc)

    @property
    def opened_at(self) -> float:
        """Since when it is there, in the loop's time."""
        return self._opened_at

    @property
    def is_answering(self) -> bool:
        """Whether a request is under way."""
        return self.cycle is not None and not self.cycle.response_complete

    def drop(self, reason: str) -> None:
        """End it at once, and count why."""
        self.dropped[reason] += 1
        self.transport.abort()

    def _look(self) -> None:
        age = self.loop.time() - self._opened_at
        if age >= LIFE_SECONDS or self.cycle is None:
            self.drop("slow")
            return
        self._watch = self.loop.call_later(REQUEST_SECONDS, self._look)
