"""The guard: holds what one player's client sends against the game's rules, frame by frame.

The edge runs it over each span of whole frames that the scanner lets out. What is good goes on as it came, without
a copy; what is refused is cut out, counted and told in ``refusals``. Where the dialect numbers its packets, those
behind a frame that was cut out are numbered anew. It has no clock: ``now`` is given, in nanoseconds.

Legal (state, packet) pairs stand in the rules. Packets of the player change the state at once; what the game server
says changes it too (`apply`), and then what was legal before stays so for a while, because the client may not have
heard yet.

Rates are token buckets (`wire.buckets`). A frame that is refused for its rate takes nothing out, so a flood gets the
rate, not less.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence

from wire import buckets as token_buckets
from wire import memory, packing
from wire import tables as verdicts_of
from wire.events import unpack_event
from wire.program import Program
from wire.reasons import Reason
from wire.rules import Bucket
from wire.scanner import Scanner
from wire.steps import MEMORIES
from wire.tables import REASONS, Entry, Tables
from wire.watcher import read_number

# Places of the checks in `wire.rules.Check`, as plain numbers.
FRAME_RATE = 0
BYTE_RATE = 1
SESSION_WORD = 2
OPCODE = 3
STATE = 4
COUNTER = 5
TRAILER = 6
SIZE = 7
PACKET_RATE = 8
LAYOUT = 9
DISTANCE = 10

OFF = verdicts_of.OFF
AUDIT = verdicts_of.AUDIT
NOTIFY = verdicts_of.NOTIFY
ANSWER = verdicts_of.ANSWER
CLOSE = verdicts_of.CLOSE

MAX_REFUSALS = 8
"""Refusals of one span that are kept to be explained; the others are only counted."""

MAX_REFUSED_BYTES = 2048
"""Of a refused frame, what is kept to be explained: the longest packet of the first game is 1.7 KiB."""

NOTICE_INTERVAL_NS = 1_000_000_000

_BUCKETS_BYTES = 64  # of the array itself, where its numbers stand

# Shared by all sessions that have nothing of their own there, which idle ones have not; never changed.
_NO_MEMORIES: list[bytes] = [b""] * MEMORIES
_NOBODY: dict[str, bytes] = {}

_DENIED = {
    "account": Reason.CLIENT_ACCOUNT_DENIED,
    "hardware": Reason.CLIENT_HARDWARE_DENIED,
    "character": Reason.CLIENT_CHARACTER_DENIED,
}


class Refusal:
    """A frame that was refused, or would have been (``is_audit``). ``offset_bytes`` is its place in the stream."""

    __slots__ = ("frame", "frame_bytes", "is_audit", "offset_bytes", "reason", "rule")

    def __init__(
        self, reason: Reason, rule: str, frame: bytes, frame_bytes: int, offset_bytes: int, *, is_audit: bool
    ) -> None:
        self.reason = reason
        self.rule = rule
        self.frame = frame  # its beginning: at most MAX_REFUSED_BYTES
        self.frame_bytes = frame_bytes
        self.offset_bytes = offset_bytes
        self.is_audit = is_audit


class Guard:
    """One session's. ``refused`` and ``audited`` count frames by reason and may be shared by many guards.

    After `check`: ``refusals`` and ``replies`` (frames to show the player) are new and to be taken away with
    `take_refusals` and `take_replies`; ``closing`` is why the session must end, empty while it need not.
    """

    __slots__ = (
        "_audited",
        "_buckets",
        "_calls",
        "_changed_until",
        "_expected",
        "_flags",
        "_forwarded",
        "_gap",
        "_last_notice",
        "_length",
        "_lost_calls",
        "_memories",
        "_now",
        "_old_flags",
        "_old_state",
        "_passed",
        "_refusals",
        "_refused",
        "_replies",
        "_restamp",
        "_span",
        "_start",
        "_state",
        "_tables",
        "closing",
        "identity",
        "is_logged_in",
        "unkept_refusals",
    )

    def __init__(self, tables: Tables, refused: dict[str, int], audited: dict[str, int]) -> None:
        self._tables = tables
        self._refused = refused
        self._audited = audited
        self._state = 0
        self._old_state = 0
        self._flags = 0
        self._old_flags = 0
        self._changed_until = 0  # until when the old state and flags still count
        self._buckets: array[int] | None = None  # made when the first frame comes
        self._memories: list[bytes] = _NO_MEMORIES
        self._expected = 0  # the packet counter of the client's next frame
        self._forwarded = 0  # what the game server expects there
        self._gap = 0  # how far the two came apart by what was cut out
        self._lost_calls = 0  # of these, those that were refused
        self._calls = 0  # since the last frame that was none: clients may or may not count them
        self._restamp = False
        self._span = b""  # the span and the frame that are being looked at
        self._start = 0
        self._length = 0
        self._now = 0
        self._passed = 0  # bytes that were looked at: where in the stream we are
        self._last_notice = -NOTICE_INTERVAL_NS
        self._refusals: list[Refusal] | None = None
        self._replies: list[bytes] | None = None
        self.closing: Reason | str = ""
        self.identity: dict[str, bytes] = _NOBODY  # by kind, what accepted packets said about who is playing
        self.is_logged_in = False  # the game server has let the player in
        self.unkept_refusals = 0

    @property
    def state(self) -> str:
        """Where in the game the session is."""
        return str(self._tables.rules.states[self._state])

    @property
    def flags(self) -> tuple[str, ...]:
        """What holds beside the state."""
        names = self._tables.rules.flags
        return tuple(name for place, name in enumerate(names) if self._flags >> place & 1)

    @property
    def is_opaque(self) -> bool:
        """Whether frames are encrypted from the opcode on."""
        return self._is_opaque()

    def has_findings(self) -> bool:
        """Whether there are refusals or replies to take away."""
        return bool(self._refusals) or bool(self._replies)

    def take_refusals(self) -> list[Refusal]:
        """Return the refusals since the last call, in order: at most MAX_REFUSALS."""
        taken, self._refusals = self._refusals, None
        return taken or []

    def take_replies(self) -> list[bytes]:
        """Return the frames to send to the player since the last call."""
        taken, self._replies = self._replies, None
        return taken or []

    @property
    def checked_ns(self) -> int:
        """When `check` was last called; 0 for never."""
        return self._now

    def save(self) -> tuple[tuple[int, ...], dict[str, int], list[bytes], dict[str, bytes]]:
        """Return what `restore` needs to go on in another process: numbers, buckets by name, memories, who is playing.

        Refusals and replies that were not taken away are not among it.
        """
        numbers = (
            self._state,
            self._old_state,
            self._flags,
            self._old_flags,
            self._changed_until,
            self._expected,
            self._forwarded,
            self._gap,
            self._calls,
            self._lost_calls,
            self._passed,
            self._last_notice,
            self._now,
            int(self.is_logged_in),
            self.unkept_refusals,
        )
        buckets: dict[str, int] = {}
        if self._buckets is not None:
            for place, full in token_buckets.save(self._buckets, self._now).items():
                buckets[self._tables.rules.buckets[place].name] = full
        return numbers, buckets, list(self._memories), dict(self.identity)

    def restore(
        self,
        numbers: Sequence[int],
        buckets: Mapping[str, int],
        memories: Sequence[bytes],
        identity: Mapping[str, bytes],
    ) -> None:
        """Go on where another guard of the same rules was, on a clock that is the same; raises ValueError."""
        (
            self._state,
            self._old_state,
            self._flags,
            self._old_flags,
            self._changed_until,
            self._expected,
            self._forwarded,
            self._gap,
            self._calls,
            self._lost_calls,
            self._passed,
            self._last_notice,
            self._now,
            is_logged_in,
            self.unkept_refusals,
        ) = numbers
        if not 0 <= self._state < len(self._tables.rules.states) or len(memories) != MEMORIES:
            raise ValueError("a guard of other rules")
        self.is_logged_in = bool(is_logged_in)
        if buckets:
            # Others may say of a bucket that it is full: of those nothing is kept.
            self._buckets = _placed(
                self._tables.rules.buckets, {name: full for name, full in buckets.items() if full > self._now}
            )
        self._memories = list(memories)
        self.identity = dict(identity)

    def prefetch(self, depth: int) -> None:
        """Have the buckets fetched, which `check` needs, so many references away."""
        if depth == 0:
            memory.prefetch(self._buckets, _BUCKETS_BYTES)
        else:
            memory.prefetch_amounts(self._buckets)

    def check(self, span: bytes, scanner: Scanner, now: int) -> bytes:
        """Return what of a span of whole frames may go on; nothing once ``closing`` is set."""
        if self.closing:
            return b""
        size = len(span)
        position = 0
        begin = 0  # where what was not copied yet begins
        out: bytearray | None = None
        if self._buckets is None:
            self._buckets = token_buckets.restore({})
        self._span = span
        self._now = now
        while position < size:
            length = scanner.length_at(span, position)
            self._start = position
            self._length = length
            self._restamp = False
            if not self._frame():
                if out is None:
                    out = bytearray()
                out += span[begin:position]
                begin = position + length
                if self.closing:
                    begin = size
                    break
            elif self._restamp:
                if out is None:
                    out = bytearray()
                counter = position + self._tables.counter
                out += span[begin:counter]
                out += self._new_counter(counter)
                begin = counter + 4
            position += length
        self._span = b""
        self._passed += size
        if out is None:
            return span
        out += span[begin:]
        return bytes(out)

    def apply(self, event: bytes, now: int) -> None:
        """Obey what the core saw the game server say; raises TunnelFault for what the policy does not have."""
        state, sets, clears, memory, remembered = unpack_event(event, self._tables.rules)
        self._old_state = self._state
        self._old_flags = self._flags
        self._changed_until = now + self._tables.grace
        if state >= 0:
            self._state = state
            self.is_logged_in = state > 0
        self._flags = (self._flags | sets) & ~clears
        if memory >= 0:
            memories = list(self._memories)
            memories[memory] = remembered
            self._memories = memories

    def adopt(self, tables: Tables) -> None:
        """Go on with another policy: state, flags and rates are kept where it has them under the same names."""
        old = self._tables.rules
        new = tables.rules
        if old.states != new.states:
            self._state = _place(new.states, old.states[self._state])
            self._old_state = _place(new.states, old.states[self._old_state])
        if old.flags != new.flags:
            self._flags = _moved(self._flags, old.flags, new.flags)
            self._old_flags = _moved(self._old_flags, old.flags, new.flags)
        buckets = self._buckets
        if buckets is not None:
            saved = token_buckets.save(buckets, self._now)
            self._buckets = _placed(new.buckets, {old.buckets[place].name: full for place, full in saved.items()})
        self._tables = tables

    # One frame: the one of `_span` that begins at `_start`. Each check says whether the frame goes on.

    def _frame(self) -> bool:
        """Decide on the frame, and note what it does."""
        tables = self._tables
        if self._length < tables.needed:
            return self._bare()
        if not self._rates():
            return False
        if tables.opcode_width == 0:
            return True
        word = tables.ordinary
        if tables.word >= 0:
            word = read_number(self._span, self._start + tables.word, 4, tables.little)
        is_call = word != tables.ordinary
        if self._is_opaque():
            return self._opaque(word)
        entry = self._find()
        if entry is None:
            check = SESSION_WORD if is_call and tables.verdicts[SESSION_WORD] != OFF else OPCODE
            if tables.verdicts[check] != OFF and not self._refuse(check, tables.verdicts[check], None):
                return False
            return self._count(None, is_call)
        if not self._fits(entry, word, is_call):
            return False
        if entry.next_state >= 0:
            self._state = self._old_state = entry.next_state
        if entry.sets or entry.clears:
            self._flags = (self._flags | entry.sets) & ~entry.clears
            self._old_flags = (self._old_flags | entry.sets) & ~entry.clears
        return True

    def _fits(self, entry: Entry, word: int, is_call: bool) -> bool:  # noqa: FBT001 - called per frame
        """Hold the frame against its rule."""
        tables = self._tables
        verdicts = entry.verdicts
        if (word < entry.first_word or word > entry.last_word) and not self._passes(SESSION_WORD, entry):
            return False
        if verdicts[STATE] != OFF and not self._is_in_place(entry) and not self._passes(STATE, entry):
            return False
        start = self._start + tables.body
        trailer = 0 if is_call else len(tables.trailer)
        end = self._start + self._length - trailer
        if end < start:
            return self._passes(SIZE, entry)
        if tables.counter >= 0 and not self._counter(entry, is_call):
            return False
        if trailer and self._span[end : end + trailer] != tables.trailer and not self._passes(TRAILER, entry):
            return False
        size = end - start
        if (size < entry.min_body or size > entry.max_body) and not self._passes(SIZE, entry):
            return False
        if entry.bucket >= 0 and verdicts[PACKET_RATE] != OFF and not self._packet_rate(entry):
            return False
        if entry.programs and verdicts[LAYOUT] != OFF and not self._layout(entry, start, end):
            return False
        return self._count(entry, is_call)

    def _packet_rate(self, entry: Entry) -> bool:
        return self._charge(entry.bucket, entry.charge) or self._passes(PACKET_RATE, entry)

    def _passes(self, check: int, entry: Entry) -> bool:
        """The check failed: note it unless it is off, and do what the rule says."""
        verdict = entry.verdicts[check]
        return verdict == OFF or self._refuse(check, verdict, entry)

    def _layout(self, entry: Entry, start: int, end: int) -> bool:
        for program in entry.programs:
            if program.run(self._span, start, end, self._memories) == -1:
                if program.captured and not self._identify(program, entry):
                    return False
                return program.distance == 0 or self._distance(program.distance, entry)
        return self._refuse(LAYOUT, entry.verdicts[LAYOUT], entry)

    def _distance(self, distance: int, entry: Entry) -> bool:
        """Charge the way along a path."""
        tables = self._tables
        place = tables.distance_bucket
        if place < 0 or entry.verdicts[DISTANCE] == OFF:
            return True
        interval = packing.read_amount(tables.intervals, place)
        limit = packing.read_amount(tables.limits, place) // interval  # no more than that, lest the product overflow
        if distance <= limit and self._charge(place, distance * interval):
            return True
        return self._refuse(DISTANCE, entry.verdicts[DISTANCE], entry)

    def _identify(self, program: Program, entry: Entry) -> bool:
        """Take note of who is playing; refuse who is denied."""
        denied = self._tables.denied
        for kind, name in program.captured:
            if name.lower() in denied.get(kind, ()):
                self._note(_DENIED[kind], entry, is_audit=False)
                self.closing = _DENIED[kind]
                return False
            self.identity = {**self.identity, kind: name}
        return True

    def _is_in_place(self, entry: Entry) -> bool:
        """Whether state and flags allow the packet, now or before the game server's last word on them."""
        flags = self._flags
        states = entry.states
        if states >> self._state & 1 and flags & entry.needs == entry.needs and not flags & entry.forbids:
            return True
        if self._now >= self._changed_until or not (states >> self._state | states >> self._old_state) & 1:
            return False
        old = self._old_flags
        return (flags | old) & entry.needs == entry.needs and not flags & old & entry.forbids

    def _counter(self, entry: Entry, is_call: bool) -> bool:  # noqa: FBT001 - called per frame
        """Check the packet counter; a call's is not looked at by servers, and may or may not be counted by clients."""
        if is_call or entry.verdicts[COUNTER] == OFF:
            return True
        tables = self._tables
        value = read_number(self._span, self._start + tables.counter, 4, tables.little)
        if entry.resets_counter:
            self._expected = 0
        else:
            self._skip_calls(value)
        if value == self._expected:
            return True
        self._expected = value  # one frame out of its turn is one refusal, not one for each that follows
        if not self._refuse(COUNTER, entry.verdicts[COUNTER], entry):
            return False
        self._forwarded = value - self._gap & 0xFFFFFFFF
        return True

    def _skip_calls(self, value: int) -> None:
        """Follow a client that counts its calls; of those, the server got the ones that were let through."""
        skipped = value - self._expected
        if 0 < skipped <= self._calls:
            self._expected = value
            self._forwarded += skipped - min(skipped, self._lost_calls)
            self._gap = self._expected - self._forwarded

    def _count(self, entry: Entry | None, is_call: bool) -> bool:  # noqa: FBT001 - called per frame
        """Count a frame that goes on, and have it numbered anew where that is due; always true."""
        tables = self._tables
        if tables.counter < 0 or self._length < tables.body:
            return True
        if is_call:
            self._calls += 1
            return True
        self._calls = self._lost_calls = 0
        if entry is not None and entry.resets_counter:
            self._expected = 0
            self._forwarded = 0
            self._gap = 0
        self._expected = self._expected + 1 & 0xFFFFFFFF
        self._forwarded = self._forwarded + 1 & 0xFFFFFFFF
        self._restamp = self._gap != 0
        return True

    def _new_counter(self, position: int) -> bytes:
        little = self._tables.little
        value = (read_number(self._span, position, 4, little) - self._gap) & 0xFFFFFFFF
        return value.to_bytes(4, "little" if little else "big")

    def _find(self) -> Entry | None:
        """Find the frame's rule: by its opcode, and where that has a selector, by the value there."""
        tables = self._tables
        little = tables.little
        opcode = read_number(self._span, self._start + tables.opcode_offset, tables.opcode_width, little)
        choice = tables.by_opcode[opcode] if opcode < len(tables.by_opcode) else tables.choices.get(opcode)
        if choice is None:
            return None
        if choice.width:
            offset = tables.body + choice.offset
            if offset + choice.width <= self._length:
                found = choice.by_value.get(read_number(self._span, self._start + offset, choice.width, little))
                if found is not None:
                    return found
        return choice.otherwise

    def _bare(self) -> bool:
        """Decide on a frame that ends before the usual header does, such as a keep-alive."""
        tables = self._tables
        place = tables.bare_bucket
        verdict = tables.verdicts[FRAME_RATE]
        if place < 0 or verdict == OFF or self._charge(place, self._interval(place)):
            return True
        return self._refuse(FRAME_RATE, verdict, None)

    def _rates(self) -> bool:
        """Charge the session's own buckets."""
        tables = self._tables
        verdict = tables.verdicts[FRAME_RATE]
        place = tables.frame_bucket
        is_within = place < 0 or verdict == OFF or self._charge(place, self._interval(place))
        if not is_within and not self._refuse(FRAME_RATE, verdict, None):
            return False
        verdict = tables.verdicts[BYTE_RATE]
        place = tables.byte_bucket
        if place < 0 or verdict == OFF or self._charge(place, self._interval(place) * self._length):
            return True
        return self._refuse(BYTE_RATE, verdict, None)

    def _opaque(self, word: int) -> bool:
        """Decide on a frame of which only length and session word can be read."""
        tables = self._tables
        words = tables.rules.opaque_session_words
        if word == tables.ordinary or (words is not None and words[0] <= word <= words[1]):
            return True
        verdict = tables.verdicts[SESSION_WORD]
        return verdict == OFF or self._refuse(SESSION_WORD, verdict, None)

    def _is_opaque(self) -> bool:
        return self._tables.opaque >= 0 and self._state == self._tables.opaque

    def _interval(self, place: int) -> int:
        """Return how many nanoseconds one unit of a bucket takes to come in."""
        return packing.read_amount(self._tables.intervals, place)

    def _charge(self, place: int, charge: int) -> bool:
        """Take ``charge`` nanoseconds out of a bucket; False, and nothing taken, when there are not as many."""
        limit = packing.read_amount(self._tables.limits, place)
        return token_buckets.charge(self._buckets, place, charge, limit, self._now)  # type: ignore[arg-type] # made by check

    # Refusals.

    def _refuse(self, check: int, verdict: int, entry: Entry | None) -> bool:
        """Do what a failed check asks for."""
        reason = REASONS[check]
        self._note(reason, entry, is_audit=verdict == AUDIT)
        if verdict == AUDIT:
            return True
        tables = self._tables
        place = tables.refusal_bucket
        if verdict == CLOSE or self._is_opaque():  # a cipher loses its place when a frame is missing
            self.closing = reason
        elif place >= 0 and not self._charge(place, self._interval(place)):
            self.closing = Reason.CLIENT_REFUSALS
        elif verdict == NOTIFY:
            self._notify(reason)
        elif verdict == ANSWER and entry is not None:
            self._reply(entry.answer)
        if tables.counter >= 0 and self._length >= tables.body:
            self._leave_out(entry)
        return False

    def _leave_out(self, entry: Entry | None) -> None:
        """Count a frame that is left out: those behind it are numbered anew. Calls are not counted."""
        tables = self._tables
        word = tables.ordinary
        if tables.word >= 0:
            word = read_number(self._span, self._start + tables.word, 4, tables.little)
        if word != tables.ordinary:
            self._calls += 1
            self._lost_calls += 1
            return
        value = read_number(self._span, self._start + tables.counter, 4, tables.little)
        if entry is None:
            entry = self._find()
        if entry is not None and entry.resets_counter:
            self._expected = 0
        else:
            self._skip_calls(value)
        self._calls = self._lost_calls = 0
        self._expected = self._expected + 1 & 0xFFFFFFFF
        self._gap = self._expected - self._forwarded

    def _notify(self, reason: Reason) -> None:
        notice = self._tables.rules.notices.get(reason)
        if notice and self._now - self._last_notice >= NOTICE_INTERVAL_NS:
            self._last_notice = self._now
            self._reply(notice)

    def _reply(self, frames: bytes) -> None:
        if self._replies is None:
            self._replies = []
        self._replies.append(frames)

    def _note(self, reason: Reason, entry: Entry | None, *, is_audit: bool) -> None:
        """Count a refusal, and keep what explains it."""
        counts = self._audited if is_audit else self._refused
        counts[reason] = counts.get(reason, 0) + 1
        if self._refusals is None:
            self._refusals = []
        if len(self._refusals) >= MAX_REFUSALS:
            self.unkept_refusals += 1
            return
        start = self._start
        frame = self._span[start : start + min(self._length, MAX_REFUSED_BYTES)]
        name = "" if entry is None else entry.name
        self._refusals.append(Refusal(reason, name, frame, self._length, self._passed + start, is_audit=is_audit))


def _placed(buckets: Sequence[Bucket], saved: Mapping[str, int]) -> array[int]:
    """Return the buckets of a rule set as those that were saved, by name, as far as it has them."""
    return token_buckets.restore({place: saved[each.name] for place, each in enumerate(buckets) if each.name in saved})


def _place(names: tuple[str, ...], name: str) -> int:
    return names.index(name) if name in names else 0


def _moved(flags: int, old: tuple[str, ...], new: tuple[str, ...]) -> int:
    names = {name for place, name in enumerate(old) if flags >> place & 1}
    return sum(1 << place for place, name in enumerate(new) if name in names)
