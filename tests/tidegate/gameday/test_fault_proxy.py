"""The fault proxy with real sockets: what each condition does to bytes, to connections, and to new ones."""

import asyncio
import socket

import pytest

from tests.tidegate.gameday.roads import Streams, road, seconds_of, until
from tidegate.gameday.conditions import CLEAR, Conditions, CutKind, Way
from tidegate.gameday.lane import QUEUE_BYTES, RESUME_BYTES

DEAD = Conditions(is_dead=True)


def close(*ends: Streams) -> None:
    for _, writer in ends:
        writer.transport.abort()


async def test_a_clear_road_carries_both_ways_and_both_ends() -> None:
    async with road() as way:
        ours, theirs = await way.connect()
        ours[1].write(b"to the target")
        theirs[1].write(b"to the client")
        assert await theirs[0].readexactly(13) == b"to the target"
        assert await ours[0].readexactly(13) == b"to the client"
        (connection,) = way.proxy.connections
        ours[1].write_eof()
        assert await theirs[0].read() == b""
        theirs[1].write(b"the other way goes on")
        theirs[1].write_eof()
        assert await ours[0].read() == b"the other way goes on"
        assert connection.bytes_passed(Way.TO_TARGET) == 13
        assert connection.bytes_passed(Way.TO_CLIENT) == 13 + 21
        close(ours, theirs)
        await until(lambda: not way.proxy.connections)


async def test_bytes_written_before_the_target_has_answered_arrive() -> None:
    async with road() as way:
        ours = await asyncio.open_connection(way.at.host, way.at.port)
        ours[1].write(b"early")
        theirs = await way.served.get()
        assert await theirs[0].readexactly(5) == b"early"
        close(ours, theirs)


async def test_a_reset_goes_through_in_both_directions() -> None:
    async with road() as way:
        for one in (0, 1):
            ends = await way.connect()
            reset(ends[one])
            with pytest.raises(ConnectionResetError):
                await ends[1 - one][0].read()
            close(*ends)


def reset(end: Streams) -> None:
    end[1].get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    end[1].transport.abort()


async def test_delay_takes_its_time_and_keeps_the_order() -> None:
    async with road() as way:
        ours, theirs = await way.connect()
        way.proxy.set_conditions(Conditions(delay_seconds=0.1, jitter_seconds=0.05))
        numbers = [b"%06d" % number for number in range(2000)]
        for at in range(0, len(numbers), 20):
            ours[1].write(b"".join(numbers[at : at + 20]))
            await asyncio.sleep(0)
        assert await seconds_of(theirs[0], 6) >= 0.04
        rest = await theirs[0].readexactly(6 * 1999)
        assert rest == b"".join(numbers[1:])
        close(ours, theirs)


async def test_the_end_stands_behind_delayed_bytes() -> None:
    async with road() as way:
        ours, theirs = await way.connect()
        way.proxy.set_conditions(Conditions(delay_seconds=0.05))
        ours[1].write(b"last words")
        ours[1].close()
        assert await theirs[0].read() == b"last words"
        close(ours, theirs)


async def test_one_direction_can_be_delayed_alone() -> None:
    async with road() as way:
        ours, theirs = await way.connect()
        way.proxy.set_conditions(Conditions(delay_seconds=0.2), [Way.TO_CLIENT])
        ours[1].write(b"a")
        theirs[1].write(b"b")
        there, back = await asyncio.gather(seconds_of(theirs[0], 1), seconds_of(ours[0], 1))
        assert there < back
        assert back >= 0.19
        close(ours, theirs)


async def test_a_slow_road_has_its_speed() -> None:
    async with road() as way:
        ours, theirs = await way.connect()
        way.proxy.set_conditions(Conditions(bytes_per_second=20_000), [Way.TO_TARGET])
        ours[1].write(bytes(10_000))
        first = await seconds_of(theirs[0], 1000)
        rest = await seconds_of(theirs[0], 9000)
        assert 0.04 <= first < 0.3
        assert 0.4 <= rest < 2
        way.proxy.set_conditions(CLEAR)
        ours[1].write(bytes(1_000_000))
        assert await seconds_of(theirs[0], 1_000_000) < 2
        close(ours, theirs)


async def test_what_waits_is_bounded_and_the_sender_hears_of_it() -> None:
    async with road() as way:
        ours, theirs = await way.connect()
        way.proxy.set_conditions(Conditions(delay_seconds=1000), [Way.TO_TARGET])
        ours[1].write(bytes(8 * QUEUE_BYTES))
        sent = 8 * QUEUE_BYTES - await unsent_at_rest(ours[1])
        assert QUEUE_BYTES < sent < 4 * QUEUE_BYTES
        assert RESUME_BYTES < QUEUE_BYTES
        close(ours, theirs)


