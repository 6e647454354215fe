"""Small rule sets made by hand, in the manner of the first game, whose refusals are explained in tests.

They have a step of every kind, secrets, alternatives and selectors; the frames of two dialects come with them.
"""

from wire.rules import Bucket, Check, FrameHeader, Mode, PacketRule, RuleSet, Selector, Trigger
from wire.steps import Operation, Step

ORDINARY = 0x80000000

LETTERS = bytes(1 if chr(byte).isalnum() and byte < 128 else 0 for byte in range(256))
PRINTABLE = bytes(1 if 32 <= byte < 127 else 0 for byte in range(256))

CHANNEL = Step(operation=Operation.INT, name="channel", width=1, low=0, high=3)
TEXT = Step(
    operation=Operation.TEXT, name="chat text", low=1, high=256, characters=PRINTABLE, phrases=(b"/byebyeleecher",)
)
ACCOUNT = Step(operation=Operation.TEXT, name="account", low=5, high=20, characters=LETTERS, capture="account")
PASSWORD = Step(operation=Operation.SEQUENCE, name="password", low=24, high=24, secret=True)
VERSION = Step(operation=Operation.INT, name="version", width=2, low=136, high=136)
PIN = Step(operation=Operation.INT, name="pin", width=4, low=1000, high=9999, secret=True)
SKILL = Step(operation=Operation.INT, name="skill", width=2, low=1, high=500, ranges=((25, 38), (202, 202)), register=0)
LEVEL = Step(operation=Operation.INT, name="level", width=1, signed=True, low=-1, high=1)
POINTS = Step(operation=Operation.PACKED, name="points", low=1, high=32, width=8, steps=2, measured=True)
X = Step(operation=Operation.INT, name="x", width=4, signed=True, little_endian=True, low=0, high=100_000)
Y = Step(operation=Operation.INT, name="y", width=4, signed=True, little_endian=True, low=0, high=100_000)
GROUPS = Step(operation=Operation.REPEAT, name="groups", width=1, low=0, high=6, steps=2)
ITEM = Step(operation=Operation.INT, name="item", width=2, low=1, high=999)
IF_MAGIC = Step(operation=Operation.WHEN, register=0, ranges=((100, 200),), steps=1)
MAGIC = Step(operation=Operation.RAW, name="magic", low=4, high=4)
MAYBE = Step(operation=Operation.TAIL, steps=1)
STAMP = Step(operation=Operation.MEMORY, name="stamp", register=0)
REST = Step(operation=Operation.REST, name="rest", high=40)

SELECT, GAME = 1 << 1, 1 << 2

_RULES = (
    PacketRule(name="SAY", opcode=1, states=GAME, layouts=((CHANNEL, TEXT),), bucket=2, cost=2),
    PacketRule(
        name="LOGIN", opcode=431, states=1, next_state=1, max_body_bytes=512, layouts=((ACCOUNT, PASSWORD, VERSION),)
    ),
    PacketRule(name="LOGOUT", opcode=432, states=SELECT | GAME, session_words=(1, 0xFFFF), max_body_bytes=0),
    PacketRule(name="PIN", opcode=346, states=SELECT, layouts=((PIN,),)),
    PacketRule(
        name="BUY",
        opcode=43,
        states=GAME,
        needs=1,
        forbids=2,
        min_body_bytes=4,
        max_body_bytes=8,
        layouts=((ITEM, ITEM), (ITEM, ITEM, ITEM)),
    ),
    PacketRule(name="LEARN", opcode=11, states=GAME, layouts=((SKILL, LEVEL, IF_MAGIC, MAGIC),)),
    PacketRule(
        name="BEGINACTION MOVE",
        opcode=6,
        selector=Selector(offset_bytes=0, width_bytes=1, value=1),
        states=GAME,
        layouts=((CHANNEL, POINTS, X, Y),),
    ),
    PacketRule(
        name="BEGINACTION FORGE",
        opcode=6,
        selector=Selector(offset_bytes=0, width_bytes=1, value=2),
        states=GAME,
        layouts=((CHANNEL, GROUPS, ITEM, LEVEL, MAYBE, MAGIC),),
    ),
    PacketRule(name="PONG", opcode=17, states=GAME, layouts=((STAMP, REST),)),
)


