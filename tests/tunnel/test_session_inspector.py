"""A session with an inspector: what it holds, what it puts in, and how the session ends meanwhile."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tunnel.fakes import FakeEnd, FakeLink
from tests.wire.small_game import ACCEPTED, LAYOUT, SAY, frame, rule_set, text
from tunnel.owner import CORE_SIDE, EDGE_SIDE
from tunnel.session import MAX_INJECTED_BYTES, Session
from wire.layout import FrameLayout
from wire.reasons import Reason
from wire.scanner import split_frames
from wire.watcher import Watcher

WINDOW = 1000
FRAMED = FrameLayout(min_frame_bytes=2, max_frame_bytes=900)
HOLD, DROP, DOUBLE, CLOSE, CLOSE_BEHIND = b"\x01", b"\x02", b"\x03", b"\x04", b"\x05"


@dataclass
class FakeInspector:
    """Does to a frame what its last byte says; ``open_gate`` lets go what was held, up to the next frame that holds."""

    closing: str = ""
    is_holding: bool = False
    held: bytearray = field(default_factory=bytearray)
    reasons: list[str] = field(default_factory=list)
    session: Session | None = None

    def serverbound(self, span: bytes) -> bytes:
        if self.is_holding:
            self.held += span
            return b""
        return self._inspect(span)

    def clientbound(self, span: bytes) -> bytes:
        return self._inspect(span)

    def ended(self, reason: str) -> int:
        self.reasons.append(reason)
        held = len(self.held)
        self.held.clear()
        return held

    def open_gate(self) -> None:
        """As the core's inspector does it."""
        held = bytes(self.held)
        self.held.clear()
        self.is_holding = False
        assert self.session is not None
        self.session.release(self._inspect(held, is_admitted=True))

    def _inspect(self, span: bytes, *, is_admitted: bool = False) -> bytes:
        out = b""
        frames = split_frames(FRAMED, span)
        for place, one in enumerate(frames):
            kind = one[-1:]
            if kind == HOLD and not (is_admitted and place == 0):
                self.is_holding = True
                self.held += b"".join(frames[place:])
                return out
            if kind in (CLOSE, CLOSE_BEHIND):
                self.closing = Reason.FEATURE_CLOSED
                return out + (one if kind == CLOSE_BEHIND else b"")
            out += {DROP: b"", DOUBLE: one + one}.get(kind, one)
        return out


def make(*, connected: bool = True, preface: bytes = b"") -> tuple[FakeEnd, Session, FakeLink, FakeInspector]:
    end = FakeEnd(CORE_SIDE)
    session = Session(end, 1, bytes(16), FRAMED, send_window_bytes=WINDOW, receive_window_bytes=WINDOW, recheck=FRAMED)
    end.sessions[1] = session
    inspector = FakeInspector(session=session)
    session.inspect(inspector, preface)
    link = FakeLink(capacity=100_000, session=session)
    if connected:
        session.connect(link)
    return end, session, link, inspector


def one(kind: bytes = b"\x00", size: int = 10) -> bytes:
    """A frame with which the inspector does something."""
    return size.to_bytes(2, "big") + bytes(size - 3) + kind


def credits_of(end: FakeEnd) -> int:
    """The credit that was given back since the last look."""
    given = sum(int(str(event[2])) for event in end.outgoing if event[0] == "credit")
    end.outgoing.clear()
    return given


def data_of(end: FakeEnd) -> bytes:
    return b"".join(event[2] for event in end.outgoing if event[0] == "data" and isinstance(event[2], bytes))


def test_an_inspector_changes_both_ways() -> None:
    end, session, link, _ = make()
    session.tunnel_data(one() + one(DROP) + one(DOUBLE))
    assert bytes(link.sent) == one() + one(DOUBLE) * 2
    session.link_data(one() + one(DROP) + one(DOUBLE))
    assert data_of(end) == one() + one(DOUBLE) * 2


