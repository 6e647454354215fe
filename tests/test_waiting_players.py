"""Players who speak first and have to wait for a tunnel, on each event loop: what they said arrives."""

import asyncio
from collections.abc import Callable

import pytest
import uvloop

from fleet.address import Address
from fleet.records import Record
from games.registry import load_pack
from tests.relays import LOOPBACK, core_config, echo, edge_config, running_core, running_edge, running_origin

FRAME = b"\x00\x05abc"


async def come_while_a_core_is_attached_to(*, ends: bool) -> bytes:
    """A player's whole answer, who came between the drain of the only core and the attachment of the next."""
    pack = load_pack("echo")
    async with (
        running_origin(echo) as origin,
        running_core(core_config(origin), pack) as first,
        running_core(core_config(origin), pack) as second,
        running_edge(edge_config(first.port)) as edge,
    ):
        await edge.wait_ready()
        await first.drain()
        async with asyncio.timeout(5):
            while not edge.tunnels[0].is_draining:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.001)
        edge.set_cores([Record("core", "core-2", Address(LOOPBACK, second.port))])
        reader, writer = await asyncio.open_connection(edge.address.host, edge.address.port)
        writer.write(FRAME)
        if ends:
            writer.write_eof()
        async with asyncio.timeout(5):
            answer = await (reader.read() if ends else reader.readexactly(len(FRAME)))
        writer.close()
        await writer.wait_closed()
        async with asyncio.timeout(5):
            while edge.connections or second.running_sessions:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.001)
        return answer


@pytest.mark.parametrize("make_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
@pytest.mark.parametrize("ends", [False, True])
def test_what_a_waiting_player_says_arrives(make_loop: Callable[[], asyncio.AbstractEventLoop], ends: bool) -> None:
    with asyncio.Runner(loop_factory=make_loop) as runner:
        assert runner.run(come_while_a_core_is_attached_to(ends=ends)) == FRAME
