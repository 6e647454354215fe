"""The write queue: the last write counts, what may not have arrived comes again, and nothing grows without bound."""

from hypothesis import given
from hypothesis import strategies as st

from core.store.write_queue import WRITE_BYTES, Write, WriteKind, WriteQueue

PLACES = st.tuples(st.sampled_from("abcd"), st.just(""))


def value(key: str, text: bytes | None = b"") -> Write:
    return Write(WriteKind.VALUE, (key, ""), text)


def test_the_last_write_to_a_place_counts() -> None:
    queue = WriteQueue()
    for write in (value("a", b"1"), value("b"), value("a", b"2"), Write(WriteKind.FIELD, ("a", ""), b"3")):
        queue.put(write)

    assert len(queue) == 3
    assert queue.find(WriteKind.VALUE, ("a", "")) == value("a", b"2")
    assert queue.take(2, 1 << 20) == [value("b"), value("a", b"2")]
    assert len(queue) == 3, "what is under way counts"


def test_what_is_given_back_comes_first_unless_written_anew() -> None:
    queue = WriteQueue()
    for key in "abc":
        queue.put(value(key, b"old"))
    batch = queue.take(2, 1 << 20)
    queue.put(value("a", b"new"))
    queue.give_back(batch)

    assert queue.take(9, 1 << 20) == [value("b", b"old"), value("c", b"old"), value("a", b"new")]


def test_the_oldest_are_given_up_and_counted() -> None:
    queue = WriteQueue(max_writes=2)
    for key in "abc":
        queue.put(value(key))
    assert (queue.lost, queue.find(WriteKind.VALUE, ("a", ""))) == (1, None)

    queue = WriteQueue(max_bytes=2 * WRITE_BYTES)
    queue.put(value("a", bytes(WRITE_BYTES)))
    queue.put(value("b", bytes(WRITE_BYTES // 2)))
    assert (queue.lost, len(queue)) == (1, 1)


def test_a_batch_has_a_size() -> None:
    queue = WriteQueue()
    for key in "abc":
        queue.put(value(key, bytes(1000)))

    assert len(queue.take(9, 1500)) == 2
    assert len(queue.take(9, 1)) == 1, "one at least"


def test_releases_are_known_by_name() -> None:
    queue = WriteQueue()
    queue.put(Write(WriteKind.RELEASE, ("n", "h1")))
    queue.put(Write(WriteKind.RELEASE, ("n", "h1"), serial=5))
    batch = queue.take(1, 1)
    assert queue.has_releases("n"), "under way is not done"
    queue.done(batch)
    assert not queue.has_releases("n")
    queue.put(Write(WriteKind.RELEASE, ("n", "h2")))
    queue.drop(WriteKind.RELEASE)
    assert not queue.has_releases("n")


@given(st.lists(st.one_of(PLACES, st.sampled_from(["take", "done", "back"])), max_size=60))
def test_no_write_is_lost_whatever_happens(steps: list[object]) -> None:
    queue = WriteQueue()
    wanted: dict[tuple[str, str], Write] = {}
    arrived: dict[tuple[str, str], Write] = {}
    batch: list[Write] = []
    for number, step in enumerate(steps):
        if isinstance(step, tuple):
            write = Write(WriteKind.VALUE, step, b"%d" % number)
            queue.put(write)
            wanted[step] = write
        elif step == "take" and not batch:
            batch = queue.take(2, 1 << 20)
        elif step == "done":
            arrived |= {write.place: write for write in batch}
            queue.done(batch)
            batch = []
        elif step == "back":
            queue.give_back(batch)
            batch = []
    queue.give_back(batch)
    arrived |= {write.place: write for write in queue.take(100, 1 << 20)}

    assert arrived == wanted
