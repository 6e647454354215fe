"""Honest clients: every packet the pack knows, with random legal values, in every place of the game.

Much faster than the strategies of `tests.games.strategies`, so that millions of frames can be played:

    python -m tests.attacks.honest --frames 1000000
"""

import argparse
import sys
import time
from collections import Counter
from dataclasses import replace
from random import Random
from typing import Any

from games import composites, fields, texts
from games.packet import Direction, Packet, Record
from games.pko.action import OtherAction, Point
from tests.attacks.players import ACCEPTED, MAP, PACK, Player, Said
from wire.explain import find_rule
from wire.rules import PacketRule

MOST_ITEMS = 6
LONGEST_BYTES = 120
STEP_CENTIMETRES = 300
MAP_CENTIMETRES = 409_600
FRAMES_PER_CONNECTION = 300
OTHER_ACTIONS = (28, *range(30, 38))


class Values:
    """Random legal values of any field type."""

    def __init__(self, random: Random) -> None:
        self.random = random

    def packet(self, cls: type[Record]) -> Any:
        """Make a record or packet of a class."""
        values: dict[str, Any] = {}
        for name, field in cls.FIELDS:
            values[name] = self.value(field, values)
        return cls(**values)

    def value(self, field: fields.Field, earlier: dict[str, Any]) -> Any:
        """Make the value of a field; None for one that is not there."""
        match field:
            case composites.When(name, values, inner):
                return self.plain(inner) if earlier[name] in values else None
            case composites.Unless(name, values, inner):
                return None if earlier[name] in values else self.plain(inner)
            case composites.Tail(inner):
                return self.plain(inner) if self.random.random() < 0.5 else None
            case _:
                return self.plain(field)

    def plain(self, field: fields.Field) -> Any:
        """Make the value of a field that is always there."""
        match field:
            case fields.Int():
                return self.integer(field)
            case fields.Float():
                return float(self.random.randint(-1000, 1000))
            case fields.SplitInt64():
                return self.random.randint(-(1 << 63), (1 << 63) - 1)
            case fields.Raw(size):
                return self.random.randbytes(size)
            case fields.Sequence(limit, exact):
                return self.random.randbytes(self.size(0, limit) if exact is None else exact)
            case texts.String():
                return self.text(field)
            case fields.Rest(limit):
                return self.random.randbytes(self.size(0, limit))
            case composites.Remembered(_, inner):
                return self.plain(inner)
            case composites.Struct(record):
                return self.packet(record)
            case composites.Repeat(count, item):
                return tuple(self.plain(item) for _ in range(self.count(count.lowest, count.highest)))
            case composites.Array(count, item):
                return tuple(self.plain(item) for _ in range(count))
            case composites.Packed(record, low, high):
                return self.path(low, high) if record is Point else self.records(record, low, high)
            case _:
                raise NotImplementedError(type(field).__name__)

    def integer(self, field: fields.Int) -> int:
        """Make an integer, often one of the bounds."""
        while True:
            value = self.random.choice((field.lowest, field.highest, self.random.randint(field.lowest, field.highest)))
            if not any(low <= value <= high for low, high in field.denied):
                return value
            field = fields.Int(field.width, field.signed, low=field.lowest, high=field.highest, denied=field.denied)

    def text(self, field: texts.String) -> bytes:
        """Make a text of the bytes that may stand in it."""
        while True:
            size = self.random.choice(
                (field.low_bytes, self.size(field.low_bytes, field.limit_bytes), field.limit_bytes)
            )
            text = bytes(self.random.choices(field.characters.allowed, k=size))
            if not field.problem_of(text):
                return text

    def path(self, low: int, high: int) -> tuple[Point, ...]:
        """Make a way as a player walks it."""
        at = [self.random.randint(0, MAP_CENTIMETRES) for _ in range(2)]
        points = []
        for _ in range(self.random.randint(low, high)):
            at = [
                min(max(each + self.random.randint(-STEP_CENTIMETRES, STEP_CENTIMETRES), 0), MAP_CENTIMETRES)
                for each in at
            ]
            points.append(Point(x=at[0], y=at[1]))
        return tuple(points)

    def records(self, record: type[Record], low: int, high: int) -> tuple[Any, ...]:
        """Make records."""
        return tuple(self.packet(record) for _ in range(self.count(low, high)))

    def size(self, low: int, high: int) -> int:
        """Choose how long something is, mostly short."""
        return self.random.randint(low, min(high, max(low, LONGEST_BYTES)))

    def count(self, low: int, high: int) -> int:
        """Choose how many there are: few, or as many as there may be."""
        low = max(low, 0)
        return self.random.choice(
            (low, min(low + MOST_ITEMS, high), self.random.randint(low, min(high, low + MOST_ITEMS)))
        )


