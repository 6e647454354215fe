from hypothesis import given
from hypothesis import strategies as st

from games.wheel import Wheel


def test_who_is_due_comes_once_and_in_order() -> None:
    wheel: Wheel[str] = Wheel()
    wheel.set("late", 3)
    wheel.set("early", 1)
    wheel.set("soon", 2)
    assert wheel.take_due(0.5) == []
    assert wheel.take_due(2) == ["early", "soon"]
    assert wheel.take_due(2) == []
    assert len(wheel) == 1


def test_a_later_wish_replaces_an_earlier_one() -> None:
    wheel: Wheel[str] = Wheel()
    wheel.set("a", 1)
    wheel.set("a", 5)
    assert wheel.take_due(4) == []
    assert wheel.take_due(5) == ["a"]


def test_an_earlier_wish_replaces_a_later_one() -> None:
    wheel: Wheel[str] = Wheel()
    wheel.set("a", 5)
    wheel.set("a", 1)
    assert wheel.take_due(1) == ["a"]
    assert wheel.take_due(10) == []


def test_removed_keys_are_not_due() -> None:
    wheel: Wheel[str] = Wheel()
    wheel.set("a", 1)
    wheel.remove("a")
    wheel.remove("a")
    assert wheel.take_due(9) == []
    assert len(wheel) == 0


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(["set", "remove", "take"]), st.integers(0, 20))))
def test_it_agrees_with_a_dictionary(steps: list[tuple[str, str, int]]) -> None:
    wheel: Wheel[str] = Wheel()
    wished: dict[str, float] = {}
    for key, step, at in steps:
        if step == "set":
            wheel.set(key, at)
            wished[key] = at
        elif step == "remove":
            wheel.remove(key)
            wished.pop(key, None)
        else:
            due = {each for each, wish in wished.items() if wish <= at}
            assert set(wheel.take_due(at)) == due
            wished = {each: wish for each, wish in wished.items() if each not in due}
        assert len(wheel) == len(wished)


def test_stale_entries_do_not_pile_up() -> None:
    wheel: Wheel[int] = Wheel()
    for now in range(1000):
        wheel.set(1, now + 2)
        wheel.take_due(now)
    assert len(wheel._heap) <= 2
