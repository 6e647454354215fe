"""What an edge needs to run, as values. Built from the settings by `tidegate.build`, and read by `edge.edge`."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edge.admission import Limits
from edge.door import ROOM_BESIDE_SESSIONS
from edge.player_link import Deadlines
from edge.prefixes import PrefixSet, parse_prefix
from edge.shared_counts import SharedCounts
from edge.tunnel_client import TunnelSettings

if TYPE_CHECKING:
    from fleet.tls.credentials import Credentials  # it loads what reads certificates, which not every edge needs

LOOPBACK = PrefixSet((parse_prefix("127.0.0.0/8"), parse_prefix("::1")))


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionConfig:
    """Who may come in, and how long he may take. The files may be empty: then there are no lists.

    ``counts`` is the memory shared with other workers; None for an edge that is one process. ``max_connections``
    is what the limit on open files leaves for players; 0 for what the sessions need.
    """

    limits: Limits = field(default_factory=Limits)
    deadlines: Deadlines = field(default_factory=Deadlines)
    exempt: PrefixSet = LOOPBACK
    proxy_from: PrefixSet = field(default_factory=PrefixSet)
    deny_file: str = ""
    allow_file: str = ""
    counts: SharedCounts | None = None
    max_connections: int = 0


@dataclass(frozen=True, slots=True)
class EdgeConfig:
    """What an edge needs to run; times in seconds. ``shares_port``: other workers listen on the same one.

    It keeps a tunnel to each of the ``cores``, the preferred one first; `Edge.set_cores` brings others, or the first.
    With ``credentials`` it talks to cores with a certificate only. ``public`` and ``probe`` are HOST:PORT or empty
    (`edge.probes`).
    """

    listen_host: str
    listen_port: int
    cores: tuple[str, ...]
    tunnel: TunnelSettings
    max_sessions: int
    shares_port: bool
    drain_seconds: float
    linger_seconds: float
    backlog: int
    admission: AdmissionConfig = AdmissionConfig()
    policy_cache: str = ""
    bans_cache: str = ""
    credentials: "Credentials | None" = None
    public: str = ""
    probe: str = ""

    @property
    def max_connections(self) -> int:
        """Descriptors for players: sessions, and those who wait or are told that they cannot have one."""
        return self.admission.max_connections or self.max_sessions + ROOM_BESIDE_SESSIONS
