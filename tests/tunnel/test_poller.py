"""The poller: it watches while there is something to watch, and a link that fails costs only itself."""

import asyncio
import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tunnel.poller import NEARLY_OVER, READABLE, WRITABLE, Pollable, Poller


class Listening(Pollable):
    """Notes what it is told; ``raises`` says in which calls it fails."""

    def __init__(self, *raises: str) -> None:
        self.raises = raises
        self.calls: list[tuple[str, Any]] = []
        self.told = asyncio.Event()

    def ready(self, mask: int) -> None:
        self.note("ready", mask)

    def read(self) -> None:
        self.note("read", None)

    def flush(self) -> None:
        self.note("flush", None)

    def fail(self, error: Exception) -> None:
        self.note("fail", str(error))

    def note(self, name: str, value: object) -> None:
        self.calls.append((name, value))
        self.told.set()
        if name in self.raises:
            raise ValueError(name)


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        yield ours, theirs


Ends = tuple[socket.socket, socket.socket]


async def turns() -> None:
    """Let the loop look at everything that is there."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_news_are_told_once(ends: Ends) -> None:
    ours, theirs = ends
    poller, link = Poller(), Listening()
    poller.add(ours.fileno(), link)
    await turns()
    assert link.calls == [("ready", WRITABLE)]
    theirs.send(b"x")
    await turns()
    assert link.calls[1:] == [("ready", READABLE | WRITABLE)]
    theirs.close()
    await turns()
    name, mask = link.calls[-1]
    assert name == "ready"
    assert mask & NEARLY_OVER
    poller.remove(ours.fileno())


async def test_nothing_is_told_of_a_socket_that_was_removed(ends: Ends) -> None:
    ours, theirs = ends
    poller, link = Poller(), Listening()
    poller.add(ours.fileno(), link)
    poller.remove(ours.fileno())
    theirs.send(b"x")
    await turns()
    assert link.calls == []


async def test_a_link_removed_by_another_in_the_same_round_hears_nothing() -> None:
    pairs = [socket.socketpair() for _ in range(2)]
    poller = Poller()
    links: list[Listening] = []

    class Remover(Listening):
        def ready(self, mask: int) -> None:
            super().ready(mask)
            for each, (ours, _) in zip(links, pairs, strict=True):
                if each is not self and ours.fileno() >= 0 and not each.calls:
                    poller.remove(ours.fileno())
                    ours.close()

    for ours, theirs in pairs:
        theirs.send(b"x")
        links.append(Remover())
        poller.add(ours.fileno(), links[-1])
    await turns()
    assert sorted(len(each.calls) for each in links) == [0, 1]
    for ours, theirs in pairs:
        if ours.fileno() >= 0:
            poller.remove(ours.fileno())
        ours.close()
        theirs.close()


async def test_it_can_be_used_again_after_its_last_socket(ends: Ends) -> None:
    ours, theirs = ends
    poller = Poller()
    for _ in range(3):
        link = Listening()
        poller.add(ours.fileno(), link)
        theirs.send(b"x")
        await turns()
        assert link.calls
        poller.remove(ours.fileno())


async def test_a_descriptor_that_cannot_be_watched_is_refused(tmp_path: Path) -> None:
    poller, link = Poller(), Listening()
    folder = os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(PermissionError):
        poller.add(folder, link)
    os.close(folder)
    await turns()
    assert link.calls == []


@pytest.mark.parametrize("failing", ["ready", "flush", "read"])
async def test_a_link_that_fails_is_told_to_go_and_costs_nobody_else(failing: str, ends: Ends) -> None:
    ours, theirs = ends
    heard: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: heard.append(context))
    poller, bad, good = Poller(), Listening(failing), Listening()
    poller.add(ours.fileno(), bad)
    if failing != "ready":
        later = poller.flush_soon if failing == "flush" else poller.read_soon
        later(bad)
        later(good)
    theirs.send(b"x")
    await turns()
    assert ("fail", failing) in bad.calls
    assert [str(each["exception"]) for each in heard][:1] == [failing]
    if failing != "ready":
        assert good.calls == [(failing, None)]
    poller.remove(ours.fileno())


async def test_where_the_set_cannot_be_watched_the_next_socket_has_one_that_is(ends: Ends) -> None:
    ours, theirs = ends
    poller, link = Poller(), Listening()
    loop = asyncio.get_running_loop()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "add_reader", out_of_watches, raising=False)
        with pytest.raises(OSError, match="No space left"):
            poller.add(ours.fileno(), link)
    poller.add(ours.fileno(), link)
    theirs.send(b"a")
    async with asyncio.timeout(5):
        await link.told.wait()
    poller.remove(ours.fileno())


def out_of_watches(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
