"""One call, at either end: messages in and out, and how it ended.

What comes in is handed over as it comes (`Call.deliver`), or kept until it is read, at most as much as the window
grants. What goes out waits for the other end's window, and for the socket.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from tunnel.calls.message_cutter import MessageCutter, wrap_message
from tunnel.calls.status import CallError, Status
from tunnel.writer import Writer
from wire.batches import Batch
from wire.data_frames import PREFIX_BYTES, pack_data, pack_message

_PREFIX_BYTES = PREFIX_BYTES  # for this module, as C has it


MAX_UNREAD_MESSAGES = 16_384
"""The window bounds their bytes, and each is an object besides. What a tunnel sends again when it is attached anew
comes before anybody reads it: at most some thousands, as what is small shares messages."""


class Message(Protocol):
    """What a call can send: a message of protobuf's, or a batch."""

    def SerializeToString(self) -> bytes:  # noqa: N802 - protobuf's name
        """Return it as bytes."""
        ...


class Wire:
    """What a call needs of its connection, which overrides what follows."""

    def __init__(self) -> None:
        self.peer = ""  # who is at the other end: ``HOST:PORT``, or ``unix:PATH``

    def room_bytes(self, call: "Call") -> int:
        """How many bytes may be sent of a call now, in one frame."""
        raise NotImplementedError

    def send_frame(self, call: "Call", frame: bytes) -> None:
        """Send a frame of DATA for which there is room."""
        raise NotImplementedError

    def send_end(self, stream: int) -> None:
        """Send no more messages."""
        raise NotImplementedError

    def send_reset(self, stream: int) -> None:
        """Break the call off."""
        raise NotImplementedError

    def send_status(self, stream: int, status: Status, details: str) -> None:
        """As a server: say how the call has ended."""
        raise NotImplementedError

    def acknowledge(self, call: "Call", size: int) -> None:
        """Give the other end back what it has used of its window."""
        raise NotImplementedError


