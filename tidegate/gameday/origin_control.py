"""Asks gameday's origin: one connection, one JSON line each way at a time (`tidegate.gameday.origin`)."""

import asyncio
import json
from collections.abc import Iterable
from typing import Any, Self

from fleet.address import Address
from tidegate.gameday.frames import greeting
from tidegate.gameday.records import OriginRecord

ANSWER_SECONDS = 10.0
LONGEST_ANSWER_BYTES = 64 * 1024 * 1024
"""A record takes some 120 bytes, and a day of half an hour may have a hundred thousand sessions."""


class OriginControl:
    """The connection; made by `connect`. Raises OSError when the origin is gone, TimeoutError when it hangs."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._asking = asyncio.Lock()

    @classmethod
    async def connect(cls, address: Address) -> Self:
        """Connect to the origin at its players' address."""
        reader, writer = await asyncio.open_connection(address.host, address.port, limit=LONGEST_ANSWER_BYTES)
        await reader.readexactly(len(greeting()))
        return cls(reader, writer)

    async def records(self) -> list[OriginRecord]:
        """Return what every session has come to."""
        return [OriginRecord(**record) for record in (await self._ask("report"))["records"]]

    async def flood(self, sessions: Iterable[int]) -> int:
        """Have some sessions sent all that their connections take; return how many are there."""
        return int((await self._ask("flood", sessions=list(sessions)))["flooded"])

    async def calm(self) -> None:
        """End all floods."""
        await self._ask("calm")

    async def blocked(self) -> int:
        """Return how many flooded sessions are full and took nothing since the last time this was asked."""
        return int((await self._ask("blocked"))["blocked"])

    async def mark(self) -> int:
        """Remember the sessions there are; return how many."""
        return int((await self._ask("mark"))["marked"])

    async def recount(self) -> None:
        """Count the marked sessions' bytes from now on."""
        await self._ask("recount")

    async def bytes_since_mark(self) -> int:
        """Return how many bytes came on the marked sessions since."""
        return int((await self._ask("since-mark"))["bytes"])

    async def close(self) -> None:
        """Close the connection."""
        self._writer.close()

    async def _ask(self, order: str, **arguments: object) -> dict[str, Any]:
        async with self._asking, asyncio.timeout(ANSWER_SECONDS):
            self._writer.write(json.dumps({"do": order, **arguments}).encode() + b"\n")
            line = await self._reader.readline()
        if not line:
            raise ConnectionResetError("the origin has closed the connection")
        answer: dict[str, Any] = json.loads(line)
        return answer
