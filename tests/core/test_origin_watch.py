"""The origin watch: a line when the game server goes and one when it is really back."""

import pytest
from structlog.testing import capture_logs

from core.origin import OriginError
from core.origin_watch import CALM_SECONDS, PROBLEM_SECONDS, OriginWatch
from wire.reasons import Reason


def test_an_absence_is_said_once_however_it_flickers() -> None:
    now = [0.0]
    watch = OriginWatch(lambda: now[0])
    with capture_logs() as logs:
        watch.worked()
        for _ in range(5):
            watch.failed(OriginError(Reason.ORIGIN_REFUSED, "127.0.0.1:1: refused"))
            watch.worked()
            now[0] += 1
        now[0] += CALM_SECONDS
        watch.worked()
        watch.worked()
        watch.failed(OriginError(Reason.ORIGIN_TIMEOUT, "127.0.0.1:1: no answer"))
    assert [log["event"] for log in logs] == ["origin_away", "origin_back", "origin_away"]
    assert logs[1]["sessions_refused"] == 5


@pytest.mark.parametrize(
    ("age_seconds", "problem"),
    [
        (0, "the game server does not answer: 127.0.0.1:1: refused"),
        (PROBLEM_SECONDS - 1, "the game server does not answer: 127.0.0.1:1: refused"),
        (PROBLEM_SECONDS, ""),
    ],
)
def test_a_problem_that_nobody_looks_after_fades(age_seconds: float, problem: str) -> None:
    now = [100.0]
    watch = OriginWatch(lambda: now[0])
    watch.failed(OriginError(Reason.ORIGIN_REFUSED, "127.0.0.1:1: refused"))
    now[0] += age_seconds
    assert watch.problem == problem


def test_who_reached_it_lately_needs_no_check() -> None:
    now = [100.0]
    watch = OriginWatch(lambda: now[0])
    assert not watch.worked_within(5)
    watch.worked()
    assert watch.worked_within(5)
    watch.check_failed(OriginError(Reason.ORIGIN_REFUSED, "127.0.0.1:1: refused"))
    assert not watch.worked_within(5)
    watch.worked()
    now[0] += 5
    assert not watch.worked_within(5)
