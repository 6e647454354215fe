"""One end of a tunnel by itself: what its drain waits for, and what it does not."""

import asyncio

import pytest

import tunnel.writer
from protos.tidegate.tunnel.v1 import tunnel_pb2
from tests.wire.small_game import LAYOUT
from tunnel.attachment import Attachment
from tunnel.counters import Counters
from tunnel.end import GONE_AT_ONCE, TunnelEnd
from tunnel.options import MAX_FOLLOWING
from tunnel.owner import CORE_SIDE
from tunnel.session import Session
from wire.errors import TunnelFault
from wire.reasons import Reason

Request = tunnel_pb2.AttachRequest
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

    class Writer(tunnel.writer.Writer):
        def is_full(self) -> bool:
            return False

        def when_room(self, tell: object) -> None:
            raise AssertionError

        def send(self, message: Response) -> None:
            assert not draining.done()
            written.append(message)

    await asyncio.sleep(0)
    end.queue.begin(Writer())
    async with asyncio.timeout(5):
        await draining
    assert [message.WhichOneof("message") for message in written] == ["credit"]


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


def credit(sequence: int, size: int = 1, *, acknowledged: int = 0, slot: int = 1) -> Request:
    return Request(sequence=sequence, acknowledged=acknowledged, credit=tunnel_pb2.Credit(slot=slot, bytes=size))


def batch(sequence: int, size: int) -> Request:
    return Request(sequence=sequence, batch=tunnel_pb2.Batch(chunks=bytes(size)))


def with_following(first: Request, *following: Request) -> Request:
    first.following.extend(following)
    return first


class Crediting(TunnelEnd[Response]):
    """Notes what it is told of credit."""

    def __init__(self) -> None:
        super().__init__(Response, CORE_SIDE, Counters(), flush_window_seconds=0, half_close_seconds=1)
        self.granted: list[int] = []

    def handle_credit(self, credit: tunnel_pb2.Credit) -> None:
        self.granted.append(credit.bytes)


def test_messages_that_follow_another_are_handled_in_order() -> None:
    end = Crediting()
    end.handle(with_following(credit(1, 10), credit(2, 20), credit(3, 30)))
    end.handle(credit(4, 40))
    assert end.granted == [10, 20, 30, 40]
    assert end.delivery.received == 4


def test_they_follow_one_that_does_not_count_as_well() -> None:
    end = Crediting()
    end.handle(with_following(Request(heartbeat=tunnel_pb2.Heartbeat()), credit(1, 10)))
    assert end.granted == [10]


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (with_following(credit(1), *(credit(number + 2) for number in range(MAX_FOLLOWING + 1))), "at most 63"),
        (with_following(credit(1), with_following(credit(2), credit(3))), "some following it"),
        (with_following(credit(1), Request(heartbeat=tunnel_pb2.Heartbeat())), "not sequenced"),
        (with_following(credit(1), batch(2, 10_000), batch(3, 7_000)), "17000 bytes of chunks follow"),
        (with_following(credit(1), credit(3)), "sequence 3 after 1"),
        (with_following(credit(1), credit(1)), "sequence 1 after 1"),
        (with_following(credit(1), credit(2, acknowledged=9)), "acknowledgement of 9"),
    ],
)
def test_what_may_not_follow_is_refused(message: Request, said: str) -> None:
    end = Crediting()
    with pytest.raises(TunnelFault, match=said):
        end.handle(message)


def test_what_came_before_one_that_is_refused_counts() -> None:
    end = Crediting()
    with pytest.raises(TunnelFault):
        end.handle(with_following(credit(1, 10), credit(5, 50)))
    assert end.granted == [10]
    assert end.delivery.received == 1


class Ending(Session):
    """Notes its end."""

    def tunnel_gone(self, reason: str) -> None:
        self.reason = reason


def sessions_of(end: TunnelEnd[Response], amount: int) -> list[Session]:
    sessions: list[Session] = [
        Ending(end, slot, bytes(16), LAYOUT, send_window_bytes=1000, receive_window_bytes=1000)
        for slot in range(1, amount + 1)
    ]
    for session in sessions:
        end.add_session(session)
    return sessions


async def test_a_tunnel_that_is_gone_ends_its_sessions_some_at_a_time() -> None:
    end = attached_end()
    sessions = sessions_of(end, 3 * GONE_AT_ONCE)
    end.gone(Reason.TUNNEL_LOST)
    assert end.is_over
    assert not end.quiet.is_set()
    assert sum(bool(session.reason) for session in sessions) == GONE_AT_ONCE
    async with asyncio.timeout(5):
        await end.quiet.wait()
    assert {session.reason for session in sessions} == {Reason.TUNNEL_LOST}
    assert not end.sessions


async def test_where_the_process_ends_they_end_at_once() -> None:
    end = attached_end()
    sessions = sessions_of(end, 3 * GONE_AT_ONCE)
    end.gone(Reason.CORE_DRAINING, at_once=True)
    assert {session.reason for session in sessions} == {Reason.CORE_DRAINING}
    assert end.quiet.is_set()