def _rule_set(header: FrameHeader) -> RuleSet:
    return RuleSet(
        serverbound=header,
        clientbound=FrameHeader(opcode_offset_bytes=6, opcode_width_bytes=2, body_offset_bytes=8),
        states=("greeted", "select", "game", "opaque"),
        flags=("store_open", "trading"),
        bands=((1, 499), (6001, 6499)),
        opaque_state=3,
        opaque_session_words=(1, 0x7FFFFFFF),
        buckets=(
            Bucket(name="frames", per_second=64, burst=64),
            Bucket(name="bytes", per_second=12_000, burst=24_000),
            Bucket(name="chat", per_second=2, burst=6),
            Bucket(name="bare", per_second=2, burst=4),
            Bucket(name="refusals", per_second=5, burst=20),
            Bucket(name="distance", per_second=500, burst=2000),
        ),
        frame_bucket=0,
        byte_bucket=1,
        bare_bucket=3,
        refusal_bucket=4,
        distance_bucket=5,
        modes={Check.BYTE_RATE: Mode.AUDIT},
        notices={"client_packet_rate": frame(517, text(b"slowly"))},
        triggers=(
            Trigger(name="PING", opcode=537, memory=0, memory_bytes=5),
            Trigger(name="SELECT", opcode=931, next_state=1, value_offset_bytes=0, value_width_bytes=2),
            Trigger(name="GAME", opcode=516, next_state=2),
            Trigger(name="OPAQUE", opcode=944, next_state=3),
        ),
        counter_resets=frozenset({431}),
        rules=_RULES,
    )


def frame(opcode: int, body: bytes = b"", word: int = ORDINARY) -> bytes:
    """One frame of the classic dialect."""
    inner = word.to_bytes(4, "big") + opcode.to_bytes(2, "big") + body
    return (2 + len(inner)).to_bytes(2, "big") + inner


def counted_frame(opcode: int, counter: int, body: bytes = b"", word: int = ORDINARY) -> bytes:
    """One frame of the dialect with a counter and a trailer; calls have no trailer."""
    trailer = b"\x8d\x1c" if word == ORDINARY else b""
    return frame(opcode, counter.to_bytes(4, "big") + body + trailer, word)


def text(content: bytes) -> bytes:
    """A text field."""
    return (len(content) + 1).to_bytes(2, "big") + content + b"\0"


CLASSIC = _rule_set(
    FrameHeader(
        opcode_offset_bytes=6,
        opcode_width_bytes=2,
        body_offset_bytes=8,
        session_word_offset_bytes=2,
        ordinary_session_word=ORDINARY,
    )
)
"""Packets as in the classic dialect."""

COUNTED = _rule_set(
    FrameHeader(
        opcode_offset_bytes=6,
        opcode_width_bytes=2,
        body_offset_bytes=12,
        session_word_offset_bytes=2,
        ordinary_session_word=ORDINARY,
        counter_offset_bytes=8,
        trailer=b"\x8d\x1c",
    )
)
"""The same with a packet counter and a trailer."""

PLAIN = RuleSet(
    serverbound=FrameHeader(opcode_offset_bytes=0, opcode_width_bytes=0, body_offset_bytes=0),
    clientbound=FrameHeader(opcode_offset_bytes=0, opcode_width_bytes=0, body_offset_bytes=0),
    states=("any",),
    bands=((0, 0),),
    rules=(),
    buckets=(Bucket(name="frames", per_second=10, burst=10),),
    frame_bucket=0,
)
"""A game of which nothing is known but how fast its packets may come."""
