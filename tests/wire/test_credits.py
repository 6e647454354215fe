"""Credits: the two sides together never let more than a window out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.credits import MAX_WINDOW_BYTES, MIN_WINDOW_BYTES, ReceiveCredit, SendCredit, check_window
from wire.errors import LayoutError, TunnelFault

WINDOW = 1000


def test_spending_is_all_or_nothing() -> None:
    credit = SendCredit(WINDOW)
    assert credit.spend_all(600)
    assert not credit.spend_all(401)
    assert credit.available == 400


@pytest.mark.parametrize("size", [0, 601])
def test_more_credit_than_was_spent_is_a_fault(size: int) -> None:
    credit = SendCredit(WINDOW)
    credit.spend_all(600)
    with pytest.raises(TunnelFault, match="600 outstanding"):
        credit.grant(size)


def test_an_overrun_is_a_fault() -> None:
    credit = ReceiveCredit(WINDOW)
    credit.receive(WINDOW)
    with pytest.raises(TunnelFault, match="overrun"):
        credit.receive(1)


def test_credit_comes_back_in_quarters_of_a_window() -> None:
    credit = ReceiveCredit(WINDOW)
    credit.receive(500)
    assert credit.take(249) == 0
    assert credit.take(1) == 250
    assert credit.outstanding == 250


@pytest.mark.parametrize("size", [0, MIN_WINDOW_BYTES - 1, MAX_WINDOW_BYTES + 1])
def test_windows_have_bounds(size: int) -> None:
    with pytest.raises(LayoutError):
        check_window(size)


@given(st.lists(st.tuples(st.booleans(), st.integers(1, WINDOW))))
def test_sender_and_receiver_agree(steps: list[tuple[bool, int]]) -> None:
    sender, receiver = SendCredit(WINDOW), ReceiveCredit(WINDOW)
    held = 0
    for is_send, size in steps:
        if is_send:
            if sender.spend_all(size):
                receiver.receive(size)
                held += size
        else:
            taken = min(size, held)
            held -= taken
            due = receiver.take(taken)
            if due:
                sender.grant(due)
        assert held <= receiver.outstanding <= WINDOW
        assert receiver.outstanding == WINDOW - sender.available
    due = receiver.take(held)
    if due:
        sender.grant(due)
    assert sender.available > WINDOW * 3 // 4 - 1
