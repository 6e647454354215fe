from hypothesis import given
from hypothesis import strategies as st

from games.pko.sim.ledger import WINDOW, Ledger, Stream, StreamKind, Tally

MOVE = StreamKind.MOVE


def observe(numbers: list[int], *, first: int = 1) -> Tally:
    stream = Stream(first)
    for number in numbers:
        stream.observe(number)
    return stream.tally


def test_numbers_in_order_are_clean() -> None:
    assert observe([1, 2, 3, 4]) == Tally(received=4)
    assert observe([1, 2, 3]).is_clean


def test_a_gap_is_lost() -> None:
    assert observe([1, 2, 5]) == Tally(received=3, lost=2)


def test_a_repetition_is_doubled() -> None:
    assert observe([1, 2, 2, 3]) == Tally(received=3, doubled=1)


def test_a_late_one_is_reordered_and_not_lost() -> None:
    assert observe([1, 3, 2, 4]) == Tally(received=4, reordered=1)


def test_a_late_one_twice_is_doubled_too() -> None:
    assert observe([1, 3, 2, 2]) == Tally(received=3, reordered=1, doubled=1)


def test_one_from_before_the_watching_began_is_reordered() -> None:
    assert observe([7, 8, 6], first=7) == Tally(received=3, reordered=1)


def test_a_wild_number_costs_bounded_memory() -> None:
    stream = Stream(1)
    stream.observe(4_000_000_000)
    stream.observe(4_000_000_000 - WINDOW)
    assert stream.tally == Tally(received=2, lost=4_000_000_000 - 2, reordered=1)
    stream.observe(5)  # further back than the window
    assert stream.tally.doubled == 1


@given(st.permutations(range(1, 30)), st.sets(st.integers(1, 29)), st.lists(st.integers(1, 29), max_size=5))
def test_every_frame_is_accounted_for(order: list[int], dropped: set[int], again: list[int]) -> None:
    kept = [number for number in order if number not in dropped]
    repeated = [number for number in again if number in kept]
    tally = observe([*kept, *repeated])
    highest = max(kept, default=0)
    assert tally.received == len(kept)
    assert tally.lost == len([number for number in dropped if number < highest])
    assert tally.doubled == len(repeated)
    assert (tally.reordered == 0) == (kept == sorted(kept))


def test_what_was_sent_and_never_came_back_is_lost_in_the_end() -> None:
    ledger = Ledger()
    assert [ledger.next_number(5, MOVE) for _ in range(3)] == [1, 2, 3]
    ledger.observe(5, MOVE, 1)
    assert ledger.unanswered(5) == 2
    assert ledger.is_clean
    ledger.settle()
    ledger.settle()
    assert ledger.tally() == Tally(sent=3, received=1, lost=2)
    assert ledger.faults == ["character 5, move: 2 lost, 0 doubled, 0 reordered of 1 received"]


def test_a_watcher_starts_where_it_came_in_and_a_begun_stream_at_one() -> None:
    ledger = Ledger()
    ledger.observe(1, MOVE, 40)
    ledger.begin(2)
    ledger.observe(2, MOVE, 3)
    assert ledger.tally(MOVE) == Tally(received=2, lost=2)


def test_closed_streams_and_merged_ledgers_stay_in_the_totals() -> None:
    first, second = Ledger(), Ledger()
    first.observe(1, MOVE, 1)
    first.observe(1, MOVE, 3)
    first.close(1)
    first.observe(1, MOVE, 1)  # the id again: a new stream
    second.observe(9, StreamKind.SAY, 1)
    second.merge(first)
    assert second.tally() == Tally(received=4, lost=1)
    assert second.tally(StreamKind.SAY) == Tally(received=1)
    assert second.streams == 3
    assert len(second.faults) == 1


def test_memory_is_bounded_by_folding_the_oldest_stream() -> None:
    ledger = Ledger(max_streams=4)
    for source in range(100):
        ledger.observe(source, MOVE, 1)
    assert len(ledger._streams) == 4
    assert ledger.streams == 100
    assert ledger.tally() == Tally(received=100)


def test_the_summary_is_plain_data() -> None:
    ledger = Ledger()
    ledger.observe(1, MOVE, 1)
    assert ledger.summary() == {
        "streams": 1,
        "sent": 0,
        "received": 1,
        "lost": 0,
        "doubled": 0,
        "reordered": 0,
        "by_kind": {
            "move": {"sent": 0, "received": 1, "lost": 0, "doubled": 0, "reordered": 0},
            "say": {"sent": 0, "received": 0, "lost": 0, "doubled": 0, "reordered": 0},
        },
        "faults": [],
    }
