"""The book: what features keep, as far as this core needs it now, and its way to the store.

Values are bytes (`core.features.kept` encodes them). What belongs to an account or a character is loaded while its
login is held and dropped with its last session; what is written goes to the store behind the traffic.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections import Counter
from collections.abc import Iterable

import structlog

from core.features.errors import describe_error
from core.features.kept import CRASH_SECONDS, FLEET_KEY
from core.store.protocol import Store, TableChange

_log = structlog.get_logger("core.features")

FLEET_TABLE = "fleet"
TOPIC = "kept"


class KeptBook:
    """One core's. Cells are known by name (``feature.attribute``) once they are declared."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._scopes: dict[str, str] = {}
        self._values: dict[tuple[str, str], bytes] = {}  # by cell and key
        self._users: Counter[tuple[str, str]] = Counter()  # by scope and key: sessions that need it
        self._accounts: dict[str, str] = {}  # by session: under which account its own state is kept
        self._loading: dict[tuple[str, str], list[asyncio.Future[None]]] = {}  # by scope and key: who waits for it
        self._loaded: set[tuple[str, str]] = set()  # by scope and key
        self._written: set[tuple[str, str]] = set()  # by cell and key: since they were last loaded
        store.on_value_found(self._value_found)
        self._watching = [store.watch_table(FLEET_TABLE, self._fleet_changed), store.subscribe(TOPIC, self._told)]

    def close(self) -> None:
        """Follow the store no more."""
        for stop in self._watching:
            stop()

    def declare(self, scopes: dict[str, str]) -> list[str]:
        """Take note of cells and their scopes; returns those that were not known, whose values are not loaded yet."""
        new = [cell for cell in scopes if cell not in self._scopes]
        self._scopes.update(scopes)
        return new

    def has_scope(self, *scopes: str) -> bool:
        """Whether any cell has one of these scopes."""
        return any(scope in scopes for scope in self._scopes.values())

    def read(self, cell: str, key: str) -> bytes | None:
        """Return what is loaded under a cell's key."""
        return self._values.get((cell, key))

    def write(self, cell: str, key: str, value: bytes | None, expiry_seconds: float) -> None:
        """Keep a value, or forget it."""
        scope = self._scopes[cell]
        if scope == "fleet":
            self._set(cell, key, value)
            if value is None:
                self._store.delete_field(FLEET_TABLE, cell)
            else:
                self._store.put_field(FLEET_TABLE, cell, value)
            return
        if self._users[scope, key] > 0:
            self._set(cell, key, value)
            self._written.add((cell, key))
        if scope == "session":
            if account := self._accounts.get(key, ""):
                self._put(_name(cell, scope, account), value, expiry_seconds, gives_way=True)
            return
        # What is kept for who is here was made of what was read of him, if that could be read.
        self._put(_name(cell, scope, key), value, expiry_seconds, gives_way=self._users[scope, key] > 0)
        # Somebody of that name may be at another core, too.
        text = None if value is None else base64.b64encode(value).decode()
        self._store.publish(TOPIC, json.dumps([cell, key, text]).encode())

    async def load_one(self, cell: str, key: str) -> bytes | None:
        """Return what the store has under a cell's key."""
        known = self._values.get((cell, key))
        if known is not None:
            return known
        name = _name(cell, self._scopes[cell], key)
        return (await self._store.get([name])).get(name)

    def count_user(self, scope: str, key: str) -> None:
        """A session needs what is under a key from now on, and there is nothing to load for it."""
        self._users[scope, key] += 1

    async def use(self, scope: str, key: str) -> None:
        """Load everything that is kept under a key, because a session needs it from now on."""
        who = scope, key
        self._users[who] += 1
        while who in self._loading:  # for another session
            waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._loading[who].append(waiting)
            await waiting
        if who in self._loaded or not self._users[who]:
            return
        self._loading[who] = []
        try:
            await self._load(scope, {key: key})
            if self._users[who]:
                self._loaded.add(who)
        finally:
            for waiting in self._loading.pop(who):
                if not waiting.done():
                    waiting.set_result(None)

    def begin_session(self, session_id: str) -> None:
        """A session began, and may keep something for as long as it lasts."""
        self._users["session", session_id] += 1

    async def look_for_session(self, session_id: str, account: str) -> None:
        """Load the state that a session of this account left behind in a crash; the account is not proven yet."""
        if account not in self._accounts.values():  # otherwise it is of another session, which lasts
            await self._load("session", {session_id: account})

    def prove_session(self, session_id: str, account: str) -> None:
        """The account is the session's: keep its state under that from now on."""
        if self._users["session", session_id] <= 0:
            return
        self._accounts[session_id] = account
        for (cell, key), value in list(self._values.items()):
            if key == session_id:  # what was kept before the login
                self._put(_name(cell, "session", account), value, CRASH_SECONDS, gives_way=True)

    async def use_session(self, session_id: str, account: str) -> None:
        """Do both: `look_for_session` and `prove_session`."""
        await self.look_for_session(session_id, account)
        self.prove_session(session_id, account)

    async def load_new(self, cells: Iterable[str]) -> None:
        """Load the values of cells that were just declared, for the sessions that are there."""
        keys: dict[str, dict[str, str]] = {}
        for (scope, key), count in self._users.items():
            if count > 0:
                keys.setdefault(scope, {})[key] = self._accounts.get(key, "") if scope == "session" else key
        for scope, wanted in keys.items():
            await self._load(scope, {key: name for key, name in wanted.items() if name}, frozenset(cells))

    def leave(self, scope: str, key: str) -> bool:
        """A session needs what is under a key no more; whether nobody does."""
        self._users[scope, key] -= 1
        if self._users[scope, key] > 0:
            return False
        del self._users[scope, key]
        self._loaded.discard((scope, key))
        for cell in self._cells(scope):
            self._values.pop((cell, key), None)
            self._written.discard((cell, key))
        return True

    def leave_session(self, session_id: str, *, is_orderly: bool) -> None:
        """A session is over; what it kept is forgotten unless it ended by a fault of ours."""
        account = self._accounts.pop(session_id, "")
        if account and is_orderly:
            for cell in self._cells("session"):
                if (cell, session_id) in self._values:
                    self._store.delete(_name(cell, "session", account))
        self.leave("session", session_id)

    async def _load(self, scope: str, names: dict[str, str], only: frozenset[str] | None = None) -> None:
        """Read keys from the store; ``names`` has the name in the store by key."""
        cells = [cell for cell in self._cells(scope) if only is None or cell in only]
        wanted = {_name(cell, scope, name): (cell, key) for cell in cells for key, name in names.items()}
        if not wanted:
            return
        self._written.difference_update(wanted.values())
        for name, value in (await self._store.get(list(wanted))).items():
            cell, key = wanted[name]
            # What was written meanwhile is newer, and who is gone meanwhile needs nothing.
            if (cell, key) not in self._written and self._users[scope, key] > 0:
                self._values[cell, key] = value

    def _cells(self, scope: str) -> list[str]:
        return [cell for cell, each in self._scopes.items() if each == scope]

    def _set(self, cell: str, key: str, value: bytes | None) -> None:
        if value is None:
            self._values.pop((cell, key), None)
        else:
            self._values[cell, key] = value

    def _put(self, name: str, value: bytes | None, expiry_seconds: float, *, gives_way: bool) -> None:
        if value is None:
            self._store.delete(name)
        else:
            self._store.put(name, value, expiry_seconds=expiry_seconds, gives_way=gives_way)

    def _fleet_changed(self, change: TableChange) -> None:
        for cell, value in change.fields.items():
            self._values[cell, FLEET_KEY] = value
        gone = change.removed
        if change.is_whole:
            gone = tuple(cell for cell, key in self._values if key == FLEET_KEY and cell not in change.fields)
        for cell in gone:
            self._values.pop((cell, FLEET_KEY), None)

    def _value_found(self, name: str, value: bytes) -> None:
        """The store could not say what was there, and now can: go on with that, whatever was kept meanwhile."""
        of_what, cell, scope, key = [*name.split(":", 3), "", "", ""][:4]
        if of_what != "state" or self._scopes.get(cell) != scope:
            return
        keys = [each for each, account in self._accounts.items() if account == key] if scope == "session" else [key]
        for each in keys:
            if self._users[scope, each] > 0:
                self._set(cell, each, value)

    def _told(self, message: bytes) -> None:
        """Some core has kept something for somebody who may be online here."""
        try:
            cell, key, text = json.loads(message)
            scope = self._scopes.get(cell, "")
            value = None if text is None else base64.b64decode(text, validate=True)
        except (ValueError, TypeError, RecursionError) as error:
            _log.error("message_unreadable", topic=TOPIC, reason=describe_error(error)[:200])
            return
        if scope in ("account", "character") and isinstance(key, str) and self._users[scope, key] > 0:
            self._set(cell, key, value)
            self._written.add((cell, key))


def _name(cell: str, scope: str, key: str) -> str:
    return f"state:{cell}:{scope}:{key}"
