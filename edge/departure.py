"""The running edge's side of an upgrade: it stands still, and all it has goes to the process that takes its place.

Called by `edge.edge`; how it is sent is in `edge.upgrade`, and the successor's side in `edge.takeover`. Until the other
process has said that it has everything, nothing is given away: whatever goes wrong, players go on where they stood.
"""

import socket
import time
from collections.abc import Callable

from edge.bans_cache import BansCache
from edge.cores import Cores
from edge.door import Door
from edge.handover import HandoverError, Wire
from edge.listener import Listener
from edge.player_link import PlayerLink
from edge.upgrade import READY_SECONDS, HandedPlayer, hand_over, send_the_rest, wait_for_successor
from wire.reasons import Reason


class Departure:
    """What is to leave an edge. ``on_taken`` is told when the other process has it all."""

    def __init__(
        self,
        listener: Listener,
        door: Door,
        cores: Cores,
        bans_cache: BansCache,
        *,
        is_draining: Callable[[], bool],
        on_taken: Callable[[], None],
    ) -> None:
        self._listener = listener
        self._door = door
        self._cores = cores
        self._bans_cache = bans_cache
        self._is_draining = is_draining
        self._on_taken = on_taken

    async def hand_over(self, end: socket.socket) -> None:
        """Give everything to the process at the other end; raises HandoverError, and the edge goes on then."""
        wire = Wire(end, READY_SECONDS)
        try:
            await wait_for_successor(wire)
            await self._bans_cache.save()
            under_way = await self._give(wire)
            self._on_taken()
            self._door.send_away(Reason.EDGE_DRAINING)
            await send_the_rest(wire, under_way)
        finally:
            wire.close()

    async def _give(self, wire: Wire) -> list[HandedPlayer]:
        """Stand still and give everything away, or move on as if nothing had been; return for whom the rest is sent."""
        began = time.monotonic()
        self._listener.pause()
        links: list[PlayerLink] = []
        try:
            # The tunnels first: as long as one is attached, players come in by it, and go on reading by its credit.
            await self._cores.stand_still()
            if self._is_draining():
                raise HandoverError("the edge is draining")
            links = self._door.links()
            for link in links:
                link.stand_still()
            return await hand_over(
                wire, self._listener.fileno(), self._cores.clients, links, began, is_draining=self._is_draining
            )
        except BaseException:  # whatever it was: players must not stand still for it
            self._listener.go_on()
            for link in links:
                link.move_on()
            self._cores.go_on()
            raise
