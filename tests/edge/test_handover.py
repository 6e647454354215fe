"""The handover: what a process that speaks something else gets, and that what was saved goes on as it was."""

import contextlib
import os
import socket
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.policy import compile_policy
from edge import handover
from edge.edge_tunnel import EdgeTunnel, SocketAddress
from edge.handover import (
    MAX_MESSAGE_BYTES,
    HandoverError,
    Wire,
    restore_session,
    restore_tunnel,
    save_session,
    save_tunnel,
)
from edge.upgrade import take_over, wait_for_successor
from games.registry import load_pack
from protos.tidegate.handover.v1 import handover_pb2
from protos.tidegate.tunnel.v1 import tunnel_pb2
from tests.tunnel.fakes import FakeLink
from tunnel.attachment import Attachment
from tunnel.counters import Counters
from tunnel.policy import encode_policy
from tunnel.session import Session

Message = handover_pb2.Message
READY = Message(ready=handover_pb2.Ready(version=1))
BEGIN = Message(begin=handover_pb2.Begin(players=1))


def raw(message: Message, descriptors: int = 0) -> bytes:
    body = message.SerializeToString()
    return len(body).to_bytes(4) + descriptors.to_bytes(2) + body


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


Pair = tuple[socket.socket, socket.socket]


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_a_message_comes_with_its_descriptors_and_they_are_not_inherited(pair: Pair) -> None:
    with socket.socket() as one, socket.socket() as other:
        Wire(pair[0], 5).send(BEGIN, [one.fileno(), other.fileno()])
        message, descriptors = Wire(pair[1], 5).receive("begin")
    assert message == BEGIN
    assert [os.get_inheritable(each) for each in descriptors] == [False, False]
    for each in descriptors:
        os.close(each)


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (raw(READY), "ready where begin belongs"),
        (raw(Message()), "something unknown where begin belongs"),
        (raw(BEGIN, descriptors=1), "with 0 of 1 descriptors"),
        ((MAX_MESSAGE_BYTES + 1).to_bytes(4) + bytes(2), "message of"),
        (b"\x00\x00\x00\x04\x00\x00\xff\xff\xff\xff", "cannot be read"),
        (raw(BEGIN)[:-1], "is gone"),
        (raw(BEGIN)[:3], "is gone"),
        (b"", "is gone"),
        (b"GET / HTTP/1.1\r\n\r\n", "message of"),
    ],
)
def test_what_does_not_belong_is_refused(pair: Pair, sent: bytes, said: str) -> None:
    pair[0].sendall(sent)
    pair[0].close()
    with pytest.raises(HandoverError, match=said):
        Wire(pair[1], 5).receive("begin")


def test_of_what_is_refused_no_descriptor_is_left(pair: Pair) -> None:
    wire = Wire(pair[1], 5)
    before = open_descriptors()
    with socket.socket() as one:
        for sent in (raw(READY, descriptors=1), raw(BEGIN, descriptors=2), b"\x00\x00\x00\x04\x00\x01\xff\xff\xff\xff"):
            socket.send_fds(pair[0], [sent[:6]], [one.fileno()])
            pair[0].sendall(sent[6:])
            with pytest.raises(HandoverError):
                wire.receive("begin")
            pair[1].setblocking(False)
            with contextlib.suppress(BlockingIOError):
                pair[1].recv(100)
            pair[1].settimeout(5)
    assert open_descriptors() == before


def test_a_process_that_says_nothing_is_waited_for_so_long_only(pair: Pair) -> None:
    with pytest.raises(HandoverError, match="nothing came"):
        Wire(pair[1], 0.01).receive("ready")


async def test_a_successor_of_another_version_is_refused(pair: Pair) -> None:
    Wire(pair[0], 5).send(Message(ready=handover_pb2.Ready(version=99)))
    with pytest.raises(HandoverError, match="version 99"):
        await wait_for_successor(Wire(pair[1], 5))


@pytest.mark.parametrize(
    ("players", "said"),
    [
        (handover_pb2.Players(players=[handover_pb2.Player(has_socket=True)]), "0 sockets for 1 players"),
        (handover_pb2.Players(players=[handover_pb2.Player(tunnel=1)]), "no tunnel"),
        (handover_pb2.Players(), "0 sockets for 0 players"),
    ],
)
def test_a_successor_takes_no_players_that_cannot_be(pair: Pair, players: handover_pb2.Players, said: str) -> None:
    before = open_descriptors()
    ours, theirs = socket.socketpair()
    with ours, socket.socket() as port:
        edge = Wire(ours, 5)
        edge.send(Message(begin=handover_pb2.Begin(tunnels=[handover_pb2.Tunnel()], players=1)), [port.fileno()])
        edge.send(Message(players=players))
        with pytest.raises(HandoverError, match=said):
            take_over(theirs)
    assert open_descriptors() == before
    assert handover.VERSION == 1


# What was saved goes on as it was.

