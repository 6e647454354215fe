"""The players' port: accepts connections and hands each to the door (`edge.door`), which decides about it.

The port is bound when the edge starts, so that a port in use is found at once, and opened when the first
tunnel stands: until then players are refused by the operating system, which load balancers understand.

Connections are accepted by hand, a bounded number at a time, so that one can be refused before anything is made for
it, and so that a flood of them does not keep the loop from those who play.
"""

import asyncio
import contextlib
import errno
import os
import socket
from collections.abc import Callable

from edge.edge_tunnel import SocketAddress
from tunnel.socket_link import set_up_socket

ACCEPTS_AT_ONCE = 6
"""Connections accepted before the loop turns to those who play: about 2 ms, with their sessions."""

PAUSE_SECONDS = 0.1
"""How long nothing is accepted when the system has no room for another connection."""

_NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

Judge = Callable[[socket.socket, SocketAddress], None]


class Listener:
    """One bound port. ``judge`` takes over each accepted connection; ``no_room`` one that must be closed at once."""

    def __init__(self, bound: socket.socket, backlog: int, *, judge: Judge, no_room: Judge) -> None:
        set_up_socket(bound)
        self._bound = bound
        self.address = _socket_address(bound.getsockname())
        self._backlog = backlog
        self._judge = judge
        self._no_room = no_room
        self._loop = asyncio.get_running_loop()
        self._pause: asyncio.TimerHandle | None = None
        self._spare = -1  # a descriptor to let go of when there is no other
        self._is_open = False

    @property
    def is_open(self) -> bool:
        """Whether players are let in."""
        return self._is_open

    async def open(self) -> None:
        """Begin to accept; raises OSError when another process listens there by now."""
        if self._is_open:
            return
        try:
            self._bound.listen(self._backlog)
        except OSError as error:
            place = f"{self.address.host}:{self.address.port}"
            raise OSError(error.errno, f"cannot listen on {place}: {error.strerror}") from error
        self._take_spare()
        self._is_open = True
        self._loop.add_reader(self._bound, self._accept)

    def pause(self) -> None:
        """Leave those who connect in the system's queue; `go_on` takes them."""
        if self._is_open:
            self._loop.remove_reader(self._bound)
        if self._pause is not None:
            self._pause.cancel()

    def go_on(self) -> None:
        """Accept again."""
        if self._is_open:
            self._loop.add_reader(self._bound, self._accept)

    def fileno(self) -> int:
        """Return the port's descriptor."""
        return self._bound.fileno()

    def close(self) -> None:
        """Accept no more; running sessions go on."""
        if self._is_open:
            self._is_open = False
            self._loop.remove_reader(self._bound)
            self._drop_spare()
        if self._pause is not None:
            self._pause.cancel()
        self._bound.close()

    def _accept(self) -> None:
        """Take what waits at the port; called by the loop."""
        for _ in range(ACCEPTS_AT_ONCE):
            try:
                connection, name = self._bound.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno not in _NO_ROOM:
                    continue  # that one was gone before it was accepted
                if not (error.errno == errno.EMFILE and self._refuse_one()):
                    self._wait_for_room()
                return
            connection.setblocking(False)  # noqa: FBT003 - the socket's own signature
            self._judge(connection, _socket_address(name))

    def _refuse_one(self) -> bool:
        """Let go of the spare descriptor to accept and refuse one connection; False when not even that works.

        The door's limits should not let it come to this. A player who is refused can try elsewhere; one who is
        never accepted only waits.
        """
        self._drop_spare()
        with contextlib.suppress(OSError):
            self._no_room(*_named(self._bound.accept()))
        self._take_spare()
        return self._spare != -1

    def _wait_for_room(self) -> None:
        self._loop.remove_reader(self._bound)
        self._pause = self._loop.call_later(PAUSE_SECONDS, self._accept_again)

    def _accept_again(self) -> None:
        self._take_spare()
        self._loop.add_reader(self._bound, self._accept)

    def _take_spare(self) -> None:
        if self._spare == -1:
            with contextlib.suppress(OSError):
                self._spare = os.open(os.devnull, os.O_RDONLY)

    def _drop_spare(self) -> None:
        if self._spare != -1:
            os.close(self._spare)
            self._spare = -1


def _named(accepted: tuple[socket.socket, tuple[str, int]]) -> tuple[socket.socket, SocketAddress]:
    return accepted[0], _socket_address(accepted[1])


def _socket_address(name: tuple[str, int] | tuple[str, int, int, int]) -> SocketAddress:
    return SocketAddress(name[0], name[1])
