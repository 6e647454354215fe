"""What a feature remembers: declared in its class body, with a type, a default and a version.

::

    @dataclass(frozen=True)
    class Mute:
        until: float = 0.0
        reason: str = ""

    class Moderation(Feature):
        mutes = PerAccount(Mute)

        @handles
        def said(self, session: Session, packet: Say) -> Verdict:
            if self.mutes[session].until > self.wall_time():
                return DROP
            return None

``self.mutes[session] = Mute(…)`` keeps a value, from `Feature.logged_in` on; it is written behind the traffic and is
there again when the player logs in next, also after the core was restarted. Values are frozen dataclasses of texts,
numbers, truths, tuples and the like, so that nothing is changed without being kept.

============  ====================================  ===============================================================
class         whose                                 until
============  ====================================  ===============================================================
PerAccount    an account's                          ``expiry_seconds`` after it was last kept
PerCharacter  a character's                         the same
PerSession    a session's; of a logged-in account   the session's orderly end; after a crash for ten minutes
Fleet         everybody's, the same at every core   it is overwritten
Scratch       a session's, in this process only     the session's end or a reload; any class, no type is asked for
============  ====================================  ===============================================================

A field that is new has its default, one that is gone is dropped. For more than that raise ``version`` and give
``migrate``: it gets the old version and the old fields and returns the new ones.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar, cast, overload

from pydantic import TypeAdapter

from wire.errors import MisuseError

if TYPE_CHECKING:
    from core.features.api import Feature
    from core.features.ports import Relay
    from core.features.session import Session

T = TypeVar("T")
C = TypeVar("C")  # the cells of a declaration
O = TypeVar("O")  # noqa: E741 - an owner

Migrate = Callable[[int, dict[str, Any]], dict[str, Any]]

YEAR_SECONDS = 365 * 86400.0
CRASH_SECONDS = 600.0
"""How long a session's state waits for the player to come back after a crash."""

MAX_KEPT_BYTES = 32 * 1024


class KeptError(MisuseError):
    """A declaration that cannot be, or a value that cannot be kept."""

    code = "kept"


class Kept(Generic[T, C]):
    """A declaration in a class body; reading it from a feature gives its `Cells`."""

    scope: ClassVar[str] = ""

    def __init__(
        self,
        cls: type[T],
        *,
        version: int = 1,
        migrate: Migrate | None = None,
        expiry_seconds: float = YEAR_SECONDS,
    ) -> None:
        self.cls = cls
        self.version = version
        self.migrate = migrate
        self.expiry_seconds = expiry_seconds
        self.name = ""
        problem = problem_of(cls)
        if problem:
            raise KeptError(problem)
        self.adapter: TypeAdapter[T] = TypeAdapter(cls)
        self.default = cls()

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: Feature, owner: type) -> C: ...
    def __get__(self, instance: Feature | None, owner: type) -> Self | C:
        if instance is None:
            return self
        try:
            return cast("C", vars(instance)["_cells"][self.name])
        except KeyError:
            raise KeptError(f"{self.name} can be used from `started` on, not while the feature is made") from None

    def bind(self, relay: Relay, feature: str) -> C:
        """Return the cells of one feature that is being loaded."""
        raise NotImplementedError

    def encode(self, value: T) -> bytes:
        """Return a value as JSON; raises KeptError when it is not what was declared, or too long."""
        if not isinstance(value, self.cls):
            raise KeptError(f"{self.name} keeps {self.cls.__name__}, not {type(value).__name__}")
        try:
            body = self.adapter.dump_json(value)
            is_the_same = self.adapter.validate_json(body) == value
        except Exception as error:
            raise KeptError(f"{self.name}: {value!r:.200} cannot be kept: {error}") from error
        if not is_the_same:
            raise KeptError(f"{self.name}: {value!r:.200} would not come back as it is")
        if len(body) > MAX_KEPT_BYTES:
            raise KeptError(f"{self.name}: a value of {len(body)} bytes; at most {MAX_KEPT_BYTES} can be kept")
        return b'{"version":%d,"value":%s}' % (self.version, body)

    def decode(self, raw: bytes) -> T:
        """Read what `encode` wrote, in this version or one that can be migrated; raises KeptError."""
        try:
            tree = _ENVELOPE.validate_json(raw)
            version, value = int(tree["version"]), tree["value"]
            if version != self.version:
                if self.migrate is None:
                    raise KeptError(f"{self.name} was kept in version {version}, and this is version {self.version}")
                value = self.migrate(version, value)
            return self.adapter.validate_python(value)
        except KeptError:
            raise
        except Exception as error:  # a migration may raise anything
            raise KeptError(f"{self.name}: what was kept cannot be read: {error}") from error


