"""Sessions under the rules of a game: what the edge holds back, and what the core tells it."""

from functools import partial

import pytest

from tests.tunnel.fakes import FakeEnd, FakeLink
from tests.wire.small_game import ACCEPTED, ECHO, ENCRYPTED, LAYOUT, LOGIN, OPENED, PING, SAY, frame, rule_set, text
from tunnel.owner import CORE_SIDE, EDGE_SIDE
from tunnel.session import Session
from wire.errors import TunnelFault
from wire.guard import Guard
from wire.reasons import Reason
from wire.scanner import Scanner
from wire.tables import Tables
from wire.watcher import Watcher

RULES = rule_set()
LOGIN_FRAME = frame(LOGIN, text(b"admin"))
SAY_FRAME = frame(SAY, text(b"hello"))
ACCEPTED_FRAME = frame(ACCEPTED, b"\0\0")
WINDOW = 10_000


class Pair:
    """Both ends of one session, joined in memory."""

    def __init__(self) -> None:
        self.edge, self.core = FakeEnd(EDGE_SIDE, notice=b"bye"), FakeEnd(CORE_SIDE)
        counters = self.edge.counters
        guard = Guard(Tables(RULES), counters.frames_refused, counters.frames_audited)
        make = partial(Session, send_window_bytes=WINDOW, receive_window_bytes=WINDOW)
        self.player = make(self.edge, 1, bytes(16), LAYOUT, guard=guard)
        self.server = make(self.core, 1, bytes(16), LAYOUT, recheck=LAYOUT, watcher=Watcher(RULES))
        self.edge.sessions[1], self.core.sessions[1] = self.player, self.server
        self.player_link, self.server_link = FakeLink(session=self.player), FakeLink(session=self.server)
        self.player.connect(self.player_link)
        self.server.connect(self.server_link)

    def exchange(self) -> None:
        """Deliver everything that is under way."""
        while self.edge.deliver(self.core) + self.core.deliver(self.edge):
            pass

    def player_sends(self, *frames: bytes) -> bytes:
        """What of some frames reaches the game server."""
        before = len(self.server_link.sent)
        self.player.link_data(b"".join(frames))
        self.exchange()
        return bytes(self.server_link.sent[before:])

    def server_sends(self, *frames: bytes) -> None:
        """The game server says something; it must reach the player as it is."""
        before = len(self.player_link.sent)
        self.server.link_data(b"".join(frames))
        self.exchange()
        assert bytes(self.player_link.sent[before:]) == b"".join(frames)


def test_what_the_game_server_says_changes_what_the_player_may_do() -> None:
    pair = Pair()
    assert pair.player_sends(SAY_FRAME, LOGIN_FRAME) == LOGIN_FRAME
    assert pair.edge.refused == [Reason.CLIENT_STATE]
    assert not pair.player.is_logged_in
    pair.server_sends(ACCEPTED_FRAME)
    assert pair.player.is_logged_in
    assert pair.player.identity == {"account": b"admin"}
    assert pair.player_sends(SAY_FRAME) == SAY_FRAME
    assert pair.edge.counters.frames_refused == {Reason.CLIENT_STATE: 1}
    assert pair.edge.counters.as_fields()["frames_refused_client_state"] == 1


def test_the_edge_hears_of_a_change_before_the_frame_that_says_it() -> None:
    pair = Pair()
    pair.server.link_data(ACCEPTED_FRAME)
    assert [event[0] for event in pair.core.outgoing] == ["event", "data"]


def test_what_is_remembered_travels_too_and_an_answer_goes_to_the_player() -> None:
    pair = Pair()
    pair.player_sends(LOGIN_FRAME)
    pair.server_sends(ACCEPTED_FRAME, frame(ECHO, b"abcdefgh"))
    echo = frame(PING, b"abcdefgh")
    assert pair.player_sends(frame(PING, b"forged!!"), echo) == echo
    assert pair.player_link.sent.endswith(b"\x00\x02")


def test_who_does_not_read_gets_no_answers() -> None:
    pair = Pair()
    pair.player_sends(LOGIN_FRAME)
    pair.server_sends(ACCEPTED_FRAME, frame(ECHO, b"abcdefgh"))
    sent = bytes(pair.player_link.sent)
    pair.player.link_writable(writable=False)
    assert pair.player_sends(frame(PING, b"forged!!")) == b""
    assert bytes(pair.player_link.sent) == sent
    assert sum(pair.edge.counters.frames_refused.values()) == 1


def test_a_refusal_that_closes_ends_the_session_behind_what_was_good() -> None:
    pair = Pair()
    pair.player_sends(LOGIN_FRAME)
    pair.server_sends(ACCEPTED_FRAME)
    assert pair.player_sends(SAY_FRAME, frame(2), SAY_FRAME) == SAY_FRAME
    assert pair.edge.ended == [(1, Reason.CLIENT_OPCODE)]
    assert pair.player_link.is_closed
    assert pair.player_link.sent.endswith(b"bye")
    assert pair.server_link.is_closed


def test_behind_an_encrypted_login_nothing_is_read_any_more() -> None:
    pair = Pair()
    pair.player_sends(LOGIN_FRAME)
    pair.server_sends(frame(ENCRYPTED, b"\0\0\0\1"))
    assert pair.player.is_opaque
    pair.server_sends(ACCEPTED_FRAME)  # by chance its encrypted bytes look so
    assert pair.player.is_opaque
    junk = frame(0x7777, b"\x13\x37")
    assert pair.player_sends(junk) == junk


def test_a_new_policy_holds_for_both_ends_of_a_running_session() -> None:
    pair = Pair()
    pair.player_sends(LOGIN_FRAME)
    quiet = rule_set(
        rules=tuple(rule for rule in RULES.rules if rule.opcode not in (SAY, PING)), triggers=RULES.triggers[:1]
    )
    pair.player.adopt(Tables(quiet))
    pair.server.watch(Watcher(quiet))
    pair.server_sends(frame(OPENED), ACCEPTED_FRAME)
    assert pair.player.is_logged_in
    assert pair.player_sends(SAY_FRAME) == b""
    assert pair.edge.ended == [(1, Reason.CLIENT_OPCODE)]


def test_only_cores_send_events_and_only_to_sessions_under_rules() -> None:
    pair = Pair()
    event = Watcher(RULES).find(ACCEPTED_FRAME, Scanner(LAYOUT))[0]
    with pytest.raises(TunnelFault, match="takes none"):
        pair.server.tunnel_event(event)
    bare = Session(pair.edge, 2, bytes(16), LAYOUT, send_window_bytes=WINDOW, receive_window_bytes=WINDOW)
    with pytest.raises(TunnelFault, match="takes none"):
        bare.tunnel_event(event)
    pair.player.tunnel_close(Reason.ORIGIN_CLOSED)
    with pytest.raises(TunnelFault, match="takes none"):
        pair.player.tunnel_event(event)


def test_an_event_for_a_session_that_is_over_is_no_fault() -> None:
    pair = Pair()
    pair.server.link_data(ACCEPTED_FRAME)
    pair.player.link_lost(None)
    pair.exchange()
    assert pair.edge.freed == [1]
