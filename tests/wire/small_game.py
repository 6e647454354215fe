"""A small game with every kind of rule, and its frames: for the tests of guard and watcher."""

import struct
from collections.abc import Mapping
from typing import Any

from wire.layout import FrameLayout
from wire.rules import Action, Bucket, FrameHeader, PacketRule, RuleSet, Selector, Trigger
from wire.steps import Operation, Step

ORDINARY = 0x80000000
TRAILER = b"\x8d\x1c"

LAYOUT = FrameLayout(min_frame_bytes=8, max_frame_bytes=2000, bare_frame_bytes=(2,))
KEEP_ALIVE = b"\x00\x02"

LOGIN, LOGOUT, SAY, ACT, PING, SHOP, OFF = 31, 32, 1, 6, 15, 42, 43
ACCEPTED, ENCRYPTED, REFUSED, ECHO, OPENED = 531, 532, 533, 515, 541

GREETED, WAITING, PLAYING, OPAQUE = (1 << place for place in range(4))

NAME = Step(operation=Operation.TEXT, name="account", low=1, high=20, capture="account")
TEXT = Step(operation=Operation.TEXT, name="text", high=40, phrases=(b"/bye",))
U32 = Step(operation=Operation.INT, name="number", width=4, high=0xFFFFFFFF)
U8 = Step(operation=Operation.INT, name="kind", width=1, high=255)

BUCKETS = (
    Bucket(name="frames", per_second=50, burst=50),
    Bucket(name="bytes", per_second=5000, burst=5000),
    Bucket(name="bare", per_second=2, burst=4),
    Bucket(name="refusals", per_second=1, burst=20),
    Bucket(name="chat", per_second=10, burst=10),
    Bucket(name="login", per_second=0.5, burst=1),
)

RULES = (
    PacketRule(name="LOGIN", opcode=LOGIN, states=GREETED, next_state=1, bucket=5, layouts=((NAME,), (U32, NAME))),
    PacketRule(name="LOGOUT", opcode=LOGOUT, states=15, session_words=(1, 100), max_body_bytes=0),
    PacketRule(name="SAY", opcode=SAY, states=PLAYING, bucket=4, layouts=((TEXT,),), rate_action=Action.NOTIFY),
    PacketRule(
        name="ACT WALK",
        opcode=ACT,
        selector=Selector(offset_bytes=0, width_bytes=1, value=1),
        states=PLAYING,
        min_body_bytes=5,
        max_body_bytes=5,
        layouts=((U8, U32),),
    ),
    PacketRule(name="ACT", opcode=ACT, states=PLAYING, max_body_bytes=9),
    PacketRule(
        name="PING",
        opcode=PING,
        states=PLAYING,
        layouts=((Step(operation=Operation.MEMORY, register=0),),),
        action=Action.ANSWER,
        answer=b"\x00\x02",
    ),
    PacketRule(name="SHOP", opcode=SHOP, states=PLAYING, needs=1, clears=1, action=Action.CLOSE),
    PacketRule(name="OPEN ONCE", opcode=OFF, states=PLAYING, forbids=2, sets=2, action=Action.DROP),
)

TRIGGERS = (
    Trigger(name="ACCEPTED", opcode=ACCEPTED, value_width_bytes=2, next_state=2),
    Trigger(name="REFUSED", opcode=REFUSED, value_width_bytes=2, value_low=1, value_high=65535, next_state=0),
    Trigger(
        name="ENCRYPTED",
        opcode=ENCRYPTED,
        value_offset_bytes=-4,
        value_width_bytes=4,
        value_low=1,
        value_high=0xFFFFFFFF,
        next_state=3,
    ),
    Trigger(name="ECHO", opcode=ECHO, memory=0, memory_bytes=8),
    Trigger(name="OPENED", opcode=OPENED, sets=1),
)


def header(*, is_counted: bool = False) -> FrameHeader:
    """Return the header of the game's frames, with packet counter and trailer or without."""
    return FrameHeader(
        opcode_offset_bytes=6,
        opcode_width_bytes=2,
        body_offset_bytes=12 if is_counted else 8,
        session_word_offset_bytes=2,
        ordinary_session_word=ORDINARY,
        counter_offset_bytes=8 if is_counted else -1,
        trailer=TRAILER if is_counted else b"",
    )


def rule_set(*, is_counted: bool = False, **parts: Any) -> RuleSet:
    """Return the game's rules, with other parts where given."""
    usual: Mapping[str, Any] = {
        "serverbound": header(is_counted=is_counted),
        "clientbound": header(),
        "states": ("greeted", "waiting", "playing", "opaque"),
        "flags": ("shop_open", "opened_once"),
        "bands": ((1, 499),),
        "rules": RULES,
        "buckets": BUCKETS,
        "triggers": TRIGGERS,
        "counter_resets": frozenset({LOGIN}),
        "opaque_state": 3,
        "frame_bucket": 0,
        "byte_bucket": 1,
        "bare_bucket": 2,
        "refusal_bucket": 3,
        "notices": {"client_packet_rate": b"\x00\x09\x80\x00\x00\x00\x02\x05!"},
    }
    return RuleSet(**{**usual, **parts})


def frame(opcode: int, body: bytes = b"", *, word: int = ORDINARY, counter: int | None = None) -> bytes:
    """Return a frame; with a counter it is one of the counted dialect, and has a trailer unless it is a call."""
    if counter is not None:
        trailer = TRAILER if word == ORDINARY else b""
        body = counter.to_bytes(4, "big") + body + trailer
    return struct.pack(">HIH", 8 + len(body), word, opcode) + body


WIDE_HEADER = FrameHeader(
    opcode_offset_bytes=6,
    opcode_width_bytes=4,
    body_offset_bytes=10,
    session_word_offset_bytes=2,
    ordinary_session_word=ORDINARY,
)
"""Of a game whose opcodes have four bytes."""


def wide_rules(*, rules: tuple[PacketRule, ...] = (), triggers: tuple[Trigger, ...] = ()) -> RuleSet:
    """Return the rules of that game."""
    return rule_set(
        serverbound=WIDE_HEADER,
        clientbound=WIDE_HEADER,
        rules=rules,
        triggers=triggers,
        bands=((0, 0xFFFFFFFF),),
        counter_resets=frozenset(),
    )


def wide_frame(opcode: int, body: bytes = b"") -> bytes:
    """Return a frame with that header."""
    return struct.pack(">HII", 10 + len(body), ORDINARY, opcode) + body


def text(value: bytes) -> bytes:
    """Return a string as it stands in a body."""
    return struct.pack(">H", len(value) + 1) + value + b"\0"
