"""Upgrade of an edge without dropping players: one process hands everything over to the next.

Called by `edge.edge`; messages and saved state are in `edge.handover`. The running edge stands still (accepts nothing,
reads nothing, detaches its tunnels), saves all it has, and forgets it once the successor has said that it has it. Until
then nothing is lost: a successor that fails leaves the edge to go on where it stood. The tunnels come back by the same
re-attachment as after a cut.

What the edge has written to a player's socket and the system has not taken yet cannot be taken back, so the edge sends
it itself, and the successor speaks to that player when it is told that this is done.
"""

import asyncio
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog

from edge.edge_tunnel import EdgeTunnel, SocketAddress
from edge.handover import (
    PLAYERS_AT_ONCE,
    VERSION,
    HandoverError,
    Wire,
    restore_session,
    save_session,
    save_tunnel,
)
from edge.player_link import PlayerLink
from edge.tunnel_client import TunnelClient
from protos.tidegate.handover.v1 import handover_pb2
from tunnel.session import Session

_log = structlog.get_logger("edge.upgrade")

READY_SECONDS = 30.0
"""How long a successor may take to start; the edge serves meanwhile."""

TAKEN_SECONDS = 10.0
"""How long it may take to take everything over; players wait meanwhile."""

FLUSH_SECONDS = 0.2
"""How long all writes may take to be taken by the system before the edge hands over with some under way."""

FLUSH_LIMIT_SECONDS = 10.0
"""How long a player may take to read what the edge still had for him."""

FLUSH_STEP_SECONDS = 0.005

Message = handover_pb2.Message


@dataclass(frozen=True, slots=True)
class _Handed:
    """A player who is handed over: whose slot in which tunnel, and whether we have yet to send what we had for him."""

    link: PlayerLink
    place: handover_pb2.Place
    is_flushing: bool


async def wait_for_successor(wire: Wire) -> None:
    """Wait until the successor is up; raises HandoverError."""
    message, _ = await asyncio.to_thread(wire.receive, "ready")
    if message.ready.version != VERSION:
        raise HandoverError(f"the successor speaks version {message.ready.version}, this edge {VERSION}")
    wire.set_timeout(TAKEN_SECONDS)


async def hand_over(
    wire: Wire, listener: int, clients: Sequence[TunnelClient], links: Sequence[PlayerLink], since_seconds: float
) -> None:
    """Give an edge that stands still, since when, to the successor; raises HandoverError, and everything is as it was."""
    for _ in range(int(FLUSH_SECONDS / FLUSH_STEP_SECONDS)):
        if not any(link.unsent_bytes for link in links):
            break
        await asyncio.sleep(FLUSH_STEP_SECONDS)
    tunnels = [client.tunnel for client in clients if client.tunnel is not None]
    saved = [save_tunnel(client.core, client.tunnel) for client in clients if client.tunnel is not None]
    by_session = {link.session: link for link in links}
    handed: list[_Handed] = []
    await asyncio.to_thread(_send_all, wire, listener, tunnels, saved, by_session, handed)
    for client in clients:
        client.give_away()
    under_way = [each for each in handed if each.is_flushing]
    for each in handed:
        if not each.is_flushing:
            each.link.give_away()
    stood_still = round(time.monotonic() - since_seconds, 3)
    _log.info("handed_over", sessions=len(handed), still_sending=len(under_way), stood_still_seconds=stood_still)
    await _flush(wire, under_way)


def _send_all(
    wire: Wire,
    listener: int,
    tunnels: Sequence[EdgeTunnel],
    saved: Sequence[handover_pb2.Tunnel],
    by_session: dict[Session | None, PlayerLink],
    handed: list[_Handed],
) -> None:
    """Send it all and wait for the answer; the loop has nothing to do meanwhile, but it may."""
    players = [(number, session) for number, tunnel in enumerate(tunnels) for session in tunnel.sessions.values()]
    wire.send(Message(begin=handover_pb2.Begin(tunnels=saved, players=len(players))), [listener])
    for start in range(0, len(players), PLAYERS_AT_ONCE):
        part: list[handover_pb2.Player] = []
        descriptors: list[int] = []
        for number, session in players[start : start + PLAYERS_AT_ONCE]:
            link = by_session.get(session)
            player = handover_pb2.Player(tunnel=number, session=save_session(session))
            descriptor = -1 if link is None else link.stand_still()
            if link is not None and descriptor >= 0:
                player.has_socket = True
                player.is_flushing = link.unsent_bytes > 0
                player.client_host, player.client_port = link.client.host, link.client.port
                player.since_seconds, player.heard_at_seconds = link.times
                descriptors.append(descriptor)
                place = handover_pb2.Place(tunnel=number, slot=session.slot)
                handed.append(_Handed(link, place, player.is_flushing))
            part.append(player)
        wire.send(Message(players=handover_pb2.Players(players=part)), descriptors)
    wire.send(Message(end=handover_pb2.End()))
    wire.receive("taken")
    wire.send(Message(proceed=handover_pb2.Proceed()))


