"""The edge as a whole: a players' port and its door, a tunnel client, and an orderly start and end."""

import asyncio
import socket
import time
from collections.abc import Callable, Sequence
from functools import partial
from random import SystemRandom
from typing import TYPE_CHECKING

import structlog

from edge.access_lists import AccessLists
from edge.admission import Admission
from edge.bans import BanBooks
from edge.bans_cache import BansCache
from edge.config import EdgeConfig
from edge.core_choice import SeenCore
from edge.cores import Cores
from edge.denied_names import DeniedNames
from edge.departure import Departure
from edge.door import Door, DoorLimits, Hope
from edge.edge_tunnel import EdgeTunnel, SocketAddress
from edge.list_files import ListFiles
from edge.listener import Listener
from edge.policy_cache import PolicyCache
from edge.probes import Probes
from edge.refusal_log import RefusalLog
from edge.shared_counts import private_counts
from edge.takeover import Takeover
from edge.tunnel_client import TunnelClient
from edge.upgrade import TakenEdge
from fleet.health import Health
from fleet.loop_delay import LoopDelay
from fleet.port import bind_socket
from fleet.probe import ProbeState, state_of
from fleet.records import Record
from fleet.road import PlainRoad, Road
from protos.tidegate.tunnel.v1 import tunnel_pb2
from tunnel.counters import Counters
from tunnel.flow import Flow, flow_of
from tunnel.policy import EdgePolicy
from tunnel.problems import bounded
from tunnel.session import Session
from wire.reasons import Reason

if TYPE_CHECKING:
    from fleet.tls.credentials import Credentials  # it loads what reads certificates, which not every edge needs

_log = structlog.get_logger("edge")

TICK_SECONDS = 1.0

_SAID_ONCE = frozenset((Reason.NO_CORE, Reason.CORE_DRAINING, Reason.EDGE_DRAINING))
"""Reasons that are logged when they begin, and not again for each player they meet."""


