"""The ledger: proof that nothing was lost, doubled or reordered on the way.

Every frame that counts carries a number: a move its packet id, a chat line the number its text begins
with; both count 1, 2, 3… per character. Whoever receives them (the server, the sender's own client, other
clients in sight) writes the numbers into a `Ledger`, one stream per source and kind. A ledger knows
nothing of packets or clocks.

Memory is bounded: per stream the last number and the latest `WINDOW` missing ones, and a number of
streams; finished streams are folded into totals.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum

WINDOW = 1024
"""How far back a missing number can still arrive late; later than that it counts as doubled."""

MAX_STREAMS = 65536
"""Streams a ledger keeps apart; the oldest is folded into the totals to make room."""

MAX_FAULTS = 20
"""Streams that `Ledger.faults` names."""


class StreamKind(StrEnum):
    """What the numbers of a stream count."""

    MOVE = "move"
    SAY = "say"


@dataclass(frozen=True, slots=True)
class Tally:
    """Frames of one or many streams. ``sent`` is 0 where this side only listens."""

    sent: int = 0
    received: int = 0
    lost: int = 0
    doubled: int = 0
    reordered: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.sent + other.sent,
            self.received + other.received,
            self.lost + other.lost,
            self.doubled + other.doubled,
            self.reordered + other.reordered,
        )

    @property
    def is_clean(self) -> bool:
        """Whether nothing was lost, doubled or reordered."""
        return not (self.lost or self.doubled or self.reordered)


class Stream:
    """The numbers of one source and kind, as they came."""

    __slots__ = ("_doubled", "_first", "_last", "_lost", "_missing", "_received", "_reordered", "_sent")

    def __init__(self, first: int) -> None:
        self._first = first  # numbers below it belong to a time before this ledger listened
        self._last = first - 1
        self._missing: set[int] = set()
        self._sent = 0
        self._received = 0
        self._lost = 0
        self._doubled = 0
        self._reordered = 0

    @property
    def tally(self) -> Tally:
        """The counts so far."""
        return Tally(self._sent, self._received, self._lost, self._doubled, self._reordered)

    @property
    def unanswered(self) -> int:
        """How many of the sent numbers are beyond the last one that came back."""
        return max(0, self._sent - self._last)

    def next_number(self) -> int:
        """Count one more as sent and return its number."""
        self._sent += 1
        return self._sent

    def observe(self, number: int) -> None:
        """Write down that ``number`` came."""
        if number == self._last + 1:
            self._last = number
            self._received += 1
        elif number > self._last:
            self._skip_to(number)
            self._last = number
            self._received += 1
        elif number in self._missing:
            self._missing.discard(number)
            self._lost -= 1
            self._late()
        elif number < self._first:
            self._late()
        else:
            self._doubled += 1

    def settle(self) -> None:
        """Call what was sent and did not come back lost."""
        if self.unanswered:
            self._skip_to(self._sent + 1)
            self._last = self._sent

    def _late(self) -> None:
        self._received += 1
        self._reordered += 1

    def _skip_to(self, number: int) -> None:
        self._lost += number - self._last - 1
        oldest = max(self._last + 1, number - WINDOW)  # a wild number must not cost wild memory
        self._missing = {each for each in self._missing if each >= number - WINDOW}
        self._missing.update(range(oldest, number))


class Ledger:
    """Streams by source and kind. Sources are the world ids of characters."""

    __slots__ = ("_faults", "_folded", "_folded_streams", "_max_streams", "_streams")

    def __init__(self, max_streams: int = MAX_STREAMS) -> None:
        self._streams: dict[tuple[int, StreamKind], Stream] = {}
        self._max_streams = max_streams
        self._folded: dict[StreamKind, Tally] = dict.fromkeys(StreamKind, Tally())
        self._folded_streams = 0
        self._faults: list[str] = []

    def begin(self, source: int) -> None:
        """Expect the streams of ``source`` from number 1 on; without this, from the first that comes."""
        for kind in StreamKind:
            self._open(source, kind, 1)

    def next_number(self, source: int, kind: StreamKind) -> int:
        """Count a frame as sent and return the number it must carry."""
        return self._open(source, kind, 1).next_number()

    def observe(self, source: int, kind: StreamKind, number: int) -> None:
        """Write down that a frame came."""
        self._open(source, kind, number).observe(number)

    def unanswered(self, source: int) -> int:
        """How many frames of ``source`` were sent and have not come back."""
        streams = (self._streams.get((source, kind)) for kind in StreamKind)
        return sum(stream.unanswered for stream in streams if stream is not None)

    def settle(self) -> None:
        """At the end: whatever was sent and did not come back is lost."""
        for stream in self._streams.values():
            stream.settle()

    def close(self, source: int) -> None:
        """Fold the streams of ``source`` into the totals: it is gone, and its id will not come back."""
        for kind in StreamKind:
            if (source, kind) in self._streams:
                self._fold((source, kind))

    def merge(self, other: Ledger) -> None:
        """Add the totals of another ledger to this one's; its streams stay its own."""
        for kind in StreamKind:
            self._folded[kind] += other.tally(kind)
        self._folded_streams += other.streams
        self._faults = [*self._faults, *other.faults][:MAX_FAULTS]

    def tally(self, kind: StreamKind | None = None) -> Tally:
        """Return the sum over all streams, or over those of one kind."""
        kinds = StreamKind if kind is None else (kind,)
        folded = sum((self._folded[each] for each in kinds), Tally())
        return sum((stream.tally for key, stream in self._streams.items() if key[1] in kinds), folded)

    @property
    def streams(self) -> int:
        """How many streams were seen."""
        return self._folded_streams + sum(stream.tally != Tally() for stream in self._streams.values())

    @property
    def faults(self) -> list[str]:
        """The first streams in which something went wrong, in words."""
        living = (_describe(key, stream.tally) for key, stream in self._streams.items())
        return [*self._faults, *(text for text in living if text)][:MAX_FAULTS]

    @property
    def is_clean(self) -> bool:
        """Whether nothing was lost, doubled or reordered."""
        return self.tally().is_clean

    def summary(self) -> dict[str, object]:
        """Return everything as plain data, for JSON."""
        return {
            "streams": self.streams,
            **asdict(self.tally()),
            "by_kind": {kind.value: asdict(self.tally(kind)) for kind in StreamKind},
            "faults": self.faults,
        }

    def _open(self, source: int, kind: StreamKind, first: int) -> Stream:
        key = (source, kind)
        stream = self._streams.get(key)
        if stream is None:
            if len(self._streams) >= self._max_streams:
                self._fold(next(iter(self._streams)))
            stream = self._streams[key] = Stream(first)
        return stream

    def _fold(self, key: tuple[int, StreamKind]) -> None:
        tally = self._streams.pop(key).tally
        self._folded[key[1]] += tally
        self._folded_streams += tally != Tally()
        text = _describe(key, tally)
        if text and len(self._faults) < MAX_FAULTS:
            self._faults.append(text)


def _describe(key: tuple[int, StreamKind], tally: Tally) -> str:
    if tally.is_clean:
        return ""
    return (
        f"character {key[0]}, {key[1].value}: {tally.lost} lost, {tally.doubled} doubled, "
        f"{tally.reordered} reordered of {tally.received} received"
    )
