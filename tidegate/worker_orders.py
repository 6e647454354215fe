"""What a supervisor tells a worker of an edge beyond signals: hand over to a successor that the supervisor has started.

The worker has one end of a pair of sockets, which it finds by a name in the environment. An order is one byte, with
the descriptor by which the successor is spoken to (`edge.upgrade`). The worker answers with a line on standard output:
that it has handed over, and ends by and by, or that it goes on, and why.
"""

import asyncio
import contextlib
import os
import socket

import structlog

from edge.edge import Edge
from edge.handover import HandoverError
from tidegate.errors import StartError
from tidegate.service_notify import STANDARD_OUTPUT, ServiceNotifier
from tidegate.upgrade import refuse_upgrade

ORDERS_VARIABLE = "TIDEGATE_ORDERS"
"""From the supervisor of an edge to its worker, and no setting: where the worker's end of the pair of sockets is."""

HANDED_OVER_LINE = "tidegate worker: handed over"
GOES_ON_LINE = "tidegate worker: goes on: "

MAX_REASON_CHARACTERS = 300

_ORDER = b"h"

_log = structlog.get_logger("tidegate")


def order_handover(orders: socket.socket, end: socket.socket) -> None:
    """Tell a worker to hand over to whom it reaches by this end of a pair of sockets; raises OSError."""
    socket.send_fds(orders, [_ORDER], [end.fileno()])


def own_orders() -> socket.socket | None:
    """Return where this worker gets its orders; None where nobody gives it any. Raises StartError."""
    place = os.environ.pop(ORDERS_VARIABLE, None)
    if place is None:
        return None
    try:
        orders = socket.socket(fileno=int(place))
    except (OSError, ValueError) as error:
        raise StartError(f"a worker is started by its supervisor only: {error}") from error
    orders.set_inheritable(False)
    orders.setblocking(False)  # noqa: FBT003 - the socket's own signature
    return orders


class WorkerUpgrade:
    """Upgrades one worker when its supervisor says so. ``done`` is set when this process has nothing left.

    Its ``notifier`` has nothing to say of it: the supervisor is the service.
    """

    def __init__(self, edge: Edge, orders: socket.socket) -> None:
        self.done = asyncio.Event()
        self.notifier = ServiceNotifier()
        self._edge = edge
        self._orders = orders
        self._running: asyncio.Task[None] | None = None
        edge.on_handed_over.append(lambda: _answer(HANDED_OVER_LINE))
        asyncio.get_running_loop().add_reader(orders, self._take_order)

    def start(self) -> None:
        """Refuse the signal, which is for the supervisor."""
        refuse_upgrade()

    def _take_order(self) -> None:
        try:
            said, descriptors, _, _ = socket.recv_fds(self._orders, 1, 1)
        except BlockingIOError:
            return
        except OSError:
            said, descriptors = b"", []
        if not said:  # the supervisor is gone; the lifeline says so, too
            asyncio.get_running_loop().remove_reader(self._orders)
            self._orders.close()
            return
        if not descriptors:
            _answer(f"{GOES_ON_LINE}no successor came with the order")
            return
        end = socket.socket(fileno=descriptors[0])
        end.set_inheritable(False)
        if self._running is not None and not self._running.done():
            end.close()
            _answer(f"{GOES_ON_LINE}it is handing over already")
            return
        self._running = asyncio.create_task(self._hand_over(end), name="edge-upgrade")

    async def _hand_over(self, end: socket.socket) -> None:
        _log.info("upgrading", sessions=self._edge.running_sessions)
        try:
            await self._edge.hand_over(end)
        except Exception as error:  # a mistake of ours, too, must not end the players
            if not self._edge.has_handed_over:
                _answer(GOES_ON_LINE + (str(error) if isinstance(error, HandoverError) else repr(error)))
                return
            _log.error("successor_lost", reason=repr(error))
        self.done.set()


def _answer(line: str) -> None:
    text = "".join(each if each.isprintable() else " " for each in line)[:MAX_REASON_CHARACTERS]
    with contextlib.suppress(OSError):  # it does not read, or has ended, which the lifeline says too
        os.write(STANDARD_OUTPUT, f"{text}\n".encode())
