"""Gameday's game server as a process: echoes with numbers, writes down what came, and answers questions.

A connection whose first byte is ``{`` is no player but whoever runs the gameday: it sends JSON lines and gets one
back for each (`tidegate.gameday.origin_control` asks). Lines and answers:

========================================  =================================================================
``{"do": "report"}``                      ``records``: one per session there was, and ``open``, how many are
``{"do": "flood", "sessions": [1, 2]}``   ``flooded``: how many of them get all that their connections take
``{"do": "calm"}``                        ``flooded``: 0; nothing more is sent by itself
``{"do": "mark"}``                        ``marked``: how many sessions are remembered
``{"do": "recount"}``                     ``marked``: the same ones; their bytes are counted from now on
``{"do": "since-mark"}``                  ``bytes``: what came on those since, and ``open``, how many still are
``{"do": "blocked"}``                     ``blocked``: flooded sessions that took nothing since the last time
========================================  =================================================================
"""

import asyncio
import contextlib
import gc
import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from fleet.address import Address
from tidegate.gameday.frames import greeting, session_text
from tidegate.gameday.origin_session import OriginSession
from tidegate.gameday.records import OriginRecord
from tidegate.logs import announce
from tidegate.process import run_until_signal

LOOPBACK = "127.0.0.1"
BACKLOG = 4096


class Origin:
    """The server and its sessions; belongs to the loop it is started in."""

    def __init__(self) -> None:
        self.greeting = greeting()
        self._open: set[OriginSession] = set()
        self._by_name: dict[bytes, OriginSession] = {}
        self._finished: list[OriginRecord] = []
        self._marked: dict[OriginSession, int] = {}
        self._partial_lines: dict[OriginSession, bytes] = {}
        self._server: asyncio.Server | None = None
        self._orders: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "report": self._report,
            "flood": self._flood,
            "calm": self._calm,
            "mark": self._mark,
            "recount": self._recount,
            "since-mark": self._since_mark,
            "blocked": self._blocked,
        }

    async def start(self, port: int = 0) -> Address:
        """Listen on the loopback; return where."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: OriginSession(self, self._control), LOOPBACK, port, backlog=BACKLOG
        )
        host, real_port = self._server.sockets[0].getsockname()[:2]
        return Address(host, real_port)

    async def stop(self) -> None:
        """Stop listening and cut every connection."""
        if self._server is not None:
            self._server.close()
            for session in tuple(self._open):
                session.drop()
            self._server = None

    def opened(self, session: OriginSession) -> None:
        """For a session: it is there."""
        self._open.add(session)

    def named(self, session: OriginSession) -> None:
        """For a session: its first frame said who it is."""
        self._by_name[session.name] = session

    def closed(self, session: OriginSession) -> None:
        """For a session: it is gone."""
        self._open.discard(session)
        self._partial_lines.pop(session, None)
        if not session.name:
            return  # never said anything
        with contextlib.suppress(ValueError):  # not a number: no bot of ours
            self._finished.append(session.record())
        if self._by_name.get(session.name) is session:
            del self._by_name[session.name]

    def _control(self, session: OriginSession, data: bytes) -> None:
        *lines, rest = (self._partial_lines.get(session, b"") + data).split(b"\n")
        self._partial_lines[session] = rest
        for line in lines:
            order = json.loads(line)
            session.write(json.dumps(self._orders[order["do"]](order)).encode() + b"\n")

    def _players(self) -> list[OriginSession]:
        return [session for session in self._open if session.name]

    def _report(self, _order: dict[str, Any]) -> dict[str, Any]:
        living = [session.record() for session in self._players()]
        return {"records": [asdict(record) for record in (*self._finished, *living)], "open": len(living)}

    def _flood(self, order: dict[str, Any]) -> dict[str, Any]:
        wanted = (self._by_name.get(session_text(number)) for number in order["sessions"])
        flooded = [session for session in wanted if session is not None]
        for session in flooded:
            session.flood(is_on=True)
        return {"flooded": len(flooded)}

    def _calm(self, _order: dict[str, Any]) -> dict[str, Any]:
        for session in self._players():
            session.flood(is_on=False)
        return {"flooded": 0}

    def _blocked(self, _order: dict[str, Any]) -> dict[str, Any]:
        return {"blocked": sum(session.take_is_blocked() for session in self._players())}

    def _mark(self, _order: dict[str, Any]) -> dict[str, Any]:
        self._marked = {session: session.bytes_received for session in self._players()}
        return {"marked": len(self._marked)}

    def _recount(self, _order: dict[str, Any]) -> dict[str, Any]:
        self._marked = {session: session.bytes_received for session in self._marked}
        return {"marked": len(self._marked)}

    def _since_mark(self, _order: dict[str, Any]) -> dict[str, Any]:
        total = sum(session.bytes_received - before for session, before in self._marked.items())
        return {"bytes": total, "open": sum(session.is_open for session in self._marked)}


def run_origin(*, port: int) -> int:
    """Run the origin until it is told to stop; return the exit status."""

    async def serve(stopping: asyncio.Event) -> int:
        origin = Origin()
        address = await origin.start(port)
        gc.disable()  # a walk over what is queued for bots that do not read would hold all others up
        announce(f"tidegate gameday origin: ready, players at {address}, game pko")
        await stopping.wait()
        await origin.stop()
        return 0

    return run_until_signal(serve)