def test_a_preface_goes_out_first() -> None:
    _, session, link, _ = make(connected=False, preface=b"PROXY")
    session.tunnel_data(one())
    assert session.has_room(serverbound=True)
    session.inject(one(size=4), serverbound=True)
    session.connect(link)
    assert bytes(link.sent) == b"PROXY" + one() + one(size=4)


def test_what_is_held_keeps_its_credit() -> None:
    end, session, link, inspector = make()
    session.tunnel_data(one(HOLD, 400))
    session.tunnel_data(one(size=600))
    assert (bytes(link.sent), credits_of(end)) == (b"", 0)
    inspector.open_gate()
    assert bytes(link.sent) == one(HOLD, 400) + one(size=600)
    assert credits_of(end) == WINDOW


def test_what_is_released_to_a_full_link_keeps_its_credit_still() -> None:
    end, session, link, inspector = make()
    link.capacity = 50
    session.tunnel_data(one(size=100))
    session.tunnel_data(one(HOLD, 400))
    inspector.open_gate()
    assert credits_of(end) == 0
    link.read_all()
    assert credits_of(end) == 500


def test_holding_again_gives_back_no_more_than_there_was() -> None:
    """One byte too many, and the other end takes the whole tunnel down."""
    end, session, link, inspector = make()
    session.tunnel_data(one(HOLD, 400) + one(HOLD, 300) + one(HOLD, 300))
    for _ in range(3):
        inspector.open_gate()
    assert len(link.sent) == WINDOW
    assert credits_of(end) == WINDOW


def test_two_ends_joined_survive_a_client_that_is_held_twice() -> None:
    edge = FakeEnd(EDGE_SIDE)
    player = Session(edge, 1, bytes(16), FRAMED, send_window_bytes=WINDOW, receive_window_bytes=WINDOW)
    edge.sessions[1] = player
    player.connect(FakeLink(session=player))
    core, session, link, inspector = make()
    for _ in range(4):
        player.link_data(one(HOLD, 500) + one(HOLD, 500))
        edge.deliver(core)
        inspector.open_gate()
        inspector.open_gate()
        core.deliver(edge)
    assert len(link.sent) == 4000
    assert not session.reason
    assert not player.reason


def test_the_end_waits_for_what_is_held() -> None:
    _, session, link, inspector = make()
    session.tunnel_data(one(HOLD) + one(HOLD))
    session.tunnel_end()
    assert not link.is_ended
    inspector.open_gate()
    assert not link.is_ended
    inspector.open_gate()
    assert link.is_ended
    assert bytes(link.sent) == one(HOLD) * 2


def test_the_end_waits_for_what_is_held_when_the_link_opens_only_then() -> None:
    _, session, link, inspector = make(connected=False)
    session.tunnel_data(one(HOLD))
    session.tunnel_end()
    session.connect(link)
    assert not link.is_ended
    inspector.open_gate()
    assert bytes(link.sent) == one(HOLD)
    assert link.is_ended


def test_what_is_released_before_the_link_opens_goes_out_with_it() -> None:
    end, session, link, inspector = make(connected=False)
    session.tunnel_data(one(HOLD, 400))
    inspector.open_gate()
    assert credits_of(end) == 0
    session.connect(link)
    assert bytes(link.sent) == one(HOLD, 400)
    assert credits_of(end) == 400


@pytest.mark.parametrize("how", ["close", "lost", "end", "gone"])
def test_what_is_held_when_the_session_ends_is_counted_and_said_once(how: str) -> None:
    end, session, link, inspector = make()
    session.tunnel_data(one() + one(HOLD, 30))
    if how == "close":
        session.tunnel_close(Reason.CLIENT_CLOSED)
    elif how == "lost":
        session.link_lost(ConnectionResetError())
    elif how == "end":
        session.end(Reason.FEATURE_CLOSED)
    else:
        session.tunnel_gone(Reason.TUNNEL_LOST)
    session.end(Reason.FEATURE_CLOSED)
    assert len(inspector.reasons) == 1
    assert end.counters.bytes_discarded == 30
    inspector.open_gate()
    assert bytes(link.sent) == one()


