"""The direct origin: each way of not reaching the game server has its own reason."""

import asyncio
import socket

import pytest

from core.origin import DirectOrigin, OriginError
from tests.edge.test_door import Full
from tests.relays import LOOPBACK, echo, free_port, running_origin
from tests.tunnel.test_socket_link import Recorder
from wire.reasons import Reason


def direct(host: str, port: int, timeout_seconds: float = 2.0) -> DirectOrigin:
    return DirectOrigin(host, port, connect_timeout_seconds=timeout_seconds, linger_seconds=0.1)


async def test_an_open_link_tells_everything_from_the_first_byte_on() -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"welcome")
        await reader.read()

    recorder = Recorder()
    async with running_origin(greet) as port:
        link = await direct(LOOPBACK, port).open(recorder)
        await recorder.got_data.wait()
        link.close(linger=False)
        await recorder.is_lost.wait()
    assert bytes(recorder.data) == b"welcome"


async def test_refused() -> None:
    with pytest.raises(OriginError, match="127") as raised:
        await direct(LOOPBACK, free_port()).open(Recorder())
    assert raised.value.reason is Reason.ORIGIN_REFUSED


async def test_unreachable() -> None:
    with pytest.raises(OriginError) as raised:
        await direct("no-such-host.invalid", 1).open(Recorder())
    assert raised.value.reason is Reason.ORIGIN_UNREACHABLE


async def test_silent() -> None:
    with socket.socket() as full:
        full.bind((LOOPBACK, 0))
        full.listen(0)
        port = full.getsockname()[1]
        filler = [socket.socket() for _ in range(4)]
        for each in filler:
            each.setblocking(False)
            each.connect_ex((LOOPBACK, port))
        with pytest.raises(OriginError, match=r"no answer in 0\.05 s") as raised:
            await direct(LOOPBACK, port, 0.05).open(Recorder())
        for each in filler:
            each.close()
    assert raised.value.reason is Reason.ORIGIN_TIMEOUT


async def test_a_core_that_can_watch_no_more_sockets_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.origin.Poller", Full)
    async with running_origin(echo) as port:
        with pytest.raises(OriginError, match="No space left") as raised:
            await direct(LOOPBACK, port).open(Recorder())
    assert raised.value.reason is Reason.CORE_EXHAUSTED
