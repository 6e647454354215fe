"""The players' port when the system runs out of descriptors: it refuses, waits, and comes back."""

import asyncio
import errno
import os
import socket

import pytest

from edge import listener
from edge.edge_tunnel import SocketAddress
from edge.listener import Listener
from tests.relays import LOOPBACK


class Troubled(socket.socket):
    """A port whose next accepts fail with the given numbers; 0 is a success."""

    failures: list[int]

    def accept(self) -> tuple[socket.socket, tuple[str, int]]:
        number = self.failures.pop(0) if self.failures else 0
        if number:
            raise OSError(number, os.strerror(number))
        return super().accept()


class Judged:
    """What the listener hands on."""

    def __init__(self, failures: list[int]) -> None:
        bound = Troubled(socket.AF_INET, socket.SOCK_STREAM)
        bound.failures = failures
        bound.settimeout(0.0)
        bound.bind((LOOPBACK, 0))
        self.done: asyncio.Queue[str] = asyncio.Queue()
        self.listener = Listener(bound, 10, judge=self._judge, no_room=self._no_room)

    def _judge(self, connection: socket.socket, client: SocketAddress) -> None:
        assert client.host == LOOPBACK
        assert not connection.getblocking()
        connection.close()
        self.done.put_nowait("judged")

    def _no_room(self, connection: socket.socket, client: SocketAddress) -> None:
        connection.close()
        self.done.put_nowait("no room")

    async def knock(self) -> str:
        _, writer = await asyncio.open_connection(LOOPBACK, self.listener.address.port)
        try:
            async with asyncio.timeout(5):
                return await self.done.get()
        finally:
            writer.close()


@pytest.mark.parametrize(
    ("failures", "outcomes"),
    [
        ([], ["judged", "judged"]),
        ([errno.ECONNABORTED, errno.ECONNABORTED], ["judged", "judged"]),
        ([errno.EMFILE], ["no room", "judged"]),
        ([errno.EMFILE, 0, errno.EMFILE], ["no room", "no room"]),
        ([errno.ENFILE], ["judged", "judged"]),
        ([errno.ENOBUFS, errno.ENOMEM], ["judged", "judged"]),
    ],
)
async def test_a_port_never_fails_for_good(
    failures: list[int], outcomes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "PAUSE_SECONDS", 0.01)
    judged = Judged(failures)
    await judged.listener.open()
    assert [await judged.knock(), await judged.knock()] == outcomes
    judged.listener.close()
    with pytest.raises(ConnectionRefusedError):
        await judged.knock()


async def test_it_takes_so_many_at_once_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "ACCEPTS_AT_ONCE", 2)
    judged = Judged([])
    await judged.listener.open()
    assert [await judged.knock() for _ in range(5)] == ["judged"] * 5
    judged.listener.close()
