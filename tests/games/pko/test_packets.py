"""All packets together: none without a row in the tests, none twice."""

from games.pko import PACKETS
from tests.games.pko import (
    test_action,
    test_chat,
    test_connection,
    test_guild,
    test_items,
    test_npc,
    test_ping,
    test_progress,
    test_service,
    test_social,
    test_trade,
)

_TABLES = (
    *(test_connection.EXACT, test_connection.OPEN_ENDED, test_chat.EXACT, test_chat.OPEN_ENDED),
    *(test_action.ROWS, test_action.OPEN_ENDED, test_items.ROWS, test_items.OPEN_ENDED),
    *(test_npc.ROWS, test_npc.OPEN_ENDED, test_ping.EXACT, test_social.ROWS),
    *(test_guild.ROWS, test_progress.ROWS, test_service.ROWS, test_trade.ROWS),
)

TESTED_ELSEWHERE = {"GmPing", "GmPingReply"}
"""They have a test instead of a row, because both may be empty and not."""


def test_every_packet_has_a_row() -> None:
    tested = {type(row[0]) for table in _TABLES for row in table}
    assert {cls.__name__ for cls in set(PACKETS) - tested} == TESTED_ELSEWHERE
    assert tested <= set(PACKETS)


def test_no_class_stands_twice() -> None:
    assert len({cls.__name__ for cls in PACKETS}) == len(PACKETS)