_ENVELOPE: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])


class Cells(Generic[T]):
    """The values of one declaration; decoded once, and encoded when they are kept."""

    def __init__(self, kept: Kept[T, Any], relay: Relay, feature: str) -> None:
        self.kept = kept
        self.name = f"{feature}.{kept.name}"
        self._relay = relay
        self._decoded: dict[str, tuple[bytes, T]] = {}  # by key: what it was decoded from, and the value

    def read(self, key: str) -> T:
        """Return the value under a key, or the default; what cannot be read is said and left as it is."""
        raw = self._relay.read_kept(self.name, key)
        if raw is None:
            self._decoded.pop(key, None)
            return self.kept.default
        known = self._decoded.get(key)
        if known is not None and known[0] is raw:
            return known[1]
        value = self._decode(key, raw)
        self._decoded[key] = (raw, value)
        return value

    def write(self, key: str, value: T) -> None:
        """Keep a value under a key; raises KeptError."""
        raw = self.kept.encode(value)
        self._relay.write_kept(self.name, key, raw, self.kept.expiry_seconds)
        if self._relay.read_kept(self.name, key) is raw:
            self._decoded[key] = (raw, value)
        else:  # nobody here needs it
            self._decoded.pop(key, None)

    def erase(self, key: str) -> None:
        """Forget the value under a key."""
        self._decoded.pop(key, None)
        self._relay.write_kept(self.name, key, None, 0)

    async def load(self, key: str) -> T:
        """Return the value under a key of somebody who need not be online."""
        raw = await self._relay.load_kept(self.name, key)
        return self.kept.default if raw is None else self._decode(key, raw)

    def forget(self, key: str) -> None:
        """Drop what is decoded of a key that nobody uses any more; what is kept stays."""
        self._decoded.pop(key, None)

    def _decode(self, key: str, raw: bytes) -> T:
        try:
            return self.kept.decode(raw)
        except KeptError as error:
            self._relay.log.error(
                "state_unreadable", cell=self.name, key=key, reason=str(error), action="the default holds"
            )
            return self.kept.default


class KeyedCells(Cells[T]):
    """Cells that a session leads to, by ``key_of``."""

    def __init__(self, kept: Kept[T, Any], relay: Relay, feature: str, key_of: Callable[[Session], str]) -> None:
        super().__init__(kept, relay, feature)
        self.key_of = key_of

    def __getitem__(self, session: Session) -> T:
        key = self.key_of(session)
        return self.read(key) if key else self.kept.default

    def __setitem__(self, session: Session, value: T) -> None:
        key = self.key_of(session)
        if not key:
            raise KeptError(f"{self.name}: session {session.id} has no {self.kept.scope} yet to keep it for")
        if self.kept.scope != "session" and not session.is_logged_in:
            raise KeptError(f"{self.name}: the account of session {session.id} is only claimed until `logged_in`")
        self.write(key, value)

    def __delitem__(self, session: Session) -> None:
        if key := self.key_of(session):
            self.erase(key)


class NamedCells(KeyedCells[T]):
    """Values by the name of an account or a character, too.

    Raises MisuseError for names longer than about 70 bytes; no game has them.
    """

    async def of(self, name: str | bytes) -> T:
        """Return the value of somebody who need not be online, capitals or not."""
        return await self.load(name_key(name))

    def keep_for(self, name: str | bytes, value: T) -> None:
        """Keep a value for somebody who need not be online."""
        self.write(name_key(name), value)


class FleetCell(Cells[T]):
    """The value: ``get`` and ``set``."""

    def get(self) -> T:
        """Return the value."""
        return self.read(FLEET_KEY)

    def set(self, value: T) -> None:
        """Keep a value, for all cores."""
        self.write(FLEET_KEY, value)


FLEET_KEY = "*"


