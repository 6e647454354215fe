"""What the demo shows: a row per edge, with figures of the last seconds."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any

from rich.table import Table

from games.pko.sim.histogram import Histogram
from tidegate.sim.fleet_result import TargetStatistics

SPAN_SECONDS = 2.0
"""Rates and percentiles are those of the last two seconds: steady enough to read, quick enough to see a change."""


@dataclass(frozen=True, slots=True)
class Row:
    """Figures of one edge: packets per second each way, round trips in milliseconds."""

    edge: str
    sessions: int
    serverbound_per_second: float
    clientbound_per_second: float
    p50_milliseconds: float
    p99_milliseconds: float


class EdgeFigures:
    """Gathers one edge's figures: counters from the relays' own log, round trips from its bots."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._sessions = 0
        self._frames: deque[tuple[float, int, int]] = deque(maxlen=64)
        self._trips: deque[tuple[float, Histogram]] = deque(maxlen=64)

    def take_edge_stats(self, event: Mapping[str, Any]) -> None:
        """Take an edge's line: how many sessions it has."""
        self._sessions = int(event["sessions"])

    def take_core_stats(self, event: Mapping[str, Any]) -> None:
        """Take a core's line about this edge: how many frames it saw each way."""
        self._frames.append((monotonic(), int(event["frames_serverbound"]), int(event["frames_clientbound"])))

    def row(self, bots: TargetStatistics | None) -> Row:
        """Return the figures of the last seconds."""
        serverbound, clientbound = self._rates()
        trips = self._recent_trips(bots)
        return Row(
            edge=self.name,
            sessions=self._sessions,
            serverbound_per_second=serverbound,
            clientbound_per_second=clientbound,
            p50_milliseconds=trips.percentile(50) * 1e3,
            p99_milliseconds=trips.percentile(99) * 1e3,
        )

    def _rates(self) -> tuple[float, float]:
        if len(self._frames) < 2:
            return 0.0, 0.0
        last = self._frames[-1]
        first = next(sample for sample in self._frames if sample is last or last[0] - sample[0] <= SPAN_SECONDS)
        span = last[0] - first[0]
        return ((last[1] - first[1]) / span, (last[2] - first[2]) / span) if span else (0.0, 0.0)

    def _recent_trips(self, bots: TargetStatistics | None) -> Histogram:
        if bots is None:
            return Histogram()
        now = monotonic()
        self._trips.append((now, bots.round_trips.copy()))
        while len(self._trips) > 1 and now - self._trips[0][0] > SPAN_SECONDS:
            self._trips.popleft()
        recent = bots.round_trips.since(self._trips[0][1])
        return recent if recent.count else bots.round_trips


def build_table(rows: Sequence[Row], title: str) -> Table:
    """Return the table for a terminal."""
    table = Table(title=title, title_justify="left")
    table.add_column("edge")
    for heading in ("sessions", "packets/s to server", "packets/s to players", "round trip p50", "p99"):
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(
            row.edge,
            str(row.sessions),
            f"{row.serverbound_per_second:.0f}",
            f"{row.clientbound_per_second:.0f}",
            f"{row.p50_milliseconds:.2f} ms",
            f"{row.p99_milliseconds:.2f} ms",
        )
    return table


def describe_row(row: Row) -> str:
    """Return a row as text, for where there is no terminal."""
    return (
        f"{row.edge}: {row.sessions} sessions, {row.serverbound_per_second:.0f} packets/s to server, "
        f"{row.clientbound_per_second:.0f} to players, round trip p50 {row.p50_milliseconds:.2f} ms, "
        f"p99 {row.p99_milliseconds:.2f} ms"
    )
