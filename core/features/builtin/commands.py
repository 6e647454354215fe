"""Chat commands: finds them in what players say, swallows them, and has the features that own them answer.

Described in docs/features/commands.md. The commands are those of all features (`core.features.command`), and five of
its own: help, ping, online, uptime, where. Round trips are taken from what the game server asks its clients anyway;
only where it asks nothing does the feature ask by itself, with a packet whose answer the server never sees.
"""

import difflib
from dataclasses import dataclass
from typing import ClassVar

from pydantic import Field, field_validator

from core.features import DROP, Command, Feature, Scratch, Session, Settings, Timer, Verdict, command, handles
from core.features.builtin._chat_lines import CHANNELS, Channel, Line
from games.pko.ping import CheckPing, CheckPingReply, Ping, PingReply

MAX_NAME_BYTES = 16
"""Longer names are nobody's, and nothing like them is looked for."""
MAX_LINE_CHARACTERS = 200
HELP_LINES = 8

COUNT_SECONDS = 5.0
"""How long a count of players is good, so that the store is not asked for each of many who ask."""

LOST_SECONDS = 60.0
"""A question of the game server's that is older will not be answered any more."""
WAIT_SECONDS = 5.0
"""How long a player waits for the answer to /ping."""

MARK = (0x54494445, 0x47415445)
"""How the words of our own 515 begin: TIDE, GATE. What a game server sends are its pointers [4.5]."""

_LONG_AGO = float("-inf")


class CommandsSettings(Settings):
    """Which lines are commands, and how many."""

    prefix: str = Field(default="/", min_length=1, max_length=8, description="how a command begins")
    channels: list[Channel] = Field(default=["say"], description="where commands are looked for")
    pass_unknown: bool = Field(
        default=False, description="let what is not known go on, to a game server that has such commands of its own"
    )
    commands_per_minute: float = Field(default=30.0, ge=1, le=600, description="of one session, in the long run")
    burst: int = Field(default=6, ge=1, le=100, description="of one session, one right behind the other")
    max_lines: int = Field(default=12, ge=1, le=30, description="of an answer; the rest is left out, and that is said")
    ping_fresh_seconds: float = Field(default=45.0, ge=1, le=600, description="how old a round trip may be")
    own_ping: bool = Field(default=True, description="ask the client where the game server has not asked for so long")

    @field_validator("prefix")
    @classmethod
    def _check_prefix(cls, prefix: str) -> str:
        if not prefix.isascii() or not prefix.isprintable() or " " in prefix or prefix[-1].isalnum():
            raise ValueError("a prefix is ASCII without blanks, and does not end with a letter or digit")
        if prefix.startswith("&"):
            raise ValueError("lines that begin with & are the game server's own commands")
        return prefix


@dataclass(slots=True)
class Allowance:
    """How many commands a session has left."""

    left: float = 0.0
    at: float = _LONG_AGO
    told_at: float = _LONG_AGO


@dataclass(slots=True)
class RoundTrip:
    """What is known of a session's round trip, and which questions have no answer yet."""

    seconds: float = 0.0
    measured_at: float = _LONG_AGO
    checked_at: float = _LONG_AGO  # the server's 537
    words: tuple[int, ...] = ()  # of the server's last 515; none once it is answered
    asked_at: float = _LONG_AGO
    own_number: int = 0
    own_at: float = _LONG_AGO
    waiting: Timer | None = None  # a player who wants to know


