"""``python -m bench.siege_attack``: the hostile connections of a siege; started by `bench.siege`.

A process of its own, which gives way to all others: attackers have machines of their own, and what
they cost here must not be taken from those who play. For the same reason they are bare sockets: ten thousand that each
send a byte a second took a quarter of a processor in asyncio's transports. Prints ``phase arriving``, ``standing``,
``closing`` and ``over`` as it comes to them, and at the end one line of JSON with what became of the attackers.
"""

import argparse
import errno
import gc
import json
import os
import random
import select
import socket
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from bench.accounting import allow_many_open_files
from bench.processes import LOOPBACK

ATTACKER = "127.0.0.2"

KINDS = ("silent", "drip", "churn")

DRIPS = b"\x3f\xff" + b"\x01" * 600
"""The beginning of a long frame that never becomes whole."""

DRIP_SECONDS = 1.0
TICK_SECONDS = 0.005
EVENTS_AT_ONCE = 256
READ_BYTES = 4096

IP_BIND_ADDRESS_NO_PORT = 24
"""Linux: choose the port when connecting, among those that are free for the other end (ip(7)); Python has no name."""

WORDS = (
    b"GET / HTTP/1.1\r\nHost: example.org\r\nUser-Agent: Mozilla/5.0\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
)


@dataclass
class Outcome:
    """What became of the attackers; ``closed_after`` is in seconds."""

    connected: int = 0
    failed: int = 0
    closed_after: list[float] = field(default_factory=list)
    told_bytes: int = 0

    def summary(self) -> dict[str, object]:
        """Return everything as plain data; of the times the least, the median and the most."""
        times = sorted(self.closed_after)
        return {
            "connected": self.connected,
            "failed": self.failed,
            "closed": len(times),
            "closed_after": [round(times[place], 2) for place in (0, len(times) // 2, -1)] if times else [],
            "told_bytes": self.told_bytes,
        }


@dataclass(slots=True)
class Attacker:
    """One hostile connection; ``since`` is 0 until it stands."""

    connection: socket.socket
    word: bytes
    since: float = 0.0
    dripped: int = 0
    is_closed: bool = False


class Attack:
    """Connects at a steady rate, has the connections do what is hostile about them, and waits for their end."""

    def __init__(self, options: argparse.Namespace, say: Callable[[str], None]) -> None:
        self.outcome = Outcome()
        self._options = options
        self._say = say
        self._chance = random.Random(1)  # noqa: S311 - repeatable
        self._epoll = select.epoll()
        self._attackers: dict[int, Attacker] = {}
        self._connecting = 0
        self._drips: deque[tuple[float, Attacker]] = deque()  # in the order in which they are due

    def run(self) -> None:
        """Attack until all are closed, or time is up."""
        options, outcome = self._options, self.outcome
        begin = time.monotonic()
        phase = "arriving"
        self._say("phase arriving")
        started = 0
        while (elapsed := time.monotonic() - begin) < options.seconds:
            while started < min(elapsed * options.rate, options.connections):
                started += 1
                self._connect()
            self._drip(time.monotonic())
            if started == options.connections and not self._connecting:
                if len(outcome.closed_after) == outcome.connected:
                    break
                now = "closing" if outcome.closed_after else "standing"
                if now != phase:
                    phase = now
                    self._say(f"phase {phase}")
            for descriptor, _ in self._epoll.poll(TICK_SECONDS, EVENTS_AT_ONCE):
                self._look(self._attackers[descriptor])
        self._say("phase over")

    def _connect(self) -> None:
        chance = self._chance
        word = b""
        if self._options.kind == "churn":
            word = chance.choice((*WORDS, chance.randbytes(chance.randint(1, 200))))
        try:
            connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        except OSError:
            self.outcome.failed += 1
            return
        connection.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        connection.bind((ATTACKER, 0))
        if connection.connect_ex((LOOPBACK, self._options.port)) not in (0, errno.EINPROGRESS):
            self.outcome.failed += 1
            connection.close()
            return
        self._connecting += 1
        self._attackers[connection.fileno()] = Attacker(connection, word)
        watched = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET
        self._epoll.register(connection.fileno(), watched)

    def _look(self, attacker: Attacker) -> None:
        """Something has happened to a connection: it stands, or failed to; there is something to read, or its end."""
        if not attacker.since:
            self._connecting -= 1
            if attacker.connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                self.outcome.failed += 1
                self._close(attacker)
                return
            attacker.since = time.monotonic()
            self.outcome.connected += 1
            if attacker.word:
                self._send(attacker, attacker.word)
            if self._options.kind == "drip":
                self._drips.append((attacker.since + DRIP_SECONDS, attacker))
        while not attacker.is_closed:
            try:
                data = attacker.connection.recv(READ_BYTES)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            self.outcome.told_bytes += len(data)
            if not data:
                self.outcome.closed_after.append(time.monotonic() - attacker.since)
                self._close(attacker)

    def _close(self, attacker: Attacker) -> None:
        attacker.is_closed = True
        del self._attackers[attacker.connection.fileno()]
        attacker.connection.close()

    def _drip(self, now: float) -> None:
        """Have each whose second is over send its byte: each at its own time, as strangers do."""
        while self._drips and self._drips[0][0] <= now:
            due, attacker = self._drips.popleft()
            if not attacker.is_closed:
                self._send(attacker, DRIPS[attacker.dripped : attacker.dripped + 1])
                attacker.dripped += 1
                self._drips.append((due + DRIP_SECONDS, attacker))

    def _send(self, attacker: Attacker, data: bytes) -> None:
        """Send what there is room for; the end of a connection is found when it is read."""
        try:
            attacker.connection.send(data)
        except OSError:
            return


def main() -> None:
    """Read the options, attack, report."""
    parser = argparse.ArgumentParser(prog="python -m bench.siege_attack", description=__doc__)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--connections", type=int, required=True)
    parser.add_argument("--rate", type=float, required=True, help="new connections a second")
    parser.add_argument("--seconds", type=float, required=True, help="how long the attack lasts at most")
    options = parser.parse_args()
    allow_many_open_files()
    if hasattr(os, "SCHED_IDLE"):  # Linux only
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    gc.disable()  # ten thousand connections are no garbage, and to look through them would delay the attack
    attack = Attack(options, lambda line: print(line, flush=True))
    attack.run()
    print(json.dumps(attack.outcome.summary()), flush=True)
    os._exit(0)  # what is still open ends with the process


if __name__ == "__main__":
    main()