@pytest.mark.parametrize("serverbound", [False, True])
def test_nothing_is_put_in_after_the_end(serverbound: bool) -> None:
    _, session, _, _ = make()
    assert session.has_room(serverbound=serverbound)
    session.end(Reason.FEATURE_CLOSED)
    assert not session.has_room(serverbound=serverbound)


def test_nothing_is_put_in_towards_a_player_when_the_server_has_said_its_last_word() -> None:
    _, session, _, _ = make()
    session.link_end()
    assert not session.has_room(serverbound=False)
    assert session.has_room(serverbound=True)


def test_a_full_link_takes_nothing_more() -> None:
    _, session, link, _ = make()
    link.capacity = 5
    session.tunnel_data(one())
    assert not session.has_room(serverbound=True)
    link.read_all()
    assert session.has_room(serverbound=True)


@pytest.mark.parametrize("serverbound", [False, True])
def test_what_is_put_in_is_bounded(serverbound: bool) -> None:
    end, session, _, _ = make(connected=False)
    put = 0
    while session.has_room(serverbound=serverbound):
        session.inject(one(size=900), serverbound=serverbound)
        put += 900
        assert put < 2 * MAX_INJECTED_BYTES
    assert session.held_bytes <= MAX_INJECTED_BYTES + 900
    counters = end.counters
    assert (counters.bytes_serverbound if serverbound else counters.bytes_clientbound) == put


def test_what_is_put_in_for_the_player_obeys_the_credit_and_its_order() -> None:
    end, session, link, _ = make()
    session.link_data(one(size=900))
    session.inject(one(size=200), serverbound=False)
    session.link_data(one(size=100))
    assert link.is_paused
    assert data_of(end) == one(size=900)
    session.tunnel_credit(900)
    assert data_of(end) == one(size=900) + one(size=200) + one(size=100)


def test_an_edge_hears_of_what_is_put_in_as_of_the_rest() -> None:
    end = FakeEnd(CORE_SIDE)
    session = Session(
        end,
        1,
        bytes(16),
        LAYOUT,
        send_window_bytes=WINDOW,
        receive_window_bytes=WINDOW,
        watcher=Watcher(rule_set()),
    )
    session.connect(FakeLink(session=session))
    session.inject(frame(ACCEPTED, b"\0\0"), serverbound=False)
    session.inject(frame(SAY, text(b"x")), serverbound=False)
    assert [event[0] for event in end.outgoing] == ["event", "data", "data"]


@pytest.mark.parametrize(("kind", "goes_on"), [(CLOSE, b""), (CLOSE_BEHIND, one(CLOSE_BEHIND))])
def test_a_session_that_is_closed_in_a_span_sends_what_came_out_first(kind: bytes, goes_on: bytes) -> None:
    end, session, link, _ = make()
    session.link_data(one() + one(kind) + one())
    assert data_of(end) == one() + goes_on
    assert end.outgoing[-1] == ("close", 1, Reason.FEATURE_CLOSED)
    assert (end.ended, link.is_closed) == ([(1, Reason.FEATURE_CLOSED)], True)
    end, session, link, _ = make()
    session.tunnel_data(one() + one(kind) + one())
    assert bytes(link.sent) == one() + goes_on
    assert end.ended == [(1, Reason.FEATURE_CLOSED)]


def test_a_session_that_is_closed_by_what_was_held_is_over() -> None:
    end, session, link, inspector = make()
    session.tunnel_data(one(HOLD) + one(CLOSE_BEHIND) + one())
    inspector.open_gate()
    assert bytes(link.sent) == one(HOLD) + one(CLOSE_BEHIND)
    assert end.ended == [(1, Reason.FEATURE_CLOSED)]


