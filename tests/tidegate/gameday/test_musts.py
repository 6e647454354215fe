"""What must hold, and how it reads."""

import json
import math

import pytest

from tidegate.gameday.musts import Must, at_least, at_most, none


@pytest.mark.parametrize(
    ("must", "holds", "text"),
    [
        (none("frames lost", 0), True, "frames lost: 0 (at most 0)"),
        (none("frames lost", 2), False, "frames lost: 2 (at most 0)"),
        (at_most("pause", 1.5, 1.5, "s"), True, "pause: 1.5 s (at most 1.5 s)"),
        (at_most("logins work after", math.inf, 3, "s"), False, "logins work after: never (at most 3 s)"),
        (at_least("share", 0.94, 0.95), False, "share: 0.94 (at least 0.95)"),
    ],
)
def test_a_must(must: Must, holds: bool, text: str) -> None:
    assert must.holds is holds
    assert str(must) == text
    assert json.loads(json.dumps(must.as_data(), allow_nan=False))["holds"] is holds
