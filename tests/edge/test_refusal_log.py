"""The log of refusals: one line a second and reason, nothing lost, nothing secret, and bounded."""

from collections.abc import Iterator, MutableMapping
from typing import Any

import pytest
from structlog.testing import capture_logs

from edge.refusal_log import (
    MAX_ENTRY_CHARACTERS,
    MAX_EXPLAINING_SECONDS,
    MAX_EXPLANATIONS_PER_SECOND,
    MAX_REMEMBERED,
    RefusalLog,
    SessionRefusals,
)
from tests.wire.explained_rules import CLASSIC, frame, text
from wire.guard import Refusal
from wire.reasons import Reason

Lines = list[MutableMapping[str, Any]]

SAY = frame(1, b"\x09" + text(b"hello"))
LOGIN = frame(431, text(b"player1") + b"\x00\x18" + b"S3CRET" * 4 + b"\x00\x89")


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def log(clock: Clock) -> RefusalLog:
    return RefusalLog(clock)


@pytest.fixture
def lines() -> Iterator[Lines]:
    with capture_logs() as captured:
        yield captured


def refusal(refused: bytes = SAY, reason: Reason = Reason.CLIENT_LAYOUT, *, is_audit: bool = False) -> Refusal:
    return Refusal(reason, "SAY", refused, len(refused), 0, is_audit=is_audit)


def session_of(log: RefusalLog, session: str = "ab" * 16) -> SessionRefusals:
    return SessionRefusals(log, session, "192.0.2.7")


# One line a second and reason.


def test_one_line_a_second_and_reason(log: RefusalLog, clock: Clock, lines: Lines) -> None:
    for _ in range(1280):
        log.note(Reason.CLIENT_ADDRESS_LIMIT, client="192.0.2.7")
        log.note(Reason.CLIENT_IDLE)
        clock.now += 1 / 128
    assert [line["reason"] for line in lines].count("client_idle") == 10
    assert len(lines) == 20
    assert "suppressed" not in lines[0]
    assert lines[2]["suppressed"] == 127
    assert lines[0] == {
        "event": "refused",
        "log_level": "info",
        "reason": "client_address_limit",
        "client": "192.0.2.7",
    }


def test_what_was_suppressed_is_said_when_no_further_line_comes(log: RefusalLog, clock: Clock, lines: Lines) -> None:
    for _ in range(5):
        log.note(Reason.CLIENT_IDLE)
    clock.now += 0.9
    log.tick(clock.now)
    assert len(lines) == 1
    clock.now += 0.1
    log.tick(clock.now)
    log.tick(clock.now)
    assert lines[1:] == [{"event": "refused", "log_level": "info", "reason": "client_idle", "suppressed": 4}]
    log.note(Reason.CLIENT_IDLE)
    assert len(lines) == 2, "the line that tick wrote was this second's"
    log.close()
    log.close()
    assert [line.get("suppressed") for line in lines] == [None, 4, 1]


def test_every_refusal_is_in_a_line_or_in_a_count(log: RefusalLog, clock: Clock, lines: Lines) -> None:
    for step in range(500):
        log.note(Reason.CLIENT_IDLE, client="192.0.2.7")
        clock.now += 0.013 * (step % 7)
        if step % 50 == 0:
            log.tick(clock.now)
    log.close()
    assert sum("client" in line for line in lines) + sum(line.get("suppressed", 0) for line in lines) == 500


def test_unknown_reasons_are_one(log: RefusalLog, lines: Lines) -> None:
    for number in range(1000):
        log.note(f"made_up_{number}")
    assert [line["reason"] for line in lines] == ["other"]


# Sessions.


def test_a_refused_frame_is_explained(log: RefusalLog, clock: Clock, lines: Lines) -> None:
    session_of(log).note(clock.now, CLASSIC, refusal())
    assert lines == [
        {
            "event": "refused",
            "log_level": "info",
            "reason": "client_layout",
            "session": "ab" * 16,
            "client": "192.0.2.7",
            "number": 1,
            "rule": "SAY",
            "opcode": 1,
            "offset": 8,
            "detail": "channel is 9 where 0 to 3 are allowed",
            "frame_bytes": len(SAY),
            "hex": SAY.hex(),
        }
    ]


