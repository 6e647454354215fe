"""World and players joined in memory: whole sessions, whatever the cuts, in every dialect."""

import pytest

from games.pko.sim.effects import CloseReason
from games.pko.sim.ledger import StreamKind, Tally
from games.pko.sim.options import PlayerOptions, WorldOptions
from games.pko.sim.player import OK
from tests.games.pko.sim.joined import Joined


@pytest.mark.parametrize("cut_bytes", [1, 2, 7, 65536])
@pytest.mark.parametrize("dialect", ["classic", "counter", "counter+trailer"])
def test_a_crowd_plays_and_leaves_in_order(dialect: str, cut_bytes: int) -> None:
    joined = Joined(dialect, cut_bytes=cut_bytes)
    players = joined.crowd(7, play_seconds=3)
    joined.run(4)
    assert [player.outcome for player in players] == [OK] * 7
    assert all(player.ledger.is_clean for player in players)
    assert joined.world.ledger.is_clean
    assert joined.world.connections == 0
    assert {hangup.reason for hangup in joined.hangups} == {CloseReason.LOGOUT}


def test_everybody_sees_everything_of_its_own_group() -> None:
    joined = Joined(options=WorldOptions(sight_group=3))
    players = joined.crowd(6, play_seconds=5)
    joined.run(6)
    sent = [player.ledger.tally() for player in players]
    assert all(tally.sent >= 14 for tally in sent)  # 2 moves and a line a second
    # All enter at once and leave at once, so each sees what the three of its group sent.
    for group in (sent[:3], sent[3:]):
        everything = sum(tally.sent for tally in group)
        assert [tally.received for tally in group] == [everything] * 3
    received = joined.world.ledger.tally()
    assert received == Tally(received=sum(tally.sent for tally in sent))


def test_the_rate_is_the_one_asked_for() -> None:
    joined = Joined()
    (player,) = joined.crowd(1, play_seconds=10, moves_per_second=20, min_move_interval_seconds=0, chat_seconds=0)
    joined.run(11)
    assert player.outcome == OK
    assert player.ledger.tally(StreamKind.MOVE).sent == pytest.approx(200, abs=1)
    assert player.ledger.tally(StreamKind.SAY).sent == 0
    assert player.round_trips.count == player.ledger.tally().sent


def test_bursts_keep_the_rate() -> None:
    joined = Joined()
    (player,) = joined.crowd(1, play_seconds=10, moves_per_second=10, burst_moves=5, min_move_interval_seconds=0)
    joined.run(11)
    assert player.outcome == OK
    assert player.ledger.tally(StreamKind.MOVE).sent in (95, 100, 105)


def test_a_player_that_stands_still_is_kept_alive_and_pinged() -> None:
    joined = Joined()
    (player,) = joined.crowd(1, play_seconds=100, moves_per_second=0, chat_seconds=0)
    joined.run(90, step_seconds=0.1)
    assert player.is_playing
    assert joined.world.round_trips.count == 4
    # Two seconds apart, but for the pings and their answers.
    assert joined.world.tallies.keep_alives_received == pytest.approx(42, abs=4)
    joined.run(12, step_seconds=0.1)
    assert player.outcome == OK


@pytest.mark.parametrize("moment_seconds", [0.0, 2.0])
def test_players_leave_early_when_told(moment_seconds: float) -> None:
    joined = Joined()
    (player,) = joined.crowd(1, play_seconds=1000)
    joined.run(moment_seconds)
    (number,) = joined.players
    joined._to_world(number, player.leave(joined.now))
    joined.run(0.5)
    assert player.outcome == OK


def test_a_refused_player_says_why() -> None:
    joined = Joined(options=WorldOptions(refused_accounts={b"bot00001": 1006}))
    refused, welcome = joined.crowd(2, play_seconds=1)
    joined.run(2)
    assert refused.outcome == "login refused with error 1006"
    assert welcome.outcome == OK


def test_an_old_client_is_refused() -> None:
    joined = Joined()
    player = joined.join(PlayerOptions(account=b"old", version=100))
    assert player.outcome == "login refused with error 7"


def test_a_full_map_refuses_a_player() -> None:
    joined = Joined(options=WorldOptions(sight_cm=50_000, sight_group=1))
    players = joined.crowd(50)
    assert players[-1].outcome == "begin-play refused with error 5"
    assert all(player.is_playing for player in players[:-1])


def test_a_broken_connection_is_no_success_and_frees_the_account() -> None:
    joined = Joined()
    (player,) = joined.crowd(1)
    joined.run(1)
    (number,) = joined.players
    joined.close(number)
    assert player.outcome == "the connection was closed while it was playing"
    (again,) = joined.crowd(1)
    assert again.is_playing


def test_scripts_are_the_same_in_every_run() -> None:
    def paths() -> bytes:
        joined = Joined()
        (player,) = joined.crowd(1, play_seconds=1000, moves_per_second=3)
        sent = b""
        for _ in range(50):
            joined.now += 0.1
            sent += player.tick(joined.now)
        return sent

    assert paths() == paths() != b""
