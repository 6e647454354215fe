"""Upgrade of an edge without dropping players: one process hands everything over to the next.

Called by `edge.departure`, and by `tidegate.upgrade` and `edge.takeover` in the successor; messages and saved state are
in `edge.handover`. The running edge stands still (accepts nothing, reads nothing, detaches its tunnels), saves all it
has, and forgets it once the successor has said that it has it. Until then nothing is lost: a successor that fails
leaves the edge to go on where it stood. The tunnels come back by the same re-attachment as after a cut.

What the edge has written to a player's socket and the system has not taken yet cannot be taken back, so the edge sends
it itself, and the successor speaks to that player when it is told that this is done.
"""

import asyncio
import socket
import time
from collections.abc import Callable, Sequence
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
class HandedPlayer:
    """A player who is handed over. ``link`` is None, and ``descriptor`` -1, where there is no connection any more."""

    saved: handover_pb2.Player
    link: PlayerLink | None
    descriptor: int


async def wait_for_successor(wire: Wire) -> None:
    """Wait until the successor is up; raises HandoverError."""
    message, _ = await asyncio.to_thread(wire.receive, "ready")
    if message.ready.version != VERSION:
        raise HandoverError(f"the successor speaks version {message.ready.version}, this edge {VERSION}")
    wire.set_timeout(TAKEN_SECONDS)


async def hand_over(
    wire: Wire,
    listener: int,
    clients: Sequence[TunnelClient],
    links: Sequence[PlayerLink],
    since_seconds: float,
    *,
    is_draining: Callable[[], bool] = lambda: False,
) -> list[HandedPlayer]:
    """Give an edge that stands still, and since when, to the successor; return for whom there is something to send yet.

    Raises HandoverError, and everything is as it was.
    """
    for _ in range(int(FLUSH_SECONDS / FLUSH_STEP_SECONDS)):
        if not any(link.unsent_bytes for link in links):
            break
        await asyncio.sleep(FLUSH_STEP_SECONDS)
    # All of it before the loop goes on: a player who reads meanwhile would move credit from one part to another.
    held = [(client.core, client.tunnel) for client in clients if client.tunnel is not None]
    tunnels = [save_tunnel(core, tunnel) for core, tunnel in held]
    by_session = {link.session: link for link in links}
    players = [
        _save_player(number, session, by_session.get(session))
        for number, (_, tunnel) in enumerate(held)
        for session in tunnel.sessions.values()
    ]
    await asyncio.to_thread(_send_all, wire, listener, tunnels, players)
    if is_draining():  # the successor would know nothing of it, and let players in
        raise HandoverError("the edge is draining")
    _let_proceed(wire, [player.link for player in players if player.link is not None])
    for client in clients:
        client.give_away()
    under_way = [player for player in players if player.saved.is_flushing]  # not who is by now: this was promised
    for player in players:
        if player.link is not None and player.saved.is_flushing:
            player.link.let_go()
        elif player.link is not None:
            player.link.give_away()
    stood_still = round(time.monotonic() - since_seconds, 3)
    _log.info("handed_over", sessions=len(players), still_sending=len(under_way), stood_still_seconds=stood_still)
    return under_way


def _save_player(tunnel: int, session: Session, link: PlayerLink | None) -> HandedPlayer:
    saved = handover_pb2.Player(tunnel=tunnel, session=save_session(session))
    descriptor = -1 if link is None else link.stand_still()
    if link is None or descriptor < 0:
        return HandedPlayer(saved, None, -1)
    saved.has_socket = True
    saved.is_flushing = link.unsent_bytes > 0
    saved.client_host, saved.client_port = link.client.host, link.client.port
    saved.since_seconds, saved.heard_at_seconds = link.times
    return HandedPlayer(saved, link, descriptor)


def _send_all(
    wire: Wire, listener: int, tunnels: Sequence[handover_pb2.Tunnel], players: Sequence[HandedPlayer]
) -> None:
    """Send it all and wait until it is taken; the loop has nothing to do meanwhile, but it may."""
    wire.send(Message(begin=handover_pb2.Begin(tunnels=tunnels, players=len(players))), [listener])
    for start in range(0, len(players), PLAYERS_AT_ONCE):
        part = players[start : start + PLAYERS_AT_ONCE]
        message = handover_pb2.Players(players=[player.saved for player in part])
        wire.send(Message(players=message), [player.descriptor for player in part if player.saved.has_socket])
    wire.send(Message(end=handover_pb2.End()))
    wire.receive("taken")


def _let_proceed(wire: Wire, links: Sequence[PlayerLink]) -> None:
    """Let the successor go on with everything, which nobody takes back; raises HandoverError.

    The successor counts its players as soon as it hears this. They count here no more by then: workers share their
    limits, and a player who counted twice would keep others of his address out, for as long as he is slow to read.
    """
    for link in links:
        link.count_no_more()
    try:
        wire.send(Message(proceed=handover_pb2.Proceed()))
    except HandoverError:
        for link in links:
            link.count_again()
        raise


async def send_the_rest(wire: Wire, under_way: Sequence[HandedPlayer]) -> None:
    """Send what was still under way, and say whose is done."""
    deadline = time.monotonic() + FLUSH_LIMIT_SECONDS
    while under_way:
        is_late = time.monotonic() >= deadline
        places = [_finished(player, is_late=is_late) for player in under_way]
        under_way = [player for player, place in zip(under_way, places, strict=True) if place is None]
        done = [place for place in places if place is not None]
        if done:
            try:
                wire.send(Message(flushed=handover_pb2.Flushed(places=done)))
            except HandoverError as error:
                _log.error("successor_lost", reason=str(error), still_sending=len(under_way))
                return
        await asyncio.sleep(FLUSH_STEP_SECONDS)


def _finished(player: HandedPlayer, *, is_late: bool) -> handover_pb2.Place | None:
    """Forget a player who has got everything, or for whom it is too late, and say so; None for all others."""
    unsent = 0 if player.link is None else player.link.unsent_bytes
    if unsent and not is_late:
        return None
    if player.link is not None:
        player.link.give_away()
    return handover_pb2.Place(tunnel=player.saved.tunnel, slot=player.saved.session.slot, is_complete=not unsent)


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