class Commands(Feature):
    """See the module."""

    settings: CommandsSettings

    allowances = Scratch(Allowance)
    trips = Scratch(RoundTrip)

    _process: ClassVar[tuple[str, float]] = ("", 0.0)  # the store's owner, and when the feature began in this process

    def started(self) -> None:
        """Begin to count the time, unless an older version did in this process."""
        if Commands._process[0] != self.store.owner:
            Commands._process = (self.store.owner, self.now())
        self._here = self._fleet = 0
        self._counted_at = _LONG_AGO
        self._waiting: dict[str, Session] = {}

    @handles
    def said(self, session: Session, packet: Line) -> Verdict:
        """Swallow a command and have it answered."""
        prefix = self.settings.prefix.encode()
        if not packet.text.startswith(prefix) or CHANNELS[type(packet)] not in self.settings.channels:
            return None
        name, _, words = packet.text[len(prefix) :].partition(b" ")
        found = self._known(session, name)
        if found is None and self.settings.pass_unknown:
            return None
        if not self._is_allowed(session):
            return DROP
        if found is None:
            session.tell(self._unknown(session, name))
            return DROP
        if found.for_operators:
            self.log.info("operator_command", command=found.name, session=session.id, account=session.account)
        self._answer(session, found.run(session, session.text(words).strip(" ")))
        return DROP

    def _known(self, session: Session, name: bytes) -> Command | None:
        """Return the command of a name, if the player may use it."""
        if not name.isalnum() or len(name) > MAX_NAME_BYTES:
            return None
        found = self.commands.get(name.lower().decode("latin-1"))
        return found if found is not None and self._may_use(session, found) else None

    def _may_use(self, session: Session, wanted: Command) -> bool:
        return not wanted.for_operators or self.is_operator(session)

    def _own_commands(self, session: Session) -> list[Command]:
        return [each for _, each in sorted(self.commands.items()) if self._may_use(session, each)]

    def _unknown(self, session: Session, name: bytes) -> str:
        prefix = self.settings.prefix
        if name.isalnum() and len(name) <= MAX_NAME_BYTES:
            names = [each.name for each in self._own_commands(session)]
            near = difflib.get_close_matches(name.lower().decode("latin-1"), names, 1)
            if near:
                return f"Unknown command. Did you mean {prefix}{near[0]}?"
        return f"Unknown command. {prefix}help shows those there are."

    def _is_allowed(self, session: Session) -> bool:
        """Whether the session may have one more command answered; now and then it is told that it may not."""
        allowance, now, settings = self.allowances[session], self.now(), self.settings
        earned = (now - allowance.at) * settings.commands_per_minute / 60
        allowance.left, allowance.at = min(float(settings.burst), allowance.left + earned), now
        if allowance.left >= 1:
            allowance.left -= 1
            return True
        if now - allowance.told_at >= WAIT_SECONDS:
            allowance.told_at = now
            session.tell("Too many commands; wait a little.")
        return False

    def _answer(self, session: Session, answer: str | None) -> None:
        lines = [line for line in (answer or "").splitlines() if line]
        for line in lines[: self.settings.max_lines]:
            session.tell(line[:MAX_LINE_CHARACTERS])
        if len(lines) > self.settings.max_lines:
            session.tell(f"({len(lines) - self.settings.max_lines} more lines)")

    # Commands.

    @command("help", "what commands there are; a number shows another page, a name that command")
    def show_help(self, session: Session, words: str) -> str:
        """Return a page of the commands that this player may use, or one of them."""
        prefix, mine = self.settings.prefix, self._own_commands(session)
        wanted = words.removeprefix(prefix).lower()
        named = [each for each in mine if each.name == wanted]
        if named:
            return f"{prefix}{named[0].name} - {named[0].help}"
        if wanted and not (wanted.isascii() and wanted.isdigit() and len(wanted) < 4):
            return self._unknown(session, session.raw(wanted))
        pages = -(-len(mine) // HELP_LINES)
        page = min(max(int(wanted or 1), 1), pages)
        lines = [f"{prefix}{each.name} - {each.help}" for each in mine[(page - 1) * HELP_LINES : page * HELP_LINES]]
        return "\n".join([*lines, f"Page {page} of {pages}: {prefix}help {page % pages + 1}"] if pages > 1 else lines)

    @command("online", "how many players there are")
    def online(self, session: Session, words: str) -> str | None:
        """Return how many are in the game; when that has to be counted first, the answer follows."""
        del words
        if self.now() - self._counted_at < COUNT_SECONDS:
            return self._count_line()
        if not self._waiting:
            self.spawn(self._count(), "count")
        self._waiting[session.id] = session
        return None

    async def _count(self) -> None:
        """Count, and answer those who wait."""
        fleet = 0
        try:
            fleet = sum(len(fields) for fields in (await self.store.owned("presence")).values())
        finally:
            self._here = sum(each.is_in_game for each in self.players.here)
            self._fleet, self._counted_at = fleet, self.now()
            waiting, self._waiting = self._waiting, {}
            for session in waiting.values():
                session.tell(self._count_line())

    def _count_line(self) -> str:
        here = f"{self._here} in the game at this core"
        return f"{self._fleet} players online, {here}." if self._fleet else f"{here}."

    @command("uptime", "since when the relay and you have been here")
    def uptime(self, session: Session, words: str) -> str:
        """Return how long this process has had the feature, and how long the session lasts."""
        del words
        relay, own = self.now() - Commands._process[1], self.wall_time() - session.since
        return f"The relay has been up for {spell_time(relay)}, you have been connected for {spell_time(own)}."

    @command("where", "on which map you are, and by which region you come in")
    def where(self, session: Session, words: str) -> str:
        """Return the player's own place."""
        del words
        place = f"You are on the map {session.map_name}" if session.is_in_game else "You are on no map"
        return f"{place}; region {session.region or 'unknown'}."

    # Round trips.

    @command("ping", "how long a packet takes from here to you and back")
    def ping(self, session: Session, words: str) -> str | None:
        """Return the last round trip; when that is old, the answer follows."""
        del words
        trip, now = self.trips[session], self.now()
        if now - trip.measured_at <= self.settings.ping_fresh_seconds:
            return _spell_trip(trip)
        if trip.waiting is None:
            trip.waiting = self.after(WAIT_SECONDS, lambda: self._give_up(session), session=session)
            self._ask(session, trip)
        return None

    def _ask(self, session: Session, trip: RoundTrip) -> None:
        """Send a 515 of our own, unless the server's is on its way.

        The edge lets pass only the answer to the last one: with two of them on their way the server would miss its own.
        """
        now = self.now()
        is_open = trip.words and now - trip.asked_at < LOST_SECONDS
        if self.settings.own_ping and not is_open and now - trip.own_at >= WAIT_SECONDS:
            trip.own_number += 1
            trip.own_at = now
            session.send(Ping(words=_own_words(trip)))

    def _give_up(self, session: Session) -> None:
        self.trips[session].waiting = None
        session.tell("No answer yet; try again in a minute.")

    @handles
    def asked(self, session: Session, packet: Ping | CheckPing) -> None:
        """Take note of a question of the server's."""
        trip = self.trips[session]
        if isinstance(packet, Ping):
            trip.words, trip.asked_at = packet.words, self.now()
        else:
            trip.checked_at = self.now()

    @handles
    def answered(self, session: Session, packet: PingReply | CheckPingReply) -> Verdict:
        """Take the time, and swallow what the server did not ask for."""
        trip = self.trips[session]
        if isinstance(packet, CheckPingReply):
            trip.checked_at = self._measure(session, trip, trip.checked_at)
        elif packet.words[: len(MARK)] == MARK:
            if packet.words == _own_words(trip):
                trip.own_at = self._measure(session, trip, trip.own_at)
            return DROP
        elif packet.words == trip.words:
            trip.words, trip.asked_at = (), self._measure(session, trip, trip.asked_at)
        return None

    def _measure(self, session: Session, trip: RoundTrip, asked_at: float) -> float:
        """Take the time since a question, once; returns when it counts as asked from now on."""
        seconds = self.now() - asked_at
        if seconds < LOST_SECONDS:
            trip.seconds, trip.measured_at = seconds, self.now()
            if trip.waiting is not None:
                trip.waiting.cancel()
                trip.waiting = None
                session.tell(_spell_trip(trip))
        return _LONG_AGO


def _own_words(trip: RoundTrip) -> tuple[int, ...]:
    return (*MARK, trip.own_number & 0xFFFFFFFF, 0, 0)


def _spell_trip(trip: RoundTrip) -> str:
    return f"Ping: {trip.seconds * 1000:.0f} ms."


def spell_time(seconds: float) -> str:
    """Return a time in its two largest units, such as ``2 h 5 min``."""
    minutes = max(0, int(seconds)) // 60
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
