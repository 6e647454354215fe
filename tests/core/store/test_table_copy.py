"""A table's copy: three roads of change that overtake each other, and what watchers are told."""

from hypothesis import given
from hypothesis import strategies as st

from core.store.protocol import TableChange
from core.store.table_copy import TableCopy


def watched(*, is_read: bool = True) -> tuple[TableCopy, list[TableChange]]:
    told: list[TableChange] = []
    copy = TableCopy(is_read=is_read)
    copy.watch(told.append)
    return copy, told


def test_the_whole_is_told_once_it_is_known_then_only_what_is_other() -> None:
    copy, told = watched(is_read=False)
    copy.change("own", b"0")
    for whole in ({"a": b"1", "b": b"2"}, {"a": b"1", "b": b"2"}, {"b": b"3"}):
        copy.begin_reading(lambda _: False)
        copy.finish_reading(whole)

    assert told == [
        TableChange({"own": b"0"}),
        TableChange({"a": b"1", "b": b"2"}, is_whole=True),
        TableChange({"b": b"3"}, ("a",)),
    ]


def test_until_an_own_change_comes_back_others_are_older() -> None:
    copy, told = watched()
    copy.change("a", b"mine", 1)
    copy.change("a", b"mine too", 2)
    copy.hear("a", b"theirs")
    copy.hear("a", b"mine", 1)
    assert copy.fields == {"a": b"mine too"}
    copy.hear("a", b"mine too", 2)
    copy.hear("a", b"theirs after it")
    assert copy.fields == {"a": b"theirs after it"}
    assert len(told) == 4


def test_what_changes_while_the_whole_is_read_is_newer() -> None:
    copy, _ = watched()
    for name in "abc":
        copy.hear(name, b"0")
    copy.begin_reading(lambda name: name == "b")
    copy.change("b", b"mine", 1)
    copy.hear("c", None)
    copy.hear("d", b"new")
    copy.finish_reading({"a": b"read", "b": b"read", "c": b"read"})

    assert copy.fields == {"a": b"read", "b": b"mine", "d": b"new"}


def test_an_own_change_that_is_queued_no_more_is_awaited_no_more() -> None:
    copy, _ = watched()
    copy.change("a", b"mine", 1)
    copy.begin_reading(lambda _: False)
    copy.finish_reading({"a": b"theirs"})
    assert copy.fields == {"a": b"theirs"}


@given(st.data())
def test_whatever_overtakes_what_all_end_the_same(data: st.DataObject) -> None:
    """Two copies write one field; Redis puts the writes in some order, and tells each copy at some time."""
    copies = TableCopy(is_read=True), TableCopy(is_read=True)
    unwritten: list[list[tuple[int, bytes]]] = [[], []]
    told: list[tuple[int, int, bytes]] = []
    heard = [0, 0]
    for number in range(1, 12):
        who = data.draw(st.integers(0, 1))
        match data.draw(st.sampled_from(["write", "arrive", "hear"])):
            case "write":
                copies[who].change("n", b"%d" % number, number)
                unwritten[who].append((number, b"%d" % number))
            case "arrive" if unwritten[who]:
                told.append((who, *unwritten[who].pop(0)))
            case "hear" if heard[who] < len(told):
                hear(copies[who], who, told[heard[who]])
                heard[who] += 1
    told += [(who, *write) for who in (0, 1) for write in unwritten[who]]
    for who in (0, 1):
        for message in told[heard[who] :]:
            hear(copies[who], who, message)

    assert copies[0].fields == copies[1].fields == ({"n": told[-1][2]} if told else {})


def hear(copy: TableCopy, who: int, message: tuple[int, int, bytes]) -> None:
    author, serial, value = message
    copy.hear("n", value, serial if author == who else 0)
