"""Speedguard: finds characters that are faster than the game lets them be, or somewhere else at once.

The reckoning stands in `core.features.builtin._track`. What is done about it here rests on facts of public client and
server sources, which the pack's notes do not have:

- A client counts the moves it has sent against notices of their end, and waits while one is missing. One with state
  0x20, "cannot move", makes it forget the path and put the character where the notice says.
- A client pulls its character back by itself when it is 2000 cm from where the server has it.
- Notice 17 makes a client play another character: that is how one gets on a ship and off it. On a ship 516 has the main
  character's number in ``comm_id`` and the ship's in ``world_id``; else both are the same.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from math import ceil
from typing import Literal, Self

from pydantic import Field, model_validator

from core.features import (
    DROP,
    Direction,
    Feature,
    RawPacket,
    Scratch,
    Selector,
    Session,
    Settings,
    Verdict,
    command,
    every,
    handles,
    handles_opcode,
)
from core.features.builtin._track import MALFORMED, Kind, Path, Reach, Track, read_notice, read_path
from games.pko.action import Action, MoveNotice, Point, UseSkill
from games.pko.bounds import MAP_SIDE_CM
from games.pko.connection import EnterMap

BURST_SECONDS = 4
"""How far ahead is allowed unless set: two seconds for late packets, two for a client that runs ahead of its server."""

LATE_SECONDS = 2
"""A player whose packets are this late must not be flagged, so no less can be set."""

EVENT_SECONDS = 10.0
"""One event a session in so long; what was found between is counted in the next."""

MAX_MAPS = 200
"""Maps that are counted by name, or set; a server that tells more has the others counted together."""

CANNOT_MOVE = 0x20
WAITING = 1

_ACTION_BYTE = 8
_CHANGE = int(Action.CHANGE_CHARACTER)
_CHANGE_BYTES = 13

_SPEED = "speed that is allowed"
_BURST = "way that may be ahead of that speed; unset: four seconds of it"
_JUMP = "distance from the last path from which on it is a teleport"


class Limits(Settings):
    """How far a character may come; what is left out is as one level above."""

    centimetres_per_second: int | None = Field(default=None, ge=50, le=100_000, description=_SPEED)
    burst_centimetres: int | None = Field(default=None, ge=100, le=1_000_000, description=_BURST)
    jump_centimetres: int | None = Field(default=None, ge=100, le=MAP_SIDE_CM, description=_JUMP)


SHIP = Limits(centimetres_per_second=2000, jump_centimetres=4000)


class MapLimits(Limits):
    """Those of one map."""

    ship: Limits = Field(default=Limits(), description="the same on a ship")


class SpeedguardSettings(Settings):
    """See docs/features/speedguard.md."""

    mode: Literal["audit", "correct", "close"] = Field(default="audit", description="what becomes of what is found")
    centimetres_per_second: int = Field(default=800, ge=50, le=100_000, description=_SPEED)
    burst_centimetres: int | None = Field(default=None, ge=100, le=1_000_000, description=_BURST)
    jump_centimetres: int = Field(default=2000, ge=100, le=MAP_SIDE_CM, description=_JUMP)
    ship: Limits = Field(default=SHIP, description="the same on a ship")
    maps: dict[str, MapLimits] = Field(default={}, max_length=MAX_MAPS, description="other limits on maps, by name")
    strikes: int = Field(default=5, ge=1, le=1000, description="findings after which `close` ends the session")
    strike_seconds: float = Field(default=60.0, gt=0, le=86_400, description="after so long one strike is forgotten")
    exempt: list[str] = Field(default=[], max_length=1000, description="accounts that are not looked at")
    text: str = Field(
        default="Your character moved in a way this server does not allow.", max_length=200, description="shown"
    )

    def reaches(self) -> dict[tuple[str, bool], Reach]:
        """Return the limits by map (small letters, empty for all others) and whether on a ship."""
        foot = Limits(
            centimetres_per_second=self.centimetres_per_second,
            burst_centimetres=self.burst_centimetres,
            jump_centimetres=self.jump_centimetres,
        )
        made = {("", False): _reach(foot), ("", True): _reach(self.ship, SHIP)}
        for name, limits in self.maps.items():
            made[name.lower(), False] = _reach(limits, foot)
            made[name.lower(), True] = _reach(limits.ship, self.ship, SHIP)
        return made

    @model_validator(mode="after")
    def _check_bursts(self) -> Self:
        for (name, is_ship), reach in self.reaches().items():
            least = LATE_SECONDS * reach.speed
            if reach.burst < least:
                where = f"{name or 'all maps'}{', ship' if is_ship else ''}"
                raise ValueError(
                    f"{where}: burst_centimetres {reach.burst:g} is less than {LATE_SECONDS} seconds of the speed, "
                    f"{least:g}; packets of honest players may be that late"
                )
        return self


def _reach(*levels: Limits) -> Reach:
    """Take each limit from the first level that has it; a burst only where no nearer level has a speed of its own."""
    speed = next(each.centimetres_per_second for each in levels if each.centimetres_per_second is not None)
    jump = next(each.jump_centimetres for each in levels if each.jump_centimetres is not None)
    setting = next(each for each in levels if each.burst_centimetres or each.centimetres_per_second)
    return Reach(speed, setting.burst_centimetres or BURST_SECONDS * speed, jump)


class _Guarded:
    """What is known of one session."""

    __slots__ = ("more", "strikes", "struck_at", "told_at", "track")

    def __init__(self) -> None:
        self.track = Track()
        self.strikes = 0.0
        self.struck_at = 0.0
        self.told_at = -EVENT_SECONDS
        self.more = 0  # findings since the last event


OWN_NOTICES = Selector(0, 4, None)
"""Most notices are of others: they cost 0.2 µs this way, and 6.5 µs each if they were handed over."""

PATHS = Selector(8, 1, frozenset({Action.MOVE, Action.SKILL}))


class Speedguard(Feature):
    """See the module."""

    settings: SpeedguardSettings

    guarded = Scratch(_Guarded)

    def started(self) -> None:
        """Make the tables that moves are looked up in."""
        self._reaches = self.settings.reaches()
        self._exempt = frozenset(name.lower() for name in self.settings.exempt)
        self._counts: Counter[tuple[str, str]] = Counter()  # by map and kind
        self._logged: Counter[tuple[str, str]] = Counter()

    @handles
    def entered_map(self, session: Session, packet: EnterMap) -> None:
        """Begin where the server has put the character."""
        track = self.guarded[session].track
        own = packet.world_id.to_bytes(4, "big")
        track.enter(own, packet.comm_id.to_bytes(4, "big") if packet.comm_id else own, packet.x, packet.y, self.now())

    @handles_opcode(508, Direction.CLIENTBOUND, only=OWN_NOTICES)
    def heard(self, session: Session, packet: RawPacket) -> None:
        """Take the server's word for where the player's own character is; nearly all notices are of others."""
        body = packet.body
        track = self.guarded[session].track
        who = body[:4]
        if who == track.own_id:
            place = read_notice(body)
            if place is not None:
                track.noticed(place[0], place[1], self.now())
                return
        elif who != track.main_id:
            return
        if len(body) == _CHANGE_BYTES and body[_ACTION_BYTE] == _CHANGE and track.own_id:
            track.become(body[_ACTION_BYTE + 1 :])
            session.player.world_id = int.from_bytes(track.own_id)  # the notices to come are about that one

    @handles_opcode(6, Direction.SERVERBOUND, only=PATHS)
    def moved(self, session: Session, packet: RawPacket) -> Verdict:
        """Look at where a path begins."""
        body = packet.body
        path = read_path(body)
        if path is None:
            return None
        guarded = self.guarded[session]
        track = guarded.track
        reach = track.reach or self._begin(session, track)
        if track.is_exempt:
            return None
        if path is MALFORMED:
            self._count(session, "malformed")
            return None if self.settings.mode == "audit" else DROP
        kind = track.step(path, reach, self.now())
        if kind:
            return self._found(session, guarded, kind, path, body)
        track.follow(path)
        return None

    @command("speedguard", "what was found, by map", for_operators=True)
    def show(self, session: Session, words: str) -> str:
        """Say what was counted."""
        del session, words
        rows = [f"{name}: {count} {kind}" for (name, kind), count in self._counts.most_common(10)]
        return ", ".join(rows) or "Nothing was found yet."

    @every(60)
    def log_counts(self) -> None:
        """Write a line for each map where something was found since the last time."""
        for (name, kind), count in self._counts.items():
            fresh = count - self._logged[name, kind]
            if fresh:
                self.log.info("speedguard_found", map=name, what=kind, count=fresh, total=count)
        self._logged = self._counts.copy()

    def _begin(self, session: Session, track: Track) -> Reach:
        """Look up what holds for a character here.

        Without a 516, because the feature was loaded while the player played, nobody knows whether that is a ship.
        """
        is_on_ship = track.is_on_ship or not track.own_id
        found = self._reaches.get((session.map_name.lower(), is_on_ship)) or self._reaches["", is_on_ship]
        track.begin(found, self.now())
        track.is_exempt = session.account.lower() in self._exempt
        return found

    def _found(self, session: Session, guarded: _Guarded, kind: Kind, path: Path, body: bytes) -> Verdict:
        """Count and tell a finding, and do about it what the mode says."""
        settings, track, now = self.settings, guarded.track, self.now()
        self._count(session, kind)
        forgotten = (now - guarded.struck_at) / settings.strike_seconds
        guarded.strikes = max(0.0, guarded.strikes - forgotten) + 1
        guarded.struck_at = now
        closes = settings.mode == "close" and ceil(guarded.strikes) >= settings.strikes
        self._tell(session, guarded, kind, path, must_tell=closes)
        if closes:
            session.close(settings.text)
            return DROP
        if settings.mode == "audit":
            track.follow(path)
            return None
        return self._correct(session, track, body)

    def _correct(self, session: Session, track: Track, body: bytes) -> Verdict:
        """Put the client back to where its character is.

        A move is swallowed and answered like one that the server forbids. A skill goes on from that place, so that the
        server answers it, by its own rules.
        """
        x, y = (min(max(each, 0), MAP_SIDE_CM) for each in track.place)
        here = Point(x=x, y=y)
        if body[_ACTION_BYTE] == Action.SKILL:
            return replace(UseSkill.decode(body), path=(here, here))
        session.send(
            MoveNotice(
                world_id=int.from_bytes(body[:4], "big"),
                packet_id=int.from_bytes(body[4:8], "big"),
                state=CANNOT_MOVE,
                stop=WAITING,
                path=(here, here),
            )
        )
        return DROP

    def _tell(self, session: Session, guarded: _Guarded, kind: Kind, path: Path, *, must_tell: bool) -> None:
        """Emit an event, not too often."""
        now, track = self.now(), guarded.track
        if now - guarded.told_at < EVENT_SECONDS and not must_tell:
            guarded.more += 1
            return
        measured = {"cm": round(track.jumped)} if kind == "teleport" else {"cm_per_second": round(track.speed)}
        (from_x, from_y), more = track.place, guarded.more
        guarded.told_at, guarded.more = now, 0
        self.emit(
            "incident",
            session,
            what=kind,
            map=session.map_name,
            on="ship" if track.is_on_ship else "foot",
            x=path[0],
            y=path[1],
            from_x=from_x,
            from_y=from_y,
            strikes=ceil(guarded.strikes),
            more=more,
            mode=self.settings.mode,
            **measured,
        )

    def _count(self, session: Session, kind: str) -> None:
        """Count a finding; how many maps a server has is its own affair, how many are counted is ours."""
        name = session.map_name
        if (name, kind) not in self._counts and len(self._counts) >= MAX_MAPS * 3:
            name = "others"
        self._counts[name, kind] += 1
