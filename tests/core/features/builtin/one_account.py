"""Simultaneous logins of one account at two cores: a driver for `oneclient` over any two ends of one store.

``make_store_a`` and ``make_store_b`` open a store each, started and running, for as long as their context lasts::

    await run_rounds(open_redis, open_redis, rounds=1000, logins=50, limit=1)
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any
from uuid import uuid4

from core.features.api import Feature
from core.features.builtin.oneclient import OneClient
from core.features.containment import Loaded
from core.features.errors import Place
from core.features.host import FeatureHost
from core.features.inspector import Inspector
from core.features.kit import KitBans
from core.features.loader import Source, make_feature
from core.features.session import Peer, Session
from core.store.protocol import Store
from games.packet import Direction, Packet
from games.pko.connection import Login, LoginAccepted, LoginRefused
from games.registry import load_pack

MakeStore = Callable[[], AbstractAsyncContextManager[Store]]

PKO = load_pack("pko")
AGAIN_SECONDS = 5.0
"""How long a place may stay taken after its holder has gone, at most."""


def make_host(store: Store) -> FeatureHost:
    """Return a core's features, none of them loaded."""
    return FeatureHost(PKO, "classic", store, KitBans())


def load(host: FeatureHost, feature: type[Feature] = OneClient, **settings: Any) -> Loaded:
    """Return a feature for a host, as the core loads it."""
    source = Source(feature.__name__.lower(), None, settings, Place("settings"))
    return make_feature(source, feature, host.codec, PKO.name)


@dataclass(eq=False)
class Client:
    """One player's connection to a host; the session's line, too."""

    host: FeatureHost
    account: str
    hardware_address: str = "00-11"
    address: str = "192.0.2.1"
    passed: bytearray = field(default_factory=bytearray)
    shown: bytearray = field(default_factory=bytearray)
    reason: str = ""

    def __post_init__(self) -> None:
        here = ip_address("127.0.0.1")
        self.peer = Peer(uuid4().bytes, ip_address(self.address), 4000, here, 1973, "edge-1", "test", next(_SINCE))
        self.decided = asyncio.Event()
        self.inspector: Inspector = self.host.open(self, self.peer, None)
        self.host.opened(self.inspector.session)

    @property
    def session(self) -> Session:
        """The session."""
        return self.inspector.session

    @property
    def is_in(self) -> bool:
        """Whether the login reached the game server, and the session lasts."""
        return bool(self.passed) and not self.reason

    def log_in(self, account: str = "") -> None:
        """Send a login; `decided` is set when it has passed or was refused."""
        self.account = account or self.account
        self.passed.clear()
        self.decided.clear()
        mac = self.hardware_address.encode()
        self._send(Login(account=self.account.encode(), password=bytes(24), mac=mac, version=136))

    def is_accepted(self) -> None:
        """Have the game server accept the login."""
        self._hear(LoginAccepted(key=bytes(8), characters=()))

    def is_refused(self) -> None:
        """Have the game server refuse it."""
        self._hear(LoginRefused(error=1001))

    def leave(self) -> None:
        """Close the connection."""
        self.end("client_closed")

    # The line (`tunnel.inspector.Line`).

    def has_room(self, *, serverbound: bool) -> bool:
        """Whether the session lasts."""
        return not self.reason

    def inject(self, frames: bytes, *, serverbound: bool) -> None:
        """Take what features send."""
        (self.passed if serverbound else self.shown).extend(frames)

    def release(self, frames: bytes) -> None:
        """Take what was held."""
        self.passed += frames
        self.decided.set()

    def end(self, reason: str) -> None:
        """Be ended."""
        if not self.reason:
            self.reason = str(reason)
            self.inspector.ended(self.reason)
            self.decided.set()

    def _send(self, packet: Packet) -> None:
        self._take(self.inspector.serverbound(_sealed(packet)), self.passed)
        if not self.inspector.is_holding:
            self.decided.set()

    def _hear(self, packet: Packet) -> None:
        self._take(self.inspector.clientbound(_sealed(packet)), self.shown)

    def _take(self, frames: bytes, into: bytearray) -> None:
        into += frames
        if self.inspector.closing:
            self.end(self.inspector.closing)


async def run_rounds(make_store_a: MakeStore, make_store_b: MakeStore, rounds: int, logins: int, limit: int) -> None:
    """Have ``logins`` clients log in to one account at once, half of them at each core, again and again.

    Raises AssertionError, with the round, unless exactly ``limit`` get in, and when places are not given back.
    """
    async with make_store_a() as store_a, make_store_b() as store_b:
        hosts = [make_host(store_a), make_host(store_b)]
        for host in hosts:
            await host.switch([load(host, per_account=limit)])
        run = uuid4().hex[:8]
        try:
            for number in range(rounds):
                await _run_round(hosts, f"a{run}_{number}", logins, limit, number)
            await _check_places_are_free(hosts, f"a{run}_{rounds - 1}")
        finally:
            for host in hosts:
                assert host.late_admissions == 0, "logins were let in because the store was late"
                await host.close()


async def _run_round(hosts: list[FeatureHost], account: str, logins: int, limit: int, number: int) -> None:
    clients = [Client(hosts[each % len(hosts)], account) for each in range(logins)]
    for client in clients:
        client.log_in()
    await asyncio.gather(*(client.decided.wait() for client in clients))
    inside = [client for client in clients if client.is_in]
    assert len(inside) == min(limit, logins), f"round {number}: {len(inside)} of {logins} logins got in, not {limit}"
    for client in inside:
        client.is_accepted()
    assert all(client.is_in for client in inside), f"round {number}: one of those inside was thrown out"
    for client in clients:
        client.leave()


async def _check_places_are_free(hosts: list[FeatureHost], account: str) -> None:
    """Log in to an account whose players have left, at each core; a release may still be on its way."""
    async with asyncio.timeout(AGAIN_SECONDS):
        for host in hosts:
            is_in = False
            while not is_in:
                client = Client(host, account)
                client.log_in()
                await client.decided.wait()
                is_in = client.is_in
                client.leave()
                await asyncio.sleep(0 if is_in else 0.01)


def _sealed(packet: Packet) -> bytes:
    codec = PKO.codec("classic")
    envelope = codec.dialect.envelope(packet.DIRECTION)
    counter = 0 if packet.DIRECTION is Direction.SERVERBOUND and envelope.counter_bytes else None
    return envelope.seal(packet.OPCODE, packet.encode(), counter=counter)


_SINCE = itertools.count(1000.0)
