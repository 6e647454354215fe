"""One end of a tunnel by itself: what its drain waits for, and what it does not."""

import asyncio

from protos.tidegate.tunnel.v1 import tunnel_pb2
from tunnel.attachment import Attachment
from tunnel.counters import Counters
from tunnel.end import TunnelEnd
from tunnel.owner import CORE_SIDE
from wire.reasons import Reason

Response = tunnel_pb2.AttachResponse
LONG_SECONDS = 600.0


def attached_end() -> TunnelEnd[Response]:
    end = TunnelEnd(Response, CORE_SIDE, Counters(), flush_window_seconds=0, half_close_seconds=1)
    end.attach(Attachment(end, "test"))
    return end


async def test_a_drain_sees_the_last_messages_off() -> None:
    end = attached_end()
    end.send_credit(1, 100)
    draining = asyncio.create_task(end.drain(LONG_SECONDS, LONG_SECONDS))
    written: list[Response] = []

    async def write(message: Response) -> None:
        assert not draining.done()
        written.append(message)

    writing = asyncio.create_task(end.queue.run(write))
    async with asyncio.timeout(5):
        await draining
    assert [message.WhichOneof("message") for message in written] == ["credit"]
    writing.cancel()


async def test_a_drain_does_not_wait_for_an_end_that_has_left() -> None:
    end = attached_end()
    end.send_credit(1, 100)
    draining = asyncio.create_task(end.drain(LONG_SECONDS, LONG_SECONDS))
    await asyncio.sleep(0)
    end.gone(Reason.TUNNEL_LOST)
    async with asyncio.timeout(5):
        await draining
    assert end.is_over


async def test_a_drain_that_nobody_hears_ends_in_time() -> None:
    end = attached_end()
    end.send_credit(1, 100)
    async with asyncio.timeout(5):
        await end.drain(LONG_SECONDS, 0.01)
    assert not end.is_over
