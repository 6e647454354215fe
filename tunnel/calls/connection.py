"""One HTTP/2 connection with the gRPC calls on it: between a socket, h2 and `tunnel.calls.call`.

The same for both ends; what only one does is in `tunnel.calls.client` and `tunnel.calls.server`, which are told of the
headers that come. Every byte is the other end's word, and what is refused ends the connection.

A goodbye (GOAWAY) ends the calls there are: those of a tunnel go on elsewhere.

h2 knows all of HTTP/2 but what comes with every message: DATA and WINDOW_UPDATE are cut out before it
(`wire.data_frames`), so that it has nothing to do while a call goes on. It never hears of a byte of data, in either
direction, and the windows are kept here.
"""

import asyncio
import contextlib
import time
from typing import Any, cast

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings

from tunnel import system
from tunnel.calls.call import Call, Wire
from tunnel.calls.status import CallError, Status, encode_details
from tunnel.turn import turn_of_running_loop
from wire.data_frames import (
    DATA,
    HEADER_BYTES,
    MAX_WINDOW,
    WINDOW_UPDATE,
    FrameCutter,
    pack_window_update,
)
from wire.errors import PeerFault

WINDOW_BYTES = 8 << 20
"""What the other end may send before something of it was read, on a call and on all of a connection together."""

FRAME_BYTES = 256 * 1024
"""The longest HTTP/2 frame we take; a batch of a full tunnel is half as long."""

MAX_HEADER_BYTES = 8 * 1024

PREFACE_BYTES = 24
"""What a client says before its first frame."""

MAX_SETTINGS = 32
"""Different settings that the other end may name. There are eight, and whatever its implementation has besides."""

MAX_FRAMES_AT_ONCE = 1000
FRAMES_PER_SECOND = 100
"""Frames that carry nothing: neither a message's bytes nor a window. A call that goes on needs a few each second, and
each is work for h2; some ask for an answer. Who is sent a message may send one more: some implementations of gRPC
measure the way with a ping for each. One that is long counts for several."""

FRAME_UNIT_BYTES = 256

MAX_TABLE_BYTES = 4096
"""Of headers that we remember having sent: the other end may allow more, and each answer looks through all of it."""

GRANT_BYTES = WINDOW_BYTES // 2
"""How much must have been read before it is granted again."""

MAX_CALLS = 8
"""Calls under way on one connection. An edge has one."""

HIGH_WATER_BYTES = 64 * 1024
"""What waits for the socket before a call's next message waits, too."""

MAX_UNSENT_BYTES = 4 << 20
"""Two messages of the longest. More only piles up at who asks for answers (pings, settings) and reads none."""

LONG_SECONDS = 0.01
"""After so long with what one read brought, the others of this loop have their turn before the next read. By itself the
loop reads up to 32 times, 256 KiB each: 37,000 of the smallest messages in each are 90 ms of work."""

LINGER_SECONDS = 1.0
"""How long the last bytes may take to leave."""

_BROKEN_OFF = {
    h2.errors.ErrorCodes.NO_ERROR: Status.INTERNAL,
    h2.errors.ErrorCodes.REFUSED_STREAM: Status.UNAVAILABLE,
    h2.errors.ErrorCodes.CANCEL: Status.CANCELLED,
    h2.errors.ErrorCodes.ENHANCE_YOUR_CALM: Status.RESOURCE_EXHAUSTED,
    h2.errors.ErrorCodes.INADEQUATE_SECURITY: Status.PERMISSION_DENIED,
}
"""What a stream's reset says, as gRPC's document has it; `Status.INTERNAL` for all others."""

ANSWER = ((b":status", b"200"), (b"content-type", b"application/grpc"))
"""What a server says before its first message, or before the status where there is none."""

Headers = dict[bytes, bytes]

# For this module, as C has them.
_MAX_FRAMES_AT_ONCE = float(MAX_FRAMES_AT_ONCE)
_LONG_SECONDS = LONG_SECONDS
_DATA, _WINDOW_UPDATE, _HEADER_BYTES, _GRANT_BYTES = DATA, WINDOW_UPDATE, HEADER_BYTES, GRANT_BYTES


