"""Reasons: each has a sentence, and players are told only what they did not choose."""

from pathlib import Path

from wire.reasons import MAX_REASON_BYTES, Reason, explain, is_told


def test_every_reason_has_a_sentence_and_a_proper_code() -> None:
    for reason in Reason:
        assert explain(reason).endswith(".")
        assert reason.value == reason.name.lower()
        assert len(reason.value) <= MAX_REASON_BYTES


def test_an_unknown_code_is_shown_as_it_came() -> None:
    assert explain("from_the_future") == "from_the_future"
    assert not is_told("from_the_future")


def test_a_player_who_left_is_told_nothing() -> None:
    assert not is_told(Reason.CLIENT_CLOSED)
    assert is_told(Reason.TUNNEL_LOST)


def test_the_page_lists_every_reason_as_it_is() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reasons.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert rows == [f"| `{each}` | {explain(each)} | {'yes' if is_told(each) else 'no'} |" for each in Reason]