class Edge:
    """One edge. `run` carries its tasks and fails if one does; `drain` before cancelling it for an orderly end.

    ``taken`` is what another process of this edge has handed over. Raises OSError when the port cannot be had,
    ListError when a list file cannot be used, and HandoverError when what was taken cannot be.
    """

    def __init__(self, config: EdgeConfig, taken: TakenEdge | None = None) -> None:
        self.counters = Counters()
        self.flows: dict[str, Flow] = {}  # by the name of the core
        self.loop_delay = LoopDelay()
        self.refusals = RefusalLog(time.monotonic)
        self._config = config
        rules = config.admission
        self.lists = ListFiles(rules.deny_file, rules.allow_file)
        self.bans = BanBooks(time.monotonic, has_tunnel=lambda core: self._cores.has_tunnel(core))
        self._bans_cache = BansCache(config.bans_cache, self.bans)
        self._unwanted_changed = asyncio.Event()  # the lists or the bans say something else
        self.bans.on_change.append(self._unwanted_changed.set)
        counts = rules.counts or private_counts(config.max_connections)
        self._admission = Admission(rules.limits, rules.exempt, self.lists.lists, counts, self.bans)
        self._denied_names = DeniedNames(self._admission)
        self._door = Door(
            self._admission,
            DoorLimits(
                linger_seconds=config.linger_seconds,
                max_connections=config.max_connections,
                deadlines=rules.deadlines,
                proxy_from=rules.proxy_from,
            ),
            pick=self._pick,
            notice=self._notice,
            refused=self._refused,
            ended=self._ended,
        )
        self.lists.on_change.append(self._lists_changed)
        self._listener = Listener(
            bind_socket(config.listen_host, config.listen_port, shared=config.shares_port)
            if taken is None
            else taken.listener,
            config.backlog,
            judge=self._door.judge,
            no_room=self._door.close_at_once,
        )
        self.probes = Probes(
            config.tunnel.edge_name,
            self._listener.address,
            probe=config.probe,
            public=config.public,
            state=self._probe_state,
        )
        self._cache = PolicyCache(config.policy_cache)
        self._road = _road_of(config.credentials)
        self._cores = Cores(config.cores, config.tunnel.region, self._make_client, SystemRandom())
        self._new_tunnels: asyncio.Queue[EdgeTunnel] = asyncio.Queue()
        self._last_policy: EdgePolicy | None = self._cache.load()  # for players who come while there is no core
        self._is_draining = False
        self._is_retiring = False
        self.has_handed_over = False
        self._takeover = None if taken is None else self._take_over(taken)
        self.on_handed_over: list[Callable[[], None]] = []  # told when another process has taken everything over
        self.on_retire: Callable[[], None] = lambda: None  # has this process drain and end
        self._ready: asyncio.Future[EdgePolicy] = asyncio.get_running_loop().create_future()

    @property
    def address(self) -> SocketAddress:
        """Where players connect to; known as soon as the edge exists."""
        return self._listener.address

    @property
    def tunnels(self) -> tuple[EdgeTunnel, ...]:
        """The tunnels there are, attached or held, in the order of the cores."""
        return self._cores.tunnels

    @property
    def tunnel(self) -> EdgeTunnel | None:
        """The tunnel that a new player would get: an attached one if there is any."""
        return self._cores.tunnel

    def set_cores(self, records: Sequence[Record]) -> None:
        """Use these cores from now on; call it at any time, from the loop.

        A core that is not among them any more keeps its players as long as its tunnel does, and gets no new ones.
        """
        self._cores.set(records)

    def cores_seen(self) -> tuple[SeenCore, ...]:
        """Return what is known of each core, and which one new players go to."""
        return self._cores.seen()

    @property
    def running_sessions(self) -> int:
        """Players connected through this edge now."""
        return sum(tunnel.running_sessions for tunnel in self.tunnels)

    @property
    def max_sessions(self) -> int:
        """Players this edge takes at most."""
        return self._config.max_sessions

    @property
    def connections(self) -> int:
        """Descriptors held for players, with a session or without."""
        return self._door.connections

    @property
    def ring_bytes(self) -> int:
        """What each tunnel may keep for its core to get again."""
        return self._config.tunnel.ring_bytes

    @property
    def waiting(self) -> int:
        """Players who wait at the door for a tunnel."""
        return self._door.waiting

    @property
    def health(self) -> Health:
        """Whether new players can be let in, and why not."""
        credentials = self._config.credentials
        problems = (self._problem_with_cores(), credentials.problem if credentials is not None else "")
        return Health(tuple(filter(None, problems)), self._is_draining)

    def _problem_with_cores(self) -> str:
        seen = self._cores.seen()
        if any(core.takes_players for core in seen):
            return ""
        return "no core takes new players" if any(core.is_attached for core in seen) else "no core is attached"

    async def run(self) -> None:
        """Carry the edge's tasks until cancelled; raises OSError when the port cannot be opened."""
        try:
            async with asyncio.TaskGroup() as tasks:
                if self._takeover is not None:
                    await self._takeover.bring_in()
                await self.probes.open()
                tasks.create_task(self._cores.run(), name="edge-cores")
                tasks.create_task(self._open_when_attached(), name="edge-listener")
                tasks.create_task(self._tick(), name="edge-tick")
                tasks.create_task(self._door.keep_deadlines(), name="edge-deadlines")
                tasks.create_task(self.lists.run(), name="edge-lists")
                tasks.create_task(self._end_unwanted(), name="edge-unwanted")
                tasks.create_task(self._bans_cache.run(), name="edge-bans-cache")
                if self._config.credentials is not None:
                    tasks.create_task(self._config.credentials.run(), name="certificates")
                tasks.create_task(self.loop_delay.run(), name="loop-delay")
        finally:
            self.probes.close()
            self._listener.close()
            self.refusals.close()
            self._cache.close()
            await self._road.close()

    async def wait_ready(self) -> EdgePolicy:
        """Wait until players are let in; return the policy that holds then."""
        return await asyncio.shield(self._ready)

    async def hand_over(self, end: socket.socket) -> None:
        """Give everything to the process at the other end; raises HandoverError, and this edge goes on then."""
        departure = Departure(
            self._listener,
            self._door,
            self._cores,
            self._bans_cache,
            is_draining=lambda: self._is_draining,
            on_taken=self._taken,
        )
        await departure.hand_over(end)

    def _taken(self) -> None:
        """Another process has everything: have nothing to do with players and files any more."""
        self._is_draining = True
        self.has_handed_over = True
        self._bans_cache.close()
        self.probes.close()
        for tell in self.on_handed_over:
            tell()

    async def drain(self) -> None:
        """Let no new players in, wait for the others to leave, and end the rest at the deadline."""
        self._is_draining = True
        self._listener.close()
        await self._bans_cache.save()
        if not self.tunnels:
            return
        config = self._config
        _log.info("draining", sessions=self.running_sessions, deadline_seconds=config.drain_seconds)
        async with asyncio.TaskGroup() as tasks:
            for tunnel in self.tunnels:
                tasks.create_task(tunnel.drain(config.drain_seconds, config.linger_seconds))
        async with asyncio.TaskGroup() as tasks:
            for client in self._cores.clients:
                tasks.create_task(client.finish())

    def _take_over(self, taken: TakenEdge) -> Takeover:
        return Takeover(
            taken,
            self._config.tunnel,
            self.counters,
            self._door,
            self._cores,
            on_policy=self._keep_policy,
            on_tunnel=self._take_tunnel,
        )

    def _make_client(self, core: str) -> TunnelClient:
        return TunnelClient(
            core,
            self._config.tunnel,
            self.counters,
            on_tunnel=lambda tunnel: self._take_tunnel(core, tunnel),
            on_policy=partial(self._keep_policy, core),
            on_away=self._door.open_waiting,
            random=SystemRandom(),
            road=self._road,
        )

    def _take_tunnel(self, core: str, tunnel: EdgeTunnel) -> None:
        """A new tunnel to a core: players may come in through it."""
        if self._cores.is_ours(core):
            self._last_policy = tunnel.policy
        bans = self.bans.book(core)
        bans.abandon()  # the rest of a set that was on its way will not come
        tunnel.obey_bans(bans, self._denied_names)
        tunnel.refusals = self.refusals
        tunnel.flow = flow_of(self.flows, tunnel.core_name)
        tunnel.make_report = self._report
        tunnel.on_retire = self._retire
        tunnel.on_attach += (self._cores.look_again, self._door.open_waiting)
        self._new_tunnels.put_nowait(tunnel)

    def _keep_policy(self, core: str, message: tunnel_pb2.Policy) -> None:
        """Keep what is obeyed from now on, unless it is another game's."""
        if self._cores.is_ours(core):
            self._cache.store(message)

    def _retire(self) -> None:
        """A core wants this edge to drain; several may say so, and the process is told once: twice ends it at once."""
        if not self._is_draining and not self._is_retiring:
            self._is_retiring = True
            self.on_retire()

    def _report(self) -> tunnel_pb2.Report:
        """Say how this edge is, for its operator."""
        counters = self.counters
        health = self.health
        return tunnel_pb2.Report(
            sessions=self.running_sessions,
            max_sessions=self._config.max_sessions,
            bytes_serverbound=counters.bytes_serverbound,
            bytes_clientbound=counters.bytes_clientbound,
            frames_refused=sum(counters.frames_refused.values()),
            sessions_refused=sum(counters.sessions_refused.values()),
            problems=bounded(health.problems),
            is_draining=health.is_draining,
            players_at=self.probes.players_at,
            probes_at=self.probes.probes_at,
        )

    def _probe_state(self) -> ProbeState:
        return state_of(self.health, self.running_sessions, self._config.max_sessions)

    async def _open_when_attached(self) -> None:
        await self._bans_cache.restore(None if self._last_policy is None else self._last_policy.clientbound)
        if self._last_policy is not None:  # known from before: who comes while no core answers is told so
            await self._open(self._last_policy)
        while True:
            tunnel = await self._new_tunnels.get()
            await self._open(tunnel.policy)

    async def _open(self, policy: EdgePolicy) -> None:
        if not self._listener.is_open and not self._is_draining:
            await self._listener.open()
            self._ready.set_result(policy)

    def _notice(self, reason: Reason) -> bytes:
        tunnel = self.tunnel
        policy = tunnel.policy if tunnel is not None else self._last_policy
        return policy.notice_for(reason) if policy is not None else b""

    def _pick(self) -> EdgeTunnel | Hope | Reason:
        if self._is_draining:
            return Reason.EDGE_DRAINING
        picked = self._cores.pick(time.monotonic())
        if isinstance(picked, EdgeTunnel) and self.running_sessions >= self._config.max_sessions:
            return Reason.SESSION_LIMIT
        return picked

    def _refused(self, reason: Reason, client: SocketAddress, detail: str) -> None:
        self.counters.sessions_refused[reason.value] += 1
        if reason in _SAID_ONCE:
            _log.debug("player_refused", client=client.host, reason=reason.value)
        else:
            self.refusals.note(reason, client=client.host, **({"detail": detail} if detail else {}))

    def _ended(self, reason: Reason, client: SocketAddress, session: Session) -> None:
        self.refusals.note(reason, session=session.session_id.hex(), client=client.host)

    def _lists_changed(self, lists: AccessLists) -> None:
        self._admission.lists = lists
        self._unwanted_changed.set()

    async def _end_unwanted(self) -> None:
        while True:
            await self._unwanted_changed.wait()
            self._unwanted_changed.clear()
            await self._door.end_unwanted()

    async def _tick(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(TICK_SECONDS)
            self.refusals.tick(time.monotonic())
            self._cores.tick(clock())
            self.bans.tidy()


def _road_of(credentials: "Credentials | None") -> Road:
    """Return the way to cores; raises OSError when there is no folder for the sockets between us and gRPC."""
    if credentials is None:
        return PlainRoad()
    from fleet.tls.road import SecureRoad

    return SecureRoad(credentials)
