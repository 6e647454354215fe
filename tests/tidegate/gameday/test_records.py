"""Both halves of a session's record as one ledger."""

from games.pko.sim.ledger import Tally
from tidegate.gameday.records import BotRecord, Ledger, OriginRecord, join


def bot(session: int = 1, *, sent: int = 10, received: int = 10, lost: int = 0, ended: str = "") -> BotRecord:
    return BotRecord(
        session=session,
        sent=sent,
        received=received,
        lost=lost,
        doubled=0,
        reordered=0,
        foreign=0,
        ended_because=ended,
    )


def origin(session: int = 1, *, received: int = 10, lost: int = 0, doubled: int = 0, sent: int = 10) -> OriginRecord:
    return OriginRecord(
        session=session, received=received, lost=lost, doubled=doubled, reordered=0, foreign=0, sent=sent
    )


def test_nothing_is_clean() -> None:
    assert join([], []) == Ledger()
    assert Ledger().is_clean


def test_a_clean_session() -> None:
    ledger = join([bot()], [origin()])
    assert ledger.is_clean
    assert ledger.serverbound == ledger.clientbound == Tally(10, 10)


def test_what_a_living_session_misses_at_the_end_is_lost() -> None:
    ledger = join([bot(received=7)], [origin(received=8, sent=8)])
    assert ledger.serverbound == Tally(10, 8, lost=2)
    assert ledger.clientbound == Tally(8, 7, lost=1)
    assert (ledger.serverbound_cut_off, ledger.clientbound_cut_off) == (0, 0)
    assert not ledger.is_clean


def test_what_an_ended_session_misses_at_the_end_is_cut_off() -> None:
    ledger = join([bot(received=7, ended="told: no")], [origin(received=8, sent=8)])
    assert ledger.is_clean
    assert (ledger.serverbound_cut_off, ledger.clientbound_cut_off) == (2, 1)


def test_what_was_skipped_is_lost_even_in_an_ended_session() -> None:
    ledger = join([bot(received=6, lost=1, ended="told: no")], [origin(received=6, lost=2, sent=8)])
    assert (ledger.serverbound.lost, ledger.serverbound_cut_off) == (2, 2)
    assert (ledger.clientbound.lost, ledger.clientbound_cut_off) == (1, 1)


def test_a_session_that_never_reached_the_origin() -> None:
    assert join([bot(sent=1, received=0, ended="no answer")], []).serverbound_cut_off == 1
    assert join([bot(sent=1, received=0)], []).serverbound.lost == 1


def test_a_session_that_the_origin_has_twice_shows_its_doubles() -> None:
    ledger = join([bot()], [origin(), origin(received=2, doubled=3, sent=0)])
    assert ledger.serverbound.received == 12
    assert ledger.serverbound.doubled == 3
    assert not ledger.is_clean


def test_sessions_of_nobody_are_counted() -> None:
    assert join([], [origin(7)]).unknown_sessions == 1
