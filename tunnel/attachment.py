"""One attachment of a tunnel, carried: messages in and out, heartbeats, and the decision that it is over.

Both ends use it, each with the stream of its own shell. It ends when the stream does, when the other end has been
silent for about a second, when this process has slept so long that the other end must think the same of us, or when
another attachment of the same tunnel takes its place. The tunnel goes on; see `tunnel.end`.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from protos.tidegate.tunnel.v1 import tunnel_pb2
from tunnel import system
from tunnel.writer import Writer
from wire.batches import Batch
from wire.errors import TidegateError
from wire.liveness import TICK_SECONDS, Liveness

if TYPE_CHECKING:
    from tunnel.end import TunnelEnd

BEATS_PER_WORD = 4
"""An end says how it is with the first of so many heartbeats: about once a second."""


class AttachmentLostError(TidegateError):
    """An attachment is over though its stream did not say so; the text says why."""

    code = "attachment_lost"


def now_ns() -> int:
    """Return the time, in nanoseconds from any beginning; it runs on while this process or machine sleeps."""
    return system.boottime_ns()


async def next_tick() -> None:
    """Wait until it is time for a heartbeat."""
    await asyncio.sleep(TICK_SECONDS)


class Attachment(Writer):
    """The present attachment of ``end``; ``name`` is for its tasks."""

    def __init__(self, end: "TunnelEnd[Any]", name: str) -> None:
        self.liveness = Liveness(now_ns())
        self.over = asyncio.Event()
        self._end = end
        self._inbox = end.inbox
        self._stream: Writer | None = None  # once it is carried
        self._name = name
        self._is_lost = False  # somebody has called it over, or it is
        self._lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def carry(self, stream: Any, first: Any = None) -> None:
        """Carry messages until those of the stream end, a `tunnel.calls.call.Call`; ``first`` goes out before all.

        Raises AttachmentLostError, TunnelFault for a message that breaks the contract, and what the stream ends with.
        """
        self._stream = stream
        under_way: list[asyncio.Future[Any]] = []
        try:
            if first is not None:
                self.send(first)
            self._end.attach(self)
            self._end.queue.begin(self)
            ended = stream.deliver(self._take)
            ticking = asyncio.create_task(self._tick(), name=f"{self._name}-ticks")
            under_way = [ended, ticking]
            ends: set[asyncio.Future[Any]] = {ended, self._lost}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._is_lost = True
            self.over.set()
            self._end.detach(self)
            for each in under_way:
                each.add_done_callback(_forget)
            if under_way:
                ticking.cancel()
        if self._lost.done():
            raise AttachmentLostError(self._lost.result())
        ended.result()

    # What the outbox writes to.

    def is_full(self) -> bool:
        """Whether what was sent waits for room; once it is over nothing is sent, so that nothing counts as written."""
        return self._is_over() or self._stream is None or self._stream.is_full()

    def when_room(self, tell: Callable[[], None]) -> None:
        """Have somebody told once when there is."""
        if self._stream is not None:
            self._stream.when_room(tell)

    def send(self, message: Any) -> None:
        """Send a message, unless the attachment is over: the next one will send it again."""
        if not self._is_lost and self._stream is not None:
            self._stream.send(message)

    def give_up(self, why: str) -> None:
        """Call the attachment over."""
        self._is_lost = True
        if not self._lost.done():
            self._lost.set_result(why)

    def has_slept(self) -> bool:
        """Whether this process has not run for so long that the other end has given the attachment up."""
        return self.liveness.slept(now_ns())

    def _take(self, message: Any) -> None:
        if not self._is_over():
            self.liveness.heard()
            if isinstance(message, Batch):
                self._inbox.take(message)
            else:
                self._end.handle(message)

    def _is_over(self) -> bool:
        """Whether nothing may be handled or sent any more; asked for each message, because a sleep ends anywhere.

        What comes after the end is not handled: the other end sends it again.
        """
        if self._is_lost:
            return True
        if self.has_slept():
            self.give_up("this process did not run for too long: the other end has given up on it")
            return True
        return False

    async def _tick(self) -> None:
        beats = 0
        while True:
            await next_tick()
            now = now_ns()
            if self._is_over():
                return
            if self.liveness.tick(now):
                self.give_up("nothing was heard from the other end for a second")
                return
            sent, echoed, waited = self.liveness.beat(now)
            heartbeat = tunnel_pb2.Heartbeat(
                sent_nanoseconds=sent, echoed_nanoseconds=echoed, waited_nanoseconds=waited
            )
            if beats % BEATS_PER_WORD == 0:
                self._end.add_word(heartbeat)
            beats += 1
            self._end.queue.add_urgent(self._end.message_type(heartbeat=heartbeat))


def _forget(task: "asyncio.Future[Any]") -> None:
    """Take note of a task's failure, so that nobody reports it as unseen."""
    if not task.cancelled() and task.done():
        task.exception()