def test_the_end_of_a_session_has_its_last_refusals(log: RefusalLog, clock: Clock, lines: Lines) -> None:
    session = session_of(log)
    for _ in range(MAX_REMEMBERED + 3):
        session.note(clock.now, CLASSIC, refusal(is_audit=True))
        clock.now += 0.25
    session.skip(5)
    session.end(clock.now, Reason.CLIENT_REFUSALS, open_seconds=12.3456)
    line = lines[-1]
    assert line["event"] == "session_refusals"
    assert (line["session"], line["client"], line["reason"]) == ("ab" * 16, "192.0.2.7", "client_refusals")
    assert (line["refusals"], line["open_seconds"]) == (16, 12.346)
    entries = [line[f"refusal_{place}"] for place in range(1, MAX_REMEMBERED + 1)]
    assert f"refusal_{MAX_REMEMBERED + 1}" not in line
    assert entries[0].startswith("seconds_before=2.0  number=4  reason=client_layout  audit=True  rule=SAY  detail=")
    assert f"hex={SAY.hex()}" in entries[-1]
    assert entries[-1].startswith("seconds_before=0.25  number=11")


def test_sessions_share_one_line_a_second(log: RefusalLog, clock: Clock, lines: Lines) -> None:
    for number in range(10):
        session = session_of(log, f"{number:032x}")
        session.note(clock.now, CLASSIC, refusal())
        session.end(clock.now, Reason.CLIENT_LAYOUT, open_seconds=1)
    assert [line["event"] for line in lines] == ["refused", "session_refusals"]
    clock.now += 1
    log.tick(clock.now)
    assert lines[2:] == [
        {"event": "refused", "log_level": "info", "reason": "client_layout", "suppressed": 9},
        {"event": "session_refusals", "log_level": "info", "sessions_not_shown": 9},
    ]


@pytest.mark.parametrize("version", [b"\x88", b"\x89"], ids=["fits", "does not fit"])
def test_nothing_secret_is_logged(log: RefusalLog, clock: Clock, lines: Lines, version: bytes) -> None:
    session = session_of(log)
    session.note(clock.now, CLASSIC, refusal(LOGIN[:-1] + version, Reason.CLIENT_STATE))
    session.end(clock.now, Reason.CLIENT_STATE, open_seconds=1)
    shown = str(lines)
    assert "password=***" in shown
    assert "S3CRET" not in shown
    assert b"S3CRET".hex() not in shown
    assert all("hex" not in line and "hex=" not in line.get("refusal_1", "") for line in lines)


def test_entries_fit_into_the_log(log: RefusalLog, clock: Clock, lines: Lines) -> None:
    session = session_of(log)
    body = b"\x01" + text(b'"' * 200)
    session.note(clock.now, CLASSIC, refusal(frame(1, body), Reason.CLIENT_STATE))
    session.end(clock.now, Reason.CLIENT_STATE, open_seconds=1)
    entry = lines[-1]["refusal_1"]
    assert len(entry) <= MAX_ENTRY_CHARACTERS
    assert "hex=" in entry


def test_a_flood_is_not_explained_one_by_one(log: RefusalLog, clock: Clock, lines: Lines) -> None:
    session = session_of(log)
    for _ in range(MAX_EXPLANATIONS_PER_SECOND + 1):
        session.note(clock.now, CLASSIC, refusal(LOGIN))
    session.end(clock.now, Reason.CLIENT_REFUSALS, open_seconds=1)
    last = lines[-1][f"refusal_{MAX_REMEMBERED}"]
    assert 'detail="The player\'s client sent a packet with values the game does not allow."' in last
    assert "hex" not in last
    clock.now += 1
    assert "version is 137" in log.explain(CLASSIC, refusal(LOGIN), is_opaque=False).text


def test_explaining_takes_a_small_part_of_each_second(lines: Lines) -> None:
    class SlowClock(Clock):
        """Every look at it costs time, and so does what stands between two looks."""

        def __call__(self) -> float:
            self.now += MAX_EXPLAINING_SECONDS / 10
            return self.now

    clock = SlowClock()
    log = RefusalLog(clock)
    texts = [log.explain(CLASSIC, refusal(LOGIN), is_opaque=False).text for _ in range(30)]
    assert texts.count("version is 137 where only 136 is allowed") in (10, 11)
