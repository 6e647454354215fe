"""The reckoning of speedguard: honest walkers with bad lines, cheats, and bodies of any bytes."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import dist
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.features.builtin._track import CROSSING_SECONDS, MALFORMED, Path, Reach, Track, read_notice, read_path
from games.pko.action import Face, Move, MoveNotice, Point, UseSkill
from wire.errors import PacketFault

REACH = Reach(speed=800.0, burst=3200.0, jump=2000.0)
MAX_LATE_SECONDS = 2.0
OWN, SHIP = b"\0\0\0\1", b"\0\0\0\2"
BEGIN = (200_000, 200_000)


@dataclass
class Walker:
    """Somebody who clicks about, and the line that carries the paths; ``speed`` in centimetres a second."""

    speed: float
    dice: Random
    place: tuple[float, float] = BEGIN
    time: float = 100.0
    arrived_at: float = 0.0
    path: list[tuple[float, float]] = field(default_factory=list)

    def paths(self, count: int) -> Iterator[tuple[float, Path, float]]:
        """Give so many paths: when they arrive, the path, and when it was sent."""
        for _ in range(count):
            self.path = [self.place, *(self._somewhere() for _ in range(self.dice.randint(1, 5)))]
            flat = tuple(int(each) // 50 * 50 + 25 for point in self.path for each in point)
            for _ in range(1 if self.dice.random() < 0.9 else 2):  # clients send a path twice when the player insists
                late = MAX_LATE_SECONDS if self.dice.random() < 0.1 else self.dice.uniform(0, 0.3)
                self.arrived_at = max(self.arrived_at, self.time + late)
                yield self.arrived_at, flat, self.time
            seconds = self.dice.choice((0.0, 0.3, 0.3, 0.5, 2.0, 6.0))
            self._walk(seconds * self.speed)
            self.time += seconds

    def _somewhere(self) -> tuple[float, float]:
        x, y = (min(max(each + self.dice.uniform(-900, 900), 0), 400_000) for each in self.place)
        return x, y

    def _walk(self, way: float) -> None:
        for begin, end in zip(self.path, self.path[1:], strict=False):
            leg = dist(begin, end)
            if leg > way:
                part = way / leg
                self.place = (begin[0] + (end[0] - begin[0]) * part, begin[1] + (end[1] - begin[1]) * part)
                return
            way -= leg
            self.place = end


def standing(now: float = 0.0) -> Track:
    track = Track()
    track.enter(OWN, OWN, *BEGIN, now)
    track.begin(REACH, now)
    return track


def walk(track: Track, now: float, *path: int) -> str:
    kind = track.step(path, REACH, now)
    track.follow(path)
    return kind


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), share=st.floats(0.3, 0.95))
def test_an_honest_walker_is_never_flagged_on_a_bad_line(seed: int, share: float) -> None:
    dice = Random(seed)
    walker = Walker(REACH.speed * share, dice)
    track = standing()
    for now, path, _ in walker.paths(4000):
        assert track.step(path, REACH, now) == ""
        track.follow(path)
        if dice.random() < 0.3:
            track.noticed(int(walker.place[0]), int(walker.place[1]), now)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_half_as_fast_again_is_found_within_seconds(seed: int) -> None:
    """Runs straight on, with clicks; the longest honest delay is in the line too."""
    dice = Random(seed)
    track, now, x = standing(), 0.0, BEGIN[0]
    while not walk(track, now + dice.uniform(0, 0.2), x, BEGIN[1], x + 5000, BEGIN[1]):
        seconds = dice.uniform(0.3, 1.0)
        now += seconds
        x += int(1.5 * REACH.speed * seconds)
        assert now < 11
    assert 1.2 * REACH.speed < track.speed < 2.5 * REACH.speed


@given(st.integers(-150_000, 150_000), st.integers(-150_000, 150_000), st.floats(0, 100))
def test_a_teleport_is_found_at_once(dx: int, dy: int, seconds: float) -> None:
    track = standing()
    walk(track, 1.0, *BEGIN, BEGIN[0] + 500, BEGIN[1])
    x, y = BEGIN[0] + dx, BEGIN[1] + dy
    away = dist((x, y), (min(max(x, BEGIN[0]), BEGIN[0] + 500), BEGIN[1]))
    found = walk(track, 1.0 + seconds, x, y, x + 100, y)
    assert (found == "teleport") == (away > REACH.jump)
    assert track.jumped == pytest.approx(away)


def test_a_path_sent_at_once_from_the_end_of_a_long_one_is_too_fast() -> None:
    track = standing()
    x, y = BEGIN
    assert walk(track, 1.0, x, y, x + 3000, y, x + 3000, y + 3000) == ""
    assert walk(track, 1.3, x + 3000, y + 3000, x, y) == "speed"
    assert walk(track, 24.0, x, y, x + 1, y) == ""


def test_who_crosses_his_own_path_is_charged_the_shorter_way() -> None:
    track = standing()
    x, y = BEGIN
    loop = (x, y, x + 3000, y, x + 3000, y + 3000, x, y + 3000, x, y)
    walk(track, 1.0, *loop)
    assert walk(track, 1.1, *loop) == ""


def test_where_the_server_puts_the_character_is_not_charged() -> None:
    track = standing()
    x, y = BEGIN
    walk(track, 1.0, x, y, x + 1000, y)
    track.noticed(x + 90_000, y, 2.0)
    assert track.place == (x + 90_000, y)
    assert walk(track, 2.1, x + 500, y, x + 800, y) == ""  # sent before the client had heard of it
    assert walk(track, 2.2, x + 90_000, y, x + 90_100, y) == ""
    assert walk(track, 2.3, x + 500, y, x + 800, y) == "teleport"


def test_a_place_that_was_not_taken_up_is_forgotten() -> None:
    track = standing()
    x, y = BEGIN
    track.noticed(x + 90_000, y, 1.0)
    assert walk(track, 1.0 + CROSSING_SECONDS + 1, x, y, x + 100, y) == ""
    assert walk(track, 8.0, x + 90_000, y, x, y) == "teleport"


def test_progress_on_the_path_does_not_excuse_its_speed() -> None:
    """A server that believes its client says where a cheat is, and that must not count as having put him there."""
    track = standing()
    x, y = BEGIN
    found = ""
    for step in range(40):
        place = x + step * 400
        found = found or walk(track, step * 0.3, place, y, place + 4000, y + 400)  # rounded
        track.noticed(place + 400, y, step * 0.3)
    assert found == "speed"


def test_a_new_map_is_a_new_beginning() -> None:
    track = standing()
    x, y = BEGIN
    walk(track, 1.0, x, y, x + 100, y)
    track.enter(SHIP, OWN, 10_000, 10_000, 2.0)
    assert track.is_on_ship
    assert track.reach is None
    track.begin(REACH, 2.0)
    assert walk(track, 2.1, x + 100, y, x + 200, y) == ""
    assert walk(track, 2.2, 10_000, 10_000, 10_000, 11_000) == ""
    assert walk(track, 2.3, x + 100, y, x, y) == "teleport"


def test_another_character_may_be_anywhere() -> None:
    track = standing()
    track.become(SHIP)
    assert track.is_on_ship
    track.begin(REACH, 0.0)
    assert walk(track, 0.0, 5000, 5000, 5100, 5000) == ""
    assert walk(track, 9.0, *BEGIN, 1, 1) == "teleport"
    track.become(OWN)
    assert not track.is_on_ship


POINTS = st.lists(st.builds(Point, x=st.integers(0, 409_600), y=st.integers(0, 409_600)), min_size=1, max_size=32)


@given(POINTS)
def test_a_path_is_read_as_the_packets_say(points: list[Point]) -> None:
    path = tuple(points)
    flat = tuple(each for point in path for each in (point.x, point.y))
    assert read_path(Move(world_id=1, packet_id=2, path=path).encode()) == flat
    skill = UseSkill(world_id=1, packet_id=2, fight_id=3, path=path, skill_id=4, target_1=5, target_2=6)
    assert read_path(skill.encode()) == flat
    for state, stop in ((0, None), (8, 1)):
        notice = MoveNotice(world_id=1, packet_id=2, state=state, stop=stop, path=path)
        assert read_notice(notice.encode()) == flat[-2:]


def test_what_has_no_path_is_left_alone() -> None:
    still = UseSkill(world_id=1, packet_id=2, move_flag=1, fight_id=3, path=None, skill_id=4, target_1=5, target_2=6)
    assert read_path(still.encode()) is None
    assert read_path(Face(world_id=1, packet_id=2, angle=3, pose=4).encode()) is None
    assert read_notice(MoveNotice(world_id=1, packet_id=2, path=()).encode()) is None


BODIES = st.one_of(
    st.binary(max_size=400),
    st.builds(
        lambda tag, size, rest: bytes(8) + tag + size.to_bytes(2, "big") + rest,
        st.sampled_from([b"\x01", b"\x02\x02\x00", b"\x01\x00\x00", b"\x01\x00\x01\x00\x01"]),
        st.integers(0, 300),
        st.binary(max_size=300),
    ),
    st.builds(
        lambda tag, tail, size, count: bytes(8) + tag + (8 * size).to_bytes(2, "big") + bytes(8 * count) + tail,
        st.sampled_from([b"\x01", b"\x02\x02\x00", b"\x01\x00\x00"]),
        st.sampled_from([b"", bytes(12), bytes(3)]),
        st.integers(0, 40),
        st.integers(0, 40),
    ),
)


@given(BODIES)
def test_of_any_bytes_only_those_are_paths_that_can_be_decoded(body: bytes) -> None:
    cls: type[Move | UseSkill] | None = {1: Move, 2: UseSkill}.get(body[8] if len(body) > 8 else 0)
    path = read_path(body)
    try:
        packet = None if cls is None else cls.decode(body)
    except PacketFault:
        # Skills without a path are somebody else's to refuse.
        assert path is MALFORMED or (cls is UseSkill and len(body) > 9 and body[9] != 2 and path is None)
        return
    if packet is None or packet.path is None:
        assert path is (None if len(body) > 8 else MALFORMED)
    else:
        assert path == tuple(each for point in packet.path for each in (point.x, point.y))


NOTICES = st.builds(
    lambda head, size, count: bytes(8) + head + (8 * size).to_bytes(2, "big") + bytes(8 * count),
    st.sampled_from([b"\x01\0\0", b"\x01\0\x08\0\x01", b"\x01\x01\0\0\x01"]),
    st.integers(0, 40),
    st.integers(0, 40),
)


@given(st.one_of(BODIES, NOTICES))
def test_of_any_bytes_only_those_are_notices_that_can_be_decoded(body: bytes) -> None:
    place = read_notice(body)
    if place is not None:
        assert place == _last_point(body)


def _last_point(body: bytes) -> tuple[int, int] | None:
    try:
        last = MoveNotice.decode(body).path[-1]
    except PacketFault as fault:  # of the points only the last is looked at
        return read_notice(body) if "not within" in str(fault) else None
    return last.x, last.y
