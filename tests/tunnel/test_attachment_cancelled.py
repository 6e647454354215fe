"""An attachment that ends while messages are still on their way."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tunnel.attachment import Attachment
from wire.errors import TunnelFault


class FakeEnd:
    """A tunnel end that only takes note."""

    def __init__(self) -> None:
        self.queue = self
        self.handled: list[str] = []

    def attach(self, attachment: object) -> None:
        pass

    def detach(self, attachment: object) -> None:
        pass

    def handle(self, message: str) -> None:
        self.handled.append(message)

    async def run(self, write: Callable[[Any], Awaitable[object]]) -> None:
        await asyncio.get_running_loop().create_future()


async def test_a_message_that_comes_behind_the_end_is_not_handled() -> None:
    """Whoever goes on with the tunnel has said already which message was the last."""
    end, road = FakeEnd(), asyncio.Queue[str | None]()

    async def write(message: object) -> None:
        raise AssertionError(message)

    attachment: Attachment[Any] = Attachment(end, "test")  # type: ignore[arg-type]
    carrying = asyncio.create_task(attachment.carry(road.get, write))
    road.put_nowait("in time")
    while not end.handled:  # noqa: ASYNC110 - no event for it
        await asyncio.sleep(0)
    carrying.cancel()
    road.put_nowait("too late")
    with pytest.raises(asyncio.CancelledError):
        await carrying
    while not road.empty():  # noqa: ASYNC110 - no event for it
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert end.handled == ["in time"]


async def test_a_write_under_way_may_end_and_no_other_begins() -> None:
    """GRPC sends no status while one is under way."""
    end, may_end, written = FakeEnd(), asyncio.Event(), list[object]()

    async def read() -> None:
        raise TunnelFault("no sense in it")

    async def write(message: object) -> None:
        written.append(message)
        await may_end.wait()
        written.append("done")

    async def write_two(write: Callable[[Any], Awaitable[object]]) -> None:
        await write("one")
        await write("two")

    end.run = write_two  # type: ignore[method-assign]
    attachment: Attachment[Any] = Attachment(end, "test")  # type: ignore[arg-type]
    carrying = asyncio.create_task(attachment.carry(read, write, last_write_seconds=10.0))
    await attachment.over.wait()
    may_end.set()
    with pytest.raises(TunnelFault):
        await carrying
    assert written == ["one", "done"]
