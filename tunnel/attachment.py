"""One attachment of a tunnel, carried: messages in and out, heartbeats, and the decision that it is over.

Both ends use it, each with the stream of its own shell. It ends when the stream does, when the other end has been
silent for about a second, when this process has slept so long that the other end must think the same of us, or when
another attachment of the same tunnel takes its place. The tunnel goes on; see `tunnel.end`.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Generic

from protos.tidegate.tunnel.v1 import tunnel_pb2
from tunnel.outbox import Message
from wire.errors import TidegateError
from wire.liveness import TICK_SECONDS, Liveness

if TYPE_CHECKING:
    from tunnel.end import TunnelEnd

CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""A clock that also runs while the machine is suspended: that is a sleep like any other."""

BEATS_PER_WORD = 4
"""An end says how it is with the first of so many heartbeats: about once a second."""


class AttachmentLostError(TidegateError):
    """An attachment is over though its stream did not say so; the text says why."""

    code = "attachment_lost"


def now_ns() -> int:
    """Return the time, in nanoseconds from any beginning; it runs on while this process or machine sleeps."""
    return time.clock_gettime_ns(CLOCK)


class Attachment(Generic[Message]):
    """The present attachment of ``end``; ``name`` is for its tasks."""

    def __init__(self, end: "TunnelEnd[Message]", name: str) -> None:
        self.liveness = Liveness(now_ns())
        self.over = asyncio.Event()
        self._end: TunnelEnd[Message] = end
        self._name = name
        self._is_writing = False
        self._lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def carry(
        self,
        read: Callable[[], Awaitable[Any]],
        write: Callable[[Message], Awaitable[object]],
        first: Message | None = None,
        *,
        last_write_seconds: float = 0.0,
    ) -> None:
        """Carry messages until ``read`` returns None; ``first`` goes out before all others.

        A write that is under way at the end is cancelled after ``last_write_seconds``. The tunnel is free before that.

        Raises AttachmentLostError, TunnelFault for a message that breaks the contract, and what ``read`` raises. A
        read that is still under way then is left to whoever ends the stream.
        """
        reading = asyncio.create_task(self._read(read), name=f"{self._name}-reader")
        writing = asyncio.create_task(self._write(write, first), name=f"{self._name}-writer")
        ticking = asyncio.create_task(self._tick(), name=f"{self._name}-ticks")
        self._end.attach(self)
        try:
            ends: set[asyncio.Future[Any]] = {reading, self._lost}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.over.set()
            self._end.detach(self)
            ticking.cancel()
            reading.add_done_callback(_forget)
            try:
                if self._is_writing and last_write_seconds:
                    await asyncio.wait({writing}, timeout=last_write_seconds)
            finally:
                writing.cancel()
            await asyncio.wait({writing, ticking})  # unlike awaiting them, this lets a cancellation of ours through
            _forget(writing)
            _forget(ticking)
        if self._lost.done():
            raise AttachmentLostError(self._lost.result())
        if reading.cancelled():  # gRPC does that to a read whose call broke at the wrong moment
            raise AttachmentLostError("the call was cancelled")
        reading.result()

    def give_up(self, why: str) -> None:
        """Call the attachment over."""
        if not self._lost.done():
            self._lost.set_result(why)

    def has_slept(self) -> bool:
        """Whether this process has not run for so long that the other end has given the attachment up."""
        return self.liveness.slept(now_ns())

    async def _read(self, read: Callable[[], Awaitable[Any]]) -> None:
        while (message := await read()) is not None:
            if self._is_over():
                return
            self.liveness.heard()
            self._end.handle(message)

    async def _write(self, write: Callable[[Message], Awaitable[object]], first: Message | None) -> None:
        guarded = self._guarded(write)
        if first is not None:
            await guarded(first)
        await self._end.queue.run(guarded)

    def _guarded(self, write: Callable[[Message], Awaitable[object]]) -> Callable[[Message], Awaitable[object]]:
        async def write_unless_over(message: Message) -> None:
            if self._is_over():
                await self.over.wait()  # nothing is written any more, and then the writer is cancelled
            self._is_writing = True
            await write(message)
            self._is_writing = False
            if self.over.is_set():  # before the next message is taken out, which is another attachment's
                raise AttachmentLostError("this was the last write")

        return write_unless_over

    def _is_over(self) -> bool:
        """Whether nothing may be handled or sent any more; asked for each message, because a sleep ends anywhere.

        Also for one that was read before the end and whose turn comes after it: the other end sends it again.
        """
        if self._lost.done() or self.over.is_set():
            return True
        if self.has_slept():
            self.give_up("this process did not run for too long: the other end has given up on it")
            return True
        return False

    async def _next_tick(self) -> None:
        await asyncio.sleep(TICK_SECONDS)

    async def _tick(self) -> None:
        beats = 0
        while True:
            await self._next_tick()
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