async def _flush(wire: Wire, under_way: list[_Handed]) -> None:
    """Send what was still under way, and say whose is done."""
    deadline = time.monotonic() + FLUSH_LIMIT_SECONDS
    while under_way:
        is_late = time.monotonic() >= deadline
        done = [each for each in under_way if is_late or not each.link.unsent_bytes]
        under_way = [each for each in under_way if not (is_late or not each.link.unsent_bytes)]
        for each in done:
            each.place.is_complete = not each.link.unsent_bytes
            each.link.give_away()
        if done:
            try:
                wire.send(Message(flushed=handover_pb2.Flushed(places=[each.place for each in done])))
            except HandoverError as error:
                _log.error("successor_lost", reason=str(error), still_sending=len(under_way))
                return
        await asyncio.sleep(FLUSH_STEP_SECONDS)


@dataclass(frozen=True, slots=True)
class TakenPlayer:
    """A player taken over: what was saved, and the connection if there is one."""

    saved: handover_pb2.Player
    connection: socket.socket | None


@dataclass(slots=True)
class TakenEdge:
    """All that a running edge has handed over."""

    wire: Wire
    listener: socket.socket
    tunnels: Sequence[handover_pb2.Tunnel]
    players: list[TakenPlayer] = field(default_factory=list)

    def restore_players(self, tunnels: Sequence[EdgeTunnel]) -> list[tuple[TakenPlayer, Session]]:
        """Make the sessions; raises HandoverError."""
        return [(player, restore_session(tunnels[player.saved.tunnel], player.saved)) for player in self.players]

    def tell_taken(self) -> None:
        """Tell the running edge that it may forget everything, and wait until it has; blocks. Raises HandoverError."""
        self.wire.send(Message(taken=handover_pb2.Taken()))
        self.wire.receive("proceed")
        self.wire.set_timeout(2 * FLUSH_LIMIT_SECONDS)

    def close(self) -> None:
        """Close everything: the running edge goes on instead."""
        self.listener.close()
        for player in self.players:
            if player.connection is not None:
                player.connection.close()
        self.wire.close()


def take_over(end: socket.socket) -> TakenEdge:
    """Ask the running edge for everything and return it, before the edge is told that it is taken; blocks.

    Raises HandoverError.
    """
    wire = Wire(end, TAKEN_SECONDS)
    wire.send(Message(ready=handover_pb2.Ready(version=VERSION)))
    message, descriptors = wire.receive("begin")
    if len(descriptors) != 1:
        raise HandoverError(f"{len(descriptors)} ports where one belongs")
    taken = TakenEdge(wire, socket.socket(fileno=descriptors[0]), list(message.begin.tunnels))
    try:
        while len(taken.players) < message.begin.players:
            taken.players += _receive_players(wire, len(taken.tunnels))
        wire.receive("end")
    except HandoverError:
        taken.close()
        raise
    return taken


def _receive_players(wire: Wire, tunnels: int) -> list[TakenPlayer]:
    message, descriptors = wire.receive("players")
    sockets = [socket.socket(fileno=each) for each in descriptors]
    wanted = sum(player.has_socket for player in message.players.players)
    if len(sockets) != wanted or not message.players.players:
        raise HandoverError(f"{len(sockets)} sockets for {wanted} players")
    if any(player.tunnel >= tunnels for player in message.players.players):
        raise HandoverError("a player of no tunnel")
    left = iter(sockets)
    return [TakenPlayer(player, next(left) if player.has_socket else None) for player in message.players.players]


def client_of(player: handover_pb2.Player) -> SocketAddress:
    """Return who the player is."""
    return SocketAddress(player.client_host, player.client_port)


async def follow_flushes(taken: TakenEdge, waiting: dict[tuple[int, int], "asyncio.Future[bool]"]) -> None:
    """Hear which players may be spoken to; whoever is still waited for when the edge is gone may be, too."""
    try:
        while waiting:
            message, _ = await asyncio.to_thread(taken.wire.receive, "flushed")
            for place in message.flushed.places:
                future = waiting.pop((place.tunnel, place.slot), None)
                if future is not None:
                    future.set_result(place.is_complete)
    except HandoverError as error:
        if waiting:
            _log.error("predecessor_lost", reason=str(error), sessions_ended=len(waiting))
    finally:
        for future in waiting.values():
            future.set_result(False)
        taken.wire.close()
