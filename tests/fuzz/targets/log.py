"""Logs: ``tidegate why`` survives any, and nothing in them reaches the terminal."""

import io
from collections.abc import Iterable

from tests.fuzz.source import Source
from tidegate.session_log import MAX_REFUSALS, find_session
from tidegate.session_story import tell

MAX_BYTES = 1500
MODULES = ("tidegate.session_log", "tidegate.session_story")

PREFIX = "1f0c22"


def fuzz_one(data: bytes) -> None:
    """Look for a session in lines, some of which are about it."""
    found = find_session([io.BytesIO(data)], PREFIX)
    assert len(found.refusals) <= MAX_REFUSALS
    if found.sessions:
        story = tell(found)
        assert all(line.isprintable() for line in story.splitlines())
        assert len(story) < 4096 + 20 * len(data)
    count = Source(data).number()
    find_session([io.BytesIO(data[:count]), io.BytesIO(data[count:])], PREFIX)


def seeds() -> Iterable[bytes]:
    """Lines of both forms."""
    session = PREFIX + "ab" * 13
    when = "2025-01-02T03:04:05.678Z"
    begin = f'{{"timestamp": "{when}", "session": "{session}", "event": '
    yield (
        f'{begin}"session_opened", "client": "::1", "port": 1}}\n'
        f'{begin}"refused", "number": 1, "reason": "client_state"}}\n'
        f'{begin}"session_closed", "reason": "client_idle"}}\n'
    ).encode()
    yield (
        f"{when} info    session_refusals  session={session}  refusals=2  open_seconds=1.5  "
        'refusal_1="seconds_before=1.0  number=1  reason=client_layout  detail=\\"a b\\"  offset=7"\n'
    ).encode()
