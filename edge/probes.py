"""What an edge answers probes by, put together; and where players and launchers find it, as the world sees it.

Made and run by `edge.edge`. Without ``edge.probe``, probes are answered by UDP on the players' port number; with it,
there instead, by UDP and HTTP. A port that cannot be had is said, and the edge does without it.
"""

import contextlib
import socket
from collections import Counter
from collections.abc import Callable

import structlog

from edge.edge_tunnel import SocketAddress
from edge.probe_http import ProbeHttp
from edge.probe_limits import ProbeLimits, ProbeRates
from edge.probe_port import Outcomes, ProbePort, bind_probe_socket
from fleet.address import Address, parse_address
from fleet.port import bind_socket
from fleet.probe import ProbeState, name_hash

_log = structlog.get_logger("edge.probe")

PORT_ATTEMPTS = 10
"""How often a number is looked for that is free for UDP and for TCP, where any would do."""


class Probes:
    """``probe`` and ``public`` are HOST:PORT or empty; ``players`` is where this edge listens."""

    def __init__(
        self,
        name: str,
        players: SocketAddress,
        *,
        probe: str,
        public: str,
        state: Callable[[], ProbeState],
        limits: ProbeLimits | None = None,
    ) -> None:
        self.udp_outcomes: Outcomes = Counter()
        self.http_outcomes: Outcomes = Counter()
        self._name = name_hash(name)
        self._state = state
        self._rates = ProbeRates(limits or ProbeLimits())
        self._players = Address(players.host, players.port)
        self._place = parse_address(probe) if probe else self._players
        self._is_apart = bool(probe)
        self._public = parse_address(public) if public else None
        self._udp: ProbePort | None = None
        self._http: ProbeHttp | None = None

    @property
    def address(self) -> SocketAddress | None:
        """Where UDP probes are answered; None where they are not."""
        return None if self._udp is None else self._udp.address

    @property
    def players_at(self) -> str:
        """Where players connect, as the world sees it: HOST:PORT; empty where that is not known."""
        if self._public is not None:
            return str(self._public)
        return "" if self._players.is_unspecified else str(self._players)

    @property
    def probes_at(self) -> str:
        """Where probes are answered, as the world sees it: HOST:PORT; empty where they are not or it is not known."""
        if self.address is None:
            return ""
        if not self._is_apart:
            return self.players_at
        if not self._place.is_unspecified:
            return str(Address(self._place.host, self.address.port))
        if not self.players_at:
            return ""
        return str(Address(parse_address(self.players_at).host, self.address.port))

    async def open(self) -> None:
        """Bind, and begin to answer."""
        place = self._place
        bound, listening = self._bind_both() if self._is_apart and not place.port else (None, None)
        try:
            bound = bound or bind_probe_socket(place.host, place.port)
        except OSError as error:
            _log.warning("probe_unavailable", address=str(place), by="UDP", reason=error.strerror or str(error))
        else:
            self._udp = ProbePort(bound, self._rates, self.udp_outcomes, self._state, self._name)
            place = Address(place.host, self._udp.address.port)  # the same number where any would do
        if not self._is_apart:
            return
        if place.port == self._players.port:  # with workers, the system would deal players out to it
            if listening is not None:
                listening.close()
            _log.warning("probe_unavailable", address=str(place), by="HTTP", reason="players connect there")
            return
        try:
            listening = listening or bind_socket(place.host, place.port, shared=True)
            self._http = ProbeHttp(listening, self._rates, self.http_outcomes, self._state, self._name)
            await self._http.open()
        except OSError as error:
            _log.warning("probe_unavailable", address=str(place), by="HTTP", reason=error.strerror or str(error))
        _log.info("probe_listening", address=str(place))

    def _bind_both(self) -> tuple[socket.socket | None, socket.socket | None]:
        """Find a number that is free for UDP and for TCP; neither where there was none in so many attempts."""
        for _ in range(PORT_ATTEMPTS):
            with contextlib.suppress(OSError):
                bound = bind_probe_socket(self._place.host, 0)
                try:
                    return bound, bind_socket(self._place.host, bound.getsockname()[1], shared=True)
                except OSError:
                    bound.close()
        return None, None

    def close(self) -> None:
        """Answer no more; harmless when done twice."""
        if self._udp is not None:
            self._udp.close()
        if self._http is not None:
            self._http.close()
