"""One session of a bot: says numbered lines, checks what comes back, and notices how long it took.

Made by `tidegate.gameday.bot` for each login. A thousand of them with ten frames a second share one process with the
fault proxy, so what is done per frame is a few slices and comparisons.
"""

import asyncio
from dataclasses import replace
from time import monotonic_ns  # a uvloop's own time has whole milliseconds only
from typing import cast

from games.pko.sim.histogram import Histogram
from games.pko.sim.ledger import Stream
from tidegate.gameday.frames import (
    CLIENTBOUND_NUMBER,
    ENTER_MAP_OPCODE,
    FRAME_BYTES,
    LENGTH_BYTES,
    SAID_OPCODE,
    SENT,
    SERVERBOUND_NUMBER,
    SESSION,
    TEXT_AT,
    notice_text,
    opcode_of,
    said_template,
    session_text,
)
from tidegate.gameday.pauses import NANOSECONDS, Longest
from tidegate.gameday.records import BotRecord

_BY_ITSELF = 0
"""The serverbound number of a frame that is nobody's echo."""


class Watch:
    """What all sessions measure against: their round trips together, and when the road was last healed."""

    def __init__(self) -> None:
        self.round_trips = Histogram()
        self.healed_ns = 0

    def healed(self) -> None:
        """The road is whole again, from this moment on."""
        self.healed_ns = monotonic_ns()


class BotSession(asyncio.Protocol):
    """A connection, from the greeting on. ``playing`` is set by the first echo, ``gone`` by the end.

    ``sent`` and ``answered`` are the numbers of the last frame it said and of the last that came back; ``longest`` are
    the bot's values, which outlive its sessions.
    """

    def __init__(self, number: int, watch: Watch, longest: Longest) -> None:
        self.number = number
        self.playing = asyncio.Event()
        self.gone = asyncio.Event()
        self.is_playing = False
        self.sent = 0
        self.ended_because = ""
        self.watch = watch
        self._longest = longest
        self._name = session_text(number)
        self._template = said_template(self._name)
        self._heard = Stream(1)
        self.answered = 0
        self.answered_sent_ns = 0  # when it had sent the frame that was answered last
        self._answered_ns = 0  # when the last answer came
        self._foreign = 0
        self._partial = b""
        self._notice = ""
        self._is_leaving = False
        self._transport: asyncio.Transport | None = None

    @property
    def is_connected(self) -> bool:
        """Whether it has, or has had, a connection."""
        return self._transport is not None

    @property
    def is_answered(self) -> bool:
        """Whether the last frame it sent has come back."""
        return self.answered == self.sent

    @property
    def frames_received(self) -> int:
        """Frames that came, of those that are numbered."""
        return self._heard.tally.received

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """For the loop: it is connected."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass

    def connection_lost(self, error: Exception | None) -> None:
        """For the loop: the connection is gone."""
        self.is_playing = False
        if not self._is_leaving:
            how = "the connection was reset" if error is not None else "the connection was closed"
            self.ended_because = f"told: {self._notice}" if self._notice else how
        self.gone.set()

    def data_received(self, data: bytes) -> None:
        """For the loop: bytes came."""
        if len(data) == FRAME_BYTES and not self._partial and self.is_playing and data[1] == FRAME_BYTES:
            self._take_said(data)
            return
        if self._partial:
            data = self._partial + data
        at = 0
        while len(data) - at >= LENGTH_BYTES:
            length = data[at] << 8 | data[at + 1]
            if length < LENGTH_BYTES or len(data) - at < length:
                break
            self._take(data[at : at + length])
            at += length
        self._partial = data[at:]

    def say(self, now_ns: int) -> None:
        """Send the next numbered frame."""
        transport = self._transport
        if transport is not None:
            self.sent += 1
            transport.write(self._template % (self.sent, now_ns))

    def stop_reading(self) -> None:
        """Read nothing more; the session goes on."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def read_on(self) -> None:
        """Read again."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def leave(self) -> None:
        """Close the connection by oneself: not a session that ended."""
        self._is_leaving = True
        if self._transport is not None:
            self._transport.close()
        else:
            self.gone.set()

    def abandon(self, why: str) -> None:
        """Give the session up for a reason that is not the other side's."""
        self._notice = why
        self.is_playing = False
        if self._transport is not None:
            self._transport.abort()

    def record_as_failed(self, why: str) -> BotRecord:
        """Return what a session came to that never got to play."""
        return replace(self.record(), ended_because=self.ended_because or why)

    def record(self) -> BotRecord:
        """Return what the session has come to."""
        tally = self._heard.tally
        return BotRecord(
            session=self.number,
            sent=self.sent,
            received=tally.received,
            lost=tally.lost,
            doubled=tally.doubled,
            reordered=tally.reordered,
            foreign=self._foreign,
            ended_because=self.ended_because,
        )

    def _take(self, frame: bytes) -> None:
        opcode = opcode_of(frame)
        if opcode == SAID_OPCODE and len(frame) > TEXT_AT:
            self._take_said(frame)
        elif opcode == ENTER_MAP_OPCODE and not self.sent:
            self.say(monotonic_ns())
        elif text := notice_text(frame):
            self._notice = text

    def _take_said(self, frame: bytes) -> None:
        if frame[SESSION] != self._name:
            self._foreign += 1  # another session's frame: the worst a tunnel can do
            return
        self._heard.observe(int(frame[CLIENTBOUND_NUMBER], 16))
        number = int(frame[SERVERBOUND_NUMBER], 16)
        if number == _BY_ITSELF:
            return
        self.answered = number
        now = monotonic_ns()
        sent = int(frame[SENT], 16)
        self.answered_sent_ns = sent
        watch, longest = self.watch, self._longest
        round_trip = now - sent
        watch.round_trips.record(round_trip / NANOSECONDS)
        healed, before = watch.healed_ns, self._answered_ns or sent
        self._answered_ns = now
        if now - before > longest.silent_ns:
            longest.silent_ns = now - before
        silent_after = now - (before if before > healed else healed)
        if silent_after > longest.silent_after_ns:
            longest.silent_after_ns = silent_after
        late = round_trip if sent > healed else now - healed
        if late > longest.late_ns:
            longest.late_ns = late
        if not self.is_playing:
            self.is_playing = True
            self.playing.set()
