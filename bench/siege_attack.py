"""``python -m bench.siege_attack``: the hostile connections of a siege; started by `bench.siege`.

A process of its own, which gives way to all others: attackers have machines of their own, and what
they cost here must not be taken from those who play. Prints ``phase arriving``, ``standing``, ``closing`` and ``over``
as it comes to them, and at the end one line of JSON with what became of the attackers.
"""

import argparse
import asyncio
import gc
import json
import os
import random
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


class Attacker(asyncio.Protocol):
    """One hostile connection."""

    def __init__(self, outcome: Outcome, word: bytes) -> None:
        self.outcome = outcome
        self.word = word
        self.since = 0.0
        self.dripped = 0
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say the first word; called by the loop."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - TCP
        self.transport = transport
        self.since = time.monotonic()
        self.outcome.connected += 1
        if self.word:
            transport.write(self.word)

    def drip(self) -> None:
        """Send one more byte."""
        if self.transport is not None:
            self.transport.write(DRIPS[self.dripped : self.dripped + 1])
            self.dripped += 1

    def data_received(self, data: bytes) -> None:
        """Count what the edge says; called by the loop."""
        self.outcome.told_bytes += len(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Note how long it lasted; called by the loop."""
        del exc
        self.transport = None
        self.outcome.closed_after.append(time.monotonic() - self.since)


class Attack:
    """Connects at a steady rate, has the connections do what is hostile about them, and waits for their end."""

    def __init__(self, options: argparse.Namespace, say: Callable[[str], None]) -> None:
        self.outcome = Outcome()
        self._options = options
        self._say = say
        self._chance = random.Random(1)  # noqa: S311 - repeatable
        self._pending: set[asyncio.Task[None]] = set()
        self._drips: deque[tuple[float, Attacker]] = deque()  # in the order in which they are due

    async def run(self) -> None:
        """Attack until all are closed, or time is up."""
        options, outcome = self._options, self.outcome
        begin = time.monotonic()
        phase = "arriving"
        self._say("phase arriving")
        started = 0
        while (elapsed := time.monotonic() - begin) < options.seconds:
            while started < min(elapsed * options.rate, options.connections):
                started += 1
                task = asyncio.get_running_loop().create_task(self._connect())
                self._pending.add(task)
                task.add_done_callback(self._pending.discard)
            self._drip(time.monotonic())
            if started == options.connections and not self._pending:
                if len(outcome.closed_after) == outcome.connected:
                    break
                now = "closing" if outcome.closed_after else "standing"
                if now != phase:
                    phase = now
                    self._say(f"phase {phase}")
            await asyncio.sleep(TICK_SECONDS)
        self._say("phase over")

    async def _connect(self) -> None:
        chance, outcome = self._chance, self.outcome
        word = b""
        if self._options.kind == "churn":
            word = chance.choice((*WORDS, chance.randbytes(chance.randint(1, 200))))
        try:
            _, attacker = await asyncio.get_running_loop().create_connection(
                lambda: Attacker(outcome, word), LOOPBACK, self._options.port, local_addr=(ATTACKER, 0)
            )
        except OSError:
            outcome.failed += 1
            return
        if self._options.kind == "drip":
            self._drips.append((time.monotonic() + DRIP_SECONDS, attacker))

    def _drip(self, now: float) -> None:
        """Have each whose second is over send its byte: each at its own time, as strangers do."""
        while self._drips and self._drips[0][0] <= now:
            due, attacker = self._drips.popleft()
            if attacker.transport is not None:
                attacker.drip()
                self._drips.append((due + DRIP_SECONDS, attacker))


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
    gc.disable()  # ten thousand protocols are no garbage, and to look through them would delay the attack
    attack = Attack(options, lambda line: print(line, flush=True))
    asyncio.run(attack.run())
    print(json.dumps(attack.outcome.summary()), flush=True)
    os._exit(0)  # what is still open ends with the process


if __name__ == "__main__":
    main()