WINDOW_BYTES = 16 * 1024
POLICY = compile_policy(load_pack("echo"), "plain")
CLIENT, LISTENER = SocketAddress("192.0.2.1", 50_000), SocketAddress("198.51.100.1", 1973)


def edge_tunnel() -> EdgeTunnel:
    welcome = tunnel_pb2.Welcome(core_name="core", window_bytes=WINDOW_BYTES, epoch=1, hold_milliseconds=1000)
    return EdgeTunnel(
        bytes(range(16)), welcome, POLICY, encode_policy(POLICY), Counters(),
        window_bytes=WINDOW_BYTES, flush_window_seconds=0, half_close_seconds=1,
    )  # fmt: skip


def successor_of(tunnel: EdgeTunnel) -> EdgeTunnel:
    """The tunnel in another process, with its sessions, still without links."""
    raw_tunnel = save_tunnel("core", tunnel).SerializeToString()
    restored = restore_tunnel(
        handover_pb2.Tunnel.FromString(raw_tunnel), Counters(),
        flush_window_seconds=0, half_close_seconds=1, ring_bytes=1 << 20, on_policy=lambda _: None,
    )  # fmt: skip
    for session in tunnel.sessions.values():
        player = handover_pb2.Player(session=save_session(session), client_host=CLIENT.host, since_seconds=1)
        restore_session(restored, handover_pb2.Player.FromString(player.SerializeToString()))
    return restored


def said_by(tunnel: EdgeTunnel) -> list[bytes]:
    """All that the core is to get."""
    tunnel.queue.seal()
    return [each.message.SerializeToString() for each in tunnel.delivery.messages()]


STREAM = b"".join((6 + number % 900).to_bytes(2) + bytes(4 + number % 900) for number in range(300))
steps = st.one_of(
    st.tuples(st.just("says"), st.integers(1, 9000)),
    st.tuples(st.just("hears"), st.integers(1, 3000)),
    st.tuples(st.sampled_from(["ends", "server ends", "leaves", "server leaves"]), st.just(0)),
)


def play(session: Session, link: FakeLink, story: list[tuple[str, int]], at: int) -> int:
    """Have a story happen to a session; return how far into its stream the player is."""
    for what, size in story:
        if session.reason:
            break
        if what == "says" and not session.save()["link_ended"]:
            session.link_data(STREAM[at : at + size])
            at += size
        elif what == "hears" and not session.save()["end_received"] and session.save()["delivered"] < 12_000:
            session.tunnel_data(b"\x00\x06" + bytes(4) if size < 6 else size.to_bytes(2) + bytes(size - 2))
        elif what == "ends" and not session.save()["link_ended"]:
            session.link_end()
        elif what == "server ends" and not session.save()["end_received"]:
            session.tunnel_end()
        elif what == "leaves":
            session.link_lost(None)
        elif what == "server leaves":
            session.tunnel_close("origin_closed")
    return at


@given(st.lists(steps, max_size=12), st.lists(steps, max_size=12))
def test_a_session_goes_on_as_if_nothing_had_happened(
    before: list[tuple[str, int]], after: list[tuple[str, int]]
) -> None:
    tunnel = edge_tunnel()
    link = FakeLink()
    session = link.session = tunnel.open_session(CLIENT, LISTENER, link)
    at = play(session, link, before, 0)
    restored = successor_of(tunnel)
    assert said_by(restored) == said_by(tunnel)
    assert (restored.last_slot, restored.running_sessions) == (tunnel.last_slot, tunnel.running_sessions)
    if session.slot not in tunnel.sessions:
        assert not restored.sessions
        return
    other = restored.sessions[session.slot]
    assert other.save() == session.save()
    if session.reason:
        return
    other_link = FakeLink(session=other)
    heard = len(link.sent)
    other.connect(other_link)
    play(session, link, after, at)
    play(other, other_link, after, at)
    assert bytes(other_link.sent) == bytes(link.sent[heard:])
    assert said_by(restored) == said_by(tunnel)
    assert other.save() == session.save()
    assert (other_link.is_closed, other_link.is_paused) == (link.is_closed, link.is_paused)


@pytest.mark.parametrize(("step", "is_given_up"), [("ends", True), ("server ends", True), ("says", False)])
async def test_who_waits_half_closed_is_given_up_in_time_by_the_successor_too(step: str, is_given_up: bool) -> None:
    tunnel = edge_tunnel()
    link = FakeLink()
    session = link.session = tunnel.open_session(CLIENT, LISTENER, link)
    play(session, link, [(step, 1)], 0)
    restored = successor_of(tunnel)
    restored.attach(Attachment(restored, "test"))
    other = restored.sessions[session.slot]
    other.connect(FakeLink(session=other))
    for now_seconds in (0.0, 0.5, 2.0):  # seen, its progress is known, and none for longer than it may be
        restored.tick(now_seconds)
    assert (other.reason == "half_close_timeout") == is_given_up
