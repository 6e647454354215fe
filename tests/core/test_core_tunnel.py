"""The core's end of a tunnel by itself."""

import asyncio
import time
from types import SimpleNamespace
from typing import Any, cast

import pytest

from core.core_tunnel import CoreLimits, CoreTunnel, Places
from core.origin_watch import OriginWatch
from core.policy import compile_policy
from games.registry import load_pack
from protos.tidegate.tunnel.v1 import tunnel_pb2
from tests.tunnel.fakes import FakeLink
from tunnel.attachment import Attachment
from tunnel.counters import Counters
from tunnel.link import Link, LinkEvents
from wire.liveness import Liveness
from wire.reasons import Reason

HERE = bytes((127, 0, 0, 1))


class OneServer:
    """A game server without a socket."""

    def __init__(self) -> None:
        self.link = FakeLink()
        self.opened = asyncio.Event()

    async def open(self, events: LinkEvents) -> Link:
        del events
        self.opened.set()
        return self.link


def sleepy_core(server: OneServer) -> CoreTunnel:
    """A core's tunnel whose process has slept, and does not know yet whether the edge has given it up."""
    hello = tunnel_pb2.Hello(tunnel_id=bytes(16), edge_name="edge", window_bytes=10_000)
    limits = CoreLimits(window_bytes=10_000, flush_window_seconds=0, half_close_seconds=1, max_sessions=9)
    policy = compile_policy(load_pack("echo"), "plain")
    core = CoreTunnel(hello, policy, server, OriginWatch(lambda: 0.0), Places(9), Counters(), limits)
    over, alive = asyncio.Event(), Liveness(0)
    attachment = SimpleNamespace(liveness=alive, give_up=lambda _: None, has_slept=lambda: True, over=over)
    core.attach(cast("Attachment", attachment))
    return core


async def open_one(core: CoreTunnel, server: OneServer) -> None:
    opened = tunnel_pb2.Open(
        slot=1, session_id=bytes(16), client_address=HERE, client_port=1, listen_address=HERE, listen_port=2
    )
    core.handle(tunnel_pb2.AttachRequest(sequence=1, open=opened))
    await server.opened.wait()
    await asyncio.sleep(0)


async def test_a_session_that_ends_while_its_connection_waits_leaves_none_open() -> None:
    server = OneServer()
    core = sleepy_core(server)
    async with asyncio.timeout(5):
        await open_one(core, server)
        core.sessions[1].end(Reason.ORIGIN_CLOSED)
        await asyncio.sleep(0)
    assert server.link.is_closed


async def test_a_newcomer_makes_way_for_those_who_play(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.core_tunnel.ASIDE_SECONDS", 3600.0)
    server = OneServer()
    core = sleepy_core(server)
    core.queue._flushed_at = time.monotonic()  # somebody was sent something just now
    opened = tunnel_pb2.Open(
        slot=1, session_id=bytes(16), client_address=HERE, client_port=1, listen_address=HERE, listen_port=2
    )
    core.handle(tunnel_pb2.AttachRequest(sequence=1, open=opened))
    for _ in range(3):
        await asyncio.sleep(0)
    assert not server.opened.is_set()
    (connecting,) = core._connecting.values()
    core.sessions[1].end(Reason.EDGE_DRAINING)
    await asyncio.wait({connecting}, timeout=5)
    assert connecting.cancelled()
    assert not server.opened.is_set()
    assert not core._placed


async def test_a_game_server_hears_nothing_of_a_tunnel_that_is_over() -> None:
    server = OneServer()
    core = sleepy_core(server)
    async with asyncio.timeout(5):
        await open_one(core, server)
        session = core.sessions[1]
        session.tunnel_data((10).to_bytes(2) + bytes(8))
        core._over.set()  # and the turn of the session has not come yet
        attachment: Any = core.attachment
        attachment.over.set()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert session.reason == Reason.TUNNEL_LOST
    assert server.link.is_closed
    assert not server.link.sent