class PerAccount(Kept[T, NamedCells[T]]):
    """One value for each account."""

    scope = "account"

    def bind(self, relay: Relay, feature: str) -> NamedCells[T]:
        """Return the cells of one feature that is being loaded."""
        return NamedCells(self, relay, feature, account_key)


class PerCharacter(Kept[T, NamedCells[T]]):
    """One value for each character."""

    scope = "character"

    def bind(self, relay: Relay, feature: str) -> NamedCells[T]:
        """Return the cells of one feature that is being loaded."""
        return NamedCells(self, relay, feature, character_key)


class PerSession(Kept[T, KeyedCells[T]]):
    """One value for each session; the book moves it to the account's key once there is one."""

    scope = "session"

    def __init__(self, cls: type[T], *, version: int = 1, migrate: Migrate | None = None) -> None:
        super().__init__(cls, version=version, migrate=migrate, expiry_seconds=CRASH_SECONDS)

    def bind(self, relay: Relay, feature: str) -> KeyedCells[T]:
        """Return the cells of one feature that is being loaded."""
        return KeyedCells(self, relay, feature, session_key)


class Fleet(Kept[T, FleetCell[T]]):
    """One value that all cores have alike; the last one to write it wins."""

    scope = "fleet"

    def bind(self, relay: Relay, feature: str) -> FleetCell[T]:
        """Return the cell of one feature that is being loaded."""
        return FleetCell(self, relay, feature)


class Scratch(Generic[O]):
    """Something of a feature's own for each session: made by calling ``make``, kept nowhere, gone with the session."""

    def __init__(self, make: Callable[[], O]) -> None:
        self._make = make

    def __getitem__(self, session: Session) -> O:
        found = session.scratch.get(self)
        if found is None:
            found = session.scratch[self] = self._make()
        return cast("O", found)

    def drop(self, session: Session) -> None:
        """Forget it; the next look makes it anew."""
        session.scratch.pop(self, None)


def account_key(session: Session) -> str:
    """Return the key of a session's account, empty where there is none."""
    return name_key(session.player.account) if session.player.account else ""


def character_key(session: Session) -> str:
    """Return the key of a session's character, empty where there is none."""
    return name_key(session.player.character) if session.player.character else ""


def session_key(session: Session) -> str:
    """Return the key of a session."""
    return session.id


def name_key(name: str | bytes) -> str:
    """Return a name as it stands in keys: small, other bytes than letters, digits, ``-`` and ``_`` as ``%xx``.

    Give bytes as on the wire for a name that is not ASCII.
    """
    raw = name if isinstance(name, bytes) else name.encode("utf-8", "surrogateescape")
    raw = _CAPITAL.sub(lambda found: found[0].lower(), raw)
    return "".join(chr(byte) if chr(byte) in _PLAIN else f"%{byte:02x}" for byte in raw)


_CAPITAL = re.compile(rb"(?<![\x80-\xff])[A-Z]")
"""Behind another byte than ASCII it may be the second half of a character, as in GBK."""

_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")


def declared(cls: type[Feature]) -> dict[str, Kept[Any, Any]]:
    """Return what a feature's class and its bases declare, by name."""
    found: dict[str, Kept[Any, Any]] = {}
    for each in reversed(cls.__mro__):
        found.update({name: value for name, value in vars(each).items() if isinstance(value, Kept)})
    return found


def problem_of(cls: type) -> str:
    """Say why a class cannot be kept, or nothing."""
    if not is_dataclass(cls):
        return f"{cls.__name__} is no dataclass: write @dataclass(frozen=True) above it"
    if not cls.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        return f"{cls.__name__} can be changed in place, and that would not be kept: write @dataclass(frozen=True)"
    for each in fields(cls):
        if _MUTABLE.match(each.type if isinstance(each.type, str) else _type_name(each.type)):
            return f"{cls.__name__}.{each.name} could be changed in place without being kept: use a tuple or frozenset"
        if each.default is MISSING and each.default_factory is MISSING:
            return f"{cls.__name__}.{each.name} has no default, which those need who were never kept before"
    return ""


_MUTABLE = re.compile(r"(?:typing\.)?(?:[Ll]ist|[Dd]ict|[Ss]et|bytearray)\b")


def _type_name(hint: object) -> str:
    return hint.__name__ if isinstance(hint, type) and not hasattr(hint, "__origin__") else str(hint)
