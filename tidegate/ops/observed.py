"""What is shown of a process: its relays, and what its other parts know. Made by `tidegate.serve`, loads nothing slow.

The callables are asked when somebody looks, must answer from memory, and must not raise.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from core.core import Core
from edge.edge import Edge
from fleet.health import Health
from fleet.records import Found, Record, Role


def _no_discovery() -> Mapping[Role, Found]:
    return {}


def _no_certificate() -> float:
    return 0.0


def _no_refusals() -> Mapping[str, int]:
    return {}


def _no_edges() -> Sequence[Record]:
    return ()


@dataclass(slots=True)
class Observed:
    """One process. ``discovery`` gives what was found by role (``core``, ``edge``).

    ``certificate_expiry_seconds`` gives when the certificate in use ends, in seconds since 1970, or 0 without any.
    ``tls_refusals`` gives handshakes by why they were refused. ``fleet_edges`` gives the edges of the whole fleet, as
    the registry knows them, beside those that have a tunnel to this core.
    """

    edge: Edge | None = None
    core: Core | None = None
    discovery: Callable[[], Mapping[Role, Found]] = _no_discovery
    certificate_expiry_seconds: Callable[[], float] = _no_certificate
    tls_refusals: Callable[[], Mapping[str, int]] = _no_refusals
    fleet_edges: Callable[[], Sequence[Record]] = _no_edges

    @property
    def health(self) -> Mapping[str, Health]:
        """Whether each relay of the process can serve, by its role."""
        relays: tuple[tuple[str, Edge | Core | None], ...] = (("edge", self.edge), ("core", self.core))
        return {role: relay.health for role, relay in relays if relay is not None}
