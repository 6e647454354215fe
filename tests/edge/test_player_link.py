"""Deadlines of one connection: for any moments of speaking and of being visited, closed within half a second."""

from dataclasses import dataclass
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from edge.edge_tunnel import SocketAddress
from edge.player_link import Deadlines, PlayerLink
from edge.rounds import PERIOD_SECONDS
from wire.reasons import Reason

DEADLINES = Deadlines(login_seconds=5.0, idle_seconds=8.0, header_seconds=3.0)
ALLOWED_SECONDS = 0.5


@dataclass
class FakeSession:
    """As much of a session as deadlines look at."""

    progress: tuple[int, int, int] = (0, 0, 0)
    reason: str = ""
    is_logged_in: bool = False


def link(session: FakeSession | None, now: float) -> PlayerLink:
    made = PlayerLink(cast("Any", None), 5.0, SocketAddress("192.0.2.1", 1), now)
    if session is not None:
        made.begin(cast("Any", session), now)
    return made


def lifetime(
    frames_at: list[float], first_visit: float, *, login_at: float = 0.0, waiting: int = 0
) -> tuple[float, str]:
    """Visit a session that gets frames at these times; return when it is ended (30 at the latest) and why."""
    session = FakeSession()
    player = link(session, 0.0)
    now = first_visit
    while now < 30.0:
        session.progress = (sum(at <= now for at in frames_at), 0, waiting)
        session.is_logged_in = login_at <= now
        reason = player.overdue(now, DEADLINES)
        if reason is not None:
            return now, reason
        now += PERIOD_SECONDS
    return now, ""


VISITS = st.floats(0, PERIOD_SECONDS)


@given(st.lists(st.floats(0.01, 7.4), max_size=8), VISITS)
def test_silence_is_counted_from_the_last_frame(pauses: list[float], first_visit: float) -> None:
    frames_at = [sum(pauses[: count + 1]) for count in range(len(pauses)) if sum(pauses[: count + 1]) < 20]
    ended, reason = lifetime(frames_at, first_visit)
    assert reason == Reason.CLIENT_IDLE
    assert abs(ended - max(frames_at, default=0.0) - DEADLINES.idle_seconds) <= ALLOWED_SECONDS


@given(VISITS, st.floats(0.1, 1.0))
def test_frames_without_a_login_do_not_help(first_visit: float, every: float) -> None:
    frames_at = [every * count for count in range(300)]
    ended, reason = lifetime(frames_at, first_visit, login_at=99.0)
    assert reason == Reason.CLIENT_LOGIN_DEADLINE
    assert abs(ended - DEADLINES.login_seconds) <= ALLOWED_SECONDS
    assert lifetime(frames_at, first_visit, login_at=4.0)[1] == ""


@given(VISITS)
def test_what_waits_for_the_tunnel_is_not_the_players_silence(first_visit: float) -> None:
    assert lifetime([1.0], first_visit, waiting=100)[1] == ""


@given(VISITS)
def test_a_header_has_its_own_deadline(first_visit: float) -> None:
    player = link(None, 0.0)
    now = first_visit
    while (reason := player.overdue(now, DEADLINES)) is None:
        now += PERIOD_SECONDS
    assert reason is Reason.CLIENT_PROXY_HEADER
    assert abs(now - DEADLINES.header_seconds) <= ALLOWED_SECONDS


def test_a_session_that_has_ended_is_left_alone_and_zero_is_for_ever() -> None:
    endless = Deadlines(login_seconds=0, idle_seconds=0, header_seconds=0)
    assert link(FakeSession(), 0.0).overdue(1e6, endless) is None
    assert link(FakeSession(reason="client_lost"), 0.0).overdue(1e6, DEADLINES) is None
