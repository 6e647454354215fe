"""Deadlines of one connection: for any moments of speaking and of being looked at, closed within half a second."""

from dataclasses import dataclass
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from edge.edge_tunnel import SocketAddress
from edge.player_link import PERIOD_SECONDS, Deadlines, PlayerLink
from edge.rounds import NEVER
from wire.reasons import Reason

DEADLINES = Deadlines(login_seconds=5.0, idle_seconds=8.0, header_seconds=3.0)
ALLOWED_SECONDS = 0.5


@dataclass
class FakeSession:
    """As much of a session as deadlines look at."""

    progress: tuple[int, int, int] = (0, 0, 0)
    reason: str = ""
    is_logged_in: bool = False
    heard_ns: int | None = None


def link(session: FakeSession | None, now: float) -> PlayerLink:
    made = PlayerLink(cast("Any", None), 5.0, SocketAddress("192.0.2.1", 1), now)
    if session is not None:
        made.begin(cast("Any", session), now)
    return made


def lifetime(
    frames_at: list[float], late: float, *, login_at: float = 0.0, waiting: int = 0, stamped: bool = True
) -> tuple[float, str, int]:
    """Look at a session whenever it wants, always so ``late``; return when it is ended, why, and after how many looks.

    Frames come at these times, and the guard knows when where they are ``stamped``. 30 seconds are the most.
    """
    session = FakeSession()
    player = link(session, 0.0)
    now, looks = late, 0
    while now < 30.0:
        looks += 1
        seen = [at for at in frames_at if at <= now]
        session.progress = (len(seen), 0, waiting)
        session.is_logged_in = login_at <= now
        session.heard_ns = int(max(seen, default=0.0) * 1e9) if stamped else None
        verdict = player.look(now, DEADLINES)
        if isinstance(verdict, Reason):
            return now, verdict, looks
        now = verdict + late
    return now, "", looks


LATE = st.floats(0.001, 0.05)


@given(st.lists(st.floats(0.01, 7.4), max_size=8), LATE, st.booleans())
def test_silence_is_counted_from_the_last_frame(pauses: list[float], late: float, stamped: bool) -> None:
    frames_at = [sum(pauses[: count + 1]) for count in range(len(pauses)) if sum(pauses[: count + 1]) < 20]
    ended, reason, looks = lifetime(frames_at, late, stamped=stamped)
    assert reason == Reason.CLIENT_IDLE
    assert looks <= (len(frames_at) + 2 if stamped else 30 / PERIOD_SECONDS)
    assert abs(ended - max(frames_at, default=0.0) - DEADLINES.idle_seconds) <= ALLOWED_SECONDS


@given(LATE, st.floats(0.1, 1.0))
def test_frames_without_a_login_do_not_help(late: float, every: float) -> None:
    frames_at = [every * count for count in range(300)]
    ended, reason, _ = lifetime(frames_at, late, login_at=99.0)
    assert reason == Reason.CLIENT_LOGIN_DEADLINE
    assert abs(ended - DEADLINES.login_seconds) <= ALLOWED_SECONDS
    assert lifetime(frames_at, late, login_at=4.0)[1] == ""


@given(LATE)
def test_what_waits_for_the_tunnel_is_not_the_players_silence(late: float) -> None:
    assert lifetime([1.0], late, waiting=100)[1] == ""


@given(LATE)
def test_a_header_has_its_own_deadline(late: float) -> None:
    player = link(None, 0.0)
    player.awaits_header = True
    assert player.look(DEADLINES.header_seconds - late, DEADLINES) == DEADLINES.header_seconds
    assert player.look(DEADLINES.header_seconds + late, DEADLINES) is Reason.CLIENT_PROXY_HEADER


def test_who_waits_for_a_tunnel_is_looked_at_when_that_has_taken_too_long() -> None:
    assert link(None, 0.0).look(10.0, DEADLINES) is Reason.NO_CORE


def test_a_silent_connection_is_looked_at_when_it_comes_and_when_its_time_is_over() -> None:
    assert lifetime([], 0.01, login_at=99.0)[1:] == (Reason.CLIENT_LOGIN_DEADLINE, 2)


def test_a_session_that_has_ended_is_left_alone_and_zero_is_for_ever() -> None:
    endless = Deadlines(login_seconds=0, idle_seconds=0, header_seconds=0)
    assert link(FakeSession(), 0.0).look(1e6, endless) == NEVER
    assert link(FakeSession(reason="client_lost"), 0.0).look(1e6, DEADLINES) == NEVER
