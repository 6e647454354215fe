"""Which sessions an operator means."""

from typing import Any

import pytest

from core.admin.entries import SessionEntry
from core.admin.selection import Matcher, Selection
from wire.errors import MisuseError

ENTRY = SessionEntry(
    id="0123456789abcdef0123456789abcdef",
    core="core-1",
    edge="edge-1",
    region="eu",
    address="203.0.113.9",
    account="Bob",
    character="Bob the Bold",
    state="in_game",
)


@pytest.mark.parametrize(
    ("conditions", "fits"),
    [
        ({}, True),
        ({"id": "012345"}, True),
        ({"id": "0123-4567"}, True),
        ({"id": "ABCDEF"}, False),
        ({"core": "core-1"}, True),
        ({"core": "core-2"}, False),
        ({"edge": "edge-1", "region": "eu"}, True),
        ({"edge": "edge-1", "region": "us"}, False),
        ({"account": "bOB"}, True),
        ({"account": "bo"}, False),
        ({"character": "bob THE bold"}, True),
        ({"address": "203.0.113.9"}, True),
        ({"address": "203.0.113.77/24"}, True),
        ({"address": "203.0.112.0/24"}, False),
        ({"address": "2001:db8::/32"}, False),
        ({"state": "in_game"}, True),
        ({"state": "login"}, False),
    ],
)
def test_every_condition_must_hold(conditions: dict[str, str], fits: bool) -> None:
    assert Matcher(Selection(**conditions)).fits(ENTRY, ENTRY.core) is fits


@pytest.mark.parametrize(
    ("conditions", "sentence"),
    [
        ({"id": "xyz"}, "no session's id"),
        ({"id": "0" * 33}, "no session's id"),
        ({"address": "somewhere"}, "neither an address nor a prefix"),
        ({"address": "1.2.3.4/33"}, "neither an address nor a prefix"),
        ({"state": "asleep"}, "no state; there are: login"),
        ({"account": "x" * 257}, "more than 256 characters"),
    ],
)
def test_what_cannot_be_meant_is_refused(conditions: dict[str, Any], sentence: str) -> None:
    with pytest.raises(MisuseError, match=sentence):
        Matcher(Selection(**conditions))


def test_an_address_that_cannot_be_read_fits_no_prefix() -> None:
    garbage = ENTRY.model_copy(update={"address": "\x1b[2J"})
    assert not Matcher(Selection(address="0.0.0.0/0")).fits(garbage, "core-1")