class Connection(Wire):
    """One connection, as a protocol of asyncio's; ``is_client`` says which end this is."""

    def __init__(self, *, is_client: bool) -> None:
        super().__init__()
        self.is_writable = True
        self.problem = ""  # why it ended, as far as somebody knows
        self.closed = asyncio.Event()
        self.calls: dict[int, Call] = {}  # by stream, until both ends have done with it
        self._transport: asyncio.Transport | None = None
        self._is_resting = False  # nothing is read until the loop has been round
        self._is_closing = False  # or it is closed; nothing is read or written any more
        self._turn = turn_of_running_loop()
        self._linger: asyncio.TimerHandle | None = None
        self._cutter = FrameCutter(FRAME_BYTES, preface_bytes=0 if is_client else PREFACE_BYTES)
        self._room_bytes = 65_535  # of the connection: what the other end has room for (RFC 9113, section 6.9.2)
        self._granted_bytes = WINDOW_BYTES  # of the connection: what it may still send
        self._taken_bytes = 0  # what was read since it was last granted more
        self._last_stream = 0  # the last that a call began on
        self._frames_left = float(MAX_FRAMES_AT_ONCE)  # that are to be handed on; more every second
        self._frames_counted_at = time.monotonic()
        configuration = h2.config.H2Configuration(
            client_side=is_client,
            header_encoding=None,
            # The gRPC library's servers may end a sentence with a blank, which h2 would have the connection end for.
            validate_inbound_headers=not is_client,
        )
        self._h2 = h2.connection.H2Connection(configuration)
        self._frame_bytes = self._h2.max_outbound_frame_size  # that the other end takes
        codes = h2.settings.SettingCodes
        values: dict[Any, int] = {
            codes.INITIAL_WINDOW_SIZE: WINDOW_BYTES,
            codes.MAX_FRAME_SIZE: FRAME_BYTES,
            codes.MAX_HEADER_LIST_SIZE: MAX_HEADER_BYTES,
            codes.MAX_CONCURRENT_STREAMS: MAX_CALLS,
        }
        if is_client:
            values[codes.ENABLE_PUSH] = 0
        self._h2.local_settings = h2.settings.Settings(client=is_client, initial_values=values)
        self._h2.max_inbound_frame_size = FRAME_BYTES
        self._h2.decoder.max_header_list_size = MAX_HEADER_BYTES

    # What the loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, and say what we are ready for."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(HIGH_WATER_BYTES)
        self.peer = _peer_of(self._transport.get_extra_info("peername"))
        self._h2.initiate_connection()
        self._h2.increment_flow_control_window(WINDOW_BYTES - self._h2.inbound_flow_control_window)
        self.send_queued()

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        if self._is_closing:
            return
        began = system.monotonic()
        self._turn.begin()
        try:
            self._take_frames(data)
        except (PeerFault, h2.exceptions.H2Error) as error:
            self.close(f"not HTTP/2 as it may be: {error}")
        finally:
            self._turn.end()
        if system.monotonic() - began > _LONG_SECONDS:
            self._rest()

    def _rest(self) -> None:
        """What came has taken long: let the others have their turn before more is read."""
        if self._transport is not None and not self._is_closing and not self._is_resting:
            self._is_resting = True
            self._transport.pause_reading()
            asyncio.get_running_loop().call_soon(self._read_on)

    def _read_on(self) -> None:
        self._is_resting = False
        if self._transport is not None and not self._is_closing:
            self._transport.resume_reading()

    def _take_frames(self, data: bytes) -> None:
        for kind, stream, size, body in self._cutter.feed(data):
            if self._is_closing:
                return
            if kind == _DATA:
                if not size:
                    self._count(1)
                self._take_data(stream, size, body)
            elif kind == _WINDOW_UPDATE:
                self._take_room(stream, size)
            else:
                self._hand_on(body)
        self._cutter.check()

    def eof_received(self) -> bool:
        """The other end has closed the connection."""
        self.close()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is over, and with it all calls."""
        self._transport = None
        self._is_closing = True
        if self._linger is not None:
            self._linger.cancel()
        self.is_writable = False
        why = getattr(exc, "strerror", None) or (str(exc) if exc else "") or "the connection was closed"
        self.problem = self.problem or why
        self._end_calls()
        self.closed.set()
        self.lost()

    def pause_writing(self) -> None:
        """The socket takes nothing for now."""
        self.is_writable = False

    def resume_writing(self) -> None:
        """The socket takes bytes again."""
        self.is_writable = True
        self._send_rests()

    # What a client or a server does with it.

    def head(self, stream: int, headers: Headers) -> None:
        """Take the first headers of a stream."""
        raise NotImplementedError

    def tail(self, stream: int, headers: Headers) -> None:
        """Take the headers after a stream's messages."""
        raise NotImplementedError

    def left_open(self, call: Call) -> None:
        """The other end has sent its last message, and no headers after it."""
        raise NotImplementedError

    def lost(self) -> None:
        """The connection is over."""

    def send_headers(self, stream: int, headers: list[tuple[bytes, bytes]], *, is_last: bool = False) -> None:
        """Send headers; nothing happens where the other end has broken the stream off."""
        with contextlib.suppress(h2.exceptions.ProtocolError):
            self._h2.send_headers(stream, headers, end_stream=is_last)
        self.send_queued()

    def begin_call(self, stream: int, path: str, parse: Any, max_message_bytes: int) -> Call:
        """Return a new call on a stream."""
        call = Call(self, stream, path, parse, max_message_bytes=max_message_bytes)
        call.room_bytes = self._h2.remote_settings.initial_window_size
        call.granted_bytes = WINDOW_BYTES
        self._last_stream = max(self._last_stream, stream)
        self.calls[stream] = call
        return call

    def next_stream(self) -> int:
        """As a client: return the number of a stream that nobody has used."""
        return self._h2.get_next_available_stream_id()

    def close(self, why: str = "") -> None:
        """End the connection when what was written has left, and soon in any case."""
        transport = self._transport
        self.problem = self.problem or why
        if transport is None:
            return
        if self._linger is None:
            self._linger = asyncio.get_running_loop().call_later(LINGER_SECONDS, transport.abort)
        if self._is_closing:
            return
        self._end_calls()
        with contextlib.suppress(h2.exceptions.H2Error):  # h2 has done it where it found a fault
            self._h2.close_connection(h2.errors.ErrorCodes.PROTOCOL_ERROR if why else h2.errors.ErrorCodes.NO_ERROR)
        self.send_queued()
        self._is_closing = True
        transport.close()

    # What calls do with it (`tunnel.calls.call.Wire`).

    def room_bytes(self, call: Call) -> int:
        """How many bytes may be sent of a call now, in one frame."""
        if not self.is_writable:
            return 0
        return min(self._room_bytes, call.room_bytes, self._frame_bytes)

    def send_frame(self, call: Call, frame: bytes) -> None:
        """Send a frame of DATA for which there is room, and as a server the answer's headers before the first."""
        if not call.has_answered:
            call.has_answered = True
            self.send_headers(call.stream, list(ANSWER))
        size = len(frame) - _HEADER_BYTES
        self._room_bytes -= size
        call.room_bytes -= size
        self._frames_left = min(self._frames_left + 1.0, _MAX_FRAMES_AT_ONCE)
        self._write(frame)

    def send_end(self, stream: int) -> None:
        """Send no more on a stream."""
        if stream in self.calls:
            self._h2.end_stream(stream)
            self.send_queued()

    def send_reset(self, stream: int) -> None:
        """Break a stream off."""
        if self.calls.pop(stream, None) is not None:
            self._reset(stream, h2.errors.ErrorCodes.CANCEL)
            self.send_queued()

    def send_status(self, stream: int, status: Status, details: str) -> None:
        """As a server: send the status, and be done with the stream."""
        call = self.calls.pop(stream, None)
        if call is None:
            return
        headers = [] if call.has_answered else list(ANSWER)
        headers.append((b"grpc-status", b"%d" % status))
        if details:
            headers.append((b"grpc-message", encode_details(details)))
        self.send_headers(stream, headers, is_last=True)
        self._reset(stream, h2.errors.ErrorCodes.NO_ERROR)  # nobody reads what else it has to say
        self.send_queued()

    def acknowledge(self, call: Call, size: int) -> None:
        """So much of a call was read: grant it again, when it has become much."""
        self._taken(size)
        call.taken_bytes += size
        if call.taken_bytes >= _GRANT_BYTES and not call.is_complete and call.status is None:
            call.granted_bytes += call.taken_bytes
            self._write(pack_window_update(call.taken_bytes, call.stream))
            call.taken_bytes = 0

    def send_queued(self) -> None:
        """Hand what h2 has to send to the socket."""
        data = self._h2.data_to_send()
        if data:
            self._write(data)

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._is_closing:
            self._transport.write(data)
            if not self.is_writable and self._transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
                self.problem = self.problem or "it asks for answers and reads none"
                self._is_closing = True
                self._transport.abort()

    def _taken(self, size: int) -> None:
        self._taken_bytes += size
        if self._taken_bytes >= _GRANT_BYTES:
            self._granted_bytes += self._taken_bytes
            self._write(pack_window_update(self._taken_bytes, 0))
            self._taken_bytes = 0

    def _count(self, frames: int) -> None:
        """Count frames that carry nothing; raises PeerFault for too many."""
        now = time.monotonic()
        left = self._frames_left + (now - self._frames_counted_at) * FRAMES_PER_SECOND
        self._frames_left = min(left, _MAX_FRAMES_AT_ONCE) - frames
        self._frames_counted_at = now
        if self._frames_left < 0:
            text = f"more than {MAX_FRAMES_AT_ONCE} frames that carry nothing, and {FRAMES_PER_SECOND} a second"
            raise PeerFault(text)

    def _hand_on(self, frames: bytes) -> None:
        """Have h2 say what another frame means."""
        self._count(1 + len(frames) // FRAME_UNIT_BYTES)
        events = self._h2.receive_data(frames)
        self._frame_bytes = self._h2.max_outbound_frame_size
        self.send_queued()  # that we obey new settings comes before what only those allow
        for event in events:
            self._take(event)
        self.send_queued()

    def _take(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.RequestReceived | h2.events.ResponseReceived):
            self.head(event.stream_id, _as_dict(event.headers))
        elif isinstance(event, h2.events.TrailersReceived):
            self.tail(event.stream_id, _as_dict(event.headers))
        elif isinstance(event, h2.events.StreamEnded):
            self._take_end(event.stream_id)
        elif isinstance(event, h2.events.StreamReset):
            self._take_reset(event)
        elif isinstance(event, h2.events.RemoteSettingsChanged):
            self._take_settings(event)
        elif isinstance(event, h2.events.ConnectionTerminated):
            self._take_goodbye(event)

    def _take_data(self, stream: int, size: int, data: bytes) -> None:
        self._granted_bytes -= size
        call = self.calls.get(stream)
        if call is None or call.is_complete or not call.has_begun:
            if call is not None or not 0 < stream <= self._last_stream:
                raise PeerFault(f"data on stream {stream}, where there can be none")
            self._taken(size)  # it is over for us, and this was on the way
            return
        call.granted_bytes -= size
        if min(self._granted_bytes, call.granted_bytes) < 0:
            raise PeerFault(f"{size} bytes of data on stream {stream}, for which the window has no room")
        try:
            call.feed(data, size)
        except CallError as error:
            self._refuse(call, error)

    def _take_room(self, stream: int, increment: int) -> None:
        if stream == 0:
            self._room_bytes += increment
            room = self._room_bytes
        else:
            call = self.calls.get(stream)
            if call is None:
                return
            call.room_bytes += increment
            room = call.room_bytes
        if room > MAX_WINDOW:
            raise PeerFault(f"a window of {room} bytes on stream {stream}")
        self._send_rests()

    def _take_settings(self, event: h2.events.RemoteSettingsChanged) -> None:
        """Follow a change of the windows that calls begin with: those under way change with it."""
        if len(self._h2.remote_settings) > MAX_SETTINGS:
            raise PeerFault(f"{len(self._h2.remote_settings)} different settings, where at most {MAX_SETTINGS} may be")
        if self._h2.encoder.header_table_size > MAX_TABLE_BYTES:
            self._h2.encoder.header_table_size = MAX_TABLE_BYTES
        changed = event.changed_settings.get(h2.settings.SettingCodes.INITIAL_WINDOW_SIZE)
        if changed is not None:
            for call in self.calls.values():
                call.room_bytes += changed.new_value - (changed.original_value or 0)
                if call.room_bytes > MAX_WINDOW:
                    raise PeerFault(f"a window of {call.room_bytes} bytes on stream {call.stream}")
        self._send_rests()

    def _take_end(self, stream: int) -> None:
        call = self.calls.get(stream)
        if call is None:
            return
        try:
            call.complete()
        except CallError as error:
            self._refuse(call, error)
        else:
            self.left_open(call)

    def _refuse(self, call: Call, error: CallError) -> None:
        """Break off a call whose messages are none; as a server, say why."""
        call.end(error.status, error.details)
        self.send_reset(call.stream)

    def _take_reset(self, event: h2.events.StreamReset) -> None:
        call = self.calls.pop(event.stream_id, None)
        if call is not None:
            try:
                error = h2.errors.ErrorCodes(event.error_code or 0)
            except ValueError:
                call.end(Status.INTERNAL, f"the other end broke the call off with code {event.error_code}")
            else:
                status = _BROKEN_OFF.get(error, Status.INTERNAL)
                call.end(status, f"the other end broke the call off: {error.name}")

    def _take_goodbye(self, event: h2.events.ConnectionTerminated) -> None:
        if event.error_code:
            said = bytes(event.additional_data or b"")[:64].decode("ascii", "replace")
            self.problem = self.problem or f"the other end closed the connection: {event.error_code!r} {said}".strip()
        self.close()

    def _reset(self, stream: int, error: h2.errors.ErrorCodes) -> None:
        with contextlib.suppress(h2.exceptions.ProtocolError):  # it is over at both ends
            self._h2.reset_stream(stream, error)

    def _end_calls(self) -> None:
        calls, self.calls = self.calls, {}
        for call in calls.values():
            call.end(Status.UNAVAILABLE, self.problem or "the connection was closed")

    def _send_rests(self) -> None:
        for call in list(self.calls.values()):
            if call.is_full():
                call.send_rest()


def _as_dict(headers: Any) -> Headers:
    """Return headers by name; of one that comes twice the last, as none here means anything twice."""
    return {bytes(name): bytes(value) for name, value in headers}


def _peer_of(name: Any) -> str:
    """Write a socket's name down."""
    if isinstance(name, tuple):
        host, port = name[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return f"unix:{name.decode(errors='replace') if isinstance(name, bytes) else name or ''}"
