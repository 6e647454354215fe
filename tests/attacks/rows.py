"""The corpus: what is known to bring down, cheat or flood a PKO server, one row each.

Numbers are those of the protocol notes' table of exploits (4b), where the origin of each stands. ``place`` is where in
the game the attacker is; ``before`` is what happens first, ``said`` what must not pass, for ``reason``.
"""

import struct
from dataclasses import dataclass

from games.pko.framing import ORDINARY
from tests.attacks.players import Said

GAME = "in_game"


@dataclass(frozen=True)
class Heard:
    """What the game server says, by opcode and body."""

    opcode: int
    body: bytes = b""


@dataclass(frozen=True, kw_only=True)
class Attack:
    """One row. ``raw`` bytes stand for themselves, in any dialect."""

    number: int
    what: str
    reason: str
    said: Said | None = None
    raw: bytes = b""
    place: str = GAME
    before: tuple[Said | Heard, ...] = ()
    repeat: int = 1

    def __str__(self) -> str:
        return f"{self.number} {self.what}"


def text(value: bytes) -> bytes:
    """Return a string as it stands in a body."""
    return struct.pack(">H", len(value) + 1) + value + b"\0"


def act(action: int, body: bytes) -> Said:
    """Return a begin-action."""
    return Said(6, struct.pack(">IIB", 8, 1, action) + body)


def path(*points: tuple[int, int], size: int | None = None) -> bytes:
    """Return a path, with a false length where one is given."""
    raw = b"".join(struct.pack("<ii", *point) for point in points)
    return struct.pack(">H", len(raw) if size is None else size) + raw


def walk(count: int) -> Said:
    """Return a move of so many points."""
    return act(1, path(*[(217_000 + place, 278_000) for place in range(count)]))


def numbers(form: str, *values: int) -> bytes:
    """Return big-endian integers."""
    return struct.pack(f">{form}", *values)


LAYOUT, STATE, OPCODE, WORD, RATE = (
    f"client_{check}" for check in ("layout", "state", "opcode", "session_word", "packet_rate")
)
SIZE, LENGTH, COUNTER = "client_size", "client_frame_length", "client_counter"

SKILL_PATH = numbers("BB", 2, 0)
SKILL_END = numbers("III", 1, 2, 3)
TRADE = numbers("BI", 0, 9)
GROUP = numbers("H", 1) + numbers("HH", 5, 1)
LOGIN_BODY = text(b"nobill"), numbers("H", 24) + bytes(24), text(b"00-11-22-33-44-55-66-77"), numbers("HH", 911, 136)


def login(account: bytes = b"admin", *, mac: bytes | None = None, behind: bytes = b"") -> Said:
    """Return a login of the classic client."""
    passport, password, hardware, version = LOGIN_BODY
    return Said(431, passport + text(account) + password + (mac or hardware) + version + behind)


