"""The opcode table: complete, in its bands, and with a name for every typed packet."""

from collections import Counter

import pytest

from games.packet import Direction
from games.pko import PACKETS
from games.pko.errors import ErrorNumber
from games.pko.opcodes import BANDS, MOVED, OPCODES, band_of, is_legal

SERVERBOUND = Direction.SERVERBOUND
CLIENTBOUND = Direction.CLIENTBOUND


@pytest.mark.parametrize(("prefix", "rows"), [("CM", 137), ("CP", 40), ("MC", 190), ("PC", 42)])
def test_the_table_is_complete(prefix: str, rows: int) -> None:
    assert sum(opcode.name.startswith(f"{prefix}_") for opcode in OPCODES) == rows
    assert len(OPCODES) == 137 + 40 + 190 + 42


def test_shared_numbers_stay_separate_rows() -> None:
    names: dict[int, set[str]] = {}
    for row in OPCODES:
        names.setdefault(row.number, set()).add(row.name)
    shared = {number: name for number, name in names.items() if len(name) > 1}
    assert shared == {
        97: {"CM_CAPTAIN_CONFIRM_ASR", "CM_RANK"},
        301: {"CM_REQUESTNPC", "CM_REQUESTTALK"},
        600: {"CM_ITEM_UNLOCK_ASR", "MC_LIFESKILL_BGING"},
        5020: {"PC_FRND_MOVE_GROUP", "PC_PING"},
        6020: {"CP_FRND_MOVE_GROUP", "CP_PING"},
        6021: {"CP_QUERY_PERSONINFO", "CP_REPORT_WG"},
    }


def test_no_name_stands_twice() -> None:
    assert max(Counter(row.name for row in OPCODES).values()) == 1


def test_notes_are_kept() -> None:
    notes = {row.name: row.note for row in OPCODES}
    assert notes["CM_LOGIN"] == ""
    assert notes["CM_SEND_PRIVATE_KEY"] == "TG only"
    assert notes["CP_PING"] == "CS 6020, TG 6022"
    assert sum(bool(note) for note in notes.values()) == 28


def test_every_row_travels_the_way_of_its_band() -> None:
    for row in (*OPCODES, *MOVED):
        band = band_of(row.number)
        assert band is not None
        assert band.direction is row.direction, row
        assert is_legal(row.direction, row.number) == (not row.name.endswith("_BASE") or row.number != band.first)


def test_names_of_the_client_that_servers_send() -> None:
    against = {row.number for row in OPCODES if row.name.startswith("CM_") and row.direction is CLIENTBOUND}
    assert against == {599, 600}


def test_bands_cover_everything_without_gaps() -> None:
    assert [band.first for band in BANDS] == list(range(0, 8000, 500))
    assert all(band.last - band.first == 499 for band in BANDS)
    assert {band.name for band in BANDS if band.direction is SERVERBOUND} == {"CM", "CP"}
    assert {band.name for band in BANDS if band.direction is CLIENTBOUND} == {"MC", "PC"}
    assert band_of(8000) is None
    assert band_of(65535) is None


@pytest.mark.parametrize(
    ("direction", "legal"),
    [
        (SERVERBOUND, {*range(1, 500), *range(6001, 6500)}),
        (CLIENTBOUND, {*range(501, 1000), *range(5001, 5500)}),
    ],
)
def test_legal_numbers_are_those_of_the_notes(direction: Direction, legal: set[int]) -> None:
    assert {number for number in range(65536) if is_legal(direction, number)} == legal


def test_every_typed_packet_has_a_row_and_is_legal() -> None:
    known = {(row.direction, row.number) for row in (*OPCODES, *MOVED)}
    for cls in PACKETS:
        assert (cls.DIRECTION, cls.OPCODE) in known, cls
        assert is_legal(cls.DIRECTION, cls.OPCODE), cls


def test_every_typed_packet_says_what_it_is() -> None:
    for cls in PACKETS:
        assert cls.__doc__
        assert not cls.__doc__.startswith(f"{cls.__name__}("), f"{cls.__name__} has no docstring of its own"


def test_error_numbers() -> None:
    assert ErrorNumber(524) is ErrorNumber.NO_SUCH_CHARACTER
    assert ErrorNumber(7) is ErrorNumber.CLIENT_VERSION
    assert ErrorNumber(1104) is ErrorNumber.ONLINE
    assert len(ErrorNumber) == 12 + 23 + 10 + 13
