"""Deadlines of one connection: for any moments of speaking and of being looked at, closed within half a second."""

from dataclasses import dataclass
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import player_link
from edge.edge_tunnel import SocketAddress
from edge.player_link import PERIOD_SECONDS, Deadlines, PlayerLink
from edge.rounds import NEVER
from tunnel.link import LinkEvents
from wire.reasons import Reason

DEADLINES = Deadlines(login_seconds=5.0, frame_seconds=2.0, idle_seconds=8.0, header_seconds=3.0)
ALLOWED_SECONDS = 0.5


@dataclass
class FakeSession(LinkEvents):
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


class FakeDoor:
    """Hears that a link wants to be looked at."""

    def __init__(self) -> None:
        self.asked: list[PlayerLink] = []

    def frame_begun(self, link: PlayerLink) -> None:
        self.asked.append(link)


def slow_frame(
    began: float, late: float, *, whole_at: float = 99.0, read_from: float = 0.0, login_at: float = 99.0
) -> tuple[float, str]:
    """Begin a frame at that time and have it whole at that one; return when the session is ended, and why.

    Nothing is read before ``read_from``. 30 seconds are the most.
    """
    door, session = FakeDoor(), FakeSession()
    player = PlayerLink(cast("Any", door), 5.0, SocketAddress("192.0.2.1", 1), 0.0)
    player.begin(cast("Any", session), 0.0)
    session.is_logged_in = login_at <= began
    with pytest.MonkeyPatch.context() as clock:
        clock.setattr(player_link, "time", cast("Any", FakeTime(began)))
        player.frame_begun()
    assert door.asked == ([] if session.is_logged_in else [player])
    player.pause()
    now = began + late
    while now < 30.0:
        if now >= read_from:
            player.resume()
        session.progress = (int(whole_at <= now), 0, 0)
        session.heard_ns = int(now * 1e9)
        session.is_logged_in = login_at <= now
        verdict = player.look(now, DEADLINES)
        if isinstance(verdict, Reason):
            return now, verdict
        now = verdict + late
    return now, ""


@dataclass
class FakeTime:
    """A clock that stands."""

    now_seconds: float

    def monotonic(self) -> float:
        return self.now_seconds


@given(st.floats(0.0, 2.5), LATE)
def test_a_frame_that_is_begun_has_to_be_whole_in_time(began: float, late: float) -> None:
    ended, reason = slow_frame(began, late)
    assert reason == Reason.CLIENT_FRAME_DEADLINE
    assert abs(ended - began - DEADLINES.frame_seconds) <= ALLOWED_SECONDS


@given(LATE, st.floats(0.0, 1.9))
def test_a_frame_that_is_whole_in_time_ends_nobody(late: float, seconds: float) -> None:
    assert slow_frame(1.0, late, whole_at=1.0 + seconds)[1] == Reason.CLIENT_LOGIN_DEADLINE
    assert slow_frame(1.0, late, whole_at=1.0 + seconds, login_at=1.0 + seconds)[1] == ""


@given(LATE)
def test_who_has_logged_in_may_take_his_time_for_a_frame(late: float) -> None:
    assert slow_frame(1.0, late, login_at=0.5)[1] == ""


@given(LATE)
def test_the_rest_of_a_frame_that_nobody_reads_is_not_late(late: float) -> None:
    assert slow_frame(0.0, late, read_from=4.5, whole_at=4.5)[1] == Reason.CLIENT_LOGIN_DEADLINE
    ended, reason = slow_frame(0.0, late, read_from=2.2)
    assert reason == Reason.CLIENT_FRAME_DEADLINE
    assert ended >= 2 * DEADLINES.frame_seconds


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
    endless = Deadlines(login_seconds=0, frame_seconds=0, idle_seconds=0, header_seconds=0)
    assert link(FakeSession(), 0.0).look(1e6, endless) == NEVER
    assert link(FakeSession(reason="client_lost"), 0.0).look(1e6, DEADLINES) == NEVER