ATTACKS = (
    Attack(number=1, what="text that is run as a script", reason=OPCODE, said=Said(2, text(b"os.exit()"))),
    Attack(number=1, what="opcode 5", reason=OPCODE, said=Said(5)),
    Attack(number=2, what="the phrase that ends the gate", reason=LAYOUT, said=Said(1, text(b"/byebyeleecher"))),
    Attack(number=2, what="the phrase in capitals", reason=LAYOUT, said=Said(1, text(b"hi /ByeByeLeecher"))),
    *(
        Attack(number=3, what=f"a length of {length}", reason=LENGTH, raw=length.to_bytes(2, "big") + bytes(6))
        for length in (0, 1, 3, 4, 5, 6, 7)
    ),
    Attack(number=3, what="a length over the limit", reason=LENGTH, raw=b"\xff\xff" + bytes(6)),
    Attack(number=4, what="128 points", reason=SIZE, said=walk(128)),
    Attack(number=4, what="256 points", reason=SIZE, said=walk(256)),
    Attack(number=4, what="33 points", reason=SIZE, said=walk(33)),
    Attack(number=4, what="an empty path", reason=SIZE, said=walk(0)),
    Attack(number=4, what="half a point", reason=LAYOUT, said=act(1, path((1, 2), size=12) + bytes(4))),
    Attack(number=4, what="a length beyond the frame", reason=LAYOUT, said=act(1, path((1, 2), (1, 2), size=24))),
    Attack(number=4, what="a place off the map", reason=LAYOUT, said=act(1, path((1, 2), (409_601, 2)))),
    Attack(number=4, what="a place below zero", reason=LAYOUT, said=act(1, path((1, 2), (1, -1)))),
    Attack(
        number=4, what="a skill with 130 points", reason=SIZE, said=act(2, SKILL_PATH + walk(130).body[9:] + SKILL_END)
    ),
    Attack(number=4, what="a skill with no point", reason=LAYOUT, said=act(2, SKILL_PATH + path() + SKILL_END)),
    Attack(number=5, what="49 things in a forge", reason=LAYOUT, said=Said(25, b"\1\1" + numbers("H", 49) + bytes(14))),
    Attack(
        number=5, what="a group count that ends early", reason=LAYOUT, said=Said(25, b"\1\1" + GROUP * 4 + bytes(6))
    ),
    Attack(number=5, what="a lottery of six groups", reason=LAYOUT, said=Said(95, b"\1" + GROUP * 6)),
    Attack(number=6, what="pointers that were never handed out", reason=LAYOUT, said=Said(15, bytes(20))),
    Attack(
        number=6,
        what="pointers other than the last ones",
        reason=LAYOUT,
        before=(Heard(515, bytes(range(20))),),
        said=Said(15, bytes(range(19)) + b"\xff"),
    ),
    Attack(number=7, what="a call that skips the counter", reason=WORD, said=Said(1, text(b"hi"), word=1)),
    Attack(number=7, what="a call of no opcode", reason=WORD, said=Said(3, word=77)),
    Attack(number=7, what="an answer to nobody", reason=WORD, said=Said(432, word=ORDINARY + 1)),
    Attack(number=7, what="the session word 0", reason=WORD, said=Said(1, text(b"hi"), word=0)),
    Attack(number=7, what="a flood of the call table", reason=WORD, said=Said(432, word=0x7FFFFFFF)),
    Attack(number=8, what="a page of nobody", reason=LAYOUT, said=Said(65, numbers("H", 0))),
    Attack(number=8, what="a page below zero", reason=LAYOUT, said=Said(61, numbers("hH", -1, 10))),
    Attack(number=8, what="pages of nothing", reason=LAYOUT, said=Said(61, numbers("hH", 0, 0))),
    Attack(number=9, what="throwing away less than nothing", reason=LAYOUT, said=act(9, numbers("hhii", 1, -5, 9, 9))),
    Attack(number=9, what="placing nothing", reason=LAYOUT, said=act(12, numbers("hhh", 1, 0, 2))),
    Attack(number=9, what="banking less than nothing", reason=LAYOUT, said=act(26, numbers("BhhBh", 0, 1, -1, 1, 2))),
    Attack(number=9, what="more than a stack", reason=LAYOUT, said=act(9, numbers("hhii", 1, 1000, 9, 9))),
    Attack(number=9, what="a place before the bag", reason=LAYOUT, said=act(11, numbers("hh", -3, 0))),
    Attack(number=10, what="a statement as account", reason=LAYOUT, place="greeted", said=login(b"a' OR 1=1 --")),
    Attack(number=10, what="a quote as hardware", reason=LAYOUT, place="greeted", said=login(mac=text(b"';DROP"))),
    Attack(number=10, what="a character's name", reason=LAYOUT, place="select", said=Said(433, text(b"x';--"))),
    Attack(number=10, what="a pin", reason=LAYOUT, place="select", said=Said(346, text(b"1'; SELECT"))),
    Attack(
        number=10, what="a guild's name", reason=LAYOUT, said=Said(401, b"\1" + text(b"g';DELETE") + text(b"password"))
    ),
    Attack(number=10, what="a guild's password", reason=LAYOUT, said=Said(409, text(b"p'--"))),
    Attack(number=10, what="a guild's motto", reason=LAYOUT, said=Said(410, text(b"m'; x"))),
    Attack(number=10, what="a friend's name", reason=LAYOUT, said=Said(6011, text(b"f' OR ''='"))),
    Attack(number=10, what="a comment in a motto", reason=LAYOUT, said=Said(410, text(b"mine -- all"))),
    Attack(number=11, what="ten levels at once", reason=LAYOUT, said=Said(11, numbers("HB", 100, 10))),
    Attack(number=11, what="no level", reason=LAYOUT, said=Said(11, numbers("HB", 100, 0))),
    Attack(number=11, what="a skill of monsters", reason=LAYOUT, said=Said(11, numbers("HB", 25, 1))),
    Attack(number=11, what="an internal skill", reason=LAYOUT, said=Said(11, numbers("HB", 467, 1))),
    Attack(number=11, what="a skill over 500", reason=LAYOUT, said=Said(11, numbers("HB", 501, 1))),
    Attack(number=12, what="a second login before the answer", reason=STATE, place="logging_in", said=login()),
    Attack(number=12, what="a login while playing", reason=STATE, said=login()),
    Attack(
        number=12,
        what="logins in a row",
        reason=RATE,
        place="greeted",
        before=(login(), Heard(931, numbers("H", 1002))),
        said=login(),
    ),
    Attack(
        number=13,
        what="changing what was agreed to",
        reason=STATE,
        before=(Said(312, TRADE), Said(318, TRADE)),
        said=Said(316, TRADE + bytes(4)),
    ),
    Attack(
        number=13,
        what="money after it was agreed to",
        reason=STATE,
        before=(Said(318, TRADE),),
        said=Said(319, TRADE + numbers("BBI", 0, 0, 5)),
    ),
    Attack(
        number=13,
        what="more gold than fits",
        reason=LAYOUT,
        said=Said(319, TRADE + numbers("BBI", 0, 0, 2_000_000_001)),
    ),
    Attack(
        number=13, what="more credit than fits", reason=LAYOUT, said=Said(319, TRADE + numbers("BBI", 0, 1, 2_000_001))
    ),
    Attack(
        number=13,
        what="a stall's price that overflows",
        reason=LAYOUT,
        said=Said(330, text(b"shop") + b"\1" + numbers("BIBB", 0, 2_000_000_001, 1, 0)),
    ),
    Attack(number=13, what="clicks of a program", reason=RATE, said=Said(313, TRADE), repeat=40),
    Attack(number=14, what="closing a book that is not open", reason=STATE, said=Said(349)),
    Attack(number=14, what="a book opened over and over", reason=RATE, said=Said(348), repeat=8),
    Attack(number=14, what="a forge asked over and over", reason=RATE, said=Said(29, bytes(2)), repeat=12),
    Attack(number=15, what="buying without a store", reason=STATE, said=Said(43, numbers("I", 1))),
    Attack(number=15, what="a store's list without a store", reason=STATE, said=Said(42, numbers("IHH", 1, 1, 10))),
    Attack(
        number=15,
        what="buying after the store closed",
        reason=STATE,
        before=(Heard(561), Said(48)),
        said=Said(44, numbers("I", 1)),
    ),
    Attack(number=16, what="a flood of moves", reason=RATE, said=walk(2), repeat=30),
    Attack(
        number=16, what="a flood of skills", reason=RATE, said=act(2, SKILL_PATH + path((1, 2)) + SKILL_END), repeat=30
    ),
    Attack(
        number=16,
        what="across the whole map in one move",
        reason="client_distance",
        said=act(1, path((0, 0), (409_600, 409_600))),
    ),
    Attack(
        number=16,
        what="to and fro faster than anybody runs",
        reason="client_distance",
        said=act(1, path(*[(place % 2 * 10_000, 0) for place in range(20)])),
    ),
    Attack(number=17, what="a code that ends clients", reason=LAYOUT, said=Said(1, text(b"look #21"))),
    Attack(number=18, what="a text beyond its buffer", reason=SIZE, said=Said(1, text(b"A" * 400))),
    Attack(number=18, what="a name beyond its buffer", reason=SIZE, said=Said(6001, text(b"A" * 100))),
    Attack(number=18, what="a size beyond the frame", reason=LAYOUT, said=Said(6001, b"\0\x10" + b"A\0AAA")),
    Attack(number=18, what="a text without its end", reason=LAYOUT, said=Said(1, b"\0\4abcd")),
    Attack(number=18, what="a text that ends twice", reason=LAYOUT, said=Said(1, b"\0\5a\0bc\0")),
    Attack(number=19, what="junk behind a login", reason=LAYOUT, place="greeted", said=login(behind=b"\0\1\2")),
    Attack(number=19, what="junk behind an empty packet", reason=SIZE, said=Said(17, b"x")),
    Attack(number=20, what="a move without a path", reason=SIZE, said=act(1, b"")),
    Attack(number=20, what="an action without a kind", reason=OPCODE, said=Said(6, numbers("II", 8, 1))),
    Attack(number=20, what="half a number", reason=SIZE, said=Said(6012, b"\0\0\1")),
    Attack(number=21, what="talking before the login", reason=STATE, place="greeted", said=Said(1, text(b"hi"))),
    Attack(number=21, what="walking while choosing a character", reason=STATE, place="select", said=walk(2)),
    Attack(
        number=21,
        what="playing before the login is answered",
        reason=STATE,
        place="logging_in",
        said=Said(433, text(b"Ann")),
    ),
    Attack(
        number=21,
        what="choosing a character while playing",
        reason=STATE,
        said=Said(436, text(b"Ann") + text(b"0" * 32)),
    ),
    *(
        Attack(number=22, what=f"the servers' own opcode {opcode}", reason=OPCODE, said=Said(opcode, bytes(4)))
        for opcode in (
            500,
            504,
            599,
            600,
            999,
            1003,
            1504,
            2003,
            2511,
            3004,
            3503,
            4015,
            4504,
            5001,
            5524,
            6000,
            6500,
            7502,
            0xFFFF,
        )
    ),
)