async def unsent_at_rest(writer: asyncio.StreamWriter) -> int:
    """What a socket has not taken when nothing has moved for many turns of the loop."""
    turns = 0
    before = writer.transport.get_write_buffer_size()
    while turns < 1000:
        await asyncio.sleep(0)
        now = writer.transport.get_write_buffer_size()
        turns = turns + 1 if now == before else 0
        before = now
    return before


async def test_a_reader_that_stops_stops_the_sender() -> None:
    async with road() as way:
        ours, theirs = await way.connect()
        theirs[0]._transport.pause_reading()  # type: ignore[attr-defined]
        ours[1].write(bytes(40_000_000))
        assert await unsent_at_rest(ours[1]) > 10_000_000
        theirs[0]._transport.resume_reading()  # type: ignore[attr-defined]
        await theirs[0].readexactly(40_000_000)
        close(ours, theirs)


@pytest.mark.parametrize("dead", list(Way))
async def test_one_way(dead: Way) -> None:
    async with road() as way:
        ours, theirs = await way.connect()
        way.proxy.set_conditions(DEAD, [dead])
        ends = {Way.TO_TARGET: (ours, theirs), Way.TO_CLIENT: (theirs, ours)}
        living = next(each for each in Way if each is not dead)
        for source, _ in ends.values():
            source[1].write(b"hello")
        assert await ends[living][1][0].readexactly(5) == b"hello"
        (connection,) = way.proxy.connections
        assert connection.bytes_passed(dead) == 0
        way.proxy.set_conditions(CLEAR)
        assert await ends[dead][1][0].readexactly(5) == b"hello"
        close(ours, theirs)


async def test_a_clean_cut_resets_both_ends_and_refuses_until_it_is_healed() -> None:
    async with road() as way:
        ours, theirs = await way.connect()
        way.proxy.cut(CutKind.CLEAN)
        assert way.proxy.is_cut
        for end in (ours, theirs):
            with pytest.raises(ConnectionResetError):
                await end[0].read()
        for _ in range(3):
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection(way.at.host, way.at.port)
        await way.proxy.heal()
        close(ours, theirs)
        ours, theirs = await way.connect()
        ours[1].write(b"again")
        assert await theirs[0].readexactly(5) == b"again"
        close(ours, theirs)


async def test_a_half_open_cut_is_silent_and_goes_on_where_it_stood() -> None:
    async with road() as way:
        ours, theirs = await way.connect()
        ours[1].write(b"1")
        assert await theirs[0].readexactly(1) == b"1"
        way.proxy.cut(CutKind.HALF_OPEN)
        ours[1].write(b"2")
        theirs[1].write(b"3")
        swallowed = await asyncio.open_connection(way.at.host, way.at.port)
        swallowed[1].write(b"never answered")
        await until(lambda: any(each.is_swallowed for each in way.proxy.connections))
        (held,) = (each for each in way.proxy.connections if not each.is_swallowed)
        assert held.bytes_passed(Way.TO_TARGET) == 1
        assert held.bytes_passed(Way.TO_CLIENT) == 0
        assert way.served.empty()
        await way.proxy.heal()
        assert await theirs[0].readexactly(1) == b"2"
        assert await ours[0].readexactly(1) == b"3"
        with pytest.raises(ConnectionResetError):
            await swallowed[0].read()
        close(ours, theirs, swallowed)


async def test_who_leaves_over_a_half_open_cut_is_missed_afterwards_only() -> None:
    async with road() as way:
        ours, theirs = await way.connect()
        way.proxy.cut(CutKind.HALF_OPEN)
        ours[1].write(b"farewell")
        ours[1].close()
        await ours[1].wait_closed()
        assert theirs[0]._buffer == bytearray()  # type: ignore[attr-defined]
        await way.proxy.heal()
        assert await theirs[0].read() == b"farewell"
        close(theirs)


async def test_a_target_that_refuses_is_a_reset() -> None:
    async with road() as way:
        way.proxy._target = way.proxy._target.__class__("127.0.0.1", 1)
        ours = await asyncio.open_connection(way.at.host, way.at.port)
        with pytest.raises(ConnectionResetError):
            await ours[0].read()
        close(ours)
        await until(lambda: not way.proxy.connections)


async def test_a_road_is_cut_once_at_a_time() -> None:
    async with road() as way:
        way.proxy.cut(CutKind.CLEAN)
        with pytest.raises(RuntimeError, match="cut already"):
            way.proxy.cut(CutKind.HALF_OPEN)
        await way.proxy.heal()
