"""What a feature is made of: the base class, handlers, verdicts, commands, settings.

A feature is a class in a file of its own. Handlers are methods marked with `handles`; the annotation of their
packet says which packets they get. What they return is the verdict:

==================  ==============================================================================================
verdict             what becomes of the packet
==================  ==============================================================================================
None                it goes on as it came, byte for byte
DROP                it is swallowed; packet counters behind it stay right
a packet            it goes on instead, if it is of the same class to the next features too
several packets     they go on instead, in this order, and no further feature is asked
==================  ==============================================================================================

Handlers are called in the loop that carries all traffic: they are plain functions, they return at once, and one that
does not is stopped and named. What takes time belongs into `Feature.spawn`, and what must be known before a player is
let in into `Feature.admits`.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict

from core.features.ports import Bans, Log, Players, Relay, Timer
from games.packet import Direction, Packet
from wire.interest import Selector

if TYPE_CHECKING:
    from core.features.session import Session
    from core.store.protocol import Store


class Drop(Enum):
    """The verdict that swallows a packet; use `DROP`."""

    DROP = "drop"


DROP: Final = Drop.DROP


@dataclass(frozen=True, slots=True)
class RawPacket:
    """A packet that is not decoded: its opcode and its body, without counter and trailer."""

    opcode: int
    body: bytes
    direction: Direction


Verdict = Packet | RawPacket | Sequence[Packet | RawPacket] | Drop | None
"""What a handler may return; see the module."""


class Settings(BaseModel):
    """Base of a feature's settings: fields with types and defaults, checked when they are loaded.

    A feature names its own model: ``settings: MySettings`` in the class body.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


@dataclass(frozen=True, slots=True)
class Event:
    """Something worth telling: ``kind`` is one word, such as login, chat, ban or incident.

    ``fields`` are texts and numbers; never a password. Account, character and region are the session's, where there is
    one.
    """

    kind: str
    fields: dict[str, str | int | float] = field(default_factory=dict)
    account: str = ""
    character: str = ""
    region: str = ""
    feature: str = ""


@dataclass(frozen=True, slots=True)
class Command:
    """A chat command: ``/name words``. ``run`` gets the session and the words, and returns the answer, if any."""

    name: str
    help: str
    run: Callable[[Session, str], str | None]
    feature: str
    for_operators: bool = False


# Marks that decorators leave on methods, for `core.features.signatures`.
HANDLES = "_tidegate_handles"
HANDLES_OPCODE = "_tidegate_handles_opcode"
COMMAND = "_tidegate_command"
EVERY = "_tidegate_every"

F = TypeVar("F", bound=Callable[..., Any])


def handles(method: F) -> F:
    """Mark a method as a handler of the packets its annotation names, one class or several (``Say | Whisper``).

    The method takes ``(self, session: Session, packet: …)`` and returns a verdict.
    """
    setattr(method, HANDLES, True)
    return method


@dataclass(frozen=True, slots=True)
class OpcodeWish:
    """What `handles_opcode` was given."""

    opcode: int
    direction: Direction
    only: Selector | None
    game: str


def handles_opcode(
    opcode: int, direction: Direction, *, only: Selector | None = None, game: str = ""
) -> Callable[[F], F]:
    """Mark a method as a handler of an opcode that has no packet class, or whose body is wanted as it is.

    The method takes ``(self, session: Session, packet: RawPacket)`` and returns a verdict. ``only`` spares it frames
    that it does not want, such as what others do (``Selector(0, 4, None)``: the number there is the player's own); some
    may come nevertheless. With ``game`` the handler is for that game, and left out in others.
    """

    def mark(method: F) -> F:
        setattr(method, HANDLES_OPCODE, OpcodeWish(opcode, direction, only, game))
        return method

    return mark


def command(name: str, help: str, *, for_operators: bool = False) -> Callable[[F], F]:  # noqa: A002 - the word for it
    """Mark a method as the chat command ``/name``; the feature ``commands`` calls it.

    The method takes ``(self, session: Session, words: str)`` and returns what the player reads, or None.
    ``for_operators``: only for the accounts that the features' settings name as operators.
    """

    def mark(method: F) -> F:
        setattr(method, COMMAND, (name, help, for_operators))
        return method

    return mark


def every(seconds: float) -> Callable[[F], F]:
    """Have a method of a feature, which takes nothing, called again and again."""

    def mark(method: F) -> F:
        setattr(method, EVERY, seconds)
        return method

    return mark


class Feature:
    """Base of all features; one object per load, made by the core without arguments."""

    settings: Settings

    _relay: Relay  # given by the loader, before `started`

    # What happens.

    def started(self) -> None:
        """The feature is on, and sessions may be there already (`players.here`)."""

    def stopped(self) -> None:
        """The feature is removed, replaced, or taken out for its failures; timers and work end by themselves."""

    def preface(self, session: Session) -> bytes:
        """Return what the game server gets before anything of the player; called before its connection opens."""
        del session
        return b""

    def opened(self, session: Session) -> None:
        """A player has connected; nothing of them is known but the address."""

    async def admits(self, session: Session) -> str | None:
        """Decide about a login: return None, or the text that the player is shown instead of the game.

        Called while the login packet is held, before any handler gets it; account and hardware address are known.
        Answers that take longer than a second are taken for a yes, and counted.
        """
        del session
        return None

    def logged_in(self, session: Session) -> None:
        """The game server has accepted the account."""

    def entered(self, session: Session) -> None:
        """The player is in the game with a character; called after the handlers of that packet."""

    def changed_map(self, session: Session) -> None:
        """The character is on another map, or elsewhere on the same one."""

    def left(self, session: Session) -> None:
        """The character is out of the game; the player may choose another. Not called when the session ends."""

    def closed(self, session: Session, reason: str) -> None:
        """The session is over; ``reason`` is its code (docs/reasons.md)."""

    def noticed(self, event: Event) -> None:
        """Some feature, or the core, tells an event."""

    # What a feature can do.

    @property
    def players(self) -> Players:
        """Who is connected, and messages to them."""
        return self._relay.players

    @property
    def bans(self) -> Bans:
        """Who is kept out."""
        return self._relay.bans

    @property
    def store(self) -> Store:
        """What cores remember and share; for more than `PerAccount` and its like."""
        return self._relay.store

    @property
    def commands(self) -> dict[str, Command]:
        """The chat commands of all features, by name."""
        return self._relay.commands

    @property
    def log(self) -> Log:
        """The core's log, with the feature's name in each line."""
        return self._relay.log

    def is_operator(self, session: Session) -> bool:
        """Whether the player is logged in with an operator's account."""
        return session.is_logged_in and session.account.lower() in self._relay.operators

    def now(self) -> float:
        """Return the seconds of a clock that only goes forward."""
        return self._relay.now()

    def wall_time(self) -> float:
        """Return the seconds since 1970."""
        return self._relay.wall_time()

    def after(self, seconds: float, call: Callable[[], object], *, session: Session | None = None) -> Timer:
        """Have something called later; with a session only while that lasts."""
        return self._relay.after(seconds, call, session)

    def spawn(self, work: Coroutine[Any, Any, None], name: str = "work") -> None:
        """Run work that waits for something beside the traffic; it is cancelled when the feature is unloaded."""
        self._relay.spawn(work, name)

    def emit(self, kind: str, session: Session | None = None, **fields: str | float) -> None:
        """Tell an event to all features that want to know."""
        event = Event(
            kind=kind,
            fields=fields,
            account="" if session is None else session.account,
            character="" if session is None else session.character,
            region="" if session is None else session.region,
            feature=type(self).__name__,
        )
        self._relay.emit(event)