class Call(Writer):
    """One call. ``parse`` makes a message of bytes."""

    def __init__(self, wire: Wire, stream: int, path: str, parse: Any, *, max_message_bytes: int) -> None:
        self.path = path
        self.status: Status | None = None  # once it has ended
        self.details = ""
        self.stream = stream
        self.has_answered = False  # as a server: the headers before our first message were sent
        self.has_begun = False  # the other end's first headers have come
        self.is_complete = False  # the other end sends no more
        # The windows, kept by the connection: what the other end has room for, what it may still send, and what of
        # that was read since it was last granted more.
        self.room_bytes = self.granted_bytes = self.taken_bytes = 0
        self._wire = wire
        self._parse = parse
        self._max_message_bytes = max_message_bytes
        self._cutter = MessageCutter(max_message_bytes)
        self._messages: deque[bytes] = deque()  # that nobody has read
        self._unacknowledged_bytes = 0  # what those have used of our window
        self._take: Callable[[Any], None] | None = None  # who gets them as they come
        self._delivered: asyncio.Future[None] | None = None  # ends with that
        self._reader: asyncio.Future[None] | None = None
        self._unsent = b""  # messages for which there was not room enough
        self._unsent_from = 0  # where in them that begins which was not sent
        self._when_room: list[Callable[[], None]] = []
        self._has_ended = False  # we send no more

    def peer(self) -> str:
        """Return who is at the other end: ``HOST:PORT``, or ``unix:PATH``."""
        return self._wire.peer

    async def read(self) -> Any:
        """Return the next message; None when there will be none any more, and `status` says how that came at a client.

        Raises what ``parse`` does for bytes that are no message.
        """
        while not self._messages:
            if self.is_complete or self.status is not None:
                return None
            self._reader = asyncio.get_running_loop().create_future()
            await self._reader
        data = self._messages.popleft()
        if not self._messages and self._unacknowledged_bytes:
            self._acknowledge()
        return self._parse(data)

    def deliver(self, take: Callable[[Any], None]) -> "asyncio.Future[None]":
        """Hand each message to ``take`` from now on, within the call of the loop that brought it.

        Return a future that ends as the other end's messages do: well, or with what ``take`` or ``parse`` has raised,
        after which nothing is handed over any more.
        """
        self._delivered = asyncio.get_running_loop().create_future()
        self._take = take
        while self._messages:
            self._hand_over(self._messages.popleft())
        if self._unacknowledged_bytes:
            self._acknowledge()
        if self.is_complete or self.status is not None:
            self._end_delivery()
        return self._delivered

    def is_full(self) -> bool:
        """Whether what was sent waits for room, or the call is over: no more should be sent."""
        return bool(self._unsent) or self.status is not None

    def when_room(self, tell: Callable[[], None]) -> None:
        """Have somebody told once, when what was sent last has found room, or the call is over."""
        self._when_room.append(tell)

    def send(self, message: Message) -> None:
        """Send a message, when there is room for it; nothing happens when the call is over.

        Raises CallError for one that is too long.
        """
        if self.status is not None or self._has_ended:
            return
        if isinstance(message, Batch):
            batch: Batch = message
            data = batch.SerializeToString()
        else:
            data = message.SerializeToString()
        if len(data) > self._max_message_bytes:
            text = f"a message of {len(data)} bytes, where at most {self._max_message_bytes} are allowed"
            raise CallError(Status.RESOURCE_EXHAUSTED, text)
        if not self._unsent and self._wire.room_bytes(self) >= len(data) + _PREFIX_BYTES:
            self._wire.send_frame(self, pack_message(data, self.stream))  # as nearly always
            return
        self._unsent, self._unsent_from = self._unsent[self._unsent_from :] + wrap_message(data), 0
        self.send_rest()

    async def write(self, message: Message) -> None:
        """Send a message and wait until it has found room; raises CallError when the call is over, or it is too long.

        For who does not use `when_room`.
        """
        self._check_open()
        self.send(message)
        while self._unsent:
            room: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self.when_room(partial(_settle, room))
            await room
            self._check_open()

    def done_writing(self) -> None:
        """As a client: there are no more messages."""
        if self.status is None and not self._has_ended:
            self._has_ended = True
            self._wire.send_end(self.stream)

    def finish(self, status: Status, details: str = "") -> None:
        """As a server: end the call with a status; nothing happens when it is over."""
        if self.status is None:
            self._has_ended = True
            self.end(status, details)
            self._wire.send_status(self.stream, status, details)

    def cancel(self) -> None:
        """Break the call off; nothing happens when it is over."""
        if self.status is None:
            self.end(Status.CANCELLED, "the call was cancelled here")
            self._wire.send_reset(self.stream)

    # What the connection calls.

    def feed(self, data: bytes, flow_bytes: int) -> None:
        """Take bytes, which have used ``flow_bytes`` of our window; raises CallError for what is no message."""
        self._unacknowledged_bytes += flow_bytes
        try:
            for message in self._cutter.feed(data):
                if self._take is not None:
                    self._hand_over(message)
                elif len(self._messages) < MAX_UNREAD_MESSAGES:
                    self._messages.append(message)
                    self._wake_reader()
                else:
                    text = f"more than {MAX_UNREAD_MESSAGES} messages that nobody has read yet"
                    raise CallError(Status.RESOURCE_EXHAUSTED, text)
            self._cutter.check()
        finally:
            if not self._messages:  # what is not whole is bounded, and its rest is to come
                self._acknowledge()

    def complete(self) -> None:
        """The other end sends no more messages; raises CallError when it has not sent the last one whole."""
        self.is_complete = True
        self._wake_reader()
        self._end_delivery()
        if self.status is None and not self._cutter.is_between_messages:
            raise CallError(Status.INTERNAL, "the last message was not sent whole")

    def end(self, status: Status, details: str) -> None:
        """The call is over; the first to say so is right. What was not read yet can still be."""
        if self.status is None:
            self.status = status
            self.details = details
            self._unsent = b""
            self._acknowledge()  # what nobody may read any more is not held against other calls
            self._wake_reader()
            self._end_delivery()
            self._tell_room()

    def send_rest(self) -> None:
        """Send what waits, as far as there is room now."""
        while self._unsent:
            start = self._unsent_from
            room = self._wire.room_bytes(self)
            if room <= 0:
                return
            data = self._unsent[start : start + room]
            self._unsent_from = start + len(data)
            if self._unsent_from == len(self._unsent):
                self._unsent, self._unsent_from = b"", 0
            self._wire.send_frame(self, pack_data(data, self.stream))
        self._tell_room()

    def _tell_room(self) -> None:
        waiting, self._when_room = self._when_room, []
        for tell in waiting:
            tell()

    def _hand_over(self, data: bytes) -> None:
        if self._take is None:
            return
        try:
            self._take(self._parse(data))
        except Exception as error:
            self._take = _ignore
            if self._delivered is not None and not self._delivered.done():
                self._delivered.set_exception(error)

    def _end_delivery(self) -> None:
        if self._delivered is not None:
            _settle(self._delivered)

    def _wake_reader(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            _settle(reader)

    def _acknowledge(self) -> None:
        size, self._unacknowledged_bytes = self._unacknowledged_bytes, 0
        if size:
            self._wire.acknowledge(self, size)

    def _check_open(self) -> None:
        if self.status is not None:
            raise CallError(self.status, self.details)
        if self._has_ended:
            raise CallError(Status.INTERNAL, "a message after the last one")


def _settle(waited_for: "asyncio.Future[None]") -> None:
    """What somebody waits for has come, unless he has given up."""
    if not waited_for.done():
        waited_for.set_result(None)


def _ignore(message: object) -> None:
    """For what comes behind a message that was none."""
