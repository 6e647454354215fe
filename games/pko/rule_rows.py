"""What is special about single packets: states, flags, rates, and what is done when one is refused.

A packet without a row is legal in the game, at the usual rate, and what breaks its layout ends the session. Numbers
in brackets are sections of the protocol notes, short names of sources are theirs. Rates without a source are what a
person's hand can do, with room for impatience; they keep programs from what servers were never tested with.
"""

from collections.abc import Mapping

from games.pko.account import ChangePassword
from games.pko.action import Action as Act
from games.pko.connection import NewCharacterReply
from games.pko.errors import ErrorNumber
from games.rule_rows import Rate, Row, Selected
from wire.rules import Action

BUCKETS: Mapping[str, Rate] = {
    # One voice, however many channels: clients leave 1 to 3 seconds between two lines [6].
    "chat": Rate(1, 4),
    # Guessing pins must not become faster by asking in several places. A person types one in some seconds.
    "pins": Rate(0.5, 5),
    # Clicks of one trade; racing them against each other duplicates things [4b no. 13].
    "trade": Rate(5, 20),
}

# A person typed it, or sees what became of it: told, not thrown out.
TOLD = Action.NOTIFY

LINE = Row(rate="chat", action=TOLD, rate_action=TOLD)
# Everybody reads these, so they weigh more.
LINE_TO_ALL = Row(rate="chat", cost=2, action=TOLD, rate_action=TOLD)

PIN = Row(rate="pins", rate_action=TOLD)

# Opens a window at somebody else's, so a flood of them keeps others from playing.
INVITATION = Row(rate=Rate(1, 5), action=TOLD, rate_action=TOLD)

ONE_A_SECOND = Row(rate=Rate(1, 5))
FEW_A_SECOND = Row(rate=Rate(2, 10))
# A list of friends or apprentices is asked for name by name when its window opens.
LIST_ITEM = Row(rate=Rate(5, 50))

_CONNECTION: Mapping[int, Row] = {
    # Logins use up the gate's few call slots: one until it is answered, one in 2 seconds [4b no. 12].
    431: Row(states=("greeted",), next_state="logging_in", rate=Rate(0.5, 1), rate_action=TOLD),
    # The only synchronous call of a client; TG and classic clients number it small [1.5, 4b no. 7].
    432: Row(states=("logging_in", "select", "entering", "in_game"), calls=(1, 0xFFFF), rate=Rate(1, 2)),
    433: Row(states=("select",), next_state="entering", rate=Rate(1, 3)),
    434: Row(rate=Rate(1, 3)),
    # A client waits for its answer, and "bad name" is one that it understands [3.6].
    435: Row(
        states=("select",),
        rate=Rate(0.5, 3),
        action=Action.ANSWER,
        rate_action=Action.ANSWER,
        answer=NewCharacterReply(error=ErrorNumber.BAD_NAME),
    ),
    436: Row(states=("select",), rate="pins", rate_action=TOLD),
    437: ONE_A_SECOND,
    346: Row(states=("select",), rate="pins", rate_action=TOLD),
    347: Row(states=("select",), rate="pins", rate_action=TOLD),
    438: Row(states=("greeted",), rate=Rate(0.2, 2), rate_action=TOLD),
    ChangePassword.OPCODE: Row(states=("select", "in_game"), rate="pins", rate_action=TOLD),
}

_CHAT: Mapping[int, Row] = {
    **dict.fromkeys((1, 91, 6400, 6403, 6404, 6405, 6407, 6411), LINE),
    **dict.fromkeys((6401, 6402, 6412, 6413), LINE_TO_ALL),
    6406: Row(rate=Rate(0.5, 3), action=TOLD),
    6408: INVITATION,
    6410: ONE_A_SECOND,
}

_PEOPLE: Mapping[int, Row] = {
    **dict.fromkeys((21, 71, 75, 402, 6001, 6011), INVITATION),
    **dict.fromkeys((64, 66, 72, 73, 74, 76), Row(rate=Rate(1, 5), action=TOLD)),
    **dict.fromkeys((61, 65, 6012, 6013, 6014, 6021), FEW_A_SECOND),
    **dict.fromkeys((6015, 6018, 6019), Row(rate=Rate(2, 10), action=TOLD)),
    **dict.fromkeys((6016, 6031, 6032), LIST_ITEM),
    6017: Row(rate=Rate(0.5, 3), action=TOLD, rate_action=TOLD),
}

_GUILD: Mapping[int, Row] = {
    401: Row(rate=Rate(0.2, 2), action=TOLD, rate_action=TOLD),
    **dict.fromkeys((403, 404, 408, 411, 412), ONE_A_SECOND),
    **dict.fromkeys((405, 406, 407, 413), FEW_A_SECOND),
    409: Row(rate="pins", action=TOLD, rate_action=TOLD),
    410: Row(rate=Rate(0.5, 3), action=TOLD, rate_action=TOLD),
    6414: FEW_A_SECOND,
}

