"""What this core does when an operator orders it, here or at any other core: to its own sessions, edges and itself.

Orders arrive as questions (`core.admin.asks`); each answer says exactly what was done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import structlog

from core.admin.asks import Fields
from core.admin.selection import Matcher, Selection
from core.core_tunnel import CoreTunnel
from core.roster import AT_LOGIN, IN_GAME, Roster, Seat
from core.tunnel_service import TunnelService
from games.pack import Pack
from wire.errors import MisuseError
from wire.reasons import Reason

_log = structlog.get_logger("core.admin")

AT_ONCE = 50
"""Sessions that are dealt with in one go; with thousands of players traffic goes on between."""

MAX_IDS = 100
"""Of those it was done to, so many are named in an answer."""

MAX_FIGURES = 500
MAX_TEXT_CHARACTERS = 400


class Orders:
    """One core's; ``retire`` has this process drain and end, where somebody has said how."""

    def __init__(
        self,
        core_name: str,
        roster: Roster,
        tunnels: TunnelService,
        pack: Pack,
        charset: str,
    ) -> None:
        self.retire: Callable[[], None] | None = None
        self._name = core_name
        self._roster = roster
        self._tunnels = tunnels
        self._pack = pack
        self._charset = charset

    @property
    def edge_names(self) -> set[str]:
        """The edges that have a tunnel to this core."""
        return {tunnel.edge_name for tunnel in self._tunnels.tunnels.values()}

    def answer(self, question: Fields) -> Fields:
        """Do what is asked; raises MisuseError, KeyError, TypeError for what cannot be."""
        match question["ask"]:
            case "kick":
                return self._kick(_read_selection(question["which"]), str(question["text"]), str(question["by"]))
            case "announce":
                return self._announce(_read_selection(question["which"]), str(question["text"]))
            case "drain_core":
                return self._drain_core(str(question["name"]))
            case "drain_edge":
                return self._drain_edge(str(question["name"]))
            case "figures":
                return self._figures(question["ids"])
            case other:
                raise MisuseError(f"this core does not know how to {str(other)[:40]!r}")

    def raw_text(self, text: str) -> bytes:
        """Return a text as players are shown it; raises MisuseError for what cannot be shown."""
        if len(text) > MAX_TEXT_CHARACTERS:
            raise MisuseError(f"a text of {len(text)} characters: at most {MAX_TEXT_CHARACTERS} are possible")
        if not text.isprintable():
            raise MisuseError("a text for players is one line without control characters")
        try:
            return text.encode(self._charset)
        except UnicodeEncodeError as error:
            raise MisuseError(f"the game's charset {self._charset} does not have {text[error.start]!r}") from error

    # Parts.

    def _kick(self, which: Selection, text: str, by: str) -> Fields:
        if which.is_everybody:
            raise MisuseError("this is not for all players: say which session, account, character or address")
        seats = self._fitting(which)
        raw = self.raw_text(text)
        _log.info("kicked", sessions=len(seats), ids=[seat.id for seat in seats[:MAX_IDS]], asked_by=by)
        self._do_all(seats, lambda seat: self._end(seat, raw))
        return {"count": len(seats), "ids": [seat.id for seat in seats[:MAX_IDS]]}

    def _announce(self, which: Selection, text: str) -> Fields:
        raw = self.raw_text(text)
        seats = self._fitting(which)
        told = [seat for seat in seats if self._can_be_told(seat)]
        _log.info("announced", sessions=len(told), text=text)
        self._do_all(told, lambda seat: self._tell(seat, raw))
        return {"count": len(told), "others": len(seats) - len(told), "has_notices": self._pack.notice is not None}

    def _drain_core(self, name: str) -> Fields:
        if name != self._name:
            return {"count": 0}
        if self.retire is None:
            raise MisuseError("nobody has said how this process is to end")
        was_draining = self._tunnels.is_draining
        if not was_draining:
            _log.info("retiring", why="an operator drains this core")
            self.retire()
        return {"count": 1, "sessions": self._tunnels.running_sessions, "was_draining": was_draining}

    def _drain_edge(self, name: str) -> Fields:
        tunnels = [tunnel for tunnel in self._tunnels.tunnels.values() if tunnel.edge_name == name]
        told = [tunnel for tunnel in tunnels if tunnel.can_retire and tunnel.is_attached]
        for tunnel in told:
            tunnel.retire_edge()
        if told:
            _log.info("edge_retired", edge=name, tunnels=len(told), why="an operator drains this edge")
        return {
            "count": len(tunnels),
            "told": len(told),
            "away": sum(not tunnel.is_attached for tunnel in tunnels),
            "sessions": sum(tunnel.running_sessions for tunnel in tunnels),
            "was_draining": bool(told) and all(_is_draining(tunnel) for tunnel in told),
        }

    def _figures(self, ids: Any) -> Fields:
        """Return frames to the player and bytes from it, by id; the rest is unknown here."""
        if not isinstance(ids, list) or len(ids) > MAX_FIGURES:
            raise MisuseError(f"at most {MAX_FIGURES} sessions can be asked about at once")
        seats = (self._roster.seats.get(str(each)) for each in ids)
        return {"figures": {seat.id: list(seat.session.progress[:2]) for seat in seats if seat is not None}}

    def _fitting(self, which: Selection) -> list[Seat]:
        matcher = Matcher(which)
        if len(which.id) == 32:
            seat = self._roster.seats.get(which.id)
            candidates: Iterable[Seat] = () if seat is None else (seat,)
        else:
            candidates = self._roster.seats.values()
        return [seat for seat in candidates if matcher.fits(seat, self._name)]

    def _do_all(self, seats: list[Seat], act: Callable[[Seat], None]) -> None:
        for seat in seats[:AT_ONCE]:
            try:
                act(seat)
            except Exception as error:
                _log.error("order_failed", session=seat.id, reason=f"{type(error).__name__}: {error}"[:200])
        if len(seats) > AT_ONCE:
            asyncio.get_running_loop().call_soon(self._do_all, seats[AT_ONCE:], act)

    # Sessions.

    def _can_be_told(self, seat: Seat) -> bool:
        if seat.session.reason or self._pack.notice is None:
            return False
        return seat.state == IN_GAME and not seat.is_opaque

    def _tell(self, seat: Seat, raw: bytes) -> None:
        if seat.inspector is not None:
            seat.inspector.show(raw, popup=False)
            return
        self._inject(seat, raw, popup=False)

    def _end(self, seat: Seat, raw: bytes) -> None:
        """End a session; the player is shown a text where that can be."""
        if seat.inspector is not None:
            seat.inspector.end_with(raw, Reason.KICKED)
            return
        if raw and self._pack.notice is not None and not seat.is_opaque and seat.state != AT_LOGIN:
            self._inject(seat, raw, popup=True)
        seat.session.end(Reason.KICKED)

    def _inject(self, seat: Seat, raw: bytes, *, popup: bool) -> None:
        make = self._pack.notice if popup or self._pack.chat_line is None else self._pack.chat_line
        if make is not None and seat.session.has_room(serverbound=False):
            seat.session.inject(make(raw), serverbound=False)


def _is_draining(tunnel: CoreTunnel) -> bool:
    return tunnel.report is not None and tunnel.report.is_draining


def _read_selection(fields: Any) -> Selection:
    selection = Selection(**fields)
    if not all(isinstance(getattr(selection, name), str) for name in fields):
        raise TypeError("which sessions is said in texts")
    return selection
