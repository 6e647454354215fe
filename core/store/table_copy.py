"""A table as this process knows it, and who wants to know of its changes.

Both stores keep their tables so; in memory nothing is ever read or heard from others. With Redis, changes come by
three roads that overtake each other: this process's own, what others tell, and what is read as a whole.

- An own change holds at once. Until it comes back as a message, in its order among those of others, what others say
  of that field is older than it and is ignored.
- What was changed or heard while the whole was read is newer than the whole.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from types import MappingProxyType

from core.store.protocol import TableChange
from wire.errors import MisuseError

MAX_TABLE_FIELDS = 100_000
"""A table is a few thousand fields; every core keeps a copy."""

PART_FIELDS = 250
"""So many fields are looked at between two looks at the traffic, and asked of Redis at once."""

OnChange = Callable[[TableChange], None]


def in_parts(fields: Mapping[str, bytes]) -> Iterator[dict[str, bytes]]:
    """Cut fields, as they are now, into parts of PART_FIELDS."""
    items = iter(list(fields.items()))
    while part := dict(islice(items, PART_FIELDS)):
        yield part


class TableCopy:
    """One table. ``is_read``: the whole was read once."""

    def __init__(self, *, is_read: bool = False) -> None:
        self._fields: dict[str, bytes] = {}
        self._watchers: list[OnChange] = []
        self._awaited: dict[str, int] = {}  # own changes that have not come back, by field: the serial of the last
        self._touched: set[str] | None = None  # what changed since a reading began
        self.is_read = is_read

    @property
    def fields(self) -> Mapping[str, bytes]:
        """The fields as they are known."""
        return MappingProxyType(self._fields)

    def watch(self, on_change: OnChange) -> Callable[[], None]:
        """Tell somebody of changes, beginning with the whole if it is known; returns what ends this."""

        def watcher(change: TableChange) -> None:  # one object per watch, so that each ends its own
            on_change(change)

        self._watchers.append(watcher)
        if self.is_read:
            watcher(TableChange(dict(self._fields), is_whole=True))

        def end() -> None:
            if watcher in self._watchers:
                self._watchers.remove(watcher)

        return end

    def change(self, name: str, value: bytes | None, serial: int = 0) -> None:
        """Make a change of this process (None removes); with a serial, its message is awaited.

        Raises MisuseError for a field too many.
        """
        if value is not None and name not in self._fields and len(self._fields) >= MAX_TABLE_FIELDS:
            raise MisuseError(f"field {name!r}: a table has at most {MAX_TABLE_FIELDS}")
        if serial:
            self._awaited[name] = serial
        self._apply(name, value)

    def hear(self, name: str, value: bytes | None, serial: int = 0) -> None:
        """Take a change that was told; ``serial`` is of this process's own, which come back."""
        awaited = self._awaited.get(name)
        if awaited is None:
            if value is None or name in self._fields or len(self._fields) < MAX_TABLE_FIELDS:
                self._apply(name, value)
        elif serial == awaited:
            del self._awaited[name]

    def begin_reading(self, is_queued: Callable[[str], bool]) -> None:
        """Note what changes from now on; own changes that are queued no more are awaited no more."""
        self._touched = set()
        self._awaited = {name: serial for name, serial in self._awaited.items() if is_queued(name)}

    def finish_reading(self, whole: Mapping[str, bytes]) -> None:
        """Take the whole as it was read since `begin_reading`."""
        fields = dict(whole)
        touched, self._touched = self._touched or set(), None
        for name in (*touched, *self._awaited):
            if name in self._fields:
                fields[name] = self._fields[name]
            else:
                fields.pop(name, None)
        before, self._fields = self._fields, fields
        if not self.is_read:
            self.is_read = True
            self._tell(TableChange(dict(fields), is_whole=True))
            return
        fresh = {name: value for name, value in fields.items() if before.get(name) != value}
        removed = tuple(name for name in before if name not in fields)
        if fresh or removed:
            self._tell(TableChange(fresh, removed))

    def _apply(self, name: str, value: bytes | None) -> None:
        if self._touched is not None:
            self._touched.add(name)
        if self._fields.get(name) == value:
            return
        if value is None:
            del self._fields[name]
            self._tell(TableChange(removed=(name,)))
        else:
            self._fields[name] = value
            self._tell(TableChange({name: value}))

    def _tell(self, change: TableChange) -> None:
        for watcher in tuple(self._watchers):
            watcher(change)