class Client:
    """An honest client of one dialect: sends what is legal where it is, as fast as it may."""

    def __init__(self, dialect: str, seed: int) -> None:
        self.random = Random(f"{dialect} {seed}")
        self.values = Values(self.random)
        self.player = Player(dialect)
        self._dialect = dialect
        self.sent: Counter[str] = Counter()
        self.places: Counter[str] = Counter()
        self._remembered = b""
        self._tried: Counter[int] = Counter()
        self._classes = {
            cls
            for cls in PACK.packets
            if cls.DIRECTION is Direction.SERVERBOUND
            and (not cls.STYLES or self.player.codec.dialect.style in cls.STYLES)
        }
        known = {cls.OPCODE for cls in self._classes}
        self._choices: list[type[Packet] | PacketRule] = [
            *sorted(self._classes, key=lambda cls: cls.__name__),
            *(
                rule
                for rule in self.player.rules.rules
                if not rule.layouts and (rule.opcode not in known or rule.selector)
            ),
        ]

    def connect(self) -> None:
        """Leave, and come in anew."""
        assert not self.player.refused
        self.player = Player(self._dialect)
        self._remembered = b""

    def play(self, frames: int) -> None:
        """Send so many frames; raises AssertionError for the first that is refused or changed."""
        for number in range(frames):
            if number % FRAMES_PER_CONNECTION == FRAMES_PER_CONNECTION - 1:
                self.connect()
            waits = self.player.guard.state in ("logging_in", "entering")
            if self.random.random() < (0.5 if waits else 0.03):
                self._hear()
            while not (frame := self._next_frame()):
                self._hear()
            passed = self.player.take(frame)
            assert passed == frame, self._complaint(frame)
            self.places[self.player.guard.state] += 1

    def _next_frame(self) -> bytes:
        """Return a frame that is legal here, after the time it takes; nothing where a few tries find none."""
        for _ in range(200):
            # Of a few, the one that was tried least: so all have their turn soon.
            place = min(self.random.sample(range(len(self._choices)), 3), key=lambda place: self._tried[place])
            self._tried[place] += 1
            said = self._say(self._choices[place])
            counter = self.player.counter
            frame = self.player.frame(said)
            rule = find_rule(self.player.rules, frame)
            if rule is not None and self._is_in_place(rule) and self._fits(rule, frame):
                self._wait(rule, frame)
                self.sent[rule.name] += 1
                return frame
            self.player.counter = counter
        return b""

    def _say(self, choice: type[Packet] | PacketRule) -> Said:
        if isinstance(choice, PacketRule):
            size = self.values.size(choice.min_body_bytes, choice.max_body_bytes)
            body = bytearray(self.random.randbytes(size))
            if choice.selector is not None:
                body[choice.selector.offset_bytes : choice.selector.offset_bytes + 1] = bytes([choice.selector.value])
            return Said(choice.opcode, bytes(body))
        packet = self.values.packet(choice)
        if isinstance(packet, OtherAction):
            packet = replace(packet, action=self.random.choice(OTHER_ACTIONS))
        said = self._remembered if choice.OPCODE == 15 else packet.encode()
        return Said(choice.OPCODE, said, *((self.random.randint(1, 9),) if choice.OPCODE == 432 else ()))

    def _is_in_place(self, rule: PacketRule) -> bool:
        rules = self.player.rules
        guard = self.player.guard
        flags = sum(1 << rules.flags.index(name) for name in guard.flags)
        at = rules.states.index(guard.state)
        if rule.name == "PING" or rule.opcode == 15:
            return bool(self._remembered) and bool(rule.states >> at & 1)
        return bool(rule.states >> at & 1) and flags & rule.needs == rule.needs and not flags & rule.forbids

    def _fits(self, rule: PacketRule, frame: bytes) -> bool:
        """Whether the frame is within the sizes: a legal value may be one whose layout another rule has."""
        envelope = self.player.codec.dialect.serverbound
        size = len(envelope.open(frame).body)
        return rule.min_body_bytes <= size <= rule.max_body_bytes

    def _wait(self, rule: PacketRule, frame: bytes) -> None:
        """Let as much time go by as every bucket needs to be as full as before."""
        buckets = self.player.rules.buckets
        seconds = max(1 / 64, len(frame) / 12_000, 32 * 2 * STEP_CENTIMETRES / 12_000 if rule.opcode == 6 else 0)
        if rule.bucket >= 0:
            seconds = max(seconds, rule.cost / buckets[rule.bucket].per_second)
        self.player.wait(seconds * 1.001)

    def _hear(self) -> None:
        """Have the game server say something that belongs here."""
        place = self.player.guard.state
        refused = Said(931, b"\0\7")
        match place:
            case "logging_in":
                self.player.hear(self.random.choice((ACCEPTED, ACCEPTED, ACCEPTED, refused)))
            case "entering":
                self.player.hear(self.random.choice((MAP, MAP, MAP, Said(933, b"\0\4"), Said(516, b"\0\4"))))
            case "in_game":
                if self.random.random() < 0.15:
                    self.player.hear(Said(934, b"\0\0"))
                else:
                    self._remembered = self.random.randbytes(20)
                    self.player.hear(Said(561), MAP, Said(818), Said(515, self._remembered))
            case _:
                pass
        if self.player.guard.state != place:
            self.player.wait(6)  # nothing is legal only because it was before

    def _complaint(self, frame: bytes) -> str:
        reasons = [(str(refusal.reason), refusal.rule) for refusal in self.player.guard.take_refusals()]
        return f"{self.player.guard.state} {self.player.guard.flags}: {frame.hex()} was refused: {reasons}"


def main() -> None:
    """Play frames in every dialect and say what was played."""
    parser = argparse.ArgumentParser(description="Play honest clients against the default policy.")
    parser.add_argument("--frames", type=int, default=1_000_000, help="frames in all (default: a million)")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    started = time.monotonic()
    for dialect in PACK.dialects:
        client = Client(dialect, arguments.seed)
        client.play(arguments.frames // len(PACK.dialects))
        print(
            f"{dialect}: {client.sent.total()} frames of {len(client.sent)} rules, none refused;"
            f" places: {dict(client.places)}",
            flush=True,
        )
    sys.stdout.write(f"{time.monotonic() - started:.0f} s\n")


if __name__ == "__main__":
    main()
