"""An attachment that ends while messages are still on their way."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tunnel.attachment import Attachment
from tunnel.writer import Writer


class FakeEnd:
    """A tunnel end that only takes note."""

    def __init__(self) -> None:
        self.queue = self
        self.inbox = None
        self.handled: list[str] = []

    def attach(self, attachment: object) -> None:
        pass

    def detach(self, attachment: object) -> None:
        pass

    def handle(self, message: str) -> None:
        self.handled.append(message)

    def begin(self, writer: object) -> None:
        pass


class Stream(Writer):
    """A stream that the test speaks for."""

    def __init__(self) -> None:
        self.take: Callable[[Any], None] = lambda _: None

    def is_full(self) -> bool:
        return False

    def when_room(self, tell: object) -> None:
        raise AssertionError

    def send(self, message: object) -> None:
        raise AssertionError(message)

    def deliver(self, take: Callable[[Any], None]) -> "asyncio.Future[None]":
        self.take = take
        return asyncio.get_running_loop().create_future()


async def test_a_message_that_comes_behind_the_end_is_not_handled() -> None:
    """Whoever goes on with the tunnel has said already which message was the last."""
    end, stream = FakeEnd(), Stream()
    attachment = Attachment(end, "test")  # type: ignore[arg-type]
    carrying = asyncio.create_task(attachment.carry(stream))
    await asyncio.sleep(0)
    stream.take("in time")
    carrying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await carrying
    stream.take("too late")
    assert end.handled == ["in time"]
