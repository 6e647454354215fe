"""Edge and core say with their heartbeats how they are."""

import asyncio

from tests.relays import echo, running_origin, running_relay


async def test_each_end_hears_how_the_other_is() -> None:
    async with running_origin(echo) as port, running_relay("echo", port) as relay, asyncio.timeout(10):
        assert relay.edge.health.is_serving
        assert relay.core.health.is_serving
        _, writer = await relay.connect()
        (theirs,) = relay.core.service.tunnels.values()
        ours = relay.edge.tunnel
        assert ours is not None
        while ours.load is None or theirs.report is None or theirs.report.sessions == 0:  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.01)
        assert (theirs.report.max_sessions, list(theirs.report.problems)) == (100, [])
        assert (ours.load.max_sessions, list(ours.load.problems)) == (100, [])
        writer.close()
        await relay.settle()
