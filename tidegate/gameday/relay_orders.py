"""How relays are started and told things: flags, settings, signals, and what their logs call events.

All that gameday knows of the relays' surface stands here; whoever changes a setting's name changes it here.
"""

import signal
from collections.abc import Sequence
from pathlib import Path

from fleet.address import Address
from tidegate.gameday.frames import DIALECT

ANY_PORT = "127.0.0.1:0"

STATS_SECONDS = 0.5
HOLD_SECONDS = 30.0
SHORT_HOLD_SECONDS = 2.0
"""For faults in which a core does not come back: its players are not to wait for it half a minute."""

SPARE_SESSIONS = 2000
"""Beside the bots: logins that probe, and sessions that a relay has not forgotten yet."""

DRAIN = signal.SIGTERM
UPGRADE = signal.SIGUSR2
HANG = signal.SIGSTOP
WAKE = signal.SIGCONT
KILL = signal.SIGKILL

EDGE_STATS = "edge_stats"
CORE_STATS = "core_stats"
CORE_AWAY = "core_away"
"""What an edge logs when it has found a core dead."""

CLOSED_PREFIX = "sessions_closed_"
REFUSED_PREFIX = "sessions_refused_"

_LOGGING = ("--log-format", "json", "--set", f"log.stats_seconds={STATS_SECONDS}")


def core_arguments(
    *, name: str, origin: Address, rules_file: Path, sessions: int, drain_seconds: float, hold_seconds: float
) -> Sequence[str]:
    """Return the command line of a core."""
    return (
        *("core", "--listen", ANY_PORT, "--name", name, "--origin", str(origin), "--game", "pko"),
        *("--dialect", DIALECT, "--set", f"game.rules_file={rules_file}"),
        *("--set", f"core.max_sessions={sessions + SPARE_SESSIONS}"),
        *("--set", f"core.drain_seconds={drain_seconds}"),
        *("--set", f"core.hold_seconds={hold_seconds}"),
        *_LOGGING,
    )


def edge_arguments(
    *,
    name: str,
    cores: Sequence[Address],
    sessions: int,
    drain_seconds: float,
    hold_seconds: float,
    workers: int = 1,
) -> Sequence[str]:
    """Return the command line of an edge, with the cores in the order of its preference."""
    return (
        *("edge", "--listen", ANY_PORT, "--name", name, "--workers", str(workers)),
        *(part for core in cores for part in ("--core", str(core))),
        *("--set", f"edge.max_sessions={(sessions + SPARE_SESSIONS) * workers}"),  # each worker has a part
        *("--set", f"edge.drain_seconds={drain_seconds}"),
        *("--set", f"edge.hold_seconds={hold_seconds}"),
        *_LOGGING,
    )
