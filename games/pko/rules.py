"""What a client may send when: states, what changes them, and the session's own rates.

What is special about single packets stands in `games.pko.rule_rows`. Sections 4b, 5 and 6 of the protocol notes;
numbers in brackets are sections, short names of sources are theirs.

::

    greeted --431--> logging_in --931--> select --433--> entering --516--> in_game
       ^------931 with an error-'          ^---933, 516 with an error-'       |
                                           ^----------------------934--------'

931 and, in the TG line, 944 may make the stream opaque: from then on only lengths and session words can be read.
"""

from games.pko.notices import chat_line
from games.pko.ping import PING_MEMORY, PingReply
from games.pko.rule_rows import BUCKETS, CLASSIC_TRAILER_ROWS, ROWS, SELECTED, TG_ROWS
from games.pko.styles import CLASSIC, TG
from games.rule_rows import GameRules, Heard, Rate, SessionRates, Value

STATES = ("greeted", "logging_in", "select", "entering", "in_game", "opaque")
FLAGS = ("store_open", "trade_validated", "reading")

SESSION_RATES = SessionRates(
    frames=Rate(64, 64),  # PX [4b]; an honest client that runs and fights sends fewer than ten [6]
    # DK [4b]; as many at once as the longest frame has [1.2].
    frame_bytes=Rate(12_000, 16_384),
    bare_frames=Rate(2, 10),  # a client sends one after two seconds of silence [1.3]
    refusals=Rate(1, 30),  # no source: a person who makes mistakes makes fewer, a program gets no further
    # Centimetres [4.3, 4b no. 16]. No source has speeds; characters run at about 500 a second and ships at three times
    # that, and a click while running begins a new path before the old one is gone. The largest maps are 409 600 across.
    distance=Rate(12_000, 120_000),
)

SUCCESS = Value(0, 2, 0, 0)
FAILURE = Value(0, 2, 1, 0xFFFF)
# Forks write 0 or 1. The bytes of a refusal's text, which may lie in the same place, make a larger number.
ENCRYPTED = Value(-8, 4, 1, 0xFFFF)

# In the order in which they hold: a login that succeeds and encrypts goes through "select" to "opaque".
HEARD = (
    Heard(name="login accepted", opcode=931, value=SUCCESS, next_state="select"),
    Heard(name="login refused", opcode=931, value=FAILURE, next_state="greeted"),
    Heard(name="login encrypts", opcode=931, value=ENCRYPTED, next_state="opaque", styles=CLASSIC),
    Heard(name="keys exchanged", opcode=944, next_state="opaque", styles=TG),
    Heard(name="play refused", opcode=933, value=FAILURE, next_state="select"),
    # Comes again at each change of the map, on which a trade ends.
    Heard(name="map entered", opcode=516, value=SUCCESS, next_state="in_game", clears=("trade_validated",)),
    Heard(name="map refused", opcode=516, value=FAILURE, next_state="select", clears=FLAGS),
    Heard(name="play ended", opcode=934, value=SUCCESS, next_state="select", clears=FLAGS),
    Heard(name="ping", opcode=515, remembers=(PING_MEMORY, PingReply.MIN_BYTES)),
    Heard(name="store opened", opcode=561, sets=("store_open",)),
    # The numbers of a trade are opcodes in one fork, in others the first word of 811.
    *(
        Heard(name=f"trade {what}", opcode=opcode, clears=("trade_validated",))
        for opcode, what in ((813, "cancelled"), (815, "opened"), (818, "finished"))
    ),
    *(
        Heard(name=f"trade {what} (811)", opcode=811, value=Value(0, 2, word, word), clears=("trade_validated",))
        for word, what in ((813, "cancelled"), (815, "opened"), (818, "finished"))
    ),
)

RULES = GameRules(
    states=STATES,
    flags=FLAGS,
    bands=((1, 499), (6001, 6499)),  # [3.1]
    session_rates=SESSION_RATES,
    usual_states=("in_game",),
    usual_rate=Rate(10, 20),  # PX: 3 of one type a second, and three times as many for those sent most [4b]
    rows=ROWS,
    selected=SELECTED,
    differences={"tg": TG_ROWS, "counter+trailer": CLASSIC_TRAILER_ROWS},
    heard=HEARD,
    buckets=BUCKETS,
    never=frozenset({300, 400, 430}),  # first numbers of sub-bands [3.1]
    only={
        "tg": frozenset({355, 356, 357, 358, 6022, 6023}),
        "classic": frozenset({351, 6025, 6026, 6412, 6413, 6416, 6417, 6418}),
    },  # [3.2, 3.5]
    opaque_state="opaque",
    opaque_calls=(1, 0xFFFF),  # the logout, whose opcode cannot be read
    notice=chat_line,
)
