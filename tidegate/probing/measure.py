"""Measures edges by asking them: UDP first, HTTP where no datagram comes back. Bounded in rate and number.

Each edge gets one probe at a time, a short pause apart; a few edges are measured side by side.
"""

import asyncio
import contextlib
import os
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import cast

from fleet.address import Address
from fleet.probe import ProbeReply, ProbeRequest, ProbeState, decode_reply, encode_request
from fleet.probe_http import MAX_REPLY_BYTES, read_http_reply, write_http_request
from tidegate.probing.result import Result
from tidegate.probing.targets import Target

AT_ONCE = 16
PAUSE_SECONDS = 0.05
RESOLVE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Trip:
    """One probe that came back: how long it took, less what the edge needed for it, and how the edge is."""

    seconds: float
    state: ProbeState


async def measure_all(
    targets: Sequence[Target], *, count: int, timeout_seconds: float, on_done: Callable[[], None]
) -> list[Result]:
    """Measure edges with ``count`` probes each; ``on_done`` is called after each edge."""
    places = asyncio.Semaphore(AT_ONCE)

    async def measure_one(target: Target) -> Result:
        async with places:
            result = await measure(target, count=count, timeout_seconds=timeout_seconds)
        on_done()
        return result

    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(measure_one(target), name=f"probe-{target.place}") for target in targets]
    return [task.result() for task in running]


async def measure(target: Target, *, count: int, timeout_seconds: float) -> Result:
    """Measure one edge; a problem is part of the result."""
    try:
        place = await _resolve(target.place)
        result = await _by_udp(target, place, count, timeout_seconds)
        if result.answers or target.is_players_port:  # a game's port wants no HTTP
            return result
        other = await _by_http(target, place, count, timeout_seconds)
    except (OSError, TimeoutError) as error:
        return Result(target, 0, problem=_reason(error))
    return other if other.answers else replace(result, problem=f"{result.problem}; by HTTP {other.problem}")


async def _resolve(place: Address) -> Address:
    """Return the address of a name; raises OSError and TimeoutError."""
    async with asyncio.timeout(RESOLVE_SECONDS):
        found = await asyncio.get_running_loop().getaddrinfo(place.host, place.port)
    return Address(str(found[0][4][0]), place.port)


async def _by_udp(target: Target, place: Address, count: int, timeout_seconds: float) -> Result:
    loop = asyncio.get_running_loop()
    transport, asker = await loop.create_datagram_endpoint(_Asker, remote_addr=(place.host, place.port))
    trips: list[Trip] = []
    try:
        for number in range(count):
            if number:
                await asyncio.sleep(PAUSE_SECONDS)
            with contextlib.suppress(TimeoutError):
                trips.append(await asker.ask(timeout_seconds))
    except OSError as error:
        return _result(target, trips, count, "UDP", _reason(error))
    finally:
        transport.close()
    return _result(target, trips, count, "UDP", f"no answer by UDP within {timeout_seconds:g} s")


class _Asker(asyncio.DatagramProtocol):
    """Sends probes one by one, and hears what comes back."""

    def __init__(self) -> None:
        self._transport: asyncio.DatagramTransport | None = None
        self._nonce = 0
        self._answer: asyncio.Future[ProbeReply] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """There is a socket."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, source: object) -> None:
        """Take an answer to the probe that is under way; what is late or no answer is let go."""
        del source
        reply = decode_reply(data)
        if reply is not None and reply.nonce == self._nonce and self._answer is not None and not self._answer.done():
            self._answer.set_result(reply)

    def error_received(self, exc: Exception) -> None:
        """The other machine says that nobody is there."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc)

    async def ask(self, timeout_seconds: float) -> Trip:
        """Send one probe and wait for its answer; raises TimeoutError and OSError."""
        self._nonce = secrets.randbits(64)
        self._answer = asyncio.get_running_loop().create_future()
        sent_ns = time.monotonic_ns()
        if self._transport is not None:
            self._transport.sendto(encode_request(ProbeRequest(self._nonce, sent_ns)))
        async with asyncio.timeout(timeout_seconds):
            reply = await self._answer
        return _trip(sent_ns, time.monotonic_ns(), reply)


async def _by_http(target: Target, place: Address, count: int, timeout_seconds: float) -> Result:
    trips: list[Trip] = []
    problem = "no answer"
    for number in range(count):
        if number:
            await asyncio.sleep(PAUSE_SECONDS)
        try:
            async with asyncio.timeout(2 * timeout_seconds):  # two round trips: to connect, and to ask
                trip = await _ask_by_http(place)
        except (OSError, TimeoutError) as error:
            problem = _reason(error)
            if not trips:
                break  # nobody is there; one attempt is enough
            continue
        if trip is None:
            problem = "it answers, but not as an edge does"
            break
        trips.append(trip)
    return _result(target, trips, count, "HTTP", problem)


async def _ask_by_http(place: Address) -> Trip | None:
    """Ask once, over a connection of its own; None for an answer that is none. Raises OSError."""
    reader, writer = await asyncio.open_connection(place.host, place.port, limit=MAX_REPLY_BYTES + 1)
    try:
        nonce = secrets.randbits(64)
        sent_ns = time.monotonic_ns()
        writer.write(write_http_request(nonce, str(place)))
        data = await _read_all(reader)
        received_ns = time.monotonic_ns()
    finally:
        writer.close()
    reply = read_http_reply(data)
    return None if reply is None or reply.nonce != nonce else _trip(sent_ns, received_ns, reply)


async def _read_all(reader: asyncio.StreamReader) -> bytes:
    data = b""
    while len(data) <= MAX_REPLY_BYTES and (part := await reader.read(MAX_REPLY_BYTES + 1)):
        data += part
    return data


def _trip(sent_ns: int, received_ns: int, reply: ProbeReply) -> Trip:
    whole, there = received_ns - sent_ns, reply.sent_ns - reply.received_ns
    return Trip((whole - there if 0 <= there <= whole else whole) / 1e9, reply.state)


def _result(target: Target, trips: Sequence[Trip], count: int, by: str, problem: str) -> Result:
    if not trips:
        return Result(target, count, problem=problem)
    return Result(target, count, tuple(trip.seconds for trip in trips), trips[-1].state, by)


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    number = getattr(error, "errno", None)  # asyncio writes its own text where the system's would do
    return os.strerror(number) if number and number > 0 else str(error) or type(error).__name__
