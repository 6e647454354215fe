import pytest

from games.pko.action import MoveNotice, Point
from games.pko.sim.dice import Dice
from games.pko.sim.glance import glance_move
from games.pko.sim.lines import line_number, numbered_line
from games.pko.sim.options import MAP_SIDE_CM, PlayerOptions, WorldOptions
from games.pko.sim.pulse import stamp
from games.pko.sim.walk import Walk
from wire.errors import MisuseError


def test_dice_depend_on_the_seed_alone_and_spread() -> None:
    first, second, other = Dice(1), Dice(1), Dice(2)
    rolls = [first.within(1, 6) for _ in range(6000)]
    assert rolls == [second.within(1, 6) for _ in range(6000)]
    assert rolls != [other.within(1, 6) for _ in range(6000)]
    assert all(800 < rolls.count(side) < 1200 for side in range(1, 7))


@pytest.mark.parametrize(("number", "size"), [(1, 12), (21, 24), (123456, 200), (99999999999, 12)])
def test_lines_carry_their_number_and_fill_their_size(number: int, size: int) -> None:
    line = numbered_line(number, size)
    assert len(line) == max(size, len(b"%d: " % number))
    assert b"#21" not in line
    assert line_number(line) == (number if number < 10**10 else None)


@pytest.mark.parametrize("text", [b"", b"hello", b": x", b"-1: x", b"1:x", b"1x: y", "\u00b2: x".encode()])
def test_a_persons_line_has_no_number(text: bytes) -> None:
    assert line_number(text) is None


def test_a_walk_is_connected_stays_near_and_on_the_map() -> None:
    walk = Walk(100, 50_000, range_cm=300, points=4, dice=Dice(3))
    here = Point(x=100, y=50_000)
    for _ in range(200):
        path = walk.next_path()
        assert path[0] == here
        assert len(path) == 4
        assert all(0 <= point.x <= 400 and 49_700 <= point.y <= 50_300 for point in path)
        here = path[-1]


def test_a_walk_of_one_point_stands_still() -> None:
    walk = Walk(MAP_SIDE_CM, 0, range_cm=300, points=1, dice=Dice(1))
    assert walk.next_path() == walk.next_path() == (Point(x=MAP_SIDE_CM, y=0),)


@pytest.mark.parametrize("state", [0, 3])
@pytest.mark.parametrize("points", [0, 1, 2, 32])
def test_a_glance_agrees_with_the_decoder(state: int, points: int) -> None:
    path = tuple(Point(x=index, y=index) for index in range(points))
    body = MoveNotice(world_id=7, packet_id=9, state=state, stop=1 if state else None, path=path).encode()
    assert glance_move(body) == (7, 9)
    assert all(glance_move(body[:size]) is None for size in range(len(body)))
    assert glance_move(body + b"\0") is None
    assert glance_move(body[:8] + b"\x02" + body[9:]) is None


def test_a_stamp_has_twenty_characters() -> None:
    assert stamp(0) == b"[01-01 00:00:00:000]"
    assert stamp(123_456_789.987) == b"[04-01 21:33:09:987]"


@pytest.mark.parametrize(
    "options",
    [{"sight_cm": 10}, {"sight_cm": 10**6}, {"sight_group": 0}, {"max_connections": 0}],
)
def test_impossible_worlds_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(MisuseError, match="possible"):
        WorldOptions(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "options",
    [
        {"path_points": 0},
        {"path_points": 33},
        {"moves_per_second": -1},
        {"moves_per_second": 1e6},
        {"burst_moves": 0},
        {"chat_bytes": 5},
        {"chat_bytes": 201},
        {"chat_seconds": -1},
    ],
)
def test_impossible_players_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(MisuseError):
        PlayerOptions(account=b"a", **options)  # type: ignore[arg-type]


def test_moves_are_no_faster_than_a_real_client_unless_asked() -> None:
    assert PlayerOptions(account=b"a", moves_per_second=10).burst_interval_seconds == 0.3
    fast = PlayerOptions(account=b"a", moves_per_second=10, min_move_interval_seconds=0, burst_moves=5)
    assert fast.burst_interval_seconds == 0.5
    assert PlayerOptions(account=b"a", moves_per_second=0).burst_interval_seconds == float("inf")
