"""Everything that one process knows of the store, of its own and of what others told: what it goes by while Redis is
away, and what it mends Redis from.

Shared by the parts of the Redis store; nothing here waits or does I/O.
"""

import itertools
import secrets
import time
from collections import OrderedDict, deque
from collections.abc import Callable

import structlog

from core.store.claim_book import ClaimBook
from core.store.last_known import LastKnown
from core.store.messages import Message, MessageKind
from core.store.names import Names
from core.store.protocol import MAX_LAST_KNOWN
from core.store.table_copy import TableCopy
from core.store.topics import Topics
from core.store.write_queue import Write, WriteKind, WriteQueue

_log = structlog.get_logger("core.store")

MAX_OUTGOING_MESSAGES = 10_000
MAX_PROBLEMS = 16
MAX_PAST_OWNERS = 8
MICROSECONDS = 1_000_000


class Knowledge:
    """See the module; each part is explained in its own."""

    def __init__(self, prefix: str) -> None:
        self.names = Names(prefix)
        self.owner = _make_owner()
        self._past_owners: deque[str] = deque(maxlen=MAX_PAST_OWNERS)  # whose messages may still be on the way
        self.values = LastKnown()
        self.tables: dict[str, TableCopy] = {}
        self.owned: dict[str, dict[str, bytes]] = {}
        self.claims = ClaimBook()
        self.topics = Topics()
        self.queue = WriteQueue()
        self.outgoing: deque[bytes] = deque()
        self.lost_messages = 0
        self.refused_writes = 0  # where something else is under our name
        self.serials = itertools.count(1)
        self._problems: dict[str, str] = {}
        self._on_claim_lost: list[Callable[[str, str], None]] = []
        self.unread: OrderedDict[str, frozenset[bytes]] = OrderedDict()  # by key: guesses sent that nobody answered
        self.kept_values = 0  # which ours gave way to
        self._on_value_found: list[Callable[[str, bytes], None]] = []

    def begin_anew(self) -> None:
        """Take another name in the store: under the old one this process counts as dead."""
        self._past_owners.append(self.owner)
        self.owner = _make_owner()

    def table(self, table: str) -> TableCopy:
        """Return the copy of a table, which is kept from now on."""
        return self.tables.setdefault(table, TableCopy())

    def send(self, message: Message) -> None:
        """Queue a message to the other processes, or count it as lost if too many wait."""
        if len(self.outgoing) >= MAX_OUTGOING_MESSAGES:
            self.outgoing.popleft()
            self.lost_messages += 1
        self.outgoing.append(message.encode())

    def hear(self, message: Message) -> None:
        """Take in what some process tells, this one too."""
        is_own = message.owner == self.owner or message.owner in self._past_owners
        match message.kind:
            case MessageKind.FIELD_PUT | MessageKind.FIELD_DELETED:
                copy = self.tables.get(message.place)
                if copy is not None:
                    value = message.body if message.kind is MessageKind.FIELD_PUT else None
                    copy.hear(message.name, value, message.serial if is_own else 0)
            case MessageKind.TOPIC:
                if not is_own:  # those in this process were told before it was sent
                    self.topics.tell(message.place, message.body)
            case MessageKind.CLAIM_LOST:
                if is_own:
                    self.lose_claim(message.place, message.name)

    def is_field_queued(self, table: str, name: str) -> bool:
        """Say whether a change of a field is still to be written."""
        return self.queue.find(WriteKind.FIELD, (table, name)) is not None

    def on_claim_lost(self, on_lost: Callable[[str, str], None]) -> None:
        """Have somebody told of claims of this process that turned out not to hold."""
        self._on_claim_lost.append(on_lost)

    def lose_claim(self, name: str, holder: str) -> None:
        """Forget a claim that does not hold, and tell those who want to know."""
        if self.claims.drop(name, holder) is not None:
            for on_lost in self._on_claim_lost:
                on_lost(name, holder)

    def note_unread(self, key: str) -> None:
        """A value was asked for and could not be read: there may be one."""
        if key not in self.unread and not self.values.has(key):
            self.unread[key] = frozenset()
            while len(self.unread) > MAX_LAST_KNOWN:
                self.unread.popitem(last=False)

    def note_sent(self, write: Write) -> None:
        """A guess was sent, and nobody knows whether it was written."""
        if write.place[0] in self.unread and write.value is not None:
            self.unread[write.place[0]] |= {write.value}

    def note_read(self, key: str, value: bytes | None) -> None:
        """A value was read, or that there is none."""
        if self.unread.pop(key, None) is not None and value is not None:
            for on_found in self._on_value_found:
                on_found(key, value)

    def on_value_found(self, on_found: Callable[[str, bytes], None]) -> None:
        """Have somebody told of values that are read later than they were asked for."""
        self._on_value_found.append(on_found)

    def keep_value(self, key: str, value: bytes, deadline: float) -> None:
        """A value that was put without knowing of this one, which is there, has given way to it."""
        self.kept_values += 1
        self.values.put(key, value, deadline)
        self.note_read(key, value)

    @property
    def lost_writes(self) -> int:
        """Writes that were given up, for want of room or because something else is in their place."""
        return self.queue.lost + self.refused_writes

    @property
    def problem(self) -> str:
        """One of the keys that hold something else than ours, or nothing."""
        return next(iter(self._problems.values()), "")

    def note_foreign(self, key: str, error: object) -> str:
        """Note that a key holds what is not ours, and say so once; returns the text."""
        text = f"{key}: {_plain(str(error))}"
        if key not in self._problems and len(self._problems) < MAX_PROBLEMS:
            self._problems[key] = text
            _log.error("store_foreign_data", key=key, problem=text, action="going on without this key")
        return text

    def note_right(self, key: str) -> None:
        """A key holds what it should."""
        if self._problems:
            self._problems.pop(key, None)


def _make_owner() -> str:
    return secrets.token_hex(8)


def _plain(text: str) -> str:
    """Return what Redis says of foreign data without its own marks."""
    if "wrong kind of value" in text:
        return "it holds another type of data than Tidegate's; rename or remove it, or set another store.prefix"
    for mark in ("WRONGTYPE ", "STOREDATA "):
        text = text.partition(mark)[2] or text
    what = text.partition(" script: ")[0][:200]
    return f"{what}, which is not Tidegate's; rename or remove it, or set another store.prefix"


def age_now() -> int:
    """Return the time as ages of claims have it."""
    return int(time.time() * MICROSECONDS)