class EndingInspector(FakeInspector):
    """Has its own session ended from outside while it looks at a span, as a ban by a feature does."""

    def clientbound(self, span: bytes) -> bytes:
        assert self.session is not None
        self.session.end(Reason.FEATURE_CLOSED)
        return span

    serverbound = clientbound


def test_a_session_that_ends_while_it_is_looked_at_sends_nothing_behind_its_close() -> None:
    end, session, _, _ = make()
    session.inspect(EndingInspector(session=session), b"")
    session.link_data(one())
    assert [event[0] for event in end.outgoing] == ["close"]
    end, session, link, _ = make()
    session.inspect(EndingInspector(session=session), b"")
    session.tunnel_data(one())
    assert bytes(link.sent) == b""
    assert not session.awaits_link


@pytest.mark.parametrize("reason", [Reason.FEATURE_CLOSED, Reason.FEATURE_REFUSED])
def test_an_edge_lets_the_player_read_why(reason: Reason) -> None:
    end = FakeEnd(EDGE_SIDE)
    session = Session(end, 1, bytes(16), FRAMED, send_window_bytes=WINDOW, receive_window_bytes=WINDOW)
    link = FakeLink(session=session)
    session.connect(link)
    session.tunnel_data(one())
    session.tunnel_close(reason)
    assert link.is_closed
    assert link.lingers


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["say", "hold", "answer", "gate", "put in", "put out", "to core", "to edge", "read", "open"]),
        st.integers(4, 300),
    ),
    max_size=50,
)


@settings(max_examples=150)
@given(STEPS, st.booleans())
def test_whatever_the_schedule_nothing_is_lost_and_no_credit_is_made_up(
    steps: list[tuple[str, int]], is_ended: bool
) -> None:
    """Two ends joined; the client's own bytes arrive in order, what is put in stands between whole frames."""
    edge = FakeEnd(EDGE_SIDE)
    player = Session(edge, 1, bytes(16), FRAMED, send_window_bytes=WINDOW, receive_window_bytes=WINDOW)
    edge.sessions[1] = player
    player_link = FakeLink(session=player, capacity=100)
    player.connect(player_link)
    core, session, link, inspector = make(connected=False)
    link.capacity = 100
    said, answered, is_open = b"", b"", False

    def take_step(step: str, size: int) -> None:
        nonlocal said, answered, is_open
        if step in ("say", "hold") and not player_link.is_paused:
            said += (spoken := one(HOLD if step == "hold" else b"\x07", size))
            player.link_data(spoken)
        elif step == "answer" and is_open and not link.is_paused:
            answered += (spoken := one(b"\x08", size))
            session.link_data(spoken)
        elif step == "gate" and inspector.is_holding:
            inspector.open_gate()
        elif step in ("put in", "put out") and session.has_room(serverbound=step == "put in"):
            session.inject(one(b"\x09", size), serverbound=step == "put in")
        elif step == "to core":
            edge.deliver(core, size % 3 + 1)
        elif step == "to edge":
            core.deliver(edge, size % 3 + 1)
        elif step == "read":
            player_link.read_all()
            link.read_all()
        elif step == "open" and not is_open:
            is_open = True
            session.connect(link)

    for step, size in steps:
        take_step(step, size)
    take_step("open", 0)
    if is_ended:
        player.link_end()
    moved = True
    while moved or inspector.is_holding:
        take_step("gate", 0)
        take_step("read", 0)
        moved = bool(edge.deliver(core) + core.deliver(edge))
    own = [each for each in split_frames(FRAMED, bytes(link.sent)) if each[-1:] != b"\x09"]
    assert b"".join(own) == said
    own = [each for each in split_frames(FRAMED, bytes(player_link.sent)) if each[-1:] != b"\x09"]
    assert b"".join(own) == answered
    assert link.is_ended == is_ended
    assert (session.reason, player.reason) == ("", "")
