"""The successor's side of an upgrade: what another process handed over comes into this edge.

Called by `edge.edge`; how it was received is in `edge.upgrade`. Tunnels and sessions are made first, while the other
process may still go on by itself. Once it is told that they are taken, its players are this edge's.
"""

import asyncio
import socket
from collections.abc import Callable
from functools import partial

import structlog
from google.protobuf.message import DecodeError

from edge.cores import Cores
from edge.door import Door
from edge.edge_tunnel import EdgeTunnel
from edge.handover import HandoverError, restore_tunnel
from edge.player_link import PlayerLink
from edge.tunnel_client import TunnelSettings
from edge.upgrade import TakenEdge, client_of, follow_flushes
from protos.tidegate.tunnel.v1 import tunnel_pb2
from tunnel.counters import Counters
from wire.errors import TunnelFault
from wire.reasons import Reason

_log = structlog.get_logger("edge")


class Takeover:
    """The tunnels and sessions of ``taken``, held until the clients of the cores run. Raises HandoverError.

    ``on_policy`` is told of each policy that a core sends from now on, ``on_tunnel`` of each tunnel.
    """

    def __init__(
        self,
        taken: TakenEdge,
        settings: TunnelSettings,
        counters: Counters,
        door: Door,
        cores: Cores,
        *,
        on_policy: Callable[[str, tunnel_pb2.Policy], None],
        on_tunnel: Callable[[str, EdgeTunnel], None],
    ) -> None:
        self._taken = taken
        self._door = door
        tunnels = []
        try:
            for saved in taken.tunnels:
                tunnel = restore_tunnel(
                    saved,
                    counters,
                    flush_window_seconds=settings.flush_window_seconds,
                    half_close_seconds=settings.half_close_seconds,
                    ring_bytes=settings.ring_bytes,
                    on_policy=partial(on_policy, saved.core),
                )
                cores.take(saved.core, tunnel)
                on_tunnel(saved.core, tunnel)
                tunnels.append(tunnel)
            self._players = taken.restore_players(tunnels)
        except (DecodeError, TunnelFault) as error:
            raise HandoverError(f"what was handed over cannot be: {error}") from error

    async def bring_in(self) -> None:
        """Tell the other process that it may forget all, and go on with its players; raises HandoverError."""
        loop = asyncio.get_running_loop()
        await asyncio.to_thread(self._taken.tell_taken)
        flushing: dict[tuple[int, int], asyncio.Future[bool]] = {}
        sessions = 0
        for player, session in self._players:
            connection = player.connection
            if connection is None:
                if not session.reason:
                    session.connect_failed(Reason.CLIENT_LOST)
                continue
            sessions += 1
            link = self._door.take_back(connection, client_of(player.saved))
            link.begin_again(session, player.saved.since_seconds, player.saved.heard_at_seconds)
            if player.saved.is_flushing:
                future = flushing[player.saved.tunnel, session.slot] = loop.create_future()
                future.add_done_callback(partial(self._bring_in_flushed, connection, link))
            else:
                self._door.bring_in(connection, link)
        _log.info("took_over", sessions=sessions, still_sending=len(flushing))
        self._following = asyncio.create_task(follow_flushes(self._taken, flushing), name="edge-flushes")
        self._players.clear()

    def _bring_in_flushed(self, connection: socket.socket, link: PlayerLink, complete: "asyncio.Future[bool]") -> None:
        if not complete.cancelled() and complete.result():
            self._door.bring_in(connection, link)
            return
        connection.close()
        self._door.leave_out(link)
        if link.session is not None:
            link.session.connect_failed(Reason.CLIENT_LOST)
