"""The session state machine: playbooks for one end, and two ends joined in memory under random schedules."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tunnel.fakes import FakeEnd, FakeLink
from tests.wire.strategies import frame_of
from tunnel.owner import CORE_SIDE, EDGE_SIDE, Side
from tunnel.session import IDLE_FRAMES, Session
from wire.chunks import LIGHT_BYTES
from wire.errors import TunnelFault
from wire.layout import RAW, FrameLayout
from wire.reasons import Reason

WINDOW = 1000
FRAMED = FrameLayout(min_frame_bytes=2, max_frame_bytes=900)


def make(end: FakeEnd, layout: FrameLayout = RAW, *, connected: bool = True) -> tuple[Session, FakeLink]:
    recheck = None if end.side.is_edge else layout
    session = Session(end, 1, bytes(16), layout, send_window_bytes=WINDOW, receive_window_bytes=WINDOW, recheck=recheck)
    end.sessions[1] = session
    link = FakeLink(capacity=100, session=session)
    if connected:
        session.connect(link)
    return session, link


def test_whole_frames_go_into_the_tunnel_and_are_counted() -> None:
    end = FakeEnd(EDGE_SIDE)
    session, _ = make(end, FRAMED)
    frame = frame_of(FRAMED, 10)
    session.link_data(frame + frame[:4])
    session.link_data(frame[4:])
    assert list(end.outgoing) == [("data", 1, frame), ("data", 1, frame)]
    assert (end.counters.frames_serverbound, end.counters.bytes_serverbound) == (2, 20)


@pytest.mark.parametrize(("side", "awaited"), [(EDGE_SIDE, 6), (CORE_SIDE, 1)])
def test_who_sends_frames_byte_by_byte_is_read_when_they_may_be_whole(side: Side, awaited: int) -> None:
    end = FakeEnd(side)
    session, link = make(end, FRAMED)
    frame = frame_of(FRAMED, 9)
    for byte in frame[:2]:
        session.link_data(bytes((byte,)))
    assert link.awaited == 1  # a frame may well come in two parts or three
    session.link_data(frame[2:3])
    assert link.awaited == awaited
    assert link.frames_begun == 1
    session.link_data(frame[3:])
    assert link.awaited == 1
    session.link_data(frame[:1])
    assert link.awaited == 1
    assert link.frames_begun == 2
    assert list(end.outgoing) == [("data", 1, frame)]


def test_keep_alives_for_a_player_who_has_said_nothing_are_read_some_at_a_time() -> None:
    end = FakeEnd(CORE_SIDE)
    idle, frame = frame_of(FRAMED, 2), frame_of(FRAMED, 9)
    end.buffer.idle_frame = idle
    session, link = make(end, FRAMED)
    session.link_data(frame)  # a greeting
    assert link.awaited == 1
    session.link_data(idle)
    assert link.awaited == IDLE_FRAMES * len(idle)
    session.link_data(IDLE_FRAMES * idle)
    assert link.awaited == IDLE_FRAMES * len(idle)
    session.tunnel_data(frame)
    assert link.awaited == 1
    session.link_data(idle)
    assert link.awaited == 1
    assert list(end.outgoing) == [("data", 1, each) for each in (frame, idle, IDLE_FRAMES * idle, idle)]
    assert link.sent == frame


def test_keep_alives_of_a_player_who_has_said_nothing_do_not_wait() -> None:
    end = FakeEnd(EDGE_SIDE)
    end.buffer.idle_frame = frame_of(FRAMED, 2)
    session, link = make(end, FRAMED)
    session.link_data(end.buffer.idle_frame)
    assert link.awaited == 1


def test_a_greeting_waits_for_company_and_what_comes_later_does_not() -> None:
    core, frame = FakeEnd(CORE_SIDE), frame_of(FRAMED, 10)
    session, _ = make(core, FRAMED)
    session.link_data(frame)
    assert core.called == ["wait"]
    assert list(core.outgoing) == [("data", 1, frame)]
    session.tunnel_data(frame)
    session.link_data(frame)
    assert core.called == ["wait", "wake"]


def test_a_bad_frame_ends_the_session_behind_the_good_ones() -> None:
    end = FakeEnd(EDGE_SIDE, notice=b"bye")
    session, link = make(end, FRAMED)
    good = frame_of(FRAMED, 10)
    session.link_data(good + b"\x00\x01junk")
    assert list(end.outgoing) == [("data", 1, good), ("close", 1, Reason.CLIENT_FRAME_LENGTH)]
    assert link.is_closed
    assert link.lingers
    assert bytes(link.sent) == b"bye"
    assert end.ended == [(1, Reason.CLIENT_FRAME_LENGTH)]
    assert "frame of 1 bytes" in session.fault_text


def test_a_core_checks_what_an_edge_let_through() -> None:
    end = FakeEnd(CORE_SIDE)
    session, link = make(end, FRAMED)
    good = frame_of(FRAMED, 10)
    session.tunnel_data(good + b"\x00\x01junk")
    assert bytes(link.sent) == good
    assert end.ended == [(1, Reason.EDGE_FRAME_LENGTH)]
    assert link.is_closed


def test_without_credit_the_link_is_paused_and_the_rest_waits() -> None:
    end = FakeEnd(EDGE_SIDE)
    session, link = make(end)
    session.link_data(bytes(WINDOW - WINDOW // 4))
    assert not link.is_paused
    session.link_data(bytes(WINDOW // 4))
    assert link.is_paused  # one more read would be more than there is credit for
    session.link_data(b"abc")
    assert link.is_paused
    assert session.held_bytes == 3
    session.tunnel_credit(2)
    assert link.is_paused
    session.tunnel_credit(WINDOW // 4)
    assert link.is_paused
    session.tunnel_credit(1)
    assert not link.is_paused
    assert b"".join(event[2] for event in end.outgoing) == bytes(WINDOW) + b"abc"
    assert [len(event[2]) for event in end.outgoing][2:] == [2, 1]


def test_waiting_bytes_are_cut_between_frames() -> None:
    end = FakeEnd(EDGE_SIDE)
    session, _ = make(end, FRAMED)
    frame = frame_of(FRAMED, 300)
    session.link_data(frame * 5)
    assert [event[2] for event in end.outgoing] == [frame * 3]
    session.tunnel_credit(599)
    assert [event[2] for event in end.outgoing] == [frame * 3, frame * 2]


def test_a_frame_that_never_fits_is_cut_anyway() -> None:
    end = FakeEnd(EDGE_SIDE)
    session, _ = make(end, FRAMED)
    session.link_data(frame_of(FRAMED, 400))
    big = frame_of(FRAMED, 900, 5)
    session.link_data(big)
    assert [event[2] for event in end.outgoing][1:] == [big[:600]]
    session.tunnel_credit(400)
    assert b"".join(event[2] for event in list(end.outgoing)[1:]) == big  # type: ignore[misc]


def test_a_full_link_keeps_its_credit() -> None:
    end = FakeEnd(EDGE_SIDE)
    session, link = make(end)
    session.tunnel_data(bytes(101))
    session.tunnel_data(bytes(899))
    assert not end.outgoing
    with pytest.raises(TunnelFault, match="overrun"):
        session.tunnel_data(b"x")
    link.read_all()
    assert list(end.outgoing) == [("credit", 1, WINDOW)]


def test_bytes_wait_for_a_link_that_is_not_open_yet() -> None:
    end = FakeEnd(CORE_SIDE)
    session, link = make(end, connected=False)
    session.tunnel_data(bytes(400))
    session.tunnel_end()
    assert session.held_bytes == 400
    session.connect(link)
    assert bytes(link.sent) == bytes(400)
    assert link.is_ended
    assert session.held_bytes == 0


def test_a_link_that_opens_after_the_end_still_gets_what_was_accepted() -> None:
    end = FakeEnd(CORE_SIDE)
    session, link = make(end, connected=False)
    session.tunnel_data(b"last words")
    session.tunnel_close(Reason.CLIENT_LOST)
    assert end.freed == [1]
    assert session.awaits_link
    session.connect(link)
    assert bytes(link.sent) == b"last words"
    assert link.is_closed


def test_a_link_that_cannot_be_opened_ends_the_session() -> None:
    end = FakeEnd(CORE_SIDE)
    session, _ = make(end, connected=False)
    session.tunnel_data(b"lost")
    session.connect_failed(Reason.ORIGIN_REFUSED)
    assert end.ended == [(1, Reason.ORIGIN_REFUSED)]
    assert end.outgoing[-1] == ("close", 1, Reason.ORIGIN_REFUSED)
    assert end.counters.bytes_discarded == 4


def test_each_direction_ends_by_itself() -> None:
    end = FakeEnd(EDGE_SIDE)
    session, link = make(end)
    session.link_data(b"last words")
    session.link_end()
    assert list(end.outgoing)[1:] == [("end", 1, None)]
    session.tunnel_data(b"answer")
    assert bytes(link.sent) == b"answer"
    session.tunnel_end()
    assert link.is_ended
    assert end.ended == [(1, Reason.CLIENT_CLOSED)]
    assert end.outgoing[-1] == ("close", 1, Reason.CLIENT_CLOSED)
    session.tunnel_close(Reason.CLIENT_CLOSED)
    assert end.freed == [1]


def test_the_reason_is_that_of_the_side_which_ended_first() -> None:
    end = FakeEnd(EDGE_SIDE)
    session, _ = make(end)
    session.tunnel_end()
    session.link_end()
    assert end.ended == [(1, Reason.ORIGIN_CLOSED)]


def test_a_lost_link_still_delivers_what_was_accepted() -> None:
    end = FakeEnd(EDGE_SIDE)
    session, _ = make(end)
    session.link_data(bytes(WINDOW))
    session.link_data(b"last words")
    session.link_lost(ConnectionResetError())
    assert end.ended == [(1, Reason.CLIENT_LOST)]
    assert end.waiting == [1]
    session.tunnel_credit(400)
    assert list(end.outgoing)[1:] == [("data", 1, b"last words"), ("close", 1, Reason.CLIENT_LOST)]


def test_a_wait_without_progress_is_given_up() -> None:
    end = FakeEnd(EDGE_SIDE)
    session, link = make(end)
    session.link_data(bytes(WINDOW))
    session.link_data(b"stuck")
    session.link_end()
    session.give_up()
    assert end.outgoing[-1] == ("close", 1, Reason.HALF_CLOSE_TIMEOUT)
    assert link.is_closed
    assert end.counters.bytes_discarded == 5


def test_what_arrives_after_our_close_is_discarded_and_counted() -> None:
    end = FakeEnd(EDGE_SIDE)
    session, _ = make(end)
    session.end(Reason.DRAIN_DEADLINE)
    session.tunnel_data(b"too late")
    assert end.counters.bytes_discarded == 8


def test_progress_is_seen_even_when_the_window_is_full_each_time() -> None:
    end = FakeEnd(EDGE_SIDE)
    session, link = make(end)
    seen = set()
    for _ in range(5):
        session.tunnel_data(bytes(WINDOW))
        link.read_all()
        seen.add(session.progress)
    assert len(seen) == 5


def test_a_reset_after_the_end_is_no_loss() -> None:
    end = FakeEnd(CORE_SIDE)
    session, _ = make(end)
    session.link_end()
    session.link_lost(ConnectionResetError())
    assert end.ended == [(1, Reason.ORIGIN_CLOSED)]


def test_a_link_that_opens_into_congestion_waits() -> None:
    end = FakeEnd(EDGE_SIDE)
    session, link = make(end, connected=False)
    end.buffer.congested_bytes = end.buffer.full_bytes = -1
    session.connect(link)
    assert link.is_paused
    assert end.relief == [session]


def test_congestion_pauses_the_link_until_relief() -> None:
    end = FakeEnd(EDGE_SIDE)
    session, link = make(end)
    end.buffer.congested_bytes = end.buffer.full_bytes = 1
    session.link_data(b"one")
    assert link.is_paused
    assert end.relief == [session]
    end.buffer.congested_bytes = end.buffer.full_bytes = 1 << 30
    session.tunnel_relieved()
    assert not link.is_paused


def test_who_brings_little_plays_on_beside_those_who_bring_much() -> None:
    end = FakeEnd(EDGE_SIDE)
    window = 64 * 1024
    heavy = Session(end, 1, bytes(16), RAW, send_window_bytes=window, receive_window_bytes=window)
    light = Session(end, 2, bytes(16), RAW, send_window_bytes=window, receive_window_bytes=window)
    heavy_link, light_link = FakeLink(session=heavy), FakeLink(session=light)
    heavy.connect(heavy_link)
    light.connect(light_link)
    end.buffer.congested_bytes = 1000
    heavy.link_data(bytes(LIGHT_BYTES + 1))
    assert heavy_link.is_paused
    heavy.link_data(bytes(LIGHT_BYTES + 1))  # read before the pause
    assert heavy.held_bytes == LIGHT_BYTES + 1, "it stays with the session"
    light.link_data(b"a move")
    assert not light_link.is_paused
    assert light.held_bytes == 0
    end.buffer.congested_bytes = 1 << 30
    heavy.tunnel_relieved()
    assert heavy.held_bytes == 0
    assert not heavy_link.is_paused


@pytest.mark.parametrize("finish", ["tunnel_end", "tunnel_close"])
def test_nothing_may_follow_the_end(finish: str) -> None:
    end = FakeEnd(EDGE_SIDE)
    session, _ = make(end)
    if finish == "tunnel_end":
        session.tunnel_end()
    else:
        session.tunnel_close(Reason.ORIGIN_LOST)
    with pytest.raises(TunnelFault, match="slot 1"):
        session.tunnel_data(b"x")
    with pytest.raises(TunnelFault, match="slot 1"):
        session.tunnel_end()


def test_a_second_close_or_credit_after_close_is_a_fault() -> None:
    end = FakeEnd(EDGE_SIDE)
    session, _ = make(end)
    session.tunnel_close(Reason.ORIGIN_LOST)
    with pytest.raises(TunnelFault, match="second close"):
        session.tunnel_close(Reason.ORIGIN_LOST)
    with pytest.raises(TunnelFault, match="after its close"):
        session.tunnel_credit(1)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["say", "answer", "to_core", "to_edge", "player_reads", "server_reads"]),
        st.integers(1, 700),
    ),
    max_size=60,
)


@settings(max_examples=300)
@given(
    STEPS,
    st.sampled_from([RAW, FRAMED]),
    st.permutations(["player_ends", "server_ends"]),
    st.booleans(),
)
def test_two_ends_joined_lose_nothing(
    steps: list[tuple[str, int]], layout: FrameLayout, endings: list[str], player_breaks: bool
) -> None:
    """Whatever the schedule, both links get what the other was sent, nothing is left over, memory is bounded."""
    edge, core = FakeEnd(EDGE_SIDE), FakeEnd(CORE_SIDE)
    player, player_link = make(edge, layout)
    server, server_link = make(core, layout)
    said, answered = bytearray(), bytearray()

    def take_step(kind: str, size: int) -> None:
        if kind == "say" and not player_link.is_paused:
            said.extend(frame := frame_of(layout, max(size, 2), size % 256) if layout.is_framed else bytes([7]) * size)
            player.link_data(frame)
        elif kind == "answer" and not server_link.is_paused:
            answered.extend(frame := frame_of(layout, max(size, 2), size % 256) if layout.is_framed else b"x" * size)
            server.link_data(frame)
        elif kind == "to_core":
            edge.deliver(core, size % 3 + 1)
        elif kind == "to_edge":
            core.deliver(edge, size % 3 + 1)
        elif kind == "player_reads":
            player_link.read_all()
        elif kind == "server_reads":
            server_link.read_all()
        for session in (player, server):
            assert session.held_bytes <= 700 + layout.max_frame_bytes

    def settle() -> None:
        moved = 1
        while moved:
            player_link.read_all()
            server_link.read_all()
            moved = edge.deliver(core) + core.deliver(edge)

    for kind, size in steps:
        take_step(kind, size)
    settle()
    for ending in endings:
        if ending == "player_ends" and player_breaks:
            player.link_lost(ConnectionResetError())
        elif ending == "player_ends":
            player.link_end()
        elif not server.reason:
            server.link_end()
        settle()
    assert bytes(server_link.sent) == bytes(said)
    assert bytes(player_link.sent) == bytes(answered)
    assert edge.freed == core.freed == [1]
    assert player.held_bytes == server.held_bytes == 0
    assert edge.ended[0][1] == core.ended[0][1]
