"""The poller: which of thousands of sockets have something to say, without a wake of the event loop for each.

The sockets stand in one epoll set, and the loop watches that set as if it were one socket (epoll(7): a set can be
watched itself). Each is entered once, for both directions and edge-triggered, so that a session costs one call of the
system to begin and one to end, and none to pause, to go on, or to wait for room.

It knows links by a few methods, `Pollable`, and decides nothing about them.
"""

import asyncio
import contextlib
import select
from array import array

from tunnel import system
from tunnel.link import LINK_BYTES, Link
from tunnel.turn import turn_of_running_loop
from wire import memory, packing

READABLE = select.EPOLLIN
WRITABLE = select.EPOLLOUT
NEARLY_OVER = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
"""The other side sends no more, or the connection is broken; what it has sent may still be there to read."""

_WATCHED = READABLE | WRITABLE | select.EPOLLRDHUP | select.EPOLLET

PREFETCH_DEPTHS = 4
"""How far behind a link there is something to prefetch."""

_LINK_BYTES, _PREFETCH_DEPTHS = LINK_BYTES, PREFETCH_DEPTHS  # for this module, as C has them

EVENTS_AT_ONCE = 128
"""Sockets looked at before the loop turns to everything else: about 2 ms, if all of them bring something."""


class Pollable(Link):
    """A link over a socket; it overrides what follows."""

    __slots__ = ()

    def ready(self, mask: int) -> None:
        """Something has changed since the last call: bits of `READABLE`, `WRITABLE` and `NEARLY_OVER`."""
        raise NotImplementedError

    def prefetch(self, depth: int) -> None:
        """Have that fetched which `read` needs, so many references away, from 0 on; nothing where it is not told."""

    def read(self) -> None:
        """Go on reading."""
        raise NotImplementedError

    def flush(self) -> None:
        """Hand what was queued to the system."""
        raise NotImplementedError

    def fail(self, error: Exception) -> None:
        """One of the others raised what it should not: be gone."""
        raise NotImplementedError


class Poller:
    """The sockets of one event loop that have a link behind them. Needs Linux."""

    __slots__ = ("_again", "_count", "_descriptor", "_epoll", "_links", "_loop", "_ready", "_turn", "_unsent")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._turn = turn_of_running_loop()
        self._epoll: select.epoll | None = None  # while there is a socket
        self._descriptor = -1  # of the set
        self._links: list[Pollable | None] = []  # by descriptor
        self._count = 0  # of them
        self._ready = array("q", bytes(8 * EVENTS_AT_ONCE))  # what the system says of them
        self._unsent: list[Pollable] = []
        self._again: list[Pollable] = []

    def add(self, descriptor: int, link: Pollable) -> None:
        """Watch a socket that does not block; raises OSError. What is there already is told soon."""
        if self._epoll is None:
            epoll = select.epoll()
            try:
                self._loop.add_reader(epoll.fileno(), self.run)
            except OSError:
                epoll.close()
                raise
            self._epoll = epoll
            self._descriptor = epoll.fileno()
        while len(self._links) <= descriptor:
            self._links.append(None)
        self._links[descriptor] = link
        self._count += 1
        try:
            self._epoll.register(descriptor, _WATCHED)
        except OSError:
            self._forget(descriptor)
            raise

    def remove(self, descriptor: int) -> None:
        """Watch it no more; must come before the descriptor is closed, which somebody else may hold as well."""
        if self._epoll is not None:
            with contextlib.suppress(OSError):  # closed by somebody else: the system watches it no more
                self._epoll.unregister(descriptor)
        self._forget(descriptor)

    def flush_soon(self, link: Pollable) -> None:
        """Call ``flush`` once at the end of the turn: what comes until then goes out together."""
        if not self._unsent:
            self._turn.at_end(self.flush)
        self._unsent.append(link)

    def read_soon(self, link: Pollable) -> None:
        """Call ``read`` once what else is ready has had its turn."""
        if not self._again:
            self._loop.call_soon(self._read_again)
        self._again.append(link)

    def run(self) -> None:
        """Tell the links of sockets that have news; called by the loop."""
        if self._epoll is None:
            return
        self._turn.begin()
        try:
            self._tell_ready(self._epoll)
        finally:
            self._turn.end()

    def _tell_ready(self, epoll: select.epoll) -> None:
        links = self._links
        ready = self._ready
        count = system.take_ready(epoll, self._descriptor, ready)
        if memory.PREFETCHES:
            self._prefetch(count)
        for place in range(count):
            found = packing.read_amount(ready, place)
            link = links[found >> 32]
            if link is None:  # closed by one of those before it
                continue
            try:
                link.ready(found & 0xFFFFFFFF)  # a new socket may have the number by now: then it finds nothing
            except Exception as error:
                self._failed(link, error)

    def _prefetch(self, count: int) -> None:
        """Have fetched what so many links need that are ready, of all of them the nearest first (`wire.memory`)."""
        links = self._links
        ready = self._ready
        for place in range(count):
            memory.prefetch(links[packing.read_amount(ready, place) >> 32], _LINK_BYTES)
        for depth in range(_PREFETCH_DEPTHS):
            for place in range(count):
                link = links[packing.read_amount(ready, place) >> 32]
                if link is not None:
                    link.prefetch(depth)

    def flush(self) -> None:
        """Have all links that have queued something hand it to the system; called at the end of the turn."""
        links, self._unsent = self._unsent, []
        for link in links:
            try:
                link.flush()
            except Exception as error:
                self._failed(link, error)

    def _read_again(self) -> None:
        links, self._again = self._again[:EVENTS_AT_ONCE], self._again[EVENTS_AT_ONCE:]
        if self._again:
            self._loop.call_soon(self._read_again)
        self._turn.begin()
        try:
            for link in links:
                try:
                    link.read()
                except Exception as error:
                    self._failed(link, error)
        finally:
            self._turn.end()

    def _failed(self, link: Pollable, error: Exception) -> None:
        """A mistake of ours costs the session it was made for, and is told as the loop tells such things."""
        self._loop.call_exception_handler({"message": "a link failed", "exception": error})
        link.fail(error)

    def _forget(self, descriptor: int) -> None:
        self._links[descriptor] = None
        self._count -= 1
        if not self._count and self._epoll is not None:
            self._loop.remove_reader(self._epoll.fileno())
            self._epoll.close()
            self._epoll = None