_TRADE: Mapping[int, Row] = {
    312: Row(rate="trade", cost=5, rate_action=TOLD),  # opens a window at somebody else's
    **dict.fromkeys((313, 314, 317), Row(rate="trade")),
    315: Row(rate="trade", clears=("trade_validated",)),
    # What was agreed to must not change before the other agrees too [4b no. 13].
    **dict.fromkeys((316, 319), Row(rate="trade", forbids=("trade_validated",))),
    318: Row(rate="trade", sets=("trade_validated",)),
    # Only in a store that was opened [4b no. 15].
    42: Row(needs=("store_open",), rate=Rate(3, 10)),
    **dict.fromkeys((43, 44, 45), Row(needs=("store_open",), rate=Rate(1, 3))),
    48: Row(clears=("store_open",), rate=Rate(1, 5)),
    **dict.fromkeys((86, 87, 330, 333), ONE_A_SECOND),
    **dict.fromkeys((331, 332), FEW_A_SECOND),
}

_THINGS: Mapping[int, Row] = {
    # Reading toggles the lock of the bag [4b no. 14].
    348: Row(sets=("reading",), rate=Rate(1, 3)),
    349: Row(needs=("reading",), clears=("reading",), rate=Rate(1, 3)),
    # Out of context these three confuse servers [4b no. 14].
    **dict.fromkeys((29, 80, 81), Row(rate=Rate(2, 5))),
    **dict.fromkeys((25, 26, 27, 28, 95, 96, 98, 335), FEW_A_SECOND),
    **dict.fromkeys((10, 18, 20, 23, 24, 31, 33, 34, 35, 94, 99, 350, 351), ONE_A_SECOND),
    **dict.fromkeys((32, 41, 100, 101), PIN),
    **dict.fromkeys((8, 11), FEW_A_SECOND),
    338: Row(rate=Rate(1, 5), action=TOLD),
}

_SERVICE: Mapping[int, Row] = {
    # Answers; servers ask every 20 seconds [4.5]. A forged 15 is dropped: after a change of the map an honest one may
    # answer the ping before the last [4b no. 6].
    15: Row(rate=Rate(1, 5), action=Action.DROP),
    17: ONE_A_SECOND,
    6020: ONE_A_SECOND,
    # Names of a number that two packets share in the table, or that would stand there twice.
    6022: Row(name="GROUP_PING", rate=Rate(1, 5)),
    6025: Row(name="GROUP_PING", rate=Rate(1, 5)),
    6026: Row(name="REPORT_WG"),
    52: Row(rate=Rate(1, 5), action=TOLD),
    92: Row(rate=Rate(0.1, 2), action=TOLD, rate_action=TOLD),
    93: ONE_A_SECOND,
    **dict.fromkeys((356, 357, 358, 372), ONE_A_SECOND),
}

ROWS: Mapping[int, Row] = {**_CONNECTION, **_CHAT, **_PEOPLE, **_GUILD, **_TRADE, **_THINGS, **_SERVICE}

TG_ROWS: Mapping[int, Row] = {
    # The key comes first, and the login inside of the encryption [1.7]: with servers that never confirm the key there
    # is a login to see.
    355: Row(states=("greeted",), next_state="logging_in", rate=Rate(0.5, 1)),
    431: Row(states=("logging_in",), rate=Rate(0.5, 1), rate_action=TOLD),
}

CLASSIC_TRAILER_ROWS: Mapping[int, Row] = {
    # The fork with the trailer enciphers the pin in these three [1.7 d]: blocks of 16 bytes, and what stands behind.
    opcode: Row(rate="pins", rate_action=TOLD, body_bytes=(2, 132))
    for opcode in (32, 41, 100)
}

_UNUSUAL_ACTIONS: Mapping[int, Row] = {
    # Clients wait for the answer to a move, so a dropped one hangs the character: over its rate the session ends
    # [4b, PX]. PX allows 9 a second; honest clients send one in 300 ms [6].
    Act.MOVE: Row(name="MOVE", rate=Rate(9, 18), rate_action=Action.CLOSE),
    # Carries a path as well.
    Act.SKILL: Row(name="SKILL", rate=Rate(10, 20), rate_action=Action.CLOSE),
    Act.PLAYER_KILLING: Row(name="PLAYER_KILLING", rate=Rate(1, 5)),
}

_USUAL_ACTIONS = (
    *(Act.ITEM_PICK, Act.ITEM_THROW, Act.ITEM_UNFIX, Act.ITEM_USE, Act.ITEM_PLACE, Act.ITEM_DELETE, Act.LEAN),
    *(Act.EVENT, Act.FACE, Act.STOP_STATE, Act.SKILL_POSE, Act.TEMP, Act.SHORTCUT, Act.BANK, Act.CLOSE_BANK),
    *(Act.TEMPORARY_BAG, Act.DRAG_TEMPORARY_BAG),
)

# From 30 each fork has its own [4.3]; the first two are the same in both that are known.
_FORKS_ACTIONS = {30: "GUILD_BANK", 31: "ASK_GUILD_BANK", **{number: f"FORK_{number}" for number in range(32, 38)}}

SELECTED: Mapping[int, Selected] = {
    6: Selected(
        8,
        1,
        {
            **_UNUSUAL_ACTIONS,
            **{action: Row(name=action.name) for action in _USUAL_ACTIONS},
            **{number: Row(name=name, rate=Rate(5, 10)) for number, name in _FORKS_ACTIONS.items()},
        },
    )
}
"""BEGINACTION by its action. The other numbers are the servers' own, or have a case there that reads nothing."""
