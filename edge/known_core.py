"""One core as an edge knows it: its client, what discovery says of it, and what can be seen of both.

Used by `edge.cores`. It decides nothing about other cores.
"""

import asyncio
from dataclasses import dataclass

from edge.core_choice import SeenCore
from edge.tunnel_client import TunnelClient
from fleet.records import Record

UNREACHABLE = "it cannot be reached"


@dataclass(slots=True, eq=False)
class KnownCore:
    """``place`` says which core comes first where nothing else does; ``record`` is what discovery says of it.

    ``is_wanted``: the settings or discovery name it. ``task`` runs its client; None as long as nobody does.
    """

    client: TunnelClient
    place: float
    record: Record | None = None
    is_wanted: bool = True
    task: asyncio.Task[None] | None = None
    round_trip_seconds: float = 0.0  # the last that was known

    @property
    def address(self) -> str:
        """Where it is."""
        return self.client.core

    @property
    def is_good(self) -> bool:
        """Whether it takes another player without any doubt; asked for each player."""
        tunnel = self.client.tunnel
        if tunnel is None or not tunnel.is_attached or tunnel.is_draining or not self.is_wanted or tunnel.is_doubtful:
            return False
        load = tunnel.load
        if load is None:
            return True
        return not load.problems and not 0 < load.max_sessions <= load.sessions + tunnel.opened_since_load

    @property
    def is_draining(self) -> bool:
        """Whether it is there and says that it takes no new players."""
        tunnel = self.client.tunnel
        return tunnel is not None and tunnel.is_attached and tunnel.is_draining

    def is_awaited(self, now_seconds: float, patience_seconds: float) -> bool:
        """Whether a player may wait for it: it is being asked for the first time, or was lost a moment ago."""
        tunnel = self.client.tunnel
        if tunnel is None:
            return not self.client.is_away
        return not tunnel.is_attached and not tunnel.is_over and tunnel.held_seconds(now_seconds) < patience_seconds

    def see(self, game: str) -> SeenCore:
        """Return what is known of it now, at an edge that carries a game."""
        tunnel, record = self.client.tunnel, self.record
        name, region = ("", "") if record is None else (record.name, record.region)
        sessions, capacity = (0, 0) if record is None else (record.sessions, record.capacity)
        problems = () if record is None else record.health.problems
        if record is not None and record.health.is_draining:  # it says so itself where that is still true
            problems = (*problems, "discovery says that it drains")
        if tunnel is None:
            return SeenCore(
                address=self.address,
                name=name,
                region=region,
                is_wanted=self.is_wanted,
                problems=problems or (UNREACHABLE,),
                sessions=sessions,
                capacity=capacity,
                round_trip_seconds=self.round_trip_seconds,
            )
        if tunnel.load is not None:
            sessions, capacity = tunnel.load.sessions, tunnel.load.max_sessions
            problems = (*tunnel.load.problems, *problems)
        if tunnel.is_doubtful:
            problems = (*problems, "nothing has been heard from it for half a second")
        is_foreign = tunnel.policy.game != game
        if is_foreign:
            problems = (*problems, foreign_game(tunnel.policy.game, game))
        # The shortest that there was, without anybody's queue: how busy a core is, the load says.
        self.round_trip_seconds = tunnel.least_round_trip_seconds or self.round_trip_seconds
        return SeenCore(
            address=self.address,
            name=tunnel.core_name,
            region=region,
            is_attached=tunnel.is_attached,
            is_wanted=self.is_wanted,
            is_draining=tunnel.is_draining,
            is_foreign=is_foreign,
            problems=problems,
            sessions=sessions + tunnel.opened_since_load,
            capacity=capacity,
            own_sessions=tunnel.running_sessions,
            round_trip_seconds=self.round_trip_seconds,
        )


def foreign_game(theirs: str, ours: str) -> str:
    """Say that a core carries another game."""
    return f"it carries the game {theirs}, the others here {ours}"
