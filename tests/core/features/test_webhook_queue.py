"""A webhook's queue and waits, and what answers mean."""

import pytest

from core.features import Event
from core.features.webhook_body import make_report
from core.features.webhook_queue import (
    MAX_RETRY_AFTER_SECONDS,
    NO_ANSWER,
    Backoff,
    Outcome,
    ReportQueue,
    judge,
    retry_after_seconds,
)

REPORTS = [make_report(str(number), number, Event("chat")) for number in range(5)]


def test_a_full_queue_gives_up_the_oldest() -> None:
    queue = ReportQueue(3)
    assert [queue.put(each) for each in REPORTS] == [True, True, True, False, False]
    assert queue.first(9) == REPORTS[2:]
    queue.remove(2)
    assert (queue.first(9), len(queue)) == (REPORTS[4:], 1)


def test_waits_double_up_to_a_limit_and_begin_anew() -> None:
    backoff = Backoff(1.0, 10.0)
    assert [backoff.failed(1) for _ in range(6)] == [1, 2, 4, 8, 10, 10]
    assert backoff.failed(0) == 5
    backoff.succeeded()
    assert backoff.failed(0.5) == 0.75
    backoff.failures = 1_000_000
    assert backoff.failed(1) == 10


@pytest.mark.parametrize(
    ("statuses", "outcome"),
    [
        ((200, 201, 204, 299), Outcome.DELIVERED),
        ((NO_ANSWER, 408, 425, 429, 500, 502, 503, 599), Outcome.RETRY),
        ((100, 301, 302, 307, 400, 401, 403, 404, 410, 413, 600, 999), Outcome.REFUSED),
    ],
)
def test_what_a_status_means(statuses: tuple[int, ...], outcome: Outcome) -> None:
    assert {judge(status) for status in statuses} == {outcome}


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("", 0),
        ("7", 7),
        (" 0.65 ", 0.65),
        ("Thu, 01 Jan 1970 00:01:00 GMT", 50),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("999999", MAX_RETRY_AFTER_SECONDS),
        ("9" * 200, 0),
        ("-5", 0),
        ("nan", 0),
        ("inf", 0),
        ("soon", 0),
        ("Thu, 99 Jan 99999 00:00:00 GMT", 0),
    ],
)
def test_retry_after(header: str, seconds: float) -> None:
    assert retry_after_seconds(header, wall_time=10.0) == seconds
