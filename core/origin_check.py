"""Asks now and then whether the game server is there, while no player's connection says so.

For a core that says how it is to others: one that nobody is sent to, because its game server was away, would otherwise
never learn that it is back. It connects and closes at once; some game servers write a line for that.
"""

import asyncio

from core.origin import connect_error
from core.origin_watch import OriginWatch

TIMEOUT_SECONDS = 5.0
"""A game server that takes longer to accept a connection is in trouble."""


class OriginCheck:
    """Connects to the game server every ``interval_seconds``, unless a player has reached it since; `run` it."""

    def __init__(self, host: str, port: int, watch: OriginWatch, interval_seconds: float) -> None:
        self._host = host
        self._port = port
        self._watch = watch
        self._interval_seconds = interval_seconds

    async def run(self) -> None:
        """Check until cancelled."""
        while True:
            if not self._watch.worked_within(self._interval_seconds / 2):
                await self._check()
            await asyncio.sleep(self._interval_seconds)

    async def _check(self) -> None:
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                _, writer = await asyncio.open_connection(self._host, self._port)
        except OSError as error:  # TimeoutError is one
            self._watch.check_failed(connect_error(self._host, self._port, error, TIMEOUT_SECONDS))
        else:
            writer.transport.abort()
            self._watch.worked()
